//! What is remembered of SYNs.
use super::script::*;
use crate::base::limits::TCP_HALF_OPEN;
use crate::base::rng::Secret;
use crate::base::{FourTuple, Instant};
use crate::stack::Event;
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::open::{Request, SynQueue, syn};
use crate::stack::tcp::words::{Keyed, Seq};
use crate::stack::tcp::*;
use crate::wire::tcp::{Flags, Options};
use core::hash::BuildHasher;
use core::mem::size_of;

/// RFC 4987 3.5: of a SYN only what its ACK needs is remembered, in a small record that is found
/// by a hash with a secret; the connection is made when the ACK comes, and has all that the
/// SYN offered; a reset leaves nothing. There are only so many records.
#[test]
fn a_cache_of_syns() {
    assert!(size_of::<Request>() * 3 < size_of::<Conn>(), "besides its buffers");
    let hash = |secret| {
        let tuple = FourTuple { local: addr(1, LISTEN), remote: addr(2, 1) };
        Keyed::new(&Secret::new([secret; 16])).hash_one(tuple)
    };
    assert_ne!(hash(1), hash(2));
    let mut s = Script::with(TcpConfig { timestamps: true, ..plain_config() });
    s.tcp.listen(s.local, false, 10).unwrap();
    s.stamp = Some(77);
    let offered = Options { mss: Some(700), sack_permitted: true, ..Options::default() };
    for port in 1..=3 {
        s.remote = addr(2, port);
        s.put_with(S, 0, 0, &[], offered);
        s.ours = s.get().expect("a SYN-ACK").header.seq;
    }
    assert_eq!(s.tcp.sizes(), (0, 3));
    s.put(A, 1, 1, &[]);
    assert_eq!(s.tcp.sizes(), (1, 2));
    let Some(Event::TcpAccepted { conn, .. }) = s.tcp.poll_event() else { panic!("nobody") };
    let conn = s.tcp.conn(conn).unwrap();
    let (tx, rx) = conn.sides();
    assert_eq!((tx.iss.0, rx.irs().0), (s.ours, THEIRS));
    assert_eq!((tx.peer_mss, conn.agreed()), (700, (true, Some(77))));
    s.remote = addr(2, 2);
    s.put(R, 1, 0, &[]);
    assert_eq!(s.tcp.sizes(), (1, 1));
}

/// RFC 4987 3.5: whatever listeners and peers there are, the records have one limit.
#[test]
fn the_cache_is_limited() {
    let mut queue = SynQueue::new(Keyed::new(&Secret::new([1; 16])));
    let segment = syn(Seq(1), Flags::SYN, 1000, Options::default());
    let path = Path { mtu: 1500, tso_max: 0 };
    let mut taken = 0;
    while !queue.is_full() {
        let port = (taken % 60_000) as u16 + 1;
        let tuple =
            FourTuple { local: addr(1, LISTEN), remote: addr((taken / 60_000) as u8 + 2, port) };
        let key = (tuple.local, false);
        let request = Request::new(tuple, key, path, &segment, Seq(2), Instant::ZERO);
        queue.insert(request, Instant::FAR_FUTURE);
        taken += 1;
    }
    assert_eq!(taken, TCP_HALF_OPEN);
    let one = queue.iter().next().unwrap().tuple;
    assert!(queue.remove(&one).is_some() && !queue.is_full());
}
