//! Reno (RFC 5681) and NewReno (RFC 6582): half the window at a loss, a segment more in each round
//! trip without one. They differ in one answer: Reno's fast recovery ends at the first new
//! acknowledgment, NewReno's when all that was outstanding has arrived. (With SACK there is no
//! difference: RFC 6675 recovers like NewReno.)
//!
//! Half of cwnd, not of what is in flight (RFC 5681 equation 4), because an unused cwnd is lowered
//! first (RFC 7661): as Linux `tcp_reno_ssthresh`.
use super::aimd::Aimd;
use super::{Acked, Congestion, Start};
use crate::base::Instant;

/// Either of the two.
#[derive(Clone, Debug)]
pub(super) struct Reno {
    window: Aimd,
    name: &'static str,
    partial_ack_ends_recovery: bool,
}

impl Reno {
    /// RFC 5681's.
    pub fn classic() -> Reno {
        Reno { window: Aimd::default(), name: "reno", partial_ack_ends_recovery: true }
    }

    /// RFC 6582's.
    pub fn new() -> Reno {
        Reno { name: "newreno", partial_ack_ends_recovery: false, ..Reno::classic() }
    }
}

impl Congestion for Reno {
    fn name(&self) -> &'static str {
        self.name
    }
    fn cwnd(&self) -> u32 {
        self.window.cwnd
    }
    fn ssthresh(&self) -> u32 {
        self.window.ssthresh
    }
    fn opened(&mut self, start: &Start) {
        self.window.opened(start);
    }
    fn acked(&mut self, acked: &Acked) {
        self.window.acked(acked);
    }
    fn loss_found(&mut self, _now: Instant, _flight: u32, mss: u32) {
        self.window.reduce(self.window.cwnd / 2, mss);
        self.window.cwnd = self.window.ssthresh;
    }
    fn recovered(&mut self) {
        self.window.cwnd = self.window.cwnd.min(self.window.ssthresh);
    }
    fn timed_out(&mut self, _now: Instant, first: bool, _flight: u32, in_flight: u32, mss: u32) {
        if first {
            self.window.reduce(self.window.cwnd / 2, mss);
        }
        self.window.cwnd = in_flight + mss;
    }
    fn application_limited(&mut self, used: u32) {
        self.window.application_limited(used);
    }
    fn undo(&mut self) {
        self.window.undo();
    }
    fn idled(&mut self, rtos: u32) {
        self.window.idled(rtos);
    }
    fn partial_ack_ends_recovery(&self) -> bool {
        self.partial_ack_ends_recovery
    }
}
