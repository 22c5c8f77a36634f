//! A link in the engine: what waits for it, and when it wants to be called.
use super::poller::{EventFlags, Poller, Token};
use crate::base::frame::TxFrame;
use crate::base::{Instant, limits};
use crate::link::{Link, Sent};
use crate::stack::{IfIndex, Stack};
use std::collections::VecDeque;

/// Batches taken from one link before others have their turn.
const BATCHES_PER_TURN: usize = 4;

/// One link and its interface.
pub struct Port {
    /// Its interface in the stack.
    pub interface: IfIndex,
    /// The link.
    pub link: Box<dyn Link>,
    /// Its token.
    token: Token,
    /// Frames that the link had no room for, oldest first.
    held: VecDeque<TxFrame>,
    /// The link said that it is full; cleared when its file is writable or its deadline has come.
    full: bool,
    /// The link is gone.
    pub dead: bool,
    /// Frames thrown away because too many were held.
    pub dropped: u64,
}

impl Port {
    /// Takes the link in and watches its file.
    pub fn new(
        poller: &Poller,
        number: u32,
        interface: IfIndex,
        link: Box<dyn Link>,
    ) -> Result<Port, rustix::io::Errno> {
        let token = Token::Link(number);
        if let Some(fd) = link.fd() {
            poller.add(fd, token, EventFlags::IN)?;
        }
        let held = VecDeque::new();
        Ok(Port { interface, link, token, held, full: false, dead: false, dropped: 0 })
    }

    /// Whether frames wait because the link is full.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// When the link wants to be called without its file being ready.
    pub fn deadline(&self) -> Option<Instant> {
        if self.dead { None } else { self.link.deadline() }
    }

    /// Its file is ready, or its deadline has come: takes what came in. True if there may be more.
    pub fn receive(&mut self, now: Instant, stack: &mut Stack) -> bool {
        if self.dead {
            return false;
        }
        let interface = self.interface;
        for _ in 0..BATCHES_PER_TURN {
            let mut sink = |frame: crate::link::RxFrame<'_>| {
                stack.frame_arrives(now, interface, frame.bytes, frame.checksum);
            };
            match self.link.receive(now, &mut sink) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => {
                    self.die(&error);
                    return false;
                }
            }
        }
        true
    }

    /// Sends a frame, or holds it. `frame`'s buffer is taken over only when it is held.
    pub fn send(&mut self, now: Instant, frame: &mut TxFrame, poller: &Poller) {
        if self.dead {
            self.dropped += 1;
        } else if !self.held.is_empty() || !self.try_send(now, frame, poller) {
            if self.held.len() >= limits::TRANSMIT_QUEUE {
                self.dropped += 1;
            } else if !self.dead {
                self.held.push_back(core::mem::take(frame));
            }
        }
    }

    /// The link may have room again: sends what is held.
    pub fn resume(&mut self, now: Instant, poller: &Poller) {
        if self.full {
            self.full = false;
            self.watch(poller, EventFlags::IN);
        }
        while let Some(frame) = self.held.pop_front() {
            if !self.try_send(now, &frame, poller) {
                if !self.dead {
                    self.held.push_front(frame);
                }
                return;
            }
        }
    }

    /// False: not taken.
    fn try_send(&mut self, now: Instant, frame: &TxFrame, poller: &Poller) -> bool {
        match self.link.send(now, frame) {
            Ok(Sent::Yes) => true,
            Ok(Sent::Full) => {
                self.full = true;
                self.watch(poller, EventFlags::IN | EventFlags::OUT);
                false
            }
            Err(error) => {
                self.die(&error);
                if let Some(fd) = self.link.fd() {
                    poller.remove(fd);
                }
                false
            }
        }
    }

    fn watch(&self, poller: &Poller, flags: EventFlags) {
        if let Some(fd) = self.link.fd() {
            if let Err(error) = poller.modify(fd, self.token, flags) {
                tracing::warn!(link = %self.link.info().name, %error, "cannot watch the link");
            }
        }
    }

    fn die(&mut self, error: &std::io::Error) {
        tracing::warn!(link = %self.link.info().name, %error, "the link is gone");
        self.dead = true;
        self.held.clear();
    }
}
