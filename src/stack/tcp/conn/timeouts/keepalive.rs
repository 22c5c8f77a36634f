//! Keep-alive (RFC 9293 3.8.4): probes on an idle connection, if the program asked for them.
use crate::stack::tcp::State;
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::words::{Cx, Timer};

impl Conn {
    fn keepalive_applies(&self) -> bool {
        self.options.keepalive
            && self.state.is_synchronized()
            && !matches!(self.state, State::TimeWait)
    }

    /// The option or the state changed.
    pub fn keepalive_restart(&mut self, cx: &Cx<'_>) {
        if self.keepalive_applies() {
            self.timers.set(Timer::KeepAlive, self.rx.last_heard() + self.options.keepidle);
        } else {
            self.timers.stop(Timer::KeepAlive);
        }
        let _ = cx;
    }

    pub fn keepalive_timed_out(&mut self, cx: &mut Cx<'_>) {
        if !self.keepalive_applies() {
            return;
        }
        let outstanding = !self.all_acknowledged();
        let idle = cx.now.since(self.rx.last_heard());
        if outstanding || idle < self.options.keepidle {
            // Retransmission or persist looks after it, or something was heard meanwhile: idle time
            // counts from then.
            let from = if outstanding { cx.now } else { self.rx.last_heard() };
            self.timers.set(Timer::KeepAlive, from + self.options.keepidle);
            return;
        }
        // With a user timeout, that decides instead of the count (as Linux does).
        let dead = match self.user_timeout() {
            Some(limit) => idle >= limit && self.probes > 0,
            None => self.probes >= self.options.keepcnt,
        };
        if dead {
            return self.time_out(cx);
        }
        self.probes = self.probes.saturating_add(1);
        self.tx.probe_due = true;
        self.timers.set(Timer::KeepAlive, cx.now + self.options.keepintvl);
    }
}
