//! What TCP is told of the programs' listeners.
use super::super::state::Engine;
use super::super::state::listeners::candidates;
use super::super::system::socket_diag;
use crate::base::addr::SocketAddr;
use crate::base::{Instant, NetError};
use crate::host::unix_diag;
use crate::protocol::errno;
use crate::protocol::name::{Name, Role};
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
        let turn = self.lifetime.turns();
        while let Some((local, dual)) = self.stack.tcp_mut().next_called() {
            if !self.listeners.is_there(self.net.id(), local, dual, turn) {
                tracing::debug!(%local, dual, "no listener any more");
                self.stack.tcp_mut().unlisten(local, dual);
            }
        }
    }

    /// The listeners that a SYN for `local` could reach and that have closed must not answer it.
    pub(in crate::engine) fn check_listener_of(&mut self, local: SocketAddr) {
        let turn = self.lifetime.turns();
        for (place, dual) in candidates(local) {
            if self.listeners.is_known(place, dual)
                && !self.listeners.is_there(self.net.id(), place, dual, turn)
            {
                tracing::debug!(local = %place, dual, "no listener any more");
                self.stack.tcp_mut().unlisten(place, dual);
            }
        }
    }

    /// A listening socket was shut down: resets the connections that wait in its queue.
    pub(in crate::engine) fn reset_queue_of(&mut self, now: Instant, name: Name) {
        let mut waiting = Vec::new();
        let listed = unix_diag::each(&[unix_diag::LISTENING], |entry| {
            if Name::decode(entry.name) == Some(name) {
                waiting.extend(self.socket_diag.waiting_at(entry.inode));
            }
        });
        if let Err(error) = listed {
            tracing::warn!(%error, "the list of unix sockets cannot be read");
        }
        for key in self.sessions.keys() {
            let Some(session) = self.sessions.get(key).filter(|s| s.incoming) else { continue };
            if socket_diag::inode(&session.fd).is_some_and(|inode| waiting.contains(&inode)) {
                self.end_session(now, key, true);
            }
        }
        self.listeners.look_again();
        if let Role::Listener { local, .. } = name.role {
            self.check_listener_of(local);
        }
    }

    /// Looks at the listeners when process `pid` ends.
    pub(in crate::engine) fn watch_process(&mut self, now: Instant, pid: i32) {
        if self.listeners.watch(pid, &self.poller) {
            self.check_listeners(now);
        }
    }
}
