//! A wire between two stacks, in virtual time, with seeded loss.
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use std::collections::{BTreeMap, VecDeque};
use understudy::base::Duration;
use understudy::base::Secret;
use understudy::base::{FourTuple, Instant, MacAddr, NetError, Rng};
use understudy::base::{IpAddr, SocketAddr};
use understudy::stack::tcp::TcpConfig;
use understudy::stack::*;
use understudy::wire::checksum::Sum;

/// An interface `eth` with these addresses.
pub fn ethernet(last: u8, addresses: &[&str]) -> InterfaceConfig {
    InterfaceConfig {
        name: String::from("eth"),
        medium: Medium::Ethernet,
        mac: MacAddr([2, 0, 0, 0, 0, last]),
        mtu: 1500,
        addresses: addresses.iter().map(|a| a.parse().expect("a CIDR")).collect(),
        offload: Offload::default(),
    }
}

/// A stack without interfaces.
pub fn bare_stack(seed: u64) -> Stack {
    Stack::new(StackConfig {
        seed,
        secret: Secret::new([seed as u8; 16]),
        tcp: TcpConfig::default(),
        answer_echo: true,
    })
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

pub fn tuple(local: &str, remote: &str) -> FourTuple {
    let parse = |text: &str| text.parse::<SocketAddr>().expect("an address and port");
    FourTuple { local: parse(local), remote: parse(remote) }
}

/// The value of a counter.
pub fn counter(stack: &Stack, name: &str) -> u64 {
    let all: BTreeMap<_, _> = stack.counters().into_iter().collect();
    *all.get(name).unwrap_or_else(|| panic!("no counter {name} in {all:?}"))
}

/// The non-zero counters, for messages.
pub fn counters(stack: &Stack) -> Vec<(&'static str, u64)> {
    stack.counters().into_iter().filter(|(_, value)| *value != 0).collect()
}

/// Does the link's part of the checksum.
pub fn finish(frame: &mut TxFrame) {
    let offload = frame.offload;
    if !offload.needs_checksum {
        return;
    }
    let start = usize::from(offload.checksum_start);
    let sum = match Sum::ZERO.bytes(&frame.bytes[start..]).finish() {
        0 => 0xffff,
        sum => sum,
    };
    let field = start + usize::from(offload.checksum_offset);
    frame.bytes[field..field + 2].copy_from_slice(&sum.to_be_bytes());
}

/// Panics unless an independent parser finds nothing wrong with an Ethernet frame.
pub fn audit(frame: &[u8]) {
    let packet = SlicedPacket::from_ethernet(frame).unwrap_or_else(|e| panic!("{e}: {frame:x?}"));
    match (&packet.net, &packet.transport) {
        (Some(NetSlice::Ipv4(net)), transport) => {
            let header = net.header().to_header();
            assert_eq!(header.calc_header_checksum(), header.header_checksum);
            if net.payload().fragmented {
                return;
            }
            match transport {
                // RFC 768: its sender made none, because it was told so.
                Some(TransportSlice::Udp(udp)) if udp.checksum() == 0 => {}
                Some(TransportSlice::Udp(udp)) => {
                    let sum = udp.to_header().calc_checksum_ipv4(&header, udp.payload());
                    assert_eq!(sum, Ok(udp.checksum()));
                }
                Some(TransportSlice::Tcp(tcp)) => {
                    assert_eq!(
                        tcp.calc_checksum_ipv4(header.source, header.destination),
                        Ok(tcp.checksum())
                    );
                }
                // etherparse has no IGMP.
                None if header.protocol.0 == 2 => assert_eq!(header.time_to_live, 1),
                Some(TransportSlice::Icmpv4(icmp)) => {
                    assert!(Sum::ZERO.bytes(icmp.slice()).is_right());
                }
                other => panic!("unexpected {other:?}"),
            }
        }
        (Some(NetSlice::Ipv6(net)), transport) => {
            if net.payload().fragmented {
                return;
            }
            let header = net.header().to_header();
            match transport {
                // RFC 768: its sender made none, because it was told so.
                Some(TransportSlice::Udp(udp)) if udp.checksum() == 0 => {}
                Some(TransportSlice::Udp(udp)) => {
                    let sum = udp.to_header().calc_checksum_ipv6(&header, udp.payload());
                    assert_eq!(sum, Ok(udp.checksum()));
                }
                Some(TransportSlice::Tcp(tcp)) => {
                    let sum = tcp.calc_checksum_ipv6(header.source, header.destination);
                    assert_eq!(sum, Ok(tcp.checksum()));
                }
                Some(TransportSlice::Icmpv6(icmp)) => {
                    let (src, dst) = (header.source, header.destination);
                    assert!(icmp.is_checksum_valid(src, dst));
                }
                other => panic!("unexpected {other:?}"),
            }
        }
        (Some(NetSlice::Arp(_)), None) => {}
        other => panic!("unexpected {other:?}"),
    }
}

/// Two hosts, 0 and 1, and a wire.
pub struct World {
    pub now: Instant,
    pub stacks: [Stack; 2],
    pub interfaces: [IfIndex; 2],
    pub events: [VecDeque<Event>; 2],
    /// Frames on the wire: when they arrive, at whom.
    flying: VecDeque<(Instant, usize, Vec<u8>)>,
    /// Every frame sent: by whom.
    pub sent: Vec<(usize, Vec<u8>)>,
    pub delay: Duration,
    pub loss: f64,
    rng: Rng,
    /// Whether the wire cuts super-segments (it carries them whole, as veth does).
    pub trusted: bool,
}

impl World {
    /// Hosts 10.0.0.1 and 10.0.0.2, fd00::1 and fd00::2, on an Ethernet.
    pub fn ethernet() -> World {
        let a = ethernet(1, &["10.0.0.1/24", "fd00::1/64"]);
        let b = ethernet(2, &["10.0.0.2/24", "fd00::2/64"]);
        World::new(a, b)
    }
    pub fn new(a: InterfaceConfig, b: InterfaceConfig) -> World {
        let mut stacks = [bare_stack(1), bare_stack(2)];
        let trusted = a.offload.tso_max > 0 || b.offload.tso_max > 0;
        let now = Instant::from_millis(1);
        let interfaces = [stacks[0].add_interface(now, a), stacks[1].add_interface(now, b)];
        World {
            now,
            stacks,
            interfaces,
            events: Default::default(),
            flying: VecDeque::new(),
            sent: Vec::new(),
            delay: Duration::from_millis(5),
            loss: 0.0,
            rng: Rng::seeded(7),
            trusted,
        }
    }
    /// Collects frames and events of both hosts.
    fn collect(&mut self) {
        let mut frame = TxFrame::default();
        for who in 0..2 {
            while let Some(interface) = self.stacks[who].poll_transmit(self.now, &mut frame) {
                assert_eq!(interface, self.interfaces[who]);
                finish(&mut frame);
                if frame.offload.gso_size == 0 {
                    audit(&frame.bytes);
                } else {
                    assert!(self.trusted, "a super-segment for a link that cannot cut it");
                }
                self.sent.push((who, frame.bytes.clone()));
                if !self.rng.chance(self.loss) {
                    self.flying.push_back((self.now + self.delay, 1 - who, frame.bytes.clone()));
                }
            }
            while let Some(event) = self.stacks[who].poll_event() {
                self.events[who].push_back(event);
            }
        }
    }
    /// Lets what is due now happen, then goes to the next moment; false if there is none.
    pub fn step(&mut self) -> bool {
        self.collect();
        let arrival = self.flying.front().map(|(at, ..)| *at);
        let timers = self.stacks.iter().filter_map(Stack::poll_timeout).min();
        let Some(next) = arrival.into_iter().chain(timers).min() else { return false };
        self.now = self.now.max(next);
        while self.flying.front().is_some_and(|(at, ..)| *at <= self.now) {
            let Some((_, to, bytes)) = self.flying.pop_front() else { break };
            let checksum = if self.trusted { RxChecksum::Trusted } else { RxChecksum::Unknown };
            self.stacks[to].frame_arrives(self.now, self.interfaces[to], &bytes, checksum);
        }
        for stack in &mut self.stacks {
            if stack.poll_timeout().is_some_and(|at| at <= self.now) {
                stack.handle_timeout(self.now);
            }
        }
        self.collect();
        true
    }
    /// Runs for so long, or until nothing is left to happen.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.collect();
        while self.next().is_some_and(|at| at <= end) && self.step() {}
        self.now = end;
    }
    fn next(&self) -> Option<Instant> {
        let arrival = self.flying.front().map(|(at, ..)| *at);
        arrival.into_iter().chain(self.stacks.iter().filter_map(Stack::poll_timeout)).min()
    }
    /// Sends a datagram from `who`.
    pub fn udp(&mut self, who: usize, tuple: FourTuple, payload: &[u8]) -> Result<(), NetError> {
        let options = UdpSendOptions::default();
        self.stacks[who].udp_send(self.now, tuple, &options, payload)
    }
    /// The next datagram that `who` received.
    pub fn datagram(&mut self, who: usize) -> UdpDatagram {
        match self.events[who].pop_front() {
            Some(Event::UdpArrived(datagram)) => datagram,
            other => panic!("no datagram but {other:?}; {:?}", counters(&self.stacks[who])),
        }
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "at {:?}, {} frames sent", self.now, self.sent.len())?;
        for stack in &self.stacks {
            let all: Vec<_> = stack.tcp().connections().collect();
            writeln!(f, "{all:?} {:?}", counters(stack))?;
        }
        Ok(())
    }
}
