//! The search for the largest packet that passes, without ICMP errors (RFC 4821; Linux
//! `tcp_mtu_probing`): between a size that is known to pass and one that may. MTUs are sizes of IP
//! packets, bytes; `headers` are the bytes of one that are not TCP payload.
use crate::base::Instant;
use crate::base::time::Duration;
use crate::stack::tcp::words::Seq;

/// Payload that passes nearly everywhere (RFC 4821 7.2; Linux `tcp_base_mss`), bytes.
const BASE: u32 = 1024;
/// The smallest that is fallen back to (Linux `tcp_mtu_probe_floor`), bytes.
const FLOOR: u32 = 48;
/// What is not worth a probe (Linux `tcp_probe_threshold`), bytes.
const WORTH: u32 = 8;
/// The whole search begins again after this (RFC 8201 4, RFC 4821 7.7; Linux `tcp_probe_interval`).
const AGAIN: Duration = Duration::from_secs(600);

/// See the top of the file.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MtuSearch {
    /// Segments are limited to `low`, and larger ones tried.
    on: bool,
    /// The largest MTU that is known to pass.
    low: u32,
    /// The largest that may.
    high: u32,
    /// A probe that is under way: its MTU, its first byte, behind its last.
    probe: Option<(u32, Seq, Seq)>,
    /// When the search began.
    since: Instant,
}

impl MtuSearch {
    /// A search between the usual size and `ceiling`. `on`: it begins at once.
    pub fn new(now: Instant, on: bool, headers: u32, ceiling: u32) -> MtuSearch {
        let low = (BASE + headers).min(ceiling);
        MtuSearch { on, low, high: ceiling, probe: None, since: now }
    }

    /// Segments are limited to this.
    pub fn limit(&self) -> Option<u32> {
        self.on.then_some(self.low)
    }

    /// Whatever was lost, it says nothing about sizes.
    pub fn forget_probe(&mut self) {
        self.probe = None;
    }

    /// RFC 4821 7.7: a black hole is suspected.
    pub fn fall_back(&mut self, now: Instant, headers: u32, ceiling: u32) {
        if self.on {
            let half = (self.low.saturating_sub(headers) / 2).clamp(FLOOR, BASE);
            self.low = half + headers;
        } else {
            (self.on, self.since, self.high) = (true, now, ceiling);
        }
    }

    /// A probe may be sent, as far as the search is concerned.
    pub fn may_probe(&self) -> bool {
        self.on && self.probe.is_none()
    }

    /// The MTU to try next; `None`: nothing is worth a probe.
    pub fn next(&mut self, now: Instant, ceiling: u32) -> Option<u32> {
        self.high = self.high.min(ceiling);
        if self.high.saturating_sub(self.low) < WORTH {
            if now.since(self.since) >= AGAIN {
                // The path may have become wider.
                (self.high, self.since) = (ceiling, now);
            }
            return None;
        }
        Some((self.high + self.low) / 2)
    }

    /// A probe of `mtu` leaves, with `len` bytes from `start` on.
    pub fn sent(&mut self, mtu: u32, start: Seq, len: u32) {
        self.probe = Some((mtu, start, start + len));
    }

    /// `una` is acknowledged. True: the probe has arrived (RFC 4821 7.6.1).
    pub fn acknowledged(&mut self, una: Seq) -> bool {
        let arrived = self.probe.filter(|(_, _, end)| una.at_or_after(*end));
        if let Some((mtu, ..)) = arrived {
            (self.probe, self.low) = (None, mtu);
        }
        arrived.is_some()
    }

    /// What begins at `una` was lost. True: it was the probe, and alone (RFC 4821 7.6.2).
    pub fn lost(&mut self, una: Seq) -> bool {
        let lost = self.probe.filter(|(_, start, _)| *start == una);
        if let Some((mtu, ..)) = lost {
            (self.probe, self.high) = (None, mtu - 1);
        }
        lost.is_some()
    }
}
