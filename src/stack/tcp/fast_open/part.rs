//! One connection's part in fast open.
use super::hosts::{Failure, HostNews};
use crate::stack::tcp::open::ListenerKey;
use crate::wire::tcp::Cookie;

/// A connection's part in fast open.
#[derive(Debug, Default)]
pub(crate) struct Fast {
    /// Bytes of data that may go with the SYN (0: none may).
    pub room: u32,
    /// Bytes of data that went with the SYN.
    pub syn_data: u32,
    /// A SYN with any of this was not answered in time.
    pub lost: bool,
    /// The program waits for the handshake to write more.
    pub more: bool,
    /// Data of a SYN was taken (`TCPI_OPT_SYN_DATA`).
    pub taken: bool,
    /// Why it did not work, as a client.
    pub failure: Failure,
    /// Opened by the peer's SYN: the program has it before the handshake is done.
    pub child: bool,
    /// What most connections do without.
    pub rest: Option<Box<Rest>>,
}

/// See [`Fast`].
#[derive(Debug, Default)]
pub(crate) struct Rest {
    /// What our SYN or SYN-ACK carries.
    option: Option<Cookie>,
    /// Counts as one whose handshake is not done.
    pending: Option<ListenerKey>,
    /// What was learned of the peer, to be remembered.
    pub news: Option<HostNews>,
}

impl Fast {
    pub fn rest(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }

    /// What our SYN or SYN-ACK carries.
    pub fn option(&self) -> Option<Cookie> {
        self.rest.as_ref().and_then(|rest| rest.option)
    }

    /// Our SYN had the option, or data.
    pub fn tried(&self) -> bool {
        self.option().is_some() || self.syn_data > 0
    }

    /// Our SYN or SYN-ACK carries this.
    pub fn set_option(&mut self, option: Option<Cookie>) {
        if option.is_some() {
            self.rest().option = option;
        }
    }

    /// Opened by the peer's SYN: `listener` counts it as one whose handshake is not done.
    pub fn set_child(&mut self, listener: ListenerKey) {
        self.child = true;
        self.rest().pending = Some(listener);
    }

    /// The listener that counts it as one whose handshake is not done; once.
    pub fn take_pending(&mut self) -> Option<ListenerKey> {
        self.rest.as_mut().and_then(|rest| rest.pending.take())
    }

    /// What was learned of the peer; once.
    pub fn take_news(&mut self) -> Option<HostNews> {
        self.rest.as_mut().and_then(|rest| rest.news.take())
    }
}
