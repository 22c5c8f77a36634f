//! The end of a session.
use super::super::state::Engine;
use super::super::state::session::Phase;
use super::super::system::slab::Key;
use super::tcp_info;
use crate::base::Instant;
use crate::stack::tcp::{State, TcpInfo};

impl Engine {
    /// Closes the program's socket and gives the connection up: reset, or left to the stack.
    pub(in crate::engine) fn end_session(&mut self, now: Instant, key: Key, reset: bool) {
        let Some(session) = self.sessions.remove(key) else { return };
        tracing::trace!(tuple = ?session.tuple, reset, phase = ?session.phase, "session ends");
        if let Some(conn) = session.conn {
            let tcp = self.stack.tcp_mut();
            // The program may still ask. What lives on (TIME-WAIT, say) is not its socket any more.
            let held = !session.hung_up && !matches!(session.phase, Phase::WaitingForRoom { .. });
            if let Some(info) = tcp.info(now, conn).filter(|_| held) {
                let info = TcpInfo { state: State::Closed as u8, ..info };
                self.end_reasons.remember_info(session.tuple, tcp_info::to_linux(&info));
            }
            if reset {
                tcp.abort(now, conn);
            }
            tcp.release(now, conn);
        }
    }
}
