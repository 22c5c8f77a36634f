//! A link in the engine: what waits for it, and when it wants to be called.
use super::poller::{EventFlags, Poller, Token};
use crate::base::frame::TxFrame;
use crate::base::{Instant, limits};
use crate::link::{Link, Sent};
use crate::stack::{IfIndex, Stack};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// Batches taken from one link before others have their turn: enough that a flood is thrown away
/// faster than it comes, and not by the kernel, which would throw away what is wanted as well.
const BATCHES_PER_TURN: usize = 16;
/// A link that gave fewer frames than this has most likely no more now (its file says so if it
/// has): it is not asked again in the same turn.
const FEW: usize = 8;

/// One link and its interface.
pub struct Port {
    /// Its interface in the stack.
    pub interface: IfIndex,
    /// The link.
    pub link: Box<dyn Link>,
    /// Its token.
    token: Token,
    /// What is in the poller: the number of the link's file, a duplicate of it, and for what it is
    /// watched. (The file may be another after any call, when a peer comes or goes; the duplicate
    /// lets the old one be taken out.)
    watched: Option<(RawFd, OwnedFd, EventFlags)>,
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
    ) -> Result<Port, Errno> {
        let (token, held) = (Token::Link(number), VecDeque::new());
        let (watched, full, dead, dropped) = (None, false, false, 0);
        let mut port = Port { interface, link, token, watched, held, full, dead, dropped };
        port.watch(poller)?;
        Ok(port)
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
    pub fn receive(&mut self, now: Instant, stack: &mut Stack, poller: &Poller) -> bool {
        let more = self.receive_some(now, stack);
        self.rewatch(poller);
        more
    }

    fn receive_some(&mut self, now: Instant, stack: &mut Stack) -> bool {
        if self.dead {
            return false;
        }
        let interface = self.interface;
        for _ in 0..BATCHES_PER_TURN {
            let mut sink = |frame: crate::link::RxFrame<'_>| {
                stack.frame_arrives(now, interface, frame.bytes, frame.checksum);
            };
            match self.link.receive(now, &mut sink) {
                Ok(..FEW) => return false,
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
        } else if !self.held.is_empty() || !self.try_send(now, frame) {
            if self.held.len() >= limits::TRANSMIT_QUEUE {
                self.dropped += 1;
            } else if !self.dead {
                self.held.push_back(core::mem::take(frame));
            }
        }
        self.rewatch(poller);
    }

    /// The link may have room again: sends what is held.
    pub fn resume(&mut self, now: Instant, poller: &Poller) {
        self.full = false;
        while let Some(frame) = self.held.pop_front() {
            if !self.try_send(now, &frame) {
                if !self.dead {
                    self.held.push_front(frame);
                }
                break;
            }
        }
        self.rewatch(poller);
    }

    /// False: not taken.
    fn try_send(&mut self, now: Instant, frame: &TxFrame) -> bool {
        match self.link.send(now, frame) {
            Ok(Sent::Yes) => true,
            Ok(Sent::Full) => {
                self.full = true;
                false
            }
            Err(error) => {
                self.die(&error);
                false
            }
        }
    }

    fn rewatch(&mut self, poller: &Poller) {
        if let Err(error) = self.watch(poller) {
            tracing::warn!(link = %self.link.info().name, %error, "cannot watch the link");
        }
    }

    /// Keeps the poller in step with the link's file and with what we wait for.
    fn watch(&mut self, poller: &Poller) -> Result<(), Errno> {
        let fd = if self.dead { None } else { self.link.fd() };
        let wanted = if self.full { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
        match (&mut self.watched, fd) {
            (Some((number, copy, flags)), Some(fd)) if *number == fd.as_raw_fd() => {
                if *flags != wanted {
                    *flags = wanted;
                    poller.modify(&*copy, self.token, wanted)?;
                }
                return Ok(());
            }
            (Some((_, copy, _)), _) => poller.remove(&*copy),
            (None, None) => return Ok(()),
            (None, Some(_)) => {}
        }
        self.watched = None;
        if let Some(fd) = fd {
            let copy = rustix::io::fcntl_dupfd_cloexec(fd, 0)?;
            poller.add(&copy, self.token, wanted)?;
            self.watched = Some((fd.as_raw_fd(), copy, wanted));
        }
        Ok(())
    }

    fn die(&mut self, error: &std::io::Error) {
        tracing::warn!(link = %self.link.info().name, %error, "the link is gone");
        self.dead = true;
        self.held.clear();
    }
}
