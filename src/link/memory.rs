//! Two links in one process, joined to each other: for tests, and for programs that embed two nets.
//!
//! A full queue loses frames and counts them, as a switch port does, rather than to say
//! [`Sent::Full`]: its file is always writable, so there would be nothing to wait for.
use super::{Link, LinkInfo, Medium, Offload, RxChecksum, RxFrame, Sent, TxFrame};
use crate::base::{Instant, MacAddr};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
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

/// One end.
pub struct MemoryLink {
    info: LinkInfo,
    to_us: Receiver<TxFrame>,
    to_peer: Sender<TxFrame>,
    /// Readable when there may be frames for us.
    our_event: Arc<OwnedFd>,
    /// The peer's.
    peer_event: Arc<OwnedFd>,
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
    let (event_a, event_b) = (Arc::new(eventfd(0, flags)?), Arc::new(eventfd(0, flags)?));
    let ((to_a, for_a), (to_b, for_b)) = (bounded(config.capacity), bounded(config.capacity));
    let info = |i: usize| LinkInfo {
        name: format!("memory:{i}"),
        medium: config.medium,
        mac: (config.medium == Medium::Ethernet).then_some(config.macs[i]),
        mtu: config.mtu,
        offload: config.offload,
    };
    let a = MemoryLink {
        info: info(0),
        to_us: for_a,
        to_peer: to_b,
        our_event: event_a.clone(),
        peer_event: event_b.clone(),
        spare: Vec::new(),
        lost: 0,
    };
    let b = MemoryLink {
        info: info(1),
        to_us: for_b,
        to_peer: to_a,
        our_event: event_b,
        peer_event: event_a,
        spare: Vec::new(),
        lost: 0,
    };
    Ok((a, b))
}

impl MemoryLink {
    fn next(&self) -> Option<TxFrame> {
        self.to_us.try_recv().ok().or_else(|| {
            // Quiet first, then look again: a frame that came in between has raised it anew, or is
            // found now. (EAGAIN: it was quiet already.)
            let _ = rustix::io::read(&self.our_event, &mut [0; 8]);
            self.to_us.try_recv().ok()
        })
    }
}

impl Link for MemoryLink {
    fn info(&self) -> &LinkInfo {
        &self.info
    }
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.our_event.as_fd())
    }
    fn send(&mut self, _now: Instant, frame: &TxFrame) -> io::Result<Sent> {
        let mut copy = self.spare.pop().unwrap_or_default();
        copy.bytes.clear();
        copy.bytes.extend_from_slice(&frame.bytes);
        copy.offload = frame.offload;
        match self.to_peer.try_send(copy) {
            Ok(()) => {
                rustix::io::write(&self.peer_event, &1u64.to_ne_bytes())?;
            }
            Err(TrySendError::Full(copy) | TrySendError::Disconnected(copy)) => {
                self.lost += 1;
                self.spare.push(copy);
            }
        }
        Ok(Sent::Yes)
    }
    fn receive(&mut self, _now: Instant, sink: &mut dyn FnMut(RxFrame<'_>)) -> io::Result<usize> {
        for count in 0..BATCH {
            let Some(frame) = self.next() else { return Ok(count) };
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
