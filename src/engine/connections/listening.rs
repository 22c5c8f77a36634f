//! What TCP is told of the programs' listeners.
use super::super::state::Engine;
use crate::base::addr::SocketAddr;
use crate::base::{Instant, NetError};
use crate::protocol::errno;
use rustix::io::Errno;

impl Engine {
    /// Tells TCP of a listener.
    pub(in crate::engine) fn listen(
        &mut self,
        local: SocketAddr,
        dual: bool,
        backlog: u32,
    ) -> Result<(), Errno> {
        let backlog = (backlog as usize).clamp(1, 65_535);
        let listening = self.stack.tcp_mut().listen(local, dual, backlog);
        tracing::debug!(%local, dual, backlog, ?listening, "listen");
        listening.map_err(|error: NetError| errno::from_net(error))
    }

    /// Reads the kernel's list of listeners, and tells TCP of what has changed. Soon, if that was
    /// done just now.
    pub(in crate::engine) fn check_listeners(&mut self, now: Instant) {
        if !self.listeners.may_check(now, &mut self.timers) {
            return;
        }
        let (fresh, lost) = self.listeners.refresh(self.net.id());
        for (local, dual) in fresh {
            // Its backlog is not in the list; the kernel's cap for unix sockets holds anyway.
            if let Err(error) = self.listen(local, dual, 4_096) {
                tracing::debug!(%local, %error, "cannot listen for a program");
            }
        }
        for (local, dual) in lost {
            tracing::debug!(%local, dual, "no listener any more");
            self.stack.tcp_mut().unlisten(local, dual);
        }
    }

    /// SYNs have come: listeners that have closed must not answer them.
    pub(in crate::engine) fn check_called_listeners(&mut self) {
        while let Some((local, dual)) = self.stack.tcp_mut().next_called() {
            if !self.listeners.is_there(self.net.id(), local, dual) {
                tracing::debug!(%local, dual, "no listener any more");
                self.stack.tcp_mut().unlisten(local, dual);
            }
        }
    }

    /// Looks at the listeners when process `pid` ends.
    pub(in crate::engine) fn watch_process(&mut self, now: Instant, pid: i32) {
        if self.listeners.watch(pid, &self.poller) {
            self.check_listeners(now);
        }
    }
}
