//! Since when an engine runs, and until when.
use super::super::system::poller::{EventFlags, Poller, Token};
use crate::base::Instant;
use crate::base::time::Duration;
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Asks an engine to end, from any thread or signal handler (it is one `write`).
#[derive(Clone, Debug)]
pub struct Stop(Arc<OwnedFd>);

impl Stop {
    fn new() -> Result<Stop, Errno> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Stop(Arc::new(fd)))
    }
    /// Asks. What programs have written is still delivered, for a bounded time.
    pub fn stop(&self) {
        // Fails only when it has been asked 2^64 times.
        let _ = rustix::io::write(&*self.0, &1u64.to_ne_bytes());
    }
}

/// When the engine began, and what is known of its end.
pub struct Lifetime {
    started: Instant,
    /// How often the loop has turned.
    turns: u64,
    stop: Stop,
    /// How long bytes already written may take to arrive after a stop was asked for.
    linger: Duration,
    /// A stop was asked for: when the engine ends at the latest.
    ends: Option<Instant>,
}

impl Lifetime {
    /// Begins now.
    ///
    /// # Errors
    /// No descriptors left.
    pub fn begin(now: Instant, linger: Duration, poller: &Poller) -> Result<Lifetime, Errno> {
        let stop = Stop::new()?;
        poller.add(&*stop.0, Token::Stop, EventFlags::IN)?;
        Ok(Lifetime { started: now, turns: 0, stop, linger, ends: None })
    }
    /// A handle that ends the engine.
    pub fn stop_handle(&self) -> Stop {
        self.stop.clone()
    }
    /// A stop was asked for. False: it is known already.
    pub fn begin_end(&mut self, now: Instant, poller: &Poller) -> bool {
        if self.ends.is_some() {
            return false;
        }
        self.ends = Some(now + self.linger);
        poller.remove(&*self.stop.0);
        true
    }
    /// When the engine ends at the latest, if a stop was asked for.
    pub fn ends(&self) -> Option<Instant> {
        self.ends
    }
    /// The loop turns.
    pub fn turn(&mut self) {
        self.turns += 1;
    }
    /// How often the loop has turned.
    pub fn turns(&self) -> u64 {
        self.turns
    }
    /// When the engine began.
    pub fn started(&self) -> Instant {
        self.started
    }
}
