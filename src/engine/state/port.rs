//! The links: what waits for each, and when it wants to be called.
use super::super::system::poller::{EventFlags, Poller, Token};
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
/// Frames sent in one turn before input is looked at again.
const TURN_FRAMES: usize = 256;
/// A link that gave fewer frames than this has most likely no more now (its file says so if it
/// has): it is not asked again in the same turn.
const FEW: usize = 8;

/// One link and its interface.
pub struct Port {
    /// Its interface in the stack.
    interface: IfIndex,
    /// The link.
    link: Box<dyn Link>,
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
    dead: bool,
    /// Frames thrown away because too many were held.
    dropped: u64,
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

    /// Its interface in the stack.
    pub fn interface(&self) -> IfIndex {
        self.interface
    }

    /// What the link says of itself.
    pub fn link(&self) -> &dyn Link {
        &*self.link
    }

    /// Whether the link has failed.
    pub fn is_dead(&self) -> bool {
        self.dead
    }

    /// Frames thrown away because too many waited for the link.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// When the link wants to be called without its file being ready.
    fn deadline(&self) -> Option<Instant> {
        if self.dead { None } else { self.link.deadline() }
    }

    /// Its file is ready, or its deadline has come: takes what came in.
    fn receive(&mut self, now: Instant, stack: &mut Stack, poller: &Poller) {
        self.receive_some(now, stack);
        self.rewatch(poller);
    }

    fn receive_some(&mut self, now: Instant, stack: &mut Stack) {
        if self.dead {
            return;
        }
        let interface = self.interface;
        for _ in 0..BATCHES_PER_TURN {
            let mut sink = |frame: crate::link::RxFrame<'_>| {
                stack.frame_arrives(now, interface, frame.bytes, frame.checksum);
            };
            match self.link.receive(now, &mut sink) {
                Ok(..FEW) => return,
                Ok(_) => {}
                Err(error) => {
                    self.die(&error);
                    return;
                }
            }
        }
    }

    /// Sends a frame, or holds it. `frame`'s buffer is taken over only when it is held.
    fn send(&mut self, now: Instant, frame: &mut TxFrame, poller: &Poller) {
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
    fn resume(&mut self, now: Instant, poller: &Poller) {
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

/// All links of the net, in the order of its file.
pub struct Ports {
    list: Vec<Port>,
    /// The frame being sent; its buffer is reused.
    frame: TxFrame,
}

impl Ports {
    /// These.
    pub fn new(list: Vec<Port>) -> Ports {
        Ports { list, frame: TxFrame::default() }
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Port> {
        self.list.iter()
    }

    /// Their interfaces in the stack.
    pub fn interfaces(&self) -> impl Iterator<Item = IfIndex> {
        self.list.iter().map(|port| port.interface)
    }

    /// The poller has spoken of the n-th link.
    pub fn ready(
        &mut self,
        now: Instant,
        number: u32,
        flags: EventFlags,
        stack: &mut Stack,
        poller: &Poller,
    ) {
        let Some(port) = self.list.get_mut(number as usize) else { return };
        if flags.contains(EventFlags::OUT) {
            port.resume(now, poller);
        }
        port.receive(now, stack, poller);
    }

    /// Calls the links whose deadline has come.
    pub fn call_due(&mut self, now: Instant, stack: &mut Stack, poller: &Poller) {
        for port in &mut self.list {
            if port.deadline().is_some_and(|at| at <= now) {
                port.resume(now, poller);
                port.receive(now, stack, poller);
            }
        }
    }

    /// When the next link wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        self.list.iter().filter_map(Port::deadline).min()
    }

    /// Sends what the stack has to send. True: there is more, beyond a turn's share.
    pub fn transmit(&mut self, now: Instant, stack: &mut Stack, poller: &Poller) -> bool {
        for _ in 0..TURN_FRAMES {
            // With one link, what it cannot take stays in the stack, where it costs nothing; with
            // several, one that is full must not hold up the others.
            if !self.list.is_empty() && self.list.iter().all(|port| port.full) {
                return false;
            }
            let Some(interface) = stack.poll_transmit(now, &mut self.frame) else { return false };
            if let Some(port) = self.list.iter_mut().find(|p| p.interface == interface) {
                port.send(now, &mut self.frame, poller);
            }
        }
        true
    }

    /// Copies the frames of the first link that lives as pcapng into `fd`. (Sections of several
    /// links cannot share one stream: a packet names its interface by its place in the section.)
    pub fn capture(&mut self, now: Instant, fd: OwnedFd) -> Result<(), Errno> {
        let mut captures =
            self.list.iter_mut().filter(|p| !p.dead).filter_map(|p| p.link.capture());
        let capture = captures.next().ok_or(Errno::OPNOTSUPP)?;
        capture.attach(fd, now).map(drop).map_err(|error| {
            tracing::debug!(%error, "cannot capture");
            Errno::INVAL
        })
    }
}
