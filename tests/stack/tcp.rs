//! TCP through two stacks.
use crate::world::*;
use understudy::base::Duration;
use understudy::base::{FourTuple, NetError, Rng};
use understudy::stack::tcp::{State, TcpOptions};
use understudy::stack::*;

impl std::fmt::Debug for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let End { who, conn, data, sent, got, closed, ended } = self;
        let (len, got) = (data.len(), got.len());
        write!(
            f,
            "[{who} {conn:?} sent {sent} of {len}, got {got}, closed {closed}, ended {ended}]"
        )
    }
}

/// One end: what it still has to send, and what it got.
struct End {
    who: usize,
    conn: Option<ConnId>,
    data: Vec<u8>,
    sent: usize,
    got: Vec<u8>,
    closed: bool,
    ended: bool,
}

impl End {
    fn new(who: usize, data: Vec<u8>) -> End {
        let (conn, sent, got) = (None, 0, Vec::new());
        End { who, conn, data, sent, got, closed: false, ended: false }
    }
    /// Sends and receives what is possible now.
    fn turn(&mut self, world: &mut World) {
        let now = world.now;
        while let Some(event) = world.events[self.who].pop_front() {
            match event {
                Event::TcpAccepted { conn, .. } => self.conn = Some(conn),
                Event::TcpChanged(_) => {}
                other => panic!("{other:?}"),
            }
        }
        let Some(conn) = self.conn else { return };
        let tcp = world.stacks[self.who].tcp_mut();
        let status = tcp.status(conn).expect("a connection");
        assert_eq!(status.error, None);
        while status.state != State::SynSent && self.sent < self.data.len() {
            match tcp.send(now, conn, &self.data[self.sent..]) {
                Ok(0) | Err(_) => break,
                Ok(n) => self.sent += n,
            }
        }
        if self.sent == self.data.len() && !self.closed && status.state != State::SynSent {
            tcp.close(now, conn);
            self.closed = true;
        }
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = tcp.receive(now, conn, &mut buffer) {
            self.got.extend_from_slice(&buffer[..n]);
        }
        let status = tcp.status(conn).expect("a connection");

        self.ended = status.remote_closed && status.readable == 0 && status.all_acknowledged;
    }
}

fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut rng = Rng::seeded(seed);
    (0..len).map(|_| rng.u64() as u8).collect()
}

/// Both sides send, and close when they have sent all.
fn exchange(world: &mut World, tuple: FourTuple, up: usize, down: usize) {
    let server = if world.stacks[0].is_local(tuple.remote.ip()) { 0 } else { 1 };
    world.stacks[server].tcp_mut().listen(tuple.remote, false, 16).unwrap();
    let conn = world.stacks[0].tcp_connect(world.now, tuple, TcpOptions::default()).unwrap();
    let mut client = End::new(0, bytes(1, up));
    let mut peer = End::new(server, bytes(2, down));
    client.conn = Some(conn);
    let limit = world.now + Duration::from_secs(3600);
    while !(client.ended && peer.ended) {
        assert!(world.step(), "nothing left to happen: {client:?} {peer:?} {world:?}");
        if server == 0 {
            // Events of both ends come from one stack.
            for event in &world.events[0] {
                if let Event::TcpAccepted { conn, .. } = event {
                    peer.conn = Some(*conn);
                }
            }
            world.events[0].clear();
        }
        client.turn(world);
        peer.turn(world);
        assert!(world.now < limit, "client {:?}", counters(&world.stacks[0]));
    }
    assert!(peer.got == client.data && client.got == peer.data);
}

/// Some TCP for `replay`.
pub fn noise(world: &mut World) {
    world.loss = 0.05;
    world.events = Default::default();
    exchange(world, tuple("10.0.0.1:49152", "10.0.0.2:80"), 200_000, 100_000);
}

#[test]
fn both_ways_at_once() {
    for (a, b) in [("10.0.0.1:49152", "10.0.0.2:80"), ("[fd00::1]:49152", "[fd00::2]:80")] {
        let mut world = World::ethernet();
        exchange(&mut world, tuple(a, b), 3_000_000, 1_000_000);
        assert!(world.sent.iter().all(|(_, frame)| frame.len() <= 1514));
    }
}

#[test]
fn with_loss() {
    let mut world = World::ethernet();
    world.loss = 0.03;
    exchange(&mut world, tuple("10.0.0.1:49152", "10.0.0.2:80"), 1_000_000, 500_000);
}

#[test]
fn with_super_segments() {
    let offload = Offload { checksum: true, tso_max: 65_535 };
    let config = |last, addresses| InterfaceConfig { offload, ..ethernet(last, addresses) };
    let a = config(1, &["10.0.0.1/24", "fd00::1/64"]);
    let mut world = World::new(a, config(2, &["10.0.0.2/24", "fd00::2/64"]));
    exchange(&mut world, tuple("10.0.0.1:49152", "10.0.0.2:80"), 5_000_000, 1_000_000);
    exchange(&mut world, tuple("[fd00::1]:49152", "[fd00::2]:80"), 5_000_000, 1_000_000);
    let largest = world.sent.iter().map(|(_, frame)| frame.len()).max().unwrap();
    assert!((30_000..=65_535 + 14).contains(&largest), "{largest}");
}

#[test]
fn to_ourselves() {
    for (a, b) in [
        ("127.0.0.1:49152", "127.0.0.1:80"),
        ("10.0.0.1:49152", "10.0.0.1:80"),
        ("[::1]:49152", "[::1]:80"),
    ] {
        let mut world = World::ethernet();
        exchange(&mut world, tuple(a, b), 2_000_000, 2_000_000);
        let segments = world.sent.iter().filter(|(who, f)| *who == 0 && f[12..14] == [8, 0]);
        assert_eq!(segments.count(), 0);
    }
}

fn outcome(world: &mut World, a: &str, b: &str, time: Duration) -> Option<NetError> {
    let conn = world.stacks[0].tcp_connect(world.now, tuple(a, b), TcpOptions::default()).unwrap();
    world.run_for(time);
    world.stacks[0].tcp().status(conn).unwrap().error
}

#[test]
fn nobody_there() {
    let mut world = World::ethernet();
    let (ours, second) = ("10.0.0.1:49152", Duration::from_secs(1));
    assert_eq!(outcome(&mut world, ours, "10.0.0.2:81", second), Some(NetError::Refused));
    assert_eq!(outcome(&mut world, "[fd00::1]:5", "[fd00::2]:81", second), Some(NetError::Refused));
    assert_eq!(outcome(&mut world, "127.0.0.1:5", "127.0.0.1:81", second), Some(NetError::Refused));
    let unreachable = Some(NetError::HostUnreachable);
    let time = Duration::from_millis(3_100);
    assert_eq!(outcome(&mut world, ours, "10.0.0.99:80", time), unreachable);
    assert_eq!(outcome(&mut world, "[fd00::1]:6", "[fd00::99]:80", time), unreachable);
    let mut connect = |a, b| {
        world.stacks[0].tcp_connect(world.now, tuple(a, b), TcpOptions::default()).unwrap_err()
    };
    assert_eq!(connect("0.0.0.0:5", "192.0.2.1:80"), NetError::NetUnreachable);
    assert_eq!(connect("10.0.0.1:5", "10.0.0.255:80"), NetError::NetUnreachable);
    assert_eq!(connect("10.0.0.1:5", "224.0.0.1:80"), NetError::NetUnreachable);
    assert_eq!(connect("10.0.0.3:5", "10.0.0.2:80"), NetError::AddressNotAvailable);
    assert_eq!(connect("127.0.0.1:5", "10.0.0.2:80"), NetError::AddressNotAvailable);
}

#[test]
fn a_flood_of_datagrams_leaves_room_for_tcp() {
    let mut world = World::ethernet();
    let to = tuple("10.0.0.1:49152", "10.0.0.2:80");
    world.stacks[1].tcp_mut().listen(to.remote, false, 16).unwrap();
    let conn = world.stacks[0].tcp_connect(world.now, to, TcpOptions::default()).unwrap();
    world.run_for(Duration::from_secs(1));
    let data = bytes(1, 14_000);
    assert_eq!(world.stacks[0].tcp_mut().send(world.now, conn, &data), Ok(data.len()));
    // The link takes one frame at a time, and the program sends a datagram for each.
    let mut frame = TxFrame::default();
    let (mut segments, mut datagrams) = (0, 0);
    for _ in 0..500 {
        let _ = world.udp(0, tuple("10.0.0.1:1", "10.0.0.2:2"), &[1; 1400]);
        let _ = world.udp(0, tuple("10.0.0.1:1", "10.0.0.2:2"), &[1; 1400]);
        world.stacks[0].poll_transmit(world.now, &mut frame).unwrap();
        match frame.bytes[23] {
            6 => segments += 1,
            17 => datagrams += 1,
            other => panic!("protocol {other}"),
        }
    }
    assert!(segments >= 10 && datagrams >= 400, "{segments} {datagrams}");
}
