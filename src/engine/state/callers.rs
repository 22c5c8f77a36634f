//! The connections of the control channel: bounded in number and in idle time, never waited for.
use super::super::system::poller::{EventFlags, Poller, Token};
use super::super::system::slab::{Key, Slab};
use super::super::system::timers::{Due, Timers};
use super::super::system::unix;
use crate::base::Instant;
use crate::base::time::Duration;
use crate::host::unix::PeerCred;
use rustix::io::Errno;
use rustix::net::{self, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

/// Callers at once; the one idle for longest makes room for another.
const CALLERS_MAX: usize = 256;
/// How long a caller may be idle.
const IDLE_MAX: Duration = Duration::from_secs(5);
/// Answers that wait for one caller to read; more, and it is hung up on.
const OUTBOX_MAX: usize = 1_024;
/// Longest request, bytes.
const REQUEST_MAX: usize = 512;

/// One caller.
struct Caller {
    fd: OwnedFd,
    cred: PeerCred,
    last: Instant,
    outbox: VecDeque<Vec<u8>>,
}

/// A packet of a caller.
pub struct Packet {
    /// The caller's process and user.
    pub cred: PeerCred,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The descriptor that came with it.
    pub fd: Option<OwnedFd>,
}

/// All callers.
pub struct Callers(Slab<Caller>);

impl Callers {
    /// None yet.
    pub fn new() -> Callers {
        Callers(Slab::new())
    }

    /// Takes one in. `None`: it cannot be watched.
    pub fn admit(
        &mut self,
        now: Instant,
        fd: OwnedFd,
        cred: PeerCred,
        poller: &Poller,
        timers: &mut Timers,
    ) -> Option<Key> {
        if self.0.len() >= CALLERS_MAX {
            let idle = self.0.iter().min_by_key(|(_, c)| c.last).map(|(key, _)| key);
            idle.and_then(|key| self.0.remove(key));
        }
        let key = self.0.insert(Caller { fd, cred, last: now, outbox: VecDeque::new() });
        let watched = poller.add(&self.0.get(key)?.fd, Token::Caller(key), EventFlags::IN);
        if watched.is_err() {
            self.0.remove(key);
            return None;
        }
        timers.set(now + IDLE_MAX, Due::Caller(key));
        Some(key)
    }

    /// Hangs up.
    pub fn remove(&mut self, key: Key) {
        self.0.remove(key);
    }

    /// A caller's idle time may be over.
    pub fn check_idle(&mut self, now: Instant, key: Key, timers: &mut Timers) {
        let Some(caller) = self.0.get(key) else { return };
        let until = caller.last + IDLE_MAX;
        if now >= until {
            self.0.remove(key);
        } else {
            timers.set(until, Due::Caller(key));
        }
    }

    /// The next packet of a caller. `None`: there is none, or its answers are yet to be read, or it
    /// is hung up on.
    pub fn next_packet(&mut self, now: Instant, key: Key) -> Option<Packet> {
        let caller = self.0.get_mut(key).filter(|caller| caller.outbox.is_empty())?;
        match receive(&caller.fd) {
            Ok((bytes, fd)) if !bytes.is_empty() => {
                caller.last = now;
                Some(Packet { cred: caller.cred, bytes, fd })
            }
            Err(Errno::AGAIN | Errno::INTR) => None,
            Ok(_) | Err(_) => {
                self.0.remove(key);
                None
            }
        }
    }

    /// Answers a caller, which is hung up on if that fails.
    pub fn answer(&mut self, now: Instant, key: Key, replies: Vec<Vec<u8>>, poller: &Poller) {
        if let Some(caller) = self.0.get_mut(key) {
            caller.outbox.extend(replies);
        }
        self.flush(now, key, poller);
    }

    /// Sends the answers that a caller takes. It is hung up on if that fails.
    pub fn flush(&mut self, now: Instant, key: Key, poller: &Poller) {
        let Some(caller) = self.0.get_mut(key) else { return };
        if flush(now, key, caller, poller).is_err() {
            self.0.remove(key);
        }
    }
}

fn flush(now: Instant, key: Key, caller: &mut Caller, poller: &Poller) -> Result<(), Errno> {
    if caller.outbox.len() > OUTBOX_MAX {
        return Err(Errno::NOBUFS);
    }
    while let Some(packet) = caller.outbox.front() {
        match unix::send(&caller.fd, packet) {
            Ok(_) => {
                caller.last = now;
                caller.outbox.pop_front();
            }
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                return poller.modify(&caller.fd, Token::Caller(key), EventFlags::OUT);
            }
            Err(error) => return Err(error),
        }
    }
    poller.modify(&caller.fd, Token::Caller(key), EventFlags::IN)
}

/// One packet, and a descriptor if one came with it. An empty packet: hung up.
fn receive(fd: &OwnedFd) -> Result<(Vec<u8>, Option<OwnedFd>), Errno> {
    let mut packet = vec![0; REQUEST_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let got = net::recvmsg(fd, &mut [IoSliceMut::new(&mut packet)], &mut ancillary, flags)?;
    packet.truncate(got.bytes);
    let mut sent = None;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            sent = fds.last();
        }
    }
    Ok((packet, sent))
}
