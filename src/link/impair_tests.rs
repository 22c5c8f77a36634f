//! The wrapper around a memory link whose other end the test holds.
use super::*;
use crate::link::memory::{MemoryConfig, MemoryLink, pair};
use crate::link::{Medium, TxOffload};

fn impaired(options: &str, offload: Offload) -> (Impair, MemoryLink) {
    let spec: crate::net::link_spec::LinkSpec = format!("tap:t,{options}").parse().unwrap();
    let (a, b) = pair(&MemoryConfig { offload, ..Default::default() }).unwrap();
    (Impair::new(Box::new(a), &spec.impair, 1), b)
}

fn at(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

fn frame(byte: u8) -> TxFrame {
    TxFrame { bytes: vec![byte; 60], ..Default::default() }
}

fn received(link: &mut dyn Link, now: Instant) -> Vec<u8> {
    let mut got = Vec::new();
    link.receive(now, &mut |f| got.push(f.bytes[0])).unwrap();
    got
}

#[test]
fn both_directions_are_delayed_once_each() {
    let (mut link, mut peer) = impaired("delay=20ms", Offload::default());
    link.send(at(0), &frame(1)).unwrap();
    peer.send(at(0), &frame(2)).unwrap();
    assert_eq!(link.deadline(), Some(at(20)));
    assert!(received(&mut link, at(0)).is_empty());
    assert!(received(&mut link, at(19)).is_empty() && received(&mut peer, at(19)).is_empty());
    assert_eq!(received(&mut link, at(20)), [2]);
    assert_eq!(received(&mut peer, at(20)), [1]);
    assert_eq!(link.deadline(), None);
}

#[test]
fn one_direction_leaves_the_other_alone() {
    let offload = Offload { checksum: true, tso_max: 60_000 };
    let (mut link, mut peer) = impaired("delay=20ms,direction=in", offload);
    assert_eq!(link.info().offload, offload);
    link.send(at(0), &frame(1)).unwrap();
    assert_eq!(received(&mut peer, at(0)), [1]);
    peer.send(at(0), &frame(2)).unwrap();
    assert!(received(&mut link, at(0)).is_empty());
    assert_eq!(received(&mut link, at(20)), [2]);
    let (mut link, mut peer) = impaired("delay=20ms,direction=out", offload);
    assert_eq!(link.info().offload, Offload::default());
    peer.send(at(0), &frame(2)).unwrap();
    assert_eq!(received(&mut link, at(0)), [2]);
}

#[test]
fn merged_segments_are_treated_one_by_one() {
    let (mut link, mut peer) = impaired("delay=1ms", Offload::default());
    let mut bytes = Vec::new();
    etherparse::PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv4([1; 4], [2; 4], 9)
        .tcp(1, 2, 3, 4)
        .write(&mut bytes, &[7; 3000])
        .unwrap();
    let offload = TxOffload { needs_checksum: true, gso_size: 1000, ..Default::default() };
    peer.send(at(0), &TxFrame { bytes, offload }).unwrap();
    let mut lens = Vec::new();
    link.receive(at(0), &mut |_| ()).unwrap();
    link.receive(at(1), &mut |f| {
        assert_eq!((f.checksum, f.gso_size), (RxChecksum::Unknown, 0));
        let mut right = f.bytes.to_vec();
        finish::complete_checksum(&mut right, Medium::Ethernet);
        assert_eq!(right, f.bytes);
        lens.push(f.bytes.len());
    })
    .unwrap();
    assert_eq!(lens, [1054, 1054, 1054]);
}

/// A link that takes every second frame only.
struct Slow(MemoryLink, bool);

impl Link for Slow {
    fn info(&self) -> &LinkInfo {
        self.0.info()
    }
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.fd()
    }
    fn send(&mut self, now: Instant, frame: &TxFrame) -> io::Result<Sent> {
        self.1 = !self.1;
        if self.1 { self.0.send(now, frame) } else { Ok(Sent::Full) }
    }
    fn receive(&mut self, now: Instant, sink: &mut dyn FnMut(RxFrame<'_>)) -> io::Result<usize> {
        self.0.receive(now, sink)
    }
}

#[test]
fn frames_wait_for_a_full_link_and_keep_their_order() {
    let (a, mut peer) = pair(&MemoryConfig::default()).unwrap();
    let spec = ImpairSpec { delay: Duration::from_millis(5), ..Default::default() };
    let mut link = Impair::new(Box::new(Slow(a, false)), &spec, 1);
    (0..6).for_each(|i| assert_eq!(link.send(at(0), &frame(i)).unwrap(), Sent::Yes));
    let mut got = Vec::new();
    let mut turns = 0;
    while let Some(deadline) = link.deadline() {
        received(&mut link, deadline);
        got.extend(received(&mut peer, deadline));
        turns += 1;
        assert!(turns < 20, "it must not wait for nothing");
    }
    assert_eq!(got, [0, 1, 2, 3, 4, 5]);
}

#[test]
fn counters_name_the_direction() {
    let (mut link, _peer) = impaired("loss=100%,direction=out", Offload::default());
    link.send(at(0), &frame(1)).unwrap();
    let counters = link.counters();
    assert!(counters.contains(&("impair_out_lost", 1)));
    assert!(!counters.iter().any(|(name, _)| name.starts_with("impair_in")));
}
