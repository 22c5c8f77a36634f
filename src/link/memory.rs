//! Two links in one process, joined to each other: for tests, and for programs that embed two nets.
//!
//! A full queue loses frames and counts them, as a switch port does, rather than to say
//! [`Sent::Full`]: its file is always writable, so there would be nothing to wait for.
use super::{Link, LinkInfo, Medium, Offload, RxChecksum, RxFrame, Sent, TxFrame};
use crate::base::{Instant, MacAddr};
use parking_lot::Mutex;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// Frames taken in one call of `receive`, at most.
const BATCH: usize = 64;

/// What a pair is made of.
#[derive(Clone, Debug)]
pub struct MemoryConfig {
    /// Kind of frames.
    pub medium: Medium,
    /// Largest IP packet, bytes.
    pub mtu: u16,
    /// Addresses of the two ends, on Ethernet.
    pub macs: [MacAddr; 2],
    /// Frames that wait for one end, at most.
    pub capacity: usize,
    /// What the stacks may leave undone: checksums are then not computed at all, super-segments not
    /// cut.
    pub offload: Offload,
}

impl Default for MemoryConfig {
    /// Ethernet with an MTU of 1500, 1024 frames, no offloads.
    fn default() -> Self {
        MemoryConfig {
            medium: Medium::Ethernet,
            mtu: 1500,
            macs: [MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([2, 0, 0, 0, 0, 2])],
            capacity: 1024,
            offload: Offload::default(),
        }
    }
}

/// Frames on their way to one end.
struct Queue {
    frames: Mutex<VecDeque<TxFrame>>,
    /// Readable while there are frames.
    event: OwnedFd,
}

/// One end.
pub struct MemoryLink {
    info: LinkInfo,
    capacity: usize,
    to_us: Arc<Queue>,
    to_peer: Arc<Queue>,
    /// Buffers of frames that were received, for those that are sent.
    spare: Vec<TxFrame>,
    lost: u64,
}

/// Two ends.
///
/// # Errors
/// No descriptors left.
pub fn pair(config: &MemoryConfig) -> io::Result<(MemoryLink, MemoryLink)> {
    let flags = EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC;
    let queue = || -> io::Result<_> {
        Ok(Arc::new(Queue { frames: Mutex::default(), event: eventfd(0, flags)? }))
    };
    let (to_a, to_b) = (queue()?, queue()?);
    let end = |i: usize, to_us: &Arc<Queue>, to_peer: &Arc<Queue>| MemoryLink {
        info: LinkInfo {
            name: format!("memory:{i}"),
            medium: config.medium,
            mac: (config.medium == Medium::Ethernet).then_some(config.macs[i]),
            mtu: config.mtu,
            offload: config.offload,
        },
        capacity: config.capacity,
        to_us: to_us.clone(),
        to_peer: to_peer.clone(),
        spare: Vec::new(),
        lost: 0,
    };
    Ok((end(0, &to_a, &to_b), end(1, &to_b, &to_a)))
}

impl Link for MemoryLink {
    fn info(&self) -> &LinkInfo {
        &self.info
    }
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.to_us.event.as_fd())
    }
    fn send(&mut self, _now: Instant, frame: &TxFrame) -> io::Result<Sent> {
        let mut copy = self.spare.pop().unwrap_or_default();
        copy.bytes.clear();
        copy.bytes.extend_from_slice(&frame.bytes);
        copy.offload = frame.offload;
        let mut frames = self.to_peer.frames.lock();
        if frames.len() >= self.capacity {
            drop(frames);
            self.lost += 1;
            self.spare.push(copy);
            return Ok(Sent::Yes);
        }
        let first = frames.is_empty();
        frames.push_back(copy);
        if first {
            // Under the lock, so that it cannot come after the reader has emptied the queue.
            rustix::io::write(&self.to_peer.event, &1u64.to_ne_bytes())?;
        }
        Ok(Sent::Yes)
    }
    fn receive(&mut self, _now: Instant, sink: &mut dyn FnMut(RxFrame<'_>)) -> io::Result<usize> {
        for count in 0..BATCH {
            let frame = {
                let mut frames = self.to_us.frames.lock();
                let frame = frames.pop_front();
                if frames.is_empty() {
                    // EAGAIN: it was quiet already.
                    let _ = rustix::io::read(&self.to_us.event, &mut [0; 8]);
                }
                frame
            };
            let Some(frame) = frame else { return Ok(count) };
            let undone = frame.offload.needs_checksum;
            let checksum = if undone { RxChecksum::Trusted } else { RxChecksum::Unknown };
            sink(RxFrame { bytes: &frame.bytes, checksum, gso_size: frame.offload.gso_size });
            if self.spare.len() < BATCH {
                self.spare.push(frame);
            }
        }
        Ok(BATCH)
    }
    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![("lost", self.lost)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    fn readable(link: &MemoryLink) -> bool {
        let fd = link.fd().unwrap();
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&now)).unwrap() == 1
    }

    #[test]
    fn frames_cross_and_the_file_tells() {
        let (mut a, mut b) = pair(&MemoryConfig { capacity: 3, ..Default::default() }).unwrap();
        assert!(!readable(&b));
        for i in 0..5 {
            let frame = TxFrame { bytes: vec![i; 60], ..Default::default() };
            assert_eq!(a.send(Instant::ZERO, &frame).unwrap(), Sent::Yes);
        }
        assert!(readable(&b) && !readable(&a));
        assert_eq!(a.counters(), [("lost", 2)]);
        let mut got = Vec::new();
        let count = b.receive(Instant::ZERO, &mut |f| got.push(f.bytes[0])).unwrap();
        assert_eq!((count, got), (3, vec![0, 1, 2]));
        assert!(!readable(&b));
        assert_eq!(b.receive(Instant::ZERO, &mut |_| ()).unwrap(), 0);
        let frame = TxFrame { bytes: vec![9; 60], ..Default::default() };
        b.send(Instant::ZERO, &frame).unwrap();
        assert!(readable(&a));
    }

    #[test]
    fn unfinished_checksums_are_trusted() {
        let (mut a, mut b) = pair(&MemoryConfig::default()).unwrap();
        let mut frame = TxFrame { bytes: vec![0; 60], ..Default::default() };
        frame.offload.needs_checksum = true;
        frame.offload.gso_size = 10;
        a.send(Instant::ZERO, &frame).unwrap();
        b.receive(Instant::ZERO, &mut |f| {
            assert_eq!((f.checksum, f.gso_size), (RxChecksum::Trusted, 10));
        })
        .unwrap();
    }
}
