//! An engine in a thread, a host at the other end of its wire, and programs' sockets.
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use understudy::base::rng::Secret;
use understudy::base::{Cidr, FourTuple, Instant};
use understudy::engine::{Engine, EngineConfig, EngineError, EngineInterface, Stop};
use understudy::link::Link;
use understudy::link::capture::Capture;
use understudy::link::memory::{MemoryConfig, MemoryLink, pair};
use understudy::net::brief::{Brief, BriefRoute, Users};
use understudy::protocol::connect::ConnectRequest;
use understudy::protocol::name::{Name, NetId, Role, Slot};
use understudy::protocol::option::WireOption;
use understudy::protocol::request::{Reply, Request};
use understudy::stack::tcp::{FastOpenBits, TcpConfig, TcpOptions};
use understudy::stack::{ConnId, Event, IfIndex, InterfaceConfig, Stack, StackConfig, TxFrame};

/// Anything that should take milliseconds may take so long.
pub const LIMIT: Duration = Duration::from_secs(20);

/// The net's address, and the other host's.
pub const OURS: &str = "10.9.0.2";
pub const THEIRS: &str = "10.9.0.1";

pub fn at(host: &str, port: u16) -> SocketAddr {
    SocketAddr::new(host.parse().unwrap(), port)
}

fn clock() -> Instant {
    understudy::host::clock::now()
}

/// A net of its own for every test.
fn fresh_brief() -> Brief {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let id = (std::process::id() << 8 | number & 0xff).max(1);
    let prefix: Cidr = "10.9.0.0/24".parse().unwrap();
    Brief {
        name: format!("test{id}"),
        id,
        addresses: vec![format!("{OURS}/24").parse().unwrap()],
        routes: vec![BriefRoute { prefix, source: OURS.parse().unwrap() }],
        users: Users::Any,
        ..Brief::local()
    }
}

/// The engine's thread.
pub struct Running {
    stop: Stop,
    thread: Option<JoinHandle<Result<(), EngineError>>>,
}

impl Running {
    /// Ends it, and waits until it has.
    pub fn end(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the engine panicked").expect("the engine failed");
        }
    }
    pub fn ask_to_end(&self) {
        self.stop.stop();
    }
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.expect("the engine panicked").expect("the engine failed");
            }
        }
    }
}

/// All of it.
pub struct Rig {
    pub net: NetId,
    pub brief: Brief,
    pub engine: Running,
    pub peer: Peer,
}

fn config(brief: &Brief, link: MemoryLink, linger: Duration) -> EngineConfig {
    let mut config = EngineConfig::new(brief.clone());
    // When a test ends, the other host is no longer there to acknowledge anything.
    config.linger = linger;
    config.tcp.fast_open = FastOpenBits(3);
    config.interfaces.push(EngineInterface {
        name: "eth0".into(),
        link: Box::new(Capture::new(Box::new(link), Duration::ZERO).unwrap()),
        addresses: vec![format!("{OURS}/24").parse().unwrap()],
        mac: None,
        mtu: None,
    });
    config
}

pub fn try_start(brief: &Brief, link: MemoryLink) -> Result<Running, EngineError> {
    start_with(brief, link, Duration::from_millis(50))
}

fn start_with(brief: &Brief, link: MemoryLink, linger: Duration) -> Result<Running, EngineError> {
    let engine = Engine::start(config(brief, link, linger))?;
    let stop = engine.stop_handle();
    Ok(Running { stop, thread: Some(std::thread::spawn(move || engine.run())) })
}

impl Rig {
    pub fn new() -> Rig {
        Rig::with_linger(Duration::from_millis(50))
    }

    /// With an engine that may take so long to deliver what was written before its end.
    pub fn with_linger(linger: Duration) -> Rig {
        let brief = fresh_brief();
        let (ours, theirs) = pair(&MemoryConfig::default()).unwrap();
        let engine = start_with(&brief, ours, linger).unwrap();
        Rig { net: NetId(brief.id), brief, engine, peer: Peer::new(theirs) }
    }

    /// The engine ends and another one takes its place, on a new wire.
    pub fn restart(&mut self) {
        self.engine.end();
        let (ours, theirs) = pair(&MemoryConfig::default()).unwrap();
        self.engine = try_start(&self.brief, ours).unwrap();
        self.peer = Peer::new(theirs);
    }

    pub fn name(&self, role: Role) -> SocketAddrUnix {
        let name = Name { net: self.net, role };
        SocketAddrUnix::new_abstract_name(name.encode().as_bytes()).unwrap()
    }

    pub fn socket(&self, kind: SocketType) -> OwnedFd {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        rustix::net::socket_with(AddressFamily::UNIX, kind, flags, None).unwrap()
    }

    /// A program's socket that has asked to be connected, and is not yet.
    pub fn connect(&self, tuple: FourTuple, options: Vec<WireOption>) -> OwnedFd {
        let fd = self.socket(SocketType::STREAM);
        let name = Role::Endpoint { local: tuple.local, remote: tuple.remote };
        rustix::net::bind(&fd, &self.name(name)).unwrap();
        rustix::net::connect(&fd, &self.name(Role::Gateway)).unwrap();
        let buffer = rustix::net::sockopt::socket_send_buffer_size(&fd).unwrap();
        let length = buffer as u32 / 4 + 1;
        let options = options.into_iter().collect();
        let request = ConnectRequest { length, tuple, options, data: &[] };
        let mut bytes = request.head().to_vec();
        bytes.resize(length as usize, 0);
        let sent = rustix::net::send(&fd, &bytes, rustix::net::SendFlags::NOSIGNAL).unwrap();
        assert_eq!(sent, bytes.len());
        fd
    }

    /// A program's connected socket, and the other host's connection.
    pub fn connected(&mut self, port: u16) -> (OwnedFd, ConnId) {
        self.peer.stack.tcp_mut().listen(at(THEIRS, 80), false, 16).unwrap();
        let tuple = FourTuple { local: at(OURS, port), remote: at(THEIRS, 80) };
        let fd = self.connect(tuple, Vec::new());
        self.peer.until("the socket is writable", |_| ready(&fd, PollFlags::OUT));
        assert!(!ready(&fd, PollFlags::HUP | PollFlags::ERR));
        let conn = self.peer.accepted.pop().expect("the other host accepted");
        (fd, conn)
    }

    /// A program's listening socket, which the engine knows.
    pub fn listen(&self, local: SocketAddr, slot: Slot, backlog: i32) -> OwnedFd {
        self.listen_with(local, slot, backlog, Vec::new())
    }

    pub fn listen_with(
        &self,
        local: SocketAddr,
        slot: Slot,
        backlog: i32,
        options: Vec<WireOption>,
    ) -> OwnedFd {
        let fd = self.socket(SocketType::STREAM);
        let role = Role::Listener { local, dual: false, slot };
        rustix::net::bind(&fd, &self.name(role)).unwrap();
        rustix::net::listen(&fd, backlog).unwrap();
        let backlog = Some(backlog as u32);
        let options = options.into_iter().collect();
        let request = Request::Listen { local, dual: false, backlog, options, keys: None };
        assert_eq!(self.ask(&request), Reply::Errno(0));
        fd
    }

    /// An accepted socket of a program, and the other host's connection to it.
    pub fn accepted(&mut self, listener: &OwnedFd, port: u16) -> (OwnedFd, ConnId) {
        let conn = self.peer.connect(at(THEIRS, port), at(OURS, 80));
        (self.accept(listener), conn)
    }

    pub fn accept(&mut self, listener: &OwnedFd) -> OwnedFd {
        self.peer.until("somebody to accept", |_| ready(listener, PollFlags::IN));
        rustix::net::accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC).unwrap()
    }

    pub fn ask(&self, request: &Request) -> Reply<'static> {
        let fd = self.control();
        rustix::net::send(&fd, &request.encode(), rustix::net::SendFlags::NOSIGNAL).unwrap();
        self.answer(&fd)
    }

    pub fn control(&self) -> OwnedFd {
        let fd = self.socket(SocketType::SEQPACKET);
        rustix::net::connect(&fd, &self.name(Role::Control)).unwrap();
        fd
    }

    pub fn answer(&self, fd: &OwnedFd) -> Reply<'static> {
        reply(fd)
    }

    pub fn snapshot(&self) -> understudy::engine::snapshot::Snapshot {
        let fd = self.control();
        let request = Request::Snapshot.encode();
        rustix::net::send(&fd, &request, rustix::net::SendFlags::NOSIGNAL).unwrap();
        let mut text = String::new();
        loop {
            match self.answer(&fd) {
                Reply::Text("") => break,
                Reply::Text(piece) => text += piece,
                other => panic!("{other:?}"),
            }
        }
        serde_json::from_str(&text).unwrap()
    }
}

/// Whether the socket shows any of `flags` now.
pub fn ready(fd: &OwnedFd, flags: PollFlags) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), flags)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut fds, Some(&now)).unwrap();
    fds[0].revents().intersects(flags)
}

/// Waits until the socket shows any of `flags` (while the other host does nothing).
pub fn wait(fd: &OwnedFd, flags: PollFlags) {
    let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), flags)];
    let limit = Timespec { tv_sec: LIMIT.as_secs() as i64, tv_nsec: 0 };
    assert_eq!(poll(&mut fds, Some(&limit)).unwrap(), 1, "nothing happened");
}

/// The next reply on a control connection; its bytes stay for the rest of the test.
pub fn reply(fd: &OwnedFd) -> Reply<'static> {
    wait(fd, PollFlags::IN);
    let mut bytes = vec![0; understudy::protocol::request::PACKET_MAX];
    let (n, _) = rustix::net::recv(fd, &mut bytes[..], rustix::net::RecvFlags::empty()).unwrap();
    bytes.truncate(n);
    Reply::decode(bytes.leak()).expect("a reply")
}

/// The host at the other end of the wire.
pub struct Peer {
    pub stack: Stack,
    link: MemoryLink,
    interface: IfIndex,
    pub accepted: Vec<ConnId>,
    pub datagrams: Vec<understudy::stack::UdpDatagram>,
    pub failures: Vec<FourTuple>,
    frame: TxFrame,
}

impl Peer {
    fn new(link: MemoryLink) -> Peer {
        let config = StackConfig {
            seed: 7,
            secret: Secret::new([7; 16]),
            tcp: TcpConfig::default(),
            answer_echo: true,
        };
        let mut stack = Stack::new(config);
        let info = link.info().clone();
        let interface = stack.add_interface(
            clock(),
            InterfaceConfig {
                name: "wire".into(),
                medium: info.medium,
                mac: info.mac.unwrap(),
                mtu: info.mtu,
                addresses: vec![format!("{THEIRS}/24").parse().unwrap()],
                offload: info.offload,
            },
        );
        Peer {
            stack,
            link,
            interface,
            accepted: Vec::new(),
            datagrams: Vec::new(),
            failures: Vec::new(),
            frame: TxFrame::default(),
        }
    }

    /// Opens a connection; does not wait.
    pub fn connect(&mut self, local: SocketAddr, remote: SocketAddr) -> ConnId {
        let tuple = FourTuple { local, remote };
        self.stack.tcp_connect(clock(), tuple, TcpOptions::default()).unwrap()
    }

    /// Opens a connection whose SYN carries `data`, without a cookie, and sends that.
    pub fn connect_with_data(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        data: &[u8],
    ) -> ConnId {
        let options = TcpOptions { fast_open_no_cookie: true, ..TcpOptions::default() };
        let (now, tuple) = (clock(), FourTuple { local, remote });
        let conn = self.stack.tcp_connect(now, tuple, options).unwrap();
        assert_eq!(self.stack.tcp_mut().preload(now, conn, data, false), data.len());
        self.step();
        conn
    }

    /// One turn; when to be called again.
    fn step(&mut self) -> Instant {
        let now = clock();
        let (stack, interface) = (&mut self.stack, self.interface);
        let mut sink = |frame: understudy::link::RxFrame<'_>| {
            stack.frame_arrives(now, interface, frame.bytes, frame.checksum);
        };
        while self.link.receive(now, &mut sink).unwrap() > 0 {}
        if self.stack.poll_timeout().is_some_and(|at| at <= now) {
            self.stack.handle_timeout(now);
        }
        while self.stack.poll_transmit(now, &mut self.frame).is_some() {
            self.link.send(now, &self.frame).unwrap();
        }
        while let Some(event) = self.stack.poll_event() {
            match event {
                Event::TcpAccepted { conn, .. } => self.accepted.push(conn),
                Event::TcpChanged(_) => {}
                Event::UdpArrived(datagram) => self.datagrams.push(datagram),
                Event::DatagramFailed(failed) => self.failures.push(failed.tuple),
                Event::EchoArrived(_) | Event::IcmpArrived(_) => {}
            }
        }
        self.stack.poll_timeout().unwrap_or(Instant::FAR_FUTURE)
    }

    /// Runs the host until `condition` holds; fails after [`LIMIT`].
    pub fn until(&mut self, what: &str, mut condition: impl FnMut(&mut Peer) -> bool) {
        let end = clock() + LIMIT;
        loop {
            let next = self.step();
            if condition(self) {
                // What the condition did may have to be sent.
                self.step();
                return;
            }
            let now = clock();
            assert!(now < end, "waited in vain for: {what}");
            // Programs' sockets are not watched here, so look again soon.
            let pause = next.since(now).min(Duration::from_micros(500));
            let pause = Timespec { tv_sec: 0, tv_nsec: pause.subsec_nanos().into() };
            let fd = self.link.fd().unwrap();
            poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], Some(&pause)).unwrap();
        }
    }

    pub fn send(&mut self, conn: ConnId, data: &[u8]) -> usize {
        self.stack.tcp_mut().send(clock(), conn, data).unwrap_or(0)
    }
    pub fn receive(&mut self, conn: ConnId, into: &mut Vec<u8>) -> usize {
        let now = clock();
        let tcp = self.stack.tcp_mut();
        let got = tcp.peek(conn).concat();
        into.extend_from_slice(&got);
        tcp.consume(now, conn, got.len());
        got.len()
    }
    pub fn close(&mut self, conn: ConnId) {
        self.stack.tcp_mut().close(clock(), conn);
    }
    pub fn abort(&mut self, conn: ConnId) {
        self.stack.tcp_mut().abort(clock(), conn);
    }
    pub fn status(&self, conn: ConnId) -> Option<understudy::stack::tcp::TcpStatus> {
        self.stack.tcp().status(conn)
    }
    pub fn udp_send(&mut self, tuple: FourTuple, payload: &[u8]) {
        self.stack.udp_send(clock(), tuple, &Default::default(), payload).unwrap();
    }
}

/// Reads what there is: `None` at the end of the stream.
pub fn read_some(fd: &OwnedFd, into: &mut Vec<u8>) -> Result<Option<usize>, rustix::io::Errno> {
    let mut buffer = [0u8; 65536];
    match rustix::io::read(fd, &mut buffer[..]) {
        Ok(0) => Ok(None),
        Ok(n) => {
            into.extend_from_slice(&buffer[..n]);
            Ok(Some(n))
        }
        Err(rustix::io::Errno::AGAIN) => Ok(Some(0)),
        Err(error) => Err(error),
    }
}

/// Writes what fits.
pub fn write_some(fd: &OwnedFd, data: &[u8]) -> usize {
    match rustix::net::send(fd, data, rustix::net::SendFlags::NOSIGNAL) {
        Ok(n) => n,
        Err(rustix::io::Errno::AGAIN) => 0,
        Err(error) => panic!("send: {error}"),
    }
}

/// Bytes that show where they belong.
pub fn pattern(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|i| (i as u32).wrapping_mul(2_654_435_761).to_le_bytes()[3] ^ seed).collect()
}
