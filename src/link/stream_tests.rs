//! Two stream links joined to each other, and one against bytes of a peer that we play.
use super::*;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

const NOW: Instant = Instant::from_millis(1000);

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn path(folder: &tempfile::TempDir) -> String {
    folder.path().join("s").to_str().unwrap().into()
}

fn frame(byte: u8, len: usize) -> TxFrame {
    TxFrame { bytes: vec![byte; len], ..Default::default() }
}

fn received(link: &mut StreamLink, now: Instant) -> Vec<Vec<u8>> {
    let mut got = Vec::new();
    link.receive(now, &mut |f| got.push(f.bytes.to_vec())).unwrap();
    got
}

fn listen(path: &str) -> StreamLink {
    StreamLink::listen(path, None, None, "a").unwrap()
}

fn connect(path: &str) -> StreamLink {
    StreamLink::connect(path, None, None, "b", NOW).unwrap()
}

#[test]
fn frames_cross_both_ways() {
    let folder = folder();
    let mut a = listen(&path(&folder));
    let mut b = connect(&path(&folder));
    assert_ne!(a.info().mac, b.info().mac);
    assert!(b.is_connected());
    assert_eq!(b.send(NOW, &frame(1, 60)).unwrap(), Sent::Yes);
    assert_eq!(b.send(NOW, &frame(2, 1514)).unwrap(), Sent::Yes);
    assert_eq!(received(&mut a, NOW), [vec![1; 60], vec![2; 1514]]);
    a.send(NOW, &frame(3, 14)).unwrap();
    assert_eq!(received(&mut b, NOW), [vec![3; 14]]);
    assert_eq!((a.deadline(), b.deadline()), (None, None));
}

#[test]
fn a_full_stream_says_so_and_loses_nothing() {
    let folder = folder();
    let mut a = listen(&path(&folder));
    let mut b = StreamLink::connect(&path(&folder), None, Some(65_520), "b", NOW).unwrap();
    let (mut sent, mut got) = (0u64, 0u64);
    let mut full = 0;
    while got < 200 {
        // Lengths that fall across every boundary of the socket's buffer.
        if sent < 200 {
            let len = 60_000 + sent as usize * 7;
            match b.send(NOW, &frame(sent as u8, len)).unwrap() {
                Sent::Yes => sent += 1,
                Sent::Full => full += 1,
            }
        } else {
            b.receive(NOW, &mut |_| panic!("nobody sent this")).unwrap();
        }
        if full > 0 || sent == 200 {
            for bytes in received(&mut a, NOW) {
                assert_eq!(bytes, vec![got as u8; 60_000 + got as usize * 7]);
                got += 1;
            }
        }
    }
    assert!(full > 0);
}

#[test]
fn a_listener_takes_the_next_peer() {
    let folder = folder();
    let mut a = listen(&path(&folder));
    a.send(NOW, &frame(0, 60)).unwrap();
    let b = connect(&path(&folder));
    received(&mut a, NOW);
    let listener = a.listener.as_ref().unwrap().fd.as_fd();
    assert_ne!(a.fd().unwrap().as_raw_fd(), listener.as_raw_fd());
    let number = a.fd().unwrap().as_raw_fd();
    drop(b);
    let mut c = connect(&path(&folder));
    c.send(NOW, &frame(7, 60)).unwrap();
    // The end of the first peer and the second are seen in two calls.
    assert!(received(&mut a, NOW).is_empty());
    assert!(!a.is_connected());
    assert_eq!(received(&mut a, NOW), [vec![7; 60]]);
    assert_ne!(a.fd().unwrap().as_raw_fd(), number, "another file, another number");
    assert_eq!(a.counts.connections, 2);
    assert_eq!(a.counts.lost_without_peer, 1);
}

#[test]
fn a_connector_tries_again() {
    let folder = folder();
    let mut b = connect(&path(&folder));
    assert!(!b.is_connected() && b.fd().is_none());
    b.send(NOW, &frame(1, 60)).unwrap();
    let first = b.deadline().unwrap();
    assert_eq!(first, NOW + PAUSE_FIRST);
    received(&mut b, first);
    assert_eq!(b.deadline(), Some(first + PAUSE_FIRST * 2));
    let a = listen(&path(&folder));
    received(&mut b, first);
    assert!(!b.is_connected(), "it is not yet time");
    let again = b.deadline().unwrap();
    received(&mut b, again);
    assert!(b.is_connected());
    // The listener goes: so does the connection, and it begins anew.
    drop(a);
    received(&mut b, again);
    assert!(!b.is_connected() && b.fd().is_none());
    assert_eq!(b.deadline(), Some(again + PAUSE_FIRST));
}

#[test]
fn bytes_may_come_in_any_pieces() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let mut link = StreamLink::from_connected(ours.into(), MacAddr([2; 6]), 1500).unwrap();
    let mut bytes = Vec::new();
    for len in [60u32, 5, 1514, 0, 14] {
        bytes.extend(len.to_be_bytes());
        bytes.extend(vec![len as u8; len as usize]);
    }
    let mut got = Vec::new();
    for byte in bytes {
        theirs.write_all(&[byte]).unwrap();
        got.extend(received(&mut link, NOW));
    }
    // Too short for an Ethernet header: not handed on.
    assert_eq!(got.iter().map(Vec::len).collect::<Vec<_>>(), [60, 1514, 14]);
    assert_eq!(link.counts.malformed, 2);
    link.send(NOW, &frame(1, 20)).unwrap();
    let mut head = [0; 24];
    theirs.read_exact(&mut head).unwrap();
    assert_eq!(head[..5], [0, 0, 0, 20, 1]);
}

#[test]
fn nonsense_ends_the_connection() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let mut link = StreamLink::from_connected(ours.into(), MacAddr([2; 6]), 1500).unwrap();
    theirs.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    assert!(received(&mut link, NOW).is_empty());
    assert!(!link.is_connected());
    assert_eq!(link.deadline(), None);
    link.send(NOW, &frame(0, 60)).unwrap();
    assert_eq!(link.counts.lost_without_peer, 1);
}

#[test]
fn errors_are_sentences() {
    let folder = folder();
    let path = path(&folder);
    let plain = format!("{path}.txt");
    std::fs::write(&plain, "x").unwrap();
    let why = |result: io::Result<StreamLink>| result.err().unwrap().to_string();
    let connect = |path: &str| StreamLink::connect(path, None, None, "", NOW);
    let listen = |path: &str| StreamLink::listen(path, None, None, "");
    assert!(why(connect(&plain)).contains("not a socket"));
    assert!(why(listen(&plain)).contains("not a socket"));
    assert!(plain_is_there(&plain));
    assert!(why(connect("/nowhere/s")).contains("folder does not exist"));
    assert!(why(listen("/nowhere/s")).contains("folder does not exist"));
    let _first = listen(&path).unwrap();
    assert!(why(listen(&path)).contains("another program listens"));
}

fn plain_is_there(path: &str) -> bool {
    std::fs::read(path).is_ok_and(|content| content == b"x")
}

#[test]
fn a_dead_socket_is_replaced_and_ours_removed() {
    let folder = folder();
    let path = path(&folder);
    drop(UnixListener::bind(&path).unwrap());
    assert!(std::fs::exists(&path).unwrap());
    let link = listen(&path);
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&path).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    drop(link);
    assert!(!std::fs::exists(&path).unwrap());
}
