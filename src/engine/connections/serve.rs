//! What each session does when something has happened to it.
use super::super::state::Engine;
use super::super::state::session::Phase;
use super::super::system::poller::EventFlags;
use super::super::system::slab::Key;
use super::super::system::timers::Due;
use super::super::system::unix;
use super::relay::{self, Turn};
use crate::base::Instant;
use crate::protocol::errno;
use crate::stack::ConnId;

/// Sessions served in one turn.
const TURN_SESSIONS: usize = 256;

impl Engine {
    /// The poller has spoken of a session's socket.
    pub(in crate::engine) fn session_ready(&mut self, key: Key, flags: EventFlags) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let ended = EventFlags::HUP | EventFlags::ERR | EventFlags::RDHUP;
        session.read_on |= flags.intersects(ended | EventFlags::PRI);
        session.ending |= flags.intersects(ended);
        if flags.contains(EventFlags::PRI) && !session.urgent_in_line {
            session.keep_urgent_in_line();
        }
        session.readable |= flags.intersects(EventFlags::IN | ended);
        session.writable |= flags.intersects(EventFlags::OUT | ended);
        if flags.contains(EventFlags::HUP) {
            self.hang_up(key, flags.contains(EventFlags::ERR));
        }
        self.sessions.enqueue(key);
    }

    /// Both directions of a session's socket have ended: the program is gone, or it has called
    /// `shutdown(SHUT_RDWR)`. `unread`: it has closed with bytes unread, which the kernel shows.
    fn hang_up(&mut self, key: Key, unread: bool) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.reset_at_end |= unread;
        let asks = matches!(session.phase, Phase::Open | Phase::Failed) && !unread;
        // Where the peer has ended as well, it makes no difference.
        if asks && !session.peer_ended && self.socket_diag.peer_is_held(&session.fd) == Some(true) {
            let status = session.conn.and_then(|conn| self.stack.tcp().status(conn));
            let readable = status.map_or(0, |status| status.readable);
            session.unread_at_shut.get_or_insert(readable);
            session.program_read_closed = true;
        } else {
            session.hung_up = true;
        }
    }

    /// A session's timer has come.
    pub(in crate::engine) fn session_due(&mut self, now: Instant, key: Key) {
        match self.sessions.get(key).map(|s| s.phase) {
            Some(Phase::Greeting | Phase::Refused { .. }) => drop(self.sessions.remove(key)),
            Some(Phase::PairBusy { .. }) => self.read_request(now, key),
            Some(Phase::WaitingForRoom { .. }) => self.retry_delivery(now, key),
            Some(Phase::Connecting { .. } | Phase::Leaving { .. } | Phase::Resetting { .. }) => {
                self.sessions.enqueue(key);
            }
            _ => {}
        }
    }

    /// Serves the sessions that have something to do.
    pub(in crate::engine) fn serve_sessions(&mut self, now: Instant) {
        // Those that put themselves back have their next share after frames were sent.
        for _ in 0..self.sessions.ready().min(TURN_SESSIONS) {
            let Some(key) = self.sessions.next_ready() else { return };
            let Some(session) = self.sessions.get(key) else { continue };
            match (session.phase, session.conn) {
                (Phase::Greeting | Phase::Deferred { called: true }, _) => {
                    self.read_request(now, key);
                }
                (Phase::PairBusy { .. }, _) if session.hung_up => {
                    self.sessions.remove(key);
                }
                (Phase::PairBusy { .. }, _) => {}
                (Phase::Connecting { length }, _) => self.check_handshake(now, key, length),
                (Phase::Refused { length }, _) => self.refuse_connect(now, key, length),
                (Phase::Admitting { left }, _) => self.admit(key, left),
                (Phase::WaitingForRoom { .. }, _) => self.check_waiting(now, key),
                (Phase::Deferred { called: false }, _) => self.open_deferred(now, key),
                (_, Some(conn)) => self.relay(now, key, conn),
                (_, None) => drop(self.sessions.remove(key)),
            }
        }
    }

    fn relay(&mut self, now: Instant, key: Key, conn: ConnId) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        match relay::turn(now, session, self.stack.tcp_mut(), conn) {
            Turn::Wait => {}
            Turn::More => self.sessions.enqueue(key),
            Turn::AfterSending => self.sessions.after_sending(key),
            Turn::Until(at) => self.timers.set(at, Due::Session(key)),
            Turn::Release => self.end_session(now, key, false),
            Turn::Abort => self.end_session(now, key, true),
            Turn::Failed(error) => {
                tracing::debug!(tuple = ?session.tuple, %error, "connection failed");
                let errno = errno::of_stream(error, session.peer_ended);
                self.end_reasons.remember(session.tuple, errno::to_byte(errno));
                // A program that waits for room to write waits no longer.
                unix::take_no_more(&session.fd, &mut self.scratch);
                self.sessions.enqueue(key);
            }
        }
    }

    /// A connection that waits for room at its listener may fail meanwhile.
    fn check_waiting(&mut self, now: Instant, key: Key) {
        let conn = self.sessions.get(key).and_then(|s| s.conn);
        let status = conn.and_then(|conn| self.stack.tcp().status(conn));
        if status.is_none_or(|s| s.error.is_some()) {
            self.end_session(now, key, false);
        }
    }
}
