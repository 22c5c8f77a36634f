//! Recordings, read back with the same crate's reader.
use super::*;
use crate::link::TxOffload;
use crate::link::memory::{MemoryConfig, MemoryLink, pair};
use crate::link::recorder::SINKS_MAX;
use pcap_file::DataLink;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionOption;
use pcap_file::pcapng::{Block, PcapNgReader};
use std::io::Read;
use std::os::unix::net::UnixStream;

const EPOCH: Duration = Duration::from_secs(1_700_000_000);

fn recorded() -> (Capture, MemoryLink) {
    let (a, b) = pair(&MemoryConfig { capacity: 100_000, ..Default::default() }).unwrap();
    (Capture::new(Box::new(a), EPOCH).unwrap(), b)
}

fn at(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

fn frame(byte: u8, len: usize) -> TxFrame {
    TxFrame { bytes: vec![byte; len], ..Default::default() }
}

/// Times since 1970, directions and bytes of all frames.
fn read(pcapng: &[u8]) -> Vec<(Duration, u32, Vec<u8>)> {
    let mut reader = PcapNgReader::new(pcapng).unwrap();
    let mut all = Vec::new();
    while let Some(block) = reader.next_block() {
        match block.unwrap() {
            Block::EnhancedPacket(packet) => {
                let [EnhancedPacketOption::Flags(flags)] = packet.options[..] else {
                    panic!("no flags: {:?}", packet.options)
                };
                all.push((packet.timestamp, flags, packet.data.to_vec()));
            }
            Block::InterfaceDescription(interface) => {
                assert_eq!(interface.linktype, DataLink::ETHERNET);
                assert!(interface.options.contains(&InterfaceDescriptionOption::IfTsResol(9)));
            }
            other => panic!("unexpected: {other:?}"),
        }
    }
    all
}

#[test]
fn both_ways_with_their_times() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.pcapng");
    let (mut link, mut peer) = recorded();
    link.send(at(0), &frame(9, 60)).unwrap();
    link.recorder.attach_file(path.to_str().unwrap(), at(1)).unwrap();
    link.send(at(2), &frame(1, 61)).unwrap();
    peer.send(at(3), &frame(2, 1514)).unwrap();
    link.receive(at(5), &mut |_| ()).unwrap();
    assert_eq!(link.deadline(), Some(at(22)));
    link.receive(at(22), &mut |_| ()).unwrap();
    assert_eq!(link.deadline(), None);
    let expected = [
        (EPOCH + Duration::from_millis(2), 2, vec![1; 61]),
        (EPOCH + Duration::from_millis(5), 1, vec![2; 1514]),
    ];
    assert_eq!(read(&std::fs::read(&path).unwrap()), expected);
    // What is left is written at the end.
    link.send(at(30), &frame(3, 62)).unwrap();
    drop(link);
    assert_eq!(read(&std::fs::read(&path).unwrap()).len(), 3);
}

#[test]
fn unfinished_checksums_are_written_right() {
    let mut right = Vec::new();
    etherparse::PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv4([1; 4], [2; 4], 9)
        .tcp(1, 2, 3, 4)
        .write(&mut right, &[7; 3000])
        .unwrap();
    let mut tx = TxFrame { bytes: right.clone(), ..Default::default() };
    tx.bytes[50..52].copy_from_slice(&[0x12, 0x34]);
    tx.offload = TxOffload { needs_checksum: true, gso_size: 1000, ..Default::default() };
    let (reader, writer) = UnixStream::pair().unwrap();
    let (mut link, mut peer) = recorded();
    link.recorder.attach(writer.into(), at(0)).unwrap();
    link.send(at(0), &tx).unwrap();
    peer.send(at(0), &tx).unwrap();
    link.receive(at(20), &mut |f| assert_eq!(f.bytes, tx.bytes, "as it came")).unwrap();
    drop(link);
    let mut bytes = Vec::new();
    (&reader).read_to_end(&mut bytes).unwrap();
    let got: Vec<_> = read(&bytes).into_iter().map(|(_, way, data)| (way, data)).collect();
    assert_eq!(got, [(2, right.clone()), (1, right)]);
}

#[test]
fn a_slow_reader_loses_whole_frames_and_a_gone_one_is_dropped() {
    let (reader, writer) = UnixStream::pair().unwrap();
    let (mut link, mut peer) = recorded();
    let id = link.recorder.attach(writer.into(), at(0)).unwrap();
    for i in 0..10_000u64 {
        link.send(at(i), &frame(5, 1514)).unwrap();
    }
    assert_eq!(peer.receive(at(0), &mut |_| ()).unwrap(), 64, "the link itself goes on");
    assert!(link.deadline().is_some());
    let lost = link.counters().iter().find(|(name, _)| *name == "capture_lost").unwrap().1;
    assert!(lost > 1000 && lost < 10_000, "{lost}");
    // What it does get is whole.
    let mut bytes = Vec::new();
    reader.set_nonblocking(true).unwrap();
    let mut now = 20_000;
    while link.deadline().is_some() {
        let _ = (&reader).read_to_end(&mut bytes);
        now += 20;
        link.receive(at(now), &mut |_| ()).unwrap();
    }
    let _ = (&reader).read_to_end(&mut bytes);
    assert_eq!(read(&bytes).len() as u64, 10_000 - lost);
    assert!(link.recorder.is_attached(id));
    drop(reader);
    link.send(at(now), &frame(5, 60)).unwrap();
    link.receive(at(now + 20), &mut |_| ()).unwrap();
    assert!(!link.recorder.is_attached(id));
    assert_eq!((link.recorder.detach(id), link.deadline()), (None, None));
    assert!(link.counters().contains(&("capture_broken", 1)));
}

#[test]
fn sinks_come_and_go() {
    let (first, writer) = UnixStream::pair().unwrap();
    let (mut link, _peer) = recorded();
    let id = link.recorder.attach(writer.into(), at(0)).unwrap();
    link.send(at(0), &frame(1, 60)).unwrap();
    assert_eq!(link.recorder.detach(id), Some(0));
    link.send(at(0), &frame(2, 60)).unwrap();
    let mut bytes = Vec::new();
    (&first).read_to_end(&mut bytes).unwrap();
    assert_eq!(read(&bytes).len(), 1);
    // Not a pipe, and not without end.
    let (_reader, pipe) = rustix::pipe::pipe().unwrap();
    assert!(link.recorder.attach(pipe, at(0)).unwrap_err().to_string().contains("unix socket"));
    let streams: Vec<_> = (0..=SINKS_MAX).map(|_| UnixStream::pair().unwrap()).collect();
    let mut last = Ok(id);
    for (_, writer) in &streams {
        last = link.recorder.attach(writer.try_clone().unwrap().into(), at(0));
    }
    assert!(last.unwrap_err().to_string().contains("already"));
    let why = link.recorder.attach_file("/nowhere/x", at(0)).unwrap_err().to_string();
    assert!(why.starts_with("capture=/nowhere/x: cannot be written"), "{why}");
}
