//! What each session does when something has happened to it.
use super::super::state::Engine;
use super::super::state::session::Phase;
use super::super::system::poller::EventFlags;
use super::super::system::slab::Key;
use super::super::system::timers::Due;
use super::super::system::unix;
use super::relay::{self, Turn};
use crate::base::Instant;
use crate::base::time::Duration;
use crate::protocol::errno;
use crate::stack::ConnId;
use crate::stack::tcp::State;

/// How long a connection whose program seems to be gone may take to end before the kernel is asked.
const ASK_AFTER: Duration = Duration::from_millis(200);
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
        session.hung_up = true;
        session.reset_at_end |= unread;
        // Where the peer has ended as well, it makes no difference.
        let ends_first =
            matches!(session.phase, Phase::Open | Phase::Failed) && !session.peer_ended;
        session.may_be_held = ends_first && !unread;
        let status = session.conn.and_then(|conn| self.stack.tcp().status(conn));
        let readable = status.map_or(0, |status| status.readable);
        // Most programs close, and their connections end soon after that. But what is unread is a
        // reason for a reset if the program is gone, and none if it lives.
        if session.may_be_held && readable > 0 {
            self.ask_whether_held(key);
        }
    }

    /// Asks the kernel whether the program of a session still holds its socket.
    fn ask_whether_held(&mut self, key: Key) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.may_be_held = false;
        if self.socket_diag.peer_is_held(&session.fd) == Some(true) {
            let status = session.conn.and_then(|conn| self.stack.tcp().status(conn));
            session.is_shut(status.map_or(0, |status| status.readable));
        }
    }

    /// A session has nothing left to do if its program is gone. Whether it is can be seen of a name
    /// at once; else the kernel is asked if the connection does not end soon (the question is not
    /// cheap). True: it ends.
    fn is_over(&mut self, now: Instant, key: Key) -> bool {
        let Some(session) = self.sessions.get_mut(key) else { return true };
        let status = session.conn.and_then(|conn| self.stack.tcp().status(conn));
        let lives = status.is_some_and(|status| {
            status.error.is_none() && !matches!(status.state, State::TimeWait | State::Closed)
        });
        if !session.may_be_held || !lives {
            return true;
        }
        if !session.incoming {
            let free = unix::is_free(self.net.id(), session.role());
            session.may_be_held = false;
            if !free {
                session.is_shut(0);
            }
        } else if session.ask_at.is_none_or(|at| now < at) {
            let at = *session.ask_at.get_or_insert(now + ASK_AFTER);
            self.timers.set(at, Due::Session(key));
            return false;
        } else {
            self.ask_whether_held(key);
        }
        self.sessions.get(key).is_none_or(|session| session.hung_up)
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
        let mut turn = relay::turn(now, session, self.stack.tcp_mut(), conn);
        if turn == Turn::AfterSending {
            // What other programs of the host wrote before this one left reaches it before its end
            // is told, and what they write later does not.
            self.ports.transmit(now, &mut self.stack, &self.poller);
            let Some(session) = self.sessions.get_mut(key) else { return };
            turn = relay::turn(now, session, self.stack.tcp_mut(), conn);
        }
        if turn == Turn::Release && !self.is_over(now, key) {
            return;
        }
        let Some(session) = self.sessions.get_mut(key) else { return };
        match turn {
            Turn::Wait | Turn::AfterSending => {}
            Turn::More => self.sessions.enqueue(key),
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
