//! Path-MTU discovery by probing, for paths where ICMP errors are lost (RFC 4821; RFC 8899 for
//! others), as Linux does it (`tcp_mtu_probing`).
//!
//! A black hole is suspected when data has been sent again several times without an answer: from
//! then on segments are no larger than [`BASE`] allows, and larger ones are tried: one segment made
//! of queued data, of a size in the middle of what is known to pass and what may pass. If it is
//! acknowledged, that is the new size; if it alone is lost, the upper end comes down, and nobody
//! takes it for congestion (RFC 4821 7.6.2).
use super::Tcp;
use super::api::MtuProbing;
use super::conn::{Conn, Cx};
use super::recovery::Mode;
use super::seq::Seq;
use crate::base::{Instant, addr::IpAddr, time::Duration};
use crate::stack::ConnId;

/// Payload that passes nearly everywhere (RFC 4821 7.2; Linux `tcp_base_mss`), bytes.
const BASE: u32 = 1024;
/// The smallest that is fallen back to (Linux `tcp_mtu_probe_floor`), bytes.
const FLOOR: u32 = 48;
/// Timeouts in a row that make a black hole likely (RFC 4821 7.7; Linux `tcp_retries1`).
const TIMEOUTS: u8 = 3;
/// What is not worth a probe (Linux `tcp_probe_threshold`), bytes.
const WORTH: u32 = 8;
/// cwnd must have this many segments, so that one loss is found without a timeout.
const WINDOW: u32 = 11;
/// The whole search begins again after this (RFC 8201 4, RFC 4821 7.7; Linux `tcp_probe_interval`).
const AGAIN: Duration = Duration::from_secs(600);

/// The search. MTUs are sizes of IP packets, bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MtuProbe {
    /// Segments are limited to `low`, and larger ones tried.
    pub on: bool,
    /// The largest MTU that is known to pass.
    low: u32,
    /// The largest that may.
    high: u32,
    /// A probe that is under way: its MTU, its first byte, behind its last.
    probe: Option<(u32, Seq, Seq)>,
    /// When the search began.
    since: Instant,
}

impl Conn {
    /// The largest MTU that the path as known and the peer's MSS allow.
    fn mtu_ceiling(&self) -> u32 {
        u32::from(self.path.mtu).min(u32::from(self.tx.peer_mss) + self.headers())
    }

    /// The handshake is done.
    pub fn mtu_probe_init(&mut self, cx: &Cx<'_>) {
        let low = (BASE + self.headers()).min(self.mtu_ceiling());
        let on = cx.config.mtu_probing == MtuProbing::Always;
        self.mtu_probe = MtuProbe { on, low, high: self.mtu_ceiling(), probe: None, since: cx.now };
        if on {
            self.path_changed();
        }
    }

    /// The MTU for which segments are made now.
    pub fn mtu_now(&self) -> u32 {
        let known = u32::from(self.path.mtu);
        if self.mtu_probe.on { known.min(self.mtu_probe.low) } else { known }
    }

    /// RFC 4821 7.7: a retransmission timed out, the `count`th time in a row.
    pub fn mtu_probe_on_timeout(&mut self, cx: &Cx<'_>, count: u8) {
        // Whatever was lost, it says nothing about sizes.
        self.mtu_probe.probe = None;
        if count <= TIMEOUTS || cx.config.mtu_probing == MtuProbing::Off {
            return;
        }
        let headers = self.headers();
        if self.mtu_probe.on {
            let half = (self.mtu_probe.low.saturating_sub(headers) / 2).clamp(FLOOR, BASE);
            self.mtu_probe.low = half + headers;
        } else {
            self.mtu_probe.on = true;
            self.mtu_probe.since = cx.now;
            self.mtu_probe.high = self.mtu_ceiling();
        }
        self.path_changed();
        self.resend_too_large(cx);
    }

    /// The length of a probe, if one may be sent now. `Err`: one is to be, but flight must drain.
    pub fn mtu_probe_due(&mut self, cx: &Cx<'_>, unsent: u32, mss: u32) -> Result<Option<u32>, ()> {
        if !self.mtu_probe.on || self.mtu_probe.probe.is_some() {
            return Ok(None);
        }
        let quiet = self.recovery.mode == Mode::Open
            && self.window_now() >= WINDOW * self.tx.mss
            && self.rx.reassembly.is_empty()
            && self.rx.duplicates.is_empty()
            && !self.urges();
        if !quiet {
            return Ok(None);
        }
        let ceiling = self.mtu_ceiling();
        let search = &mut self.mtu_probe;
        search.high = search.high.min(ceiling);
        if search.high.saturating_sub(search.low) < WORTH {
            if cx.now.since(search.since) >= AGAIN {
                // The path may have become wider.
                (search.high, search.since) = (ceiling, cx.now);
            }
            return Ok(None);
        }
        let middle = (search.high + search.low) / 2;
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
        self.mtu_probe.probe = Some((middle, self.tx.nxt, self.tx.nxt + len));
        Ok(Some(len))
    }

    /// Something new was acknowledged: perhaps the probe (RFC 4821 7.6.1).
    pub fn mtu_probe_on_ack(&mut self) {
        let Some((mtu, _, end)) = self.mtu_probe.probe else { return };
        if self.tx.una.at_or_after(end) {
            self.mtu_probe.probe = None;
            self.mtu_probe.low = mtu;
            self.path_changed();
        }
    }

    /// A loss was found. True: it is the probe's, and only that is sent again, in pieces
    /// (RFC 4821 7.6.2).
    pub fn mtu_probe_lost(&mut self, cx: &Cx<'_>) -> bool {
        let Some((mtu, start, _)) = self.mtu_probe.probe else { return false };
        if self.tx.una != start || !matches!(self.recovery.mode, Mode::Open | Mode::Disorder) {
            return false;
        }
        self.mtu_probe.probe = None;
        self.mtu_probe.high = mtu - 1;
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

impl Tcp {
    /// The largest packet that goes to `remote` has changed: it is known anew, or what was known of
    /// it is too old (RFC 1191 6.3).
    pub fn path_mtu_changed(&mut self, now: Instant, remote: IpAddr, mtu: u16) {
        let there = self.table.iter().filter(|c| c.tuple.remote.ip() == remote);
        let there: Vec<ConnId> = there.filter(|c| c.path.mtu != mtu).map(|c| c.id).collect();
        for id in there {
            self.with(now, id, |conn, _| {
                conn.path.mtu = mtu;
                conn.path_changed();
            });
        }
    }
}
