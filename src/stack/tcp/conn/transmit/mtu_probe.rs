//! Path-MTU discovery by probing, for paths where ICMP errors are lost (RFC 4821; RFC 8899 for
//! others), as Linux does it (`tcp_mtu_probing`).
//!
//! A black hole is suspected when data has been sent again several times without an answer: from
//! then on segments are no larger than what passes nearly everywhere, and larger ones are tried:
//! one segment made of queued data, of a size in the middle of what is known to pass and what may
//! pass. If it is acknowledged, that is the new size; if it alone is lost, the upper end comes
//! down, and that is no sign of congestion (RFC 4821 7.6.2). The search is in
//! `send/mtu_search.rs`.
use crate::stack::tcp::MtuProbing;
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::loss::Mode;
use crate::stack::tcp::send::MtuSearch;
use crate::stack::tcp::words::Cx;

/// Timeouts in a row that make a black hole likely (RFC 4821 7.7; Linux `tcp_retries1`).
const TIMEOUTS: u8 = 3;

/// cwnd must have this many segments, so that one loss is found without a timeout.
const WINDOW: u32 = 11;

impl Conn {
    /// The largest MTU that the path as known and the peer's MSS allow.
    fn mtu_ceiling(&self) -> u32 {
        u32::from(self.path.mtu).min(u32::from(self.tx.peer_mss) + self.headers())
    }

    /// The handshake is done.
    pub fn mtu_probe_init(&mut self, cx: &Cx<'_>) {
        let on = cx.config.mtu_probing == MtuProbing::Always;
        self.mtu_search = MtuSearch::new(cx.now, on, self.headers(), self.mtu_ceiling());
        if on {
            self.path_changed();
        }
    }

    /// The MTU for which segments are made now.
    pub fn mtu_now(&self) -> u32 {
        let known = u32::from(self.path.mtu);
        self.mtu_search.limit().map_or(known, |low| known.min(low))
    }

    /// RFC 4821 7.7: a retransmission timed out, the `count`th time in a row.
    pub fn mtu_probe_on_timeout(&mut self, cx: &Cx<'_>, count: u8) {
        self.mtu_search.forget_probe();
        if count <= TIMEOUTS || cx.config.mtu_probing == MtuProbing::Off {
            return;
        }
        let (headers, ceiling) = (self.headers(), self.mtu_ceiling());
        self.mtu_search.fall_back(cx.now, headers, ceiling);
        self.path_changed();
        self.resend_too_large(cx);
    }

    /// The length of a probe, if one may be sent now. `Err`: one is to be, but flight must drain.
    pub fn mtu_probe_due(&mut self, cx: &Cx<'_>, unsent: u32, mss: u32) -> Result<Option<u32>, ()> {
        if !self.mtu_search.may_probe() {
            return Ok(None);
        }
        let quiet = self.recovery.mode == Mode::Open
            && self.window_now() >= WINDOW * self.tx.mss
            && self.rx.reports_nothing()
            && !self.urges();
        if !quiet {
            return Ok(None);
        }
        let ceiling = self.mtu_ceiling();
        let Some(middle) = self.mtu_search.next(cx.now, ceiling) else { return Ok(None) };
        let overhead = self.headers() + (self.tx.mss - mss);
        let len = middle.saturating_sub(overhead);
        // RFC 4821 7.4: enough must follow to find its loss by.
        let needed = len + (self.recovery.reordering + 1) * mss;
        if len <= mss || unsent < needed || self.tx.wnd < needed {
            return Ok(None);
        }
        if self.window_from(self.tx.nxt) < needed {
            return Err(());
        }
        if self.pipe() + 2 * mss > self.window_now() {
            return if self.pipe() == 0 { Ok(None) } else { Err(()) };
        }
        self.mtu_search.sent(middle, self.tx.nxt, len);
        Ok(Some(len))
    }

    /// Something new was acknowledged: perhaps the probe (RFC 4821 7.6.1).
    pub fn mtu_probe_on_ack(&mut self) {
        if self.mtu_search.acknowledged(self.tx.una) {
            self.path_changed();
        }
    }

    /// A loss was found. True: it is the probe's, and only that is sent again, in pieces
    /// (RFC 4821 7.6.2).
    pub fn mtu_probe_lost(&mut self, cx: &Cx<'_>) -> bool {
        let early = matches!(self.recovery.mode, Mode::Open | Mode::Disorder);
        if !early || !self.mtu_search.lost(self.tx.una) {
            return false;
        }
        self.resend_too_large(cx);
        // Until all of it has arrived: no reduction, and no other probe (Linux
        // `tcp_simple_retransmit`).
        self.recovery.mode = Mode::Loss;
        self.recovery.point = self.tx.nxt;
        self.recovery.undo.marker = None;
        self.recovery.frto = false;
        true
    }
}
