//! The end of a connection as the program asks for it (RFC 9293 3.10.4 CLOSE, 3.10.5 ABORT), and of
//! one whose program is gone.
use crate::base::NetError;
use crate::base::time::Duration;
use crate::stack::tcp::State;
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::words::{Cause, Cx, Timer};

impl Conn {
    /// CLOSE: a FIN behind everything queued. In SYN-SENT and SYN-RECEIVED it waits for the
    /// handshake.
    pub fn close(&mut self) {
        match self.state {
            State::SynSent | State::SynReceived => self.tx.close_wanted = true,
            _ => {
                self.go(Cause::CloseAsked);
            }
        }
    }

    /// ABORT. RFC 9293 3.10.5: no reset where the peer waits for nothing but an ACK; as Linux has
    /// it (`tcp_disconnect`), unless there is data that it has never seen.
    pub fn abort(&mut self, cx: &mut Cx<'_>) {
        let finished = matches!(self.state, State::Closing | State::LastAck);
        if finished && self.tx.nxt == self.send_end() {
            self.end(Some(NetError::Aborted));
        } else {
            self.end_with_reset(cx, Some(NetError::Aborted));
        }
    }

    /// The program is gone (or has said that it will not come back): an orphan.
    pub fn release(&mut self, cx: &mut Cx<'_>) {
        self.membership.release();
        if !self.rx.unread().is_empty() && !matches!(self.state, State::TimeWait | State::Closed) {
            // RFC 2525 2.17: data that was never read must not look as if it had been.
            return self.end_with_reset(cx, None);
        }
        self.rx.drop_unread();
        match self.state {
            // RFC 9293 3.10.4: nobody knows of us yet.
            State::SynSent => self.end(None),
            State::FinWait2 => self.wait_as_orphan(cx),
            _ => self.close(),
        }
    }

    /// FIN-WAIT-2 without anybody to wait for it ends by itself (Linux `tcp_fin_timeout`), or as
    /// the program has said (`TCP_LINGER2`).
    pub fn wait_as_orphan(&mut self, cx: &mut Cx<'_>) {
        let wait = match self.options.linger2 {
            0 => cx.config.fin_wait2,
            ..0 => return self.end_with_reset(cx, None),
            seconds => Duration::from_secs(seconds.unsigned_abs().into()),
        };
        self.timers.set(Timer::Linger, cx.now + wait);
    }

    /// End of TIME-WAIT, or of an orphan's FIN-WAIT-2.
    pub fn linger_timed_out(&mut self) {
        if matches!(self.state, State::TimeWait | State::FinWait2) {
            self.end(None);
        }
    }
}
