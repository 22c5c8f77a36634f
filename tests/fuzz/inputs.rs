//! What is done with hostile bytes, by the fuzz targets and by `tests/hostile_input.rs`. Each
//! function takes any bytes; the only wrong answer is a panic, a hang, or memory without bound.
#![allow(dead_code)]
use understudy::base::Duration;
use understudy::base::Secret;
use understudy::base::{Instant, MacAddr};
use understudy::net::{Brief, file};
use understudy::protocol::connect::ConnectRequest;
use understudy::protocol::name::Name;
use understudy::protocol::request::{Reply, Request};
use understudy::stack::Stack;
use understudy::stack::api::{
    Event, IfIndex, InterfaceConfig, InterfaceSettings, Medium, Offload, RxChecksum, StackConfig,
    TxFrame, UdpSendOptions,
};
use understudy::stack::tcp::{TcpConfig, TcpOptions};

/// A name of a socket; what can be read is written the same way again.
pub fn name(data: &[u8]) {
    if let Some(name) = Name::decode(data) {
        assert_eq!(Name::decode(name.encode().as_bytes()), Some(name));
    }
}

/// A packet of the control channel, in each of its roles.
pub fn control(data: &[u8]) {
    if let Some(request) = Request::decode(data) {
        assert_eq!(Request::decode(&request.encode()), Some(request));
    }
    if let Some(reply) = Reply::decode(data) {
        assert_eq!(Reply::decode(&reply.encode()), Some(reply));
    }
    let _ = ConnectRequest::decode(data);
}

/// A net's TOML file, and a brief.
pub fn net_file(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Err(error) = file::parse(&text, "net.toml") {
        assert!(error.to_string().starts_with("net.toml:"));
    }
    if let Ok(brief) = text.parse::<Brief>() {
        assert_eq!(brief.to_string().parse::<Brief>(), Ok(brief));
    }
}

/// Takes numbers off the front of the input; zeros when it has run out.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn u8(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }
    fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.u8(), self.u8()])
    }
    fn take(&mut self, n: usize) -> &'a [u8] {
        let (head, tail) = self.0.split_at(n.min(self.0.len()));
        self.0 = tail;
        head
    }
}

/// Two hosts on one wire, and an input that says what happens on it. The victim gets frames of the
/// other host, damaged or not, and frames made up from nothing; its programs read, write and close.
pub fn frame(data: &[u8]) {
    let mut bytes = Bytes(data);
    let mut world = World::new(bytes.u8());
    // One step costs at least one byte of input.
    while !bytes.0.is_empty() {
        world.step(&mut bytes);
    }
    world.settle();
}

struct World {
    now: Instant,
    victim: Stack,
    other: Stack,
    frame: TxFrame,
    wire: IfIndex,
}

const VICTIM: &str = "10.0.0.2";
const OTHER: &str = "10.0.0.1";

fn stack(host: u8, offload: Offload) -> (Stack, IfIndex) {
    let mut stack = Stack::new(StackConfig {
        seed: u64::from(host),
        secret: Secret::new([host; 16]),
        tcp: TcpConfig { send_buffer: 4096, receive_buffer: 4096, ..TcpConfig::default() },
        answer_echo: true,
    });
    let interface = InterfaceConfig {
        name: "wire".into(),
        medium: Medium::Ethernet,
        mac: MacAddr([2, 0, 0, 0, 0, host]),
        mtu: 1500,
        addresses: vec![
            format!("10.0.0.{host}/24").parse().unwrap(),
            format!("fd00::{host}/64").parse().unwrap(),
        ],
        offload,
    };
    let settings = InterfaceSettings { autoconf: true, dad: false, ..InterfaceSettings::host() };
    let wire = stack.add_interface_with(Instant::ZERO, interface, settings);
    for group in ["224.1.1.1", "ff02::fb"] {
        let _ = stack.join(Instant::ZERO, wire, group.parse().unwrap());
    }
    stack.start_dhcp(Instant::ZERO, wire);
    (stack, wire)
}

impl World {
    fn new(kind: u8) -> World {
        let tso_max = if kind & 1 == 0 { 0 } else { 65_000 };
        let offload = Offload { checksum: kind & 2 != 0, tso_max };
        let ((mut victim, wire), (mut other, _)) = (stack(2, offload), stack(1, offload));
        let now = Instant::ZERO;
        let _ = victim.tcp_mut().listen("0.0.0.0:80".parse().unwrap(), false, 4);
        let _ = victim.tcp_mut().listen("[::]:81".parse().unwrap(), true, 4);
        let _ = other.tcp_mut().listen("0.0.0.0:80".parse().unwrap(), false, 4);
        for (stack, from, to) in [(&mut victim, VICTIM, OTHER), (&mut other, OTHER, VICTIM)] {
            let [local, remote] = [(from, 50_000), (to, 80)]
                .map(|(ip, port)| format!("{ip}:{port}").parse().unwrap());
            let tuple = understudy::base::FourTuple { local, remote };
            let _ = stack.tcp_connect(now, tuple, TcpOptions::default());
        }
        World { now, victim, other, frame: TxFrame::default(), wire }
    }

    fn step(&mut self, bytes: &mut Bytes) {
        let what = bytes.u8();
        let checksum = if what & 0x80 == 0 { RxChecksum::Trusted } else { RxChecksum::Unknown };
        match what & 0x0f {
            // A frame out of nothing.
            0 => {
                let length = usize::from(bytes.u16()) % 2048;
                let made_up = bytes.take(length);
                self.victim.frame_arrives(self.now, self.wire, made_up, checksum);
            }
            // The other host's next frame, with some bytes changed, or cut.
            1..=7 => {
                if self.other.poll_transmit(self.now, &mut self.frame).is_some() {
                    self.damage(bytes, what & 7);
                    let frame = core::mem::take(&mut self.frame.bytes);
                    self.victim.frame_arrives(self.now, self.wire, &frame, checksum);
                    self.frame.bytes = frame;
                }
            }
            8 | 9 => self.victim_speaks(),
            10 => self.now = self.now + Duration::from_millis(u64::from(bytes.u8()) * 20),
            11 => self.datagrams(bytes),
            _ => self.programs(bytes),
        }
        for stack in [&mut self.victim, &mut self.other] {
            if stack.poll_timeout().is_some_and(|due| due <= self.now) {
                stack.handle_timeout(self.now);
            }
        }
    }

    /// Changes `count - 1` bytes of the frame, and sometimes its length.
    fn damage(&mut self, bytes: &mut Bytes, count: u8) {
        for _ in 1..count {
            let (at, value) = (usize::from(bytes.u16()), bytes.u8());
            let length = self.frame.bytes.len().max(1);
            if at & 0x8000 != 0 {
                self.frame.bytes.truncate(at % length);
            } else if let Some(byte) = self.frame.bytes.get_mut(at % 96 % length) {
                *byte ^= value;
            }
        }
    }

    /// What the victim has to send reaches the other host.
    fn victim_speaks(&mut self) {
        for _ in 0..32 {
            if self.victim.poll_transmit(self.now, &mut self.frame).is_none() {
                return;
            }
            let frame = core::mem::take(&mut self.frame.bytes);
            self.other.frame_arrives(self.now, self.wire, &frame, RxChecksum::Trusted);
            self.frame.bytes = frame;
        }
    }

    fn datagrams(&mut self, bytes: &mut Bytes) {
        let size = usize::from(bytes.u16()) % 5000;
        for (stack, from, to) in
            [(&mut self.victim, VICTIM, OTHER), (&mut self.other, OTHER, VICTIM)]
        {
            let [local, remote] =
                [from, to].map(|ip| format!("{ip}:{}", 1000 + size % 7).parse().unwrap());
            let tuple = understudy::base::FourTuple { local, remote };
            let _ = stack.udp_send(self.now, tuple, &UdpSendOptions::default(), &vec![7; size]);
        }
    }

    /// The programs of both hosts do something with every connection.
    fn programs(&mut self, bytes: &mut Bytes) {
        let what = bytes.u8();
        for stack in [&mut self.victim, &mut self.other] {
            while let Some(event) = stack.poll_event() {
                if let Event::UdpArrived(datagram) = event {
                    stack.udp_refuse(self.now, &datagram);
                }
            }
            let connections: Vec<_> = stack.tcp().connections().map(|(id, ..)| id).collect();
            let tcp = stack.tcp_mut();
            for id in connections {
                let mut buffer = [0; 700];
                let _ = tcp.receive(self.now, id, &mut buffer[..usize::from(what)]);
                let _ = tcp.send(self.now, id, &buffer);
                match what {
                    250 => tcp.close(self.now, id),
                    251 => tcp.abort(self.now, id),
                    252 => tcp.release(self.now, id),
                    _ => {}
                }
                let _ = (tcp.info(self.now, id), tcp.status(id), tcp.peek(id));
            }
        }
    }

    /// Hours pass in which nobody answers: the timers of the victim must come to an end.
    fn settle(&mut self) {
        for _ in 0..2000 {
            while self.victim.poll_event().is_some() {}
            while self.victim.poll_transmit(self.now, &mut self.frame).is_some() {}
            let Some(due) = self.victim.poll_timeout() else { return };
            self.now = self.now.max(due);
            self.victim.handle_timeout(self.now);
        }
    }
}
