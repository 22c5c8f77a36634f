//! The end of a session.
use super::super::state::Engine;
use super::super::state::session::Phase;
use super::super::system::slab::Key;
use super::tcp_info;
use crate::base::{FourTuple, Instant};
use crate::stack::tcp::{State, TcpInfo};

impl Engine {
    /// Closes the program's socket and gives the connection up: reset, or left to the stack.
    pub(in crate::engine) fn end_session(&mut self, now: Instant, key: Key, reset: bool) {
        if let Some(session) = self.sessions.get(key) {
            let (tuple, phase) = (session.tuple, session.phase);
            tracing::trace!(?tuple, reset, ?phase, "session ends");
        }
        self.release_connection(now, key, reset);
        self.sessions.remove(key);
    }

    /// Gives the connection of a session up: reset, or left to the stack.
    pub(in crate::engine) fn release_connection(&mut self, now: Instant, key: Key, reset: bool) {
        let Some(conn) = self.sessions.take_conn(key) else { return };
        let Some(session) = self.sessions.get(key) else { return };
        let tcp = self.stack.tcp_mut();
        // The program may still ask. What lives on (TIME-WAIT, say) is not its socket any more.
        let held = (!session.hung_up || session.may_be_held || session.peer_ended)
            && !matches!(session.phase, Phase::WaitingForRoom { .. });
        if let Some(info) = tcp.info(now, conn).filter(|_| held) {
            let info = TcpInfo { state: State::Closed as u8, ..info };
            self.last_infos.remember_info(session.tuple, tcp_info::to_linux(&info));
        }
        if reset {
            tcp.abort(now, conn);
        }
        tcp.release(now, conn);
        // (A pair in LAST-ACK comes free with the next ACK.)
        let brief = [State::Closed, State::Closing, State::LastAck];
        let state = tcp.status(conn).map(|status| status.state);
        if !session.incoming && state.is_some_and(|state| !brief.contains(&state)) {
            let (net, tuple) = (self.net.id(), session.tuple);
            self.reserved_pairs.reserve(now, net, conn, tuple, &mut self.timers);
        }
    }

    /// A new connection has these ends: what is remembered of an earlier one is not true any more.
    pub(super) fn forget_end(&mut self, tuple: &FourTuple) {
        self.end_reasons.take(tuple);
        self.last_infos.take(tuple);
    }

    /// Descriptors have run out: closes sockets that the engine can do without. False: it has none.
    pub(in crate::engine) fn make_room_for_descriptors(&mut self) -> bool {
        let pairs = self.reserved_pairs.make_room();
        self.peer_sockets.make_room() || pairs
    }
}
