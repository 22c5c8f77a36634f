//! What is remembered of a SYN that was answered: a small record, not a connection (RFC 4987 3.2).
use crate::base::addr::SocketAddr;
use crate::base::time::Duration;
use crate::base::{FourTuple, Instant};
use crate::stack::tcp::Path;
use crate::stack::tcp::words::{Segment, Seq};
use crate::wire::tcp::{Cookie, Flags, Options};

/// RFC 6298 2.1: one second, until something has been measured.
pub(crate) const FIRST_TIMEOUT: Duration = Duration::from_secs(1);

/// Which listener: its address, and whether an IPv6 wildcard takes IPv4 as well.
pub(crate) type ListenerKey = (SocketAddr, bool);

/// A half-open connection: what its SYN said, and what we answered.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub tuple: FourTuple,
    pub listener: ListenerKey,
    pub path: Path,
    /// Our initial sequence number.
    pub iss: Seq,
    /// The peer's.
    pub irs: Seq,
    /// Of the SYN.
    pub flags: Flags,
    pub window: u16,
    pub mss: Option<u16>,
    pub shift: Option<u8>,
    pub sack: bool,
    /// The peer's TSval.
    pub stamp: Option<u32>,
    /// The TSval of a SYN-ACK that carries a SYN cookie.
    pub stamped: Option<u32>,
    /// A fast open cookie, to go with the SYN-ACK.
    pub fast_open: Option<Cookie>,
    /// When the SYN came.
    pub since: Instant,
    /// Timeouts so far.
    pub timeouts: u8,
    /// Acknowledged, but not let in: it waits for data (`TCP_DEFER_ACCEPT`) or for room.
    pub acked: bool,
    /// When a segment that should not have come was last answered.
    pub answered: Option<Instant>,
}

impl Request {
    /// From a SYN.
    pub fn new(
        tuple: FourTuple,
        listener: ListenerKey,
        path: Path,
        syn: &Segment<'_>,
        iss: Seq,
        now: Instant,
    ) -> Request {
        // RFC 3168 6.1.1: a SYN with an ECN field is not one of a host that obeys the rules.
        let flags = if syn.tos & 3 == 0 { syn.flags } else { Flags::SYN };
        Request {
            tuple,
            listener,
            path,
            iss,
            irs: syn.seq,
            flags,
            window: syn.window,
            mss: syn.options.mss,
            shift: syn.options.window_shift,
            sack: syn.options.sack_permitted,
            stamp: syn.options.timestamps.map(|(value, _)| value),
            stamped: None,
            fast_open: None,
            since: now,
            timeouts: 0,
            acked: false,
            answered: None,
        }
    }

    /// The SYN again, without its data.
    pub fn syn(&self) -> Segment<'static> {
        let options = Options {
            mss: self.mss,
            window_shift: self.shift,
            sack_permitted: self.sack,
            timestamps: self.stamp.map(|value| (value, 0)),
            ..Options::default()
        };
        syn(self.irs, self.flags, self.window, options)
    }
}

/// A SYN without data.
pub(crate) fn syn(seq: Seq, flags: Flags, window: u16, options: Options) -> Segment<'static> {
    Segment { seq, ack: Seq(0), flags, window, urgent: 0, tos: 0, options, payload: &[] }
}
