//! The end of an engine: what programs have written is delivered, what is left is reset.
use super::super::state::Engine;
use super::super::state::session::{Phase, Session};
use super::super::system::poller::now;
use crate::base::Instant;
use crate::stack::tcp::State;

impl Engine {
    /// No new connections; those that there are get the configured time.
    pub(super) fn begin_stop(&mut self, time: Instant) {
        if !self.lifetime.begin_end(time, &self.poller) {
            return;
        }
        tracing::debug!(sessions = self.sessions.len(), "stopping");
        self.net.withdraw();
        self.doors.close(&self.poller);
        let listeners: Vec<_> = self.stack.tcp().listeners().collect();
        for (local, dual) in listeners {
            self.stack.tcp_mut().unlisten(local, dual);
        }
    }

    /// Whether everything that programs have written has been acknowledged by their peers.
    pub(super) fn all_delivered(&self) -> bool {
        let unread = |s: &Session| s.phase == Phase::Open && s.readable && !s.program_ended;
        if self.sessions.ready() > 0 || self.sessions.iter().any(|(_, s)| unread(s)) {
            return false;
        }
        // Connections in these states have nothing on its way.
        let idle = [
            State::SynSent,
            State::SynReceived,
            State::Listen,
            State::FinWait2,
            State::TimeWait,
            State::Closed,
        ];
        let tcp = self.stack.tcp();
        let arrived =
            |conn| tcp.status(conn).is_none_or(|s| s.error.is_some() || s.all_acknowledged);
        tcp.connections().all(|(conn, _, state)| idle.contains(&state) || arrived(conn))
    }

    /// The end: what is left is reset.
    pub(super) fn shut(&mut self) {
        let time = now();
        for key in self.sessions.keys() {
            self.end_session(time, key, true);
        }
        self.stack.release_leases(time);
        while self.ports.transmit(time, &mut self.stack, &self.poller) {}
        tracing::debug!(net = %self.net.brief().name, turns = self.lifetime.turns(), "engine ends");
    }
}
