//! NewReno (RFC 6582): as Reno, but recovery lasts until all that was outstanding has arrived; each
//! partial acknowledgment names the next hole.
use super::{Acked, Aimd, Congestion};
use crate::base::Instant;

/// NewReno's state.
#[derive(Clone, Debug, Default)]
pub(super) struct NewReno(Aimd);

impl Congestion for NewReno {
    fn name(&self) -> &'static str {
        "newreno"
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
}
