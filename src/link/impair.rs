//! A link whose wire is bad: delay, jitter, loss, reorder, duplicates, damage, a bottleneck.
//!
//! Both directions have a [`Line`] of their own, with seeds derived from one. Frames are treated
//! one by one, as a wire would: so in an impaired direction the link underneath is used without its
//! offloads, and what comes merged is cut again. A frame that the link underneath cannot take yet
//! waits here.
use super::line::{Fates, Line};
use super::recorder::Recorder;
use super::{Link, LinkInfo, Offload, RxChecksum, RxFrame, Sent, TxFrame, finish};
use crate::base::{Instant, time::Duration};
use crate::net::link_spec::{Direction, ImpairSpec};
use rustix::fd::BorrowedFd;
use std::io;

/// Batches taken from the link underneath in one call of `receive`, at most.
const BATCHES: usize = 8;
/// When to try again after the link underneath was full. Nobody waits for its file to become
/// writable, since our caller was told that the frame was taken.
const RETRY: Duration = Duration::from_millis(1);

/// See the module.
pub struct Impair {
    inner: Box<dyn Link>,
    info: LinkInfo,
    outgoing: Option<Line>,
    incoming: Option<Line>,
    /// The link underneath was full: not before this time again.
    blocked: Instant,
    frame: TxFrame,
    scratch: Vec<u8>,
}

impl Impair {
    /// Puts the wire that `spec` describes in front of `inner`.
    pub fn new(inner: Box<dyn Link>, spec: &ImpairSpec, seed: u64) -> Impair {
        let mut info = inner.info().clone();
        let line = |on: bool, seed| on.then(|| Line::new(spec, info.medium, seed));
        let outgoing = line(spec.direction != Direction::In, seed);
        // Any other seed that depends on the same one.
        let incoming = line(spec.direction != Direction::Out, seed.rotate_left(32) ^ 0x9e37_79b9);
        if outgoing.is_some() {
            info.offload = Offload::default();
        }
        Impair {
            inner,
            info,
            outgoing,
            incoming,
            blocked: Instant::ZERO,
            frame: TxFrame::default(),
            scratch: Vec::new(),
        }
    }

    /// What has happened to frames that we sent, and to those that we received.
    pub fn fates(&self) -> (Fates, Fates) {
        let fates = |line: &Option<Line>| line.as_ref().map(Line::fates).unwrap_or_default();
        (fates(&self.outgoing), fates(&self.incoming))
    }

    /// Sends what has come to the end of the wire.
    fn pump(&mut self, now: Instant) -> io::Result<()> {
        let Some(line) = self.outgoing.as_mut().filter(|_| now >= self.blocked) else {
            return Ok(());
        };
        while let Some(bytes) = line.pop(now) {
            self.frame.bytes = bytes;
            if self.inner.send(now, &self.frame)? == Sent::Full {
                line.put_back(core::mem::take(&mut self.frame.bytes));
                self.blocked = now + RETRY;
                break;
            }
        }
        Ok(())
    }
}

impl Link for Impair {
    fn info(&self) -> &LinkInfo {
        &self.info
    }
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.inner.fd()
    }
    fn send(&mut self, now: Instant, frame: &TxFrame) -> io::Result<Sent> {
        let Some(line) = &mut self.outgoing else { return self.inner.send(now, frame) };
        finish::finish(frame, self.info.medium, &mut self.scratch, &mut |bytes| {
            line.push(now, bytes);
        });
        self.pump(now)?;
        Ok(Sent::Yes)
    }
    fn receive(&mut self, now: Instant, sink: &mut dyn FnMut(RxFrame<'_>)) -> io::Result<usize> {
        self.pump(now)?;
        let Some(line) = &mut self.incoming else { return self.inner.receive(now, sink) };
        let (medium, scratch) = (self.info.medium, &mut self.scratch);
        for _ in 0..BATCHES {
            let count = self.inner.receive(now, &mut |frame| {
                if frame.gso_size != 0 {
                    let mut push = |bytes: &mut [u8]| line.push(now, bytes);
                    finish::cut(frame.bytes, medium, frame.gso_size, scratch, &mut push);
                } else if frame.checksum == RxChecksum::Trusted {
                    // It may be half done only: then damage could not be noticed.
                    scratch.clear();
                    scratch.extend_from_slice(frame.bytes);
                    finish::complete_checksum(scratch, medium);
                    line.push(now, scratch);
                } else {
                    line.push(now, frame.bytes);
                }
            })?;
            if count == 0 {
                break;
            }
        }
        let mut count = 0;
        while let Some(bytes) = line.pop(now) {
            sink(RxFrame { bytes: &bytes, checksum: RxChecksum::Unknown, gso_size: 0 });
            count += 1;
        }
        Ok(count)
    }
    fn deadline(&self) -> Option<Instant> {
        let send = self.outgoing.as_ref().and_then(Line::next).map(|at| at.max(self.blocked));
        let receive = self.incoming.as_ref().and_then(Line::next);
        [send, receive, self.inner.deadline()].into_iter().flatten().min()
    }
    fn counters(&self) -> Vec<(&'static str, u64)> {
        let mut all = self.inner.counters();
        let (out, r#in) = self.fates();
        if self.outgoing.is_some() {
            all.extend([
                ("impair_out_frames", out.frames),
                ("impair_out_lost", out.lost),
                ("impair_out_overflowed", out.overflowed),
                ("impair_out_reordered", out.reordered),
                ("impair_out_duplicated", out.duplicated),
                ("impair_out_corrupted", out.corrupted),
                ("impair_out_marked", out.marked),
            ]);
        }
        if self.incoming.is_some() {
            all.extend([
                ("impair_in_frames", r#in.frames),
                ("impair_in_lost", r#in.lost),
                ("impair_in_overflowed", r#in.overflowed),
                ("impair_in_reordered", r#in.reordered),
                ("impair_in_duplicated", r#in.duplicated),
                ("impair_in_corrupted", r#in.corrupted),
                ("impair_in_marked", r#in.marked),
            ]);
        }
        all
    }
    fn capture(&mut self) -> Option<&mut Recorder> {
        self.inner.capture()
    }
}

#[cfg(test)]
#[path = "impair_tests.rs"]
mod tests;
