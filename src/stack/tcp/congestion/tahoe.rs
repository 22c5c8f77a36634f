//! Tahoe (Jacobson 1988): slow start, congestion avoidance and fast retransmit, but no fast
//! recovery. At the third duplicate acknowledgment as at a timeout the window falls to one segment,
//! and slow start goes over everything that was outstanding. For teaching.
use super::aimd::Aimd;
use super::{Acked, Congestion, Start};
use crate::base::Instant;

/// Tahoe's state.
#[derive(Clone, Debug, Default)]
pub(super) struct Tahoe(Aimd);

impl Congestion for Tahoe {
    fn name(&self) -> &'static str {
        "tahoe"
    }
    fn cwnd(&self) -> u32 {
        self.0.cwnd
    }
    fn ssthresh(&self) -> u32 {
        self.0.ssthresh
    }
    fn opened(&mut self, start: &Start) {
        self.0.opened(start);
    }
    fn acked(&mut self, acked: &Acked) {
        self.0.acked(acked);
    }
    fn loss_found(&mut self, now: Instant, flight: u32, mss: u32) {
        self.timed_out(now, true, flight, 0, mss);
    }
    fn marked(&mut self, _now: Instant, flight: u32, mss: u32) {
        // RFC 3168 6.1.2: nothing was lost, so there is nothing to start over: half the window.
        self.0.reduce(flight / 2, mss);
        self.0.cwnd = self.0.ssthresh;
    }
    fn recovered(&mut self) {}
    fn timed_out(&mut self, _now: Instant, first: bool, flight: u32, in_flight: u32, mss: u32) {
        if first {
            self.0.reduce(flight / 2, mss);
        }
        self.0.cwnd = in_flight + mss;
    }
    fn application_limited(&mut self, used: u32) {
        self.0.application_limited(used);
    }
    fn undo(&mut self) {
        self.0.undo();
    }
    fn idled(&mut self, rtos: u32) {
        self.0.idled(rtos);
    }
    fn fast_recovery(&self) -> bool {
        false
    }
}
