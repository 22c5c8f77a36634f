//! Signals that come to `run` and are meant for its command.
//!
//! What the terminal sends (Ctrl-C, Ctrl-\, hang-up) it sends to the whole foreground group, the
//! command included: those are not passed on a second time. The others are.
use anyhow::Result;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::Cause;
use std::process::Child;

/// Catches signals; the command that is started later gets the default dispositions (exec resets
/// handlers).
pub struct Forwarder(SignalsInfo<WithOrigin>);

impl Forwarder {
    /// From now on.
    pub fn new() -> Result<Forwarder> {
        let all = [SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGCONT];
        Ok(Forwarder(SignalsInfo::new(all)?))
    }

    /// Passes them on, those that have come already included.
    pub fn forward_to(mut self, child: &Child) -> Result<()> {
        // A descriptor, not a number: that could be somebody else's when the child has ended.
        let child = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
        std::thread::spawn(move || {
            for origin in self.0.forever() {
                let terminal = matches!(origin.cause, Cause::Kernel);
                if let (false, Some(signal)) = (terminal, Signal::from_named_raw(origin.signal)) {
                    let _ = pidfd_send_signal(&child, signal);
                }
            }
        });
        Ok(())
    }
}
