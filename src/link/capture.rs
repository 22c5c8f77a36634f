//! A link whose frames can be recorded: see [`Recorder`]. While nothing is recorded it costs a
//! branch.
use super::recorder::{Recorder, Way};
use super::{Link, LinkInfo, RxChecksum, RxFrame, Sent, TxFrame};
use crate::base::{Instant, time::Duration};
use rustix::fd::BorrowedFd;
use std::io;

/// See the module.
pub struct Capture {
    inner: Box<dyn Link>,
    pub(super) recorder: Recorder,
}

impl Capture {
    /// Around `inner`. `epoch` is the time since 1970 at `Instant::ZERO`.
    pub fn new(inner: Box<dyn Link>, epoch: Duration) -> io::Result<Capture> {
        let recorder = Recorder::new(inner.info().clone(), epoch)?;
        Ok(Capture { inner, recorder })
    }
}

impl Link for Capture {
    fn info(&self) -> &LinkInfo {
        self.inner.info()
    }
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.inner.fd()
    }
    fn send(&mut self, now: Instant, frame: &TxFrame) -> io::Result<Sent> {
        let sent = self.inner.send(now, frame)?;
        if sent == Sent::Yes && !self.recorder.is_idle() {
            let unfinished = frame.offload.needs_checksum || frame.offload.gso_size != 0;
            self.recorder.record(now, Way::Out, &frame.bytes, unfinished);
            self.recorder.flush_if_due(now);
        }
        Ok(sent)
    }
    fn receive(&mut self, now: Instant, sink: &mut dyn FnMut(RxFrame<'_>)) -> io::Result<usize> {
        if self.recorder.is_idle() {
            return self.inner.receive(now, sink);
        }
        let recorder = &mut self.recorder;
        let count = self.inner.receive(now, &mut |frame| {
            let unfinished = frame.checksum == RxChecksum::Trusted;
            recorder.record(now, Way::In, frame.bytes, unfinished);
            sink(frame);
        })?;
        recorder.flush_if_due(now);
        Ok(count)
    }
    fn deadline(&self) -> Option<Instant> {
        self.recorder.deadline().into_iter().chain(self.inner.deadline()).min()
    }
    fn counters(&self) -> Vec<(&'static str, u64)> {
        let mut all = self.inner.counters();
        all.extend(self.recorder.counters());
        all
    }
    fn capture(&mut self) -> Option<&mut Recorder> {
        Some(&mut self.recorder)
    }
}

#[cfg(test)]
#[path = "capture_tests.rs"]
mod tests;
