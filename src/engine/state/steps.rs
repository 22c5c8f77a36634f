//! The driver of an engine that is taken step by step: while the engine runs on one thread, another
//! may wait until everything that has been put in (frames, what programs have called) has had its
//! effect, as it has in a kernel when the call returns. An engine without a driver pays nothing.
use super::super::system::poller::{EventFlags, Poller, Token};
use crate::base::time::Duration;
use crate::host::clock;
use crate::stack::tcp::TcpConfig;
use parking_lot::Mutex;
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The driver's handle.
#[derive(Clone, Debug)]
pub struct Steps(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Wakes the engine.
    event: OwnedFd,
    /// How often it has been asked to say when it is idle.
    asked: AtomicU64,
    /// Up to which of these it was.
    idle: AtomicU64,
    /// Defaults for connections that begin from now on.
    tcp: Mutex<Option<TcpConfig>>,
}

impl Steps {
    /// A handle that is not asked anything yet.
    ///
    /// # Errors
    /// No descriptors left.
    pub(in crate::engine) fn new(poller: &Poller) -> Result<Steps, Errno> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        poller.add(&event, Token::Steps, EventFlags::IN)?;
        let (asked, idle) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Steps(Arc::new(Shared { event, asked, idle, tcp: Mutex::new(None) })))
    }

    /// The driver has woken the engine: the defaults that it gives, if it does.
    pub(in crate::engine) fn take(&self) -> Option<TcpConfig> {
        let _ = rustix::io::read(&self.0.event, &mut [0; 8]);
        self.0.tcp.lock().take()
    }

    /// Which question of the driver waits for an answer.
    pub(in crate::engine) fn question(&self) -> Option<u64> {
        let asked = self.0.asked.load(Ordering::SeqCst);
        (asked > self.0.idle.load(Ordering::SeqCst)).then_some(asked)
    }

    /// The engine has nothing left to do before its next deadline: the answer to that question.
    pub(in crate::engine) fn answer(&self, question: u64) {
        self.0.idle.store(question, Ordering::SeqCst);
    }

    /// Waits until the engine has nothing left to do before its next deadline, `patience` at most;
    /// whether that came. It takes some microseconds and does not sleep, so that the calling thread
    /// never looks blocked.
    pub fn settle(&self, patience: Duration) -> bool {
        let until = clock::now() + patience;
        let number = self.0.asked.fetch_add(1, Ordering::SeqCst) + 1;
        self.wake();
        while self.0.idle.load(Ordering::SeqCst) < number {
            if clock::now() >= until {
                return false;
            }
            clock::yield_now();
        }
        true
    }

    /// Gives the stack other defaults for the connections and listeners that begin from now on.
    pub fn set_tcp(&self, config: TcpConfig) {
        *self.0.tcp.lock() = Some(config);
        self.wake();
    }

    fn wake(&self) {
        // Fails only when it has been woken 2^64 times without looking.
        let _ = rustix::io::write(&self.0.event, &1u64.to_ne_bytes());
    }
}
