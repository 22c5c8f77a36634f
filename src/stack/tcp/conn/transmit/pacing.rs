//! The rate at which a connection may send, and the pauses that it makes: see `send/pacer.rs`.
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::words::{Cx, Timer};

/// Segments at the start of a connection that are not paced (Linux `tcp_update_skb_after_send`).
const FREE_SEGMENTS: u32 = 10;

/// Largest burst, bytes (Linux `sk_gso_max_size`).
const BURST_MAX: u64 = 65_536;

/// Linux `tcp_tso_rtt_log`: on short paths, where ACKs come soon, bursts are longer: by the largest
/// one, halved for each 512 us of the smallest round trip.
const RTT_LOG: u32 = 9;

/// No limit.
pub(crate) const UNLIMITED: u64 = u64::MAX;

impl Conn {
    /// Bytes per second at which this connection may send, whether anybody obeys it or not
    /// (`tcpi_pacing_rate`).
    pub fn pacing_rate(&self) -> u64 {
        let rate = self.cc.pacing_rate().unwrap_or_else(|| self.window_rate());
        rate.min(self.options.max_pacing_rate)
    }

    /// Linux `tcp_update_pacing_rate`.
    fn window_rate(&self) -> u64 {
        let Some(srtt) = self.rtt.smoothed.filter(|srtt| !srtt.is_zero()) else {
            return UNLIMITED;
        };
        let cwnd = self.cc.cwnd();
        let percent = if cwnd < self.cc.ssthresh() / 2 { 200 } else { 120 };
        let window = u128::from(cwnd.max(self.outstanding()));
        u64::try_from(window * percent * 10_000_000 / srtt.as_nanos()).unwrap_or(UNLIMITED)
    }

    /// The rate, if it is to be obeyed.
    fn paced_at(&self, cx: &Cx<'_>) -> Option<u64> {
        let asked = cx.config.pacing || self.options.max_pacing_rate != UNLIMITED;
        if !asked && self.cc.pacing_rate().is_none() {
            return None;
        }
        Some(self.pacing_rate()).filter(|rate| *rate != UNLIMITED)
    }

    /// Data must wait; the timer is set.
    pub fn pacing_waits(&mut self, cx: &Cx<'_>) -> bool {
        if self.paced_at(cx).is_none() {
            return false;
        }
        let until = self.pacer.wait(cx.now);
        if let Some(until) = until {
            self.timers.set(Timer::Pacing, until);
        }
        until.is_some()
    }

    /// `bytes` of payload leave.
    pub fn pacing_sent(&mut self, cx: &Cx<'_>, bytes: u32) {
        if let Some(rate) = self.paced_at(cx)
            && self.stats.data_segs_out >= FREE_SEGMENTS
        {
            self.pacer.sent(cx.now, bytes, rate);
        }
    }

    /// The most that may leave at once, bytes: whole segments. As Linux also if nobody obeys the
    /// rate: shorter bursts find room in short queues.
    pub fn pacing_burst(&self, cx: &Cx<'_>, mss: u32) -> u32 {
        let rate = self.pacing_rate();
        if rate == UNLIMITED {
            return u32::MAX;
        }
        let min_rtt = self.rtt.min().map_or(u128::MAX, |min| min.as_micros());
        let near = BURST_MAX.checked_shr((min_rtt >> RTT_LOG).min(64) as u32).unwrap_or(0);
        // A 1024th of a second.
        let bytes = (rate >> 10).saturating_add(near).min(BURST_MAX) as u32;
        (bytes / mss).max(cx.config.min_tso_segments) * mss
    }
}
