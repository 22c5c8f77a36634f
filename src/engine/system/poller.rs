//! Waiting: epoll, what its events are about, and the clock.
use super::slab::Key;
use crate::base::Instant;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

pub use epoll::EventFlags;

/// What a descriptor in the poller is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Token {
    /// The engine is to end.
    Stop,
    /// Outgoing wire connections wait to be accepted.
    Gateway,
    /// Control connections wait to be accepted.
    Control,
    /// Datagrams with a send header wait at the gateway.
    DatagramGateway,
    /// The n-th link.
    Link(u32),
    /// A connection's unix socket.
    Session(Key),
    /// A control connection.
    Caller(Key),
    /// A remote host's datagram socket.
    PeerSocket(Key),
    /// The process of a listener (a pidfd): it has ended.
    Process(Key),
    /// The driver has woken the engine.
    Steps,
}

impl Token {
    fn to_bits(self) -> u64 {
        let (kind, rest) = match self {
            Token::Stop => (0, 0),
            Token::Gateway => (1, 0),
            Token::Control => (2, 0),
            Token::DatagramGateway => (9, 0),
            Token::Link(n) => (3, u64::from(n)),
            Token::Session(key) => (4, key.to_bits()),
            Token::Caller(key) => (5, key.to_bits()),
            Token::PeerSocket(key) => (6, key.to_bits()),
            Token::Process(key) => (7, key.to_bits()),
            Token::Steps => (8, 0),
        };
        kind << 56 | rest
    }
    fn from_bits(bits: u64) -> Token {
        let key = Key::from_bits(bits);
        match bits >> 56 {
            1 => Token::Gateway,
            2 => Token::Control,
            9 => Token::DatagramGateway,
            3 => Token::Link(bits as u32),
            4 => Token::Session(key),
            5 => Token::Caller(key),
            6 => Token::PeerSocket(key),
            7 => Token::Process(key),
            8 => Token::Steps,
            _ => Token::Stop,
        }
    }
}

/// Events taken from the kernel at once.
const BATCH: usize = 128;

/// An epoll instance.
pub struct Poller {
    epoll: OwnedFd,
}

impl Poller {
    /// # Errors
    /// The kernel's, for lack of descriptors or memory.
    pub fn new() -> Result<Poller, Errno> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Poller { epoll })
    }

    /// Watches a descriptor. It leaves when its last copy is closed.
    ///
    /// # Errors
    /// The kernel's.
    pub fn add(&self, fd: impl AsFd, token: Token, flags: EventFlags) -> Result<(), Errno> {
        epoll::add(&self.epoll, fd, epoll::EventData::new_u64(token.to_bits()), flags)
    }

    /// Watches for other events.
    ///
    /// # Errors
    /// The kernel's.
    pub fn modify(&self, fd: impl AsFd, token: Token, flags: EventFlags) -> Result<(), Errno> {
        epoll::modify(&self.epoll, fd, epoll::EventData::new_u64(token.to_bits()), flags)
    }

    /// Watches no longer.
    pub fn remove(&self, fd: impl AsFd) {
        // A descriptor that is not there need not be removed.
        let _ = epoll::delete(&self.epoll, fd);
    }

    /// Sleeps until something happens or `deadline` (`FAR_FUTURE`: none) has come, and puts what
    /// happened into `out`. A signal ends it early with nothing.
    ///
    /// # Errors
    /// The kernel's.
    pub fn wait(
        &self,
        now: Instant,
        deadline: Instant,
        out: &mut Vec<(Token, EventFlags)>,
    ) -> Result<(), Errno> {
        out.clear();
        let timeout = (deadline != Instant::FAR_FUTURE).then(|| {
            let wait = deadline.since(now);
            Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: wait.subsec_nanos().into() }
        });
        let mut events = [const { MaybeUninit::<epoll::Event>::uninit() }; BATCH];
        match epoll::wait(&self.epoll, &mut events, timeout.as_ref()) {
            Ok((events, _)) => {
                out.extend(events.iter().map(|e| (Token::from_bits(e.data.u64()), e.flags)));
                Ok(())
            }
            Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Now, on the clock that the engine gives to the stack and the links (CLOCK_MONOTONIC).
pub fn now() -> Instant {
    let t = clock_gettime(ClockId::Monotonic);
    Instant::from_nanos(t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64)
}
