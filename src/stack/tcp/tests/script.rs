//! One `Tcp` against a hand-written peer: each line injects a segment or expects one.
use crate::base::time::Duration;
use crate::base::{FourTuple, Instant, addr::*, rng::Secret};
use crate::stack::tcp::*;
use crate::stack::{ConnId, Event};
use crate::wire::tcp::{Flags, Options, TcpHeader};

pub const F: Flags = Flags::FIN;
pub const S: Flags = Flags::SYN;
pub const R: Flags = Flags::RST;
pub const P: Flags = Flags::PSH;
pub const A: Flags = Flags::ACK;
pub const U: Flags = Flags::URG;
pub const E: Flags = Flags::ECE;
pub const W: Flags = Flags::CWR;
/// The peer's initial sequence number.
pub const THEIRS: u32 = 0xffff_ff00;
pub const LISTEN: u16 = 80;

pub fn addr(last: u8, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)), port)
}

pub fn empty() -> SegmentOut {
    SegmentOut {
        tuple: FourTuple { local: addr(1, 1), remote: addr(2, 2) },
        bytes: Vec::new(),
        header_len: 0,
        gso_size: 0,
        ttl: 0,
        tos: 0,
    }
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Got {
    pub header: TcpHeader,
    pub payload: Vec<u8>,
    pub gso_size: u16,
    pub tos: u8,
}

pub struct Script {
    pub tcp: Tcp,
    pub now: Instant,
    pub id: Option<ConnId>,
    pub path: Path,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// Our ISN as the peer has seen it.
    pub ours: u32,
    /// The peer's next sequence number, relative to its ISN.
    pub theirs: u32,
    pub window: u16,
    /// The urgent pointer of the peer's segments.
    pub urgent: u16,
    /// TSval of the peer if it uses timestamps.
    pub stamp: Option<u32>,
    pub last_stamp: u32,
    /// Type of service of the peer's packets.
    pub tos: u8,
}

impl Script {
    pub fn with(config: TcpConfig) -> Script {
        Script {
            tcp: Tcp::new(config, Secret::new([7; 16]), 1),
            now: Instant::from_millis(1_000_000),
            id: None,
            path: Path { mtu: 1040, tso_max: 0 },
            local: addr(1, LISTEN),
            remote: addr(2, 5000),
            ours: 0,
            theirs: 0,
            window: 50_000,
            urgent: 0,
            stamp: None,
            last_stamp: 0,
            tos: 0,
        }
    }

    /// Without timestamps and window scaling, so that a segment's payload is 1000 bytes.
    pub fn plain() -> Script {
        Script::with(plain_config())
    }

    pub fn tuple(&self) -> FourTuple {
        FourTuple { local: self.local, remote: self.remote }
    }

    /// Injects a segment at `seq` and `ack`, both relative to the initial sequence numbers.
    pub fn put(&mut self, flags: Flags, seq: u32, ack: u32, payload: &[u8]) {
        self.put_with(flags, seq, ack, payload, Options::default());
    }

    pub fn put_with(&mut self, flags: Flags, seq: u32, ack: u32, data: &[u8], mut o: Options) {
        if let (Some(stamp), None) = (self.stamp, o.timestamps) {
            o.timestamps = Some((stamp, self.last_stamp));
        }
        let header = TcpHeader {
            source: self.remote.port(),
            destination: self.local.port(),
            seq: THEIRS.wrapping_add(seq),
            ack: if flags.has(A) { self.ours.wrapping_add(ack) } else { 0 },
            flags,
            window: self.window,
            urgent: self.urgent,
            options: o,
        };
        let mut bytes = Vec::new();
        header.emit(&mut bytes);
        bytes.extend_from_slice(data);
        let meta = SegmentMeta {
            local: self.local.ip(),
            remote: self.remote.ip(),
            tos: self.tos,
            path: self.path,
        };
        self.tcp.segment_arrives(self.now, &meta, &bytes);
    }

    /// The next segment that comes out, if any.
    pub fn get(&mut self) -> Option<Got> {
        let mut out = empty();
        if !self.tcp.poll_transmit(self.now, &mut out) {
            return None;
        }
        let (header, payload) = TcpHeader::parse(&out.bytes).unwrap();
        if let Some((value, _)) = header.options.timestamps {
            self.last_stamp = value;
        }
        Some(Got { header, payload: payload.to_vec(), gso_size: out.gso_size, tos: out.tos })
    }

    /// Expects a segment with exactly these flags, numbers and payload length.
    #[track_caller]
    pub fn expect(&mut self, flags: Flags, seq: u32, ack: u32, len: usize) -> Got {
        let got = self.get().expect("a segment");
        let have = (
            got.header.flags,
            got.header.seq.wrapping_sub(self.ours),
            if got.header.flags.has(A) { got.header.ack.wrapping_sub(THEIRS) } else { 0 },
            got.payload.len(),
        );
        assert_eq!(have, (flags, seq, ack, len), "(flags, seq, ack, length)");
        got
    }

    #[track_caller]
    pub fn expect_nothing(&mut self) {
        if let Some(got) = self.get() {
            panic!("unexpected: {got:?}");
        }
    }

    /// Passes time, calling `handle_timeout` at each deadline on the way.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.tcp.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.tcp.handle_timeout(self.now);
        }
        self.now = end;
        self.tcp.handle_timeout(end);
    }

    pub fn pass_ms(&mut self, millis: u64) {
        self.pass(Duration::from_millis(millis));
    }

    /// Runs the clock until something comes out; says how many milliseconds that took.
    #[track_caller]
    pub fn until_sent(&mut self) -> (u64, Got) {
        let start = self.now;
        loop {
            if let Some(got) = self.get() {
                return (self.now.since(start).as_millis() as u64, got);
            }
            let at = self.tcp.poll_timeout().expect("a timer");
            self.now = self.now.max(at);
            self.tcp.handle_timeout(self.now);
        }
    }

    pub fn id(&self) -> ConnId {
        self.id.unwrap()
    }

    #[track_caller]
    pub fn status(&self) -> TcpStatus {
        self.tcp.status(self.id()).expect("the connection exists")
    }

    #[track_caller]
    pub fn expect_state(&self, state: State) {
        assert_eq!(self.status().state, state);
    }

    pub fn send(&mut self, len: usize) -> usize {
        self.tcp.send(self.now, self.id(), &vec![b'x'; len]).unwrap()
    }

    pub fn send_marked(&mut self, len: usize, more: bool, end_of_record: bool) {
        let (data, mark) = (vec![b'x'; len], Mark { more, end_of_record });
        assert_eq!(self.tcp.send_marked(self.now, self.id(), &data, mark), Ok(len));
    }

    pub fn read(&mut self) -> Vec<u8> {
        let mut buf = vec![0; 100_000];
        let n = self.tcp.receive(self.now, self.id(), &mut buf).unwrap();
        buf.truncate(n);
        buf
    }

    pub fn close(&mut self) {
        self.tcp.close(self.now, self.id());
    }

    pub fn release(&mut self) {
        self.tcp.release(self.now, self.id());
    }

    pub fn options(&mut self, change: impl FnOnce(&mut TcpOptions)) {
        let mut options = self.tcp.options(self.id()).unwrap().clone();
        change(&mut options);
        self.tcp.set_options(self.now, self.id(), options);
    }

    pub fn count(&self, name: &str) -> u64 {
        self.tcp.counters().into_iter().find(|c| c.0 == name).unwrap().1
    }

    /// Starts a connect and eats the SYN.
    pub fn connect(&mut self, options: TcpOptions) -> Got {
        let id = self.tcp.connect(self.now, self.tuple(), self.path, options).unwrap();
        self.id = Some(id);
        let syn = self.get().expect("a SYN");
        assert_eq!(syn.header.flags, S);
        self.ours = syn.header.seq;
        syn
    }

    /// A connection that we opened, established; both next numbers are 1.
    pub fn established() -> Script {
        Script::plain().open()
    }

    pub fn open(self) -> Script {
        self.open_with(Options { mss: Some(1000), ..Options::default() })
    }

    pub fn open_with(self, options: Options) -> Script {
        self.open_after(0, options)
    }

    /// With a handshake that takes `millis`.
    pub fn open_after(mut self, millis: u64, options: Options) -> Script {
        self.connect(TcpOptions::default());
        self.pass_ms(millis);
        self.put_with(S.with(A), 0, 1, &[], options);
        let ack = self.get().expect("an ACK");
        assert_eq!(ack.header.flags, A);
        self.expect_state(State::Established);
        self.theirs = 1;
        assert_eq!(self.tcp.poll_event(), Some(Event::TcpChanged(self.id())));
        self
    }
}

pub fn plain_config() -> TcpConfig {
    // Sizes of segments that many timeouts do not change.
    let mtu_probing = MtuProbing::Off;
    TcpConfig { timestamps: false, window_scaling: false, mtu_probing, ..TcpConfig::default() }
}

/// A connection whose quick ACKs are used up: 160 bytes have come.
pub fn settled() -> Script {
    let mut s = Script::established();
    for _ in 0..16 {
        s.put(A, s.theirs, 1, &[0; 10]);
        s.theirs += 10;
        s.expect(A, 1, s.theirs, 0);
    }
    s.read();
    s
}
