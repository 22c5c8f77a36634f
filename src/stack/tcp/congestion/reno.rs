//! Reno (RFC 5681): fast retransmit and fast recovery, which the first new acknowledgment ends.
use super::{Acked, Aimd, Congestion};
use crate::base::Instant;

/// Reno's state.
#[derive(Clone, Debug, Default)]
pub(super) struct Reno(Aimd);

impl Congestion for Reno {
    fn name(&self) -> &'static str {
        "reno"
    }
    fn cwnd(&self) -> u32 {
        self.0.cwnd
    }
    fn ssthresh(&self) -> u32 {
        self.0.ssthresh
    }
    fn opened(&mut self, mss: u32) {
        self.0.opened(mss);
    }
    fn acked(&mut self, acked: &Acked) {
        self.0.acked(acked);
    }
    fn loss_found(&mut self, _now: Instant, flight: u32, mss: u32) {
        self.0.halve(flight, mss);
        self.0.cwnd = self.0.ssthresh;
    }
    fn recovered(&mut self) {
        self.0.cwnd = self.0.cwnd.min(self.0.ssthresh);
    }
    fn timed_out(&mut self, _now: Instant, flight: u32, mss: u32) {
        self.0.halve(flight, mss);
        self.0.cwnd = mss;
    }
    fn undo(&mut self) {
        self.0.undo();
    }
    fn idled(&mut self, rtos: u32, mss: u32) {
        self.0.idled(rtos, mss);
    }
    fn partial_ack_ends_recovery(&self) -> bool {
        true
    }
}
