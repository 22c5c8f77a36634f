//! An engine whose driver takes it step by step: who runs [`Engine::run`] on one thread may wait on
//! another until everything that has been put in (frames, what programs have called) has had its
//! effect, as it has in a kernel when the call returns. Nothing of this costs an engine that nobody
//! drives so.
use super::poller::{EventFlags, Token};
use super::{Engine, EngineError};
use crate::base::time::Duration;
use crate::host::clock;
use crate::stack::tcp::TcpConfig;
use parking_lot::Mutex;
use rustix::event::{EventfdFlags, eventfd};
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

impl Engine {
    /// The handle of a driver.
    ///
    /// # Errors
    /// No descriptors left.
    pub fn steps(&mut self) -> Result<Steps, EngineError> {
        let failed = |errno| EngineError::System("eventfd", errno);
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(failed)?;
        self.poller.add(&event, Token::Steps, EventFlags::IN).map_err(failed)?;
        let (asked, idle) = (AtomicU64::new(0), AtomicU64::new(0));
        let steps = Steps(Arc::new(Shared { event, asked, idle, tcp: Mutex::new(None) }));
        self.steps = Some(steps.clone());
        Ok(steps)
    }

    /// The driver has woken us.
    pub(super) fn take_step(&mut self) {
        let Some(Steps(shared)) = &self.steps else { return };
        let _ = rustix::io::read(&shared.event, &mut [0; 8]);
        if let Some(config) = shared.tcp.lock().take() {
            self.stack.tcp_mut().set_config(config);
        }
    }

    /// Which question of the driver waits for an answer.
    pub(super) fn step_asked(&self) -> Option<u64> {
        let Steps(shared) = self.steps.as_ref()?;
        let asked = shared.asked.load(Ordering::SeqCst);
        (asked > shared.idle.load(Ordering::SeqCst)).then_some(asked)
    }

    /// Nothing was left to do, asked or not.
    pub(super) fn step_done(&self, asked: Option<u64>) {
        if let (Some(Steps(shared)), Some(asked)) = (&self.steps, asked) {
            shared.idle.store(asked, Ordering::SeqCst);
        }
    }
}
