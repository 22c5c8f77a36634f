//! Packet and TAP links against the kernel: ARP, TCP with super-segments both ways, datagrams that
//! the kernel merged; filters; sentences for what cannot work. The kernel's side is ordinary
//! sockets; ours is a peer played by hand, so that only the link is tested, not our stack.
mod common;

use common::need;
use common::wait::{wait_for, wait_within};
use etherparse::{
    ArpEthIpv4Packet, ArpOperation, NetSlice, PacketBuilder, SlicedPacket, TcpOptionElement,
    TransportSlice,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::{Duration, Instant as Clock};
use understudy::base::{Instant, MacAddr};
use understudy::base::{IpAddr, Ipv4Addr};
use understudy::link::open;
use understudy::link::{Link, Medium, RxChecksum, RxFrame, Sent, TxFrame, TxOffload, finish};
use understudy::wire::checksum;

const KERNEL: [u8; 4] = [10, 9, 0, 1];
const OURS: [u8; 4] = [10, 9, 0, 2];
const LIMIT: Duration = Duration::from_secs(20);
/// What we send to the kernel in one super-segment: within its first window.
const REPLY: usize = 60_000;

/// Runs `body` in a network namespace of its own. Without root this test binary is started again in
/// a user namespace.
fn in_namespace(name: &str, body: fn()) {
    if !need::root() {
        if let Some(missing) = need::missing(&["unshare", "ip"]) {
            return need::skip(&missing);
        }
        let program = std::env::current_exe().unwrap();
        let status = Command::new("unshare")
            .args(["--user", "--map-root-user"])
            .arg(program)
            .args(["--exact", name, "--nocapture"])
            .status()
            .unwrap();
        return assert!(status.success());
    }
    let namespace = common::netns::Netns::new();
    let file = std::fs::File::open(format!("/proc/{}/ns/net", namespace.pid())).unwrap();
    let joined = std::thread::spawn(move || {
        use std::os::fd::AsFd;
        let kind = Some(rustix::thread::LinkNameSpaceType::Network);
        rustix::thread::move_into_link_name_space(file.as_fd(), kind).unwrap();
        body();
    });
    joined.join().unwrap();
}

fn ip(args: &str) {
    let status = Command::new("ip").args(args.split_whitespace()).status().unwrap();
    assert!(status.success(), "ip {args}");
}

fn link(spec: &str) -> Box<dyn Link> {
    // A program that another thread is just starting may hold a closed device until its exec.
    let opened = wait_within(LIMIT, || match open(&spec.parse().unwrap(), "test", Instant::ZERO) {
        Err(busy) if busy.kind() == std::io::ErrorKind::ResourceBusy => None,
        other => Some(other.unwrap()),
    });
    opened.expect("a device that is free")
}

fn why_not(spec: &str) -> String {
    open(&spec.parse().unwrap(), "test", Instant::ZERO).err().expect(spec).to_string()
}

/// Receives until `done` says so of a frame.
fn receive_until(link: &mut dyn Link, mut done: impl FnMut(RxFrame<'_>) -> bool) {
    let end = Clock::now() + LIMIT;
    let mut over = false;
    while !over {
        assert!(Clock::now() < end, "waited in vain");
        let tick = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        let fd = link.fd().unwrap();
        poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&tick)).unwrap();
        link.receive(Instant::ZERO, &mut |frame| over |= done(frame)).unwrap();
    }
}

fn send(link: &mut dyn Link, frame: &TxFrame) {
    assert_eq!(link.send(Instant::ZERO, frame).unwrap(), Sent::Yes);
}

/// Leaves the TCP checksum of a complete frame to the link, and the cutting if it is too long.
fn leave_to_link(mut bytes: Vec<u8>) -> TxFrame {
    let header = 34 + usize::from(bytes[46] >> 4) * 4;
    let len = bytes.len() - 34;
    let (src, dst) = (address(&bytes[26..30]), address(&bytes[30..34]));
    let pseudo = checksum::pseudo_header(src, dst, 6, len).fold();
    bytes[50..52].copy_from_slice(&pseudo.to_be_bytes());
    let long = bytes.len() > 1514;
    let offload = TxOffload {
        needs_checksum: true,
        checksum_start: 34,
        checksum_offset: 16,
        gso_size: if long { 1448 } else { 0 },
        header_len: if long { header as u16 } else { 0 },
        ipv6: false,
    };
    TxFrame { bytes, offload }
}

fn address(bytes: &[u8]) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).unwrap()))
}

fn tcp(src: MacAddr, dst: MacAddr, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ethernet2(src.0, dst.0)
        .ipv4(OURS, KERNEL, 64)
        .tcp(1000, 2000, 7, 500)
        .write(&mut bytes, payload)
        .unwrap();
    bytes
}

/// Whether it is one of our tests' frames, not the kernel's own chatter (ND, MLD).
fn is_ours(frame: &[u8]) -> bool {
    frame[12..14] == [8, 0] && frame[26..30] == OURS
}

#[test]
fn two_packet_links_on_one_veth() {
    need_filters!();
    in_namespace("two_packet_links_on_one_veth", || {
        ip("link add ua type veth peer name ub");
        ip("link set ua up");
        ip("link set ub up");
        let mut a = link("packet:ua");
        let mut b = link("packet:ub,mac=02:00:00:00:00:0b");
        let (mac_a, mac_b) = (a.info().mac.unwrap(), b.info().mac.unwrap());
        assert_eq!(mac_b.to_string(), "02:00:00:00:00:0b");
        assert_eq!((a.info().mtu, a.info().offload.checksum), (1500, true));
        assert!(a.info().offload.tso_max > 60_000);
        // The same net gets the same address again.
        assert_eq!(link("packet:ua").info().mac, Some(mac_a));

        // Not for b: another station's, and a VLAN's. Both are before the rest in the queue.
        let plain =
            |dst, payload: &[u8]| TxFrame { bytes: tcp(mac_a, dst, payload), ..TxFrame::default() };
        send(&mut *a, &plain(MacAddr([2, 0, 0, 0, 0, 0x0c]), b"other"));
        let mut tagged = plain(mac_b, b"vlan");
        tagged.bytes.splice(12..12, [0x81, 0, 0, 5]);
        send(&mut *a, &tagged);
        let long: Vec<u8> = (0..60_000u32).map(|i| (i * 7) as u8).collect();
        let super_segment = leave_to_link(tcp(mac_a, mac_b, &long));
        let sent = [
            plain(mac_b, b"plain"),
            plain(MacAddr::BROADCAST, b"all"),
            leave_to_link(tcp(mac_a, mac_b, b"half done")),
            super_segment,
        ];
        for frame in &sent {
            send(&mut *a, frame);
        }
        let mut got = Vec::new();
        receive_until(&mut *b, |frame| {
            if is_ours(frame.bytes) {
                got.push((frame.bytes.to_vec(), frame.checksum, frame.gso_size));
            }
            got.len() == sent.len()
        });
        for (got, sent) in got.iter().zip(&sent) {
            // What never touched a wire comes as it was sent, still unfinished.
            assert_eq!(got.0, sent.bytes);
            let known = sent.offload.needs_checksum;
            assert_eq!(got.1 == RxChecksum::Trusted, known);
            assert_eq!(got.2, sent.offload.gso_size);
        }

        it_is_cut_for_an_impaired_wire(&mut *a, &sent[3]);

        // The interface goes: so does the link.
        ip("link del ua");
        let end = Clock::now() + LIMIT;
        while a.receive(Instant::ZERO, &mut |_| ()).is_ok() {
            assert!(Clock::now() < end, "a link without interface goes on");
        }
    });
}

/// A wire that treats frames one by one gets a super-segment as single, finished segments.
fn it_is_cut_for_an_impaired_wire(from: &mut dyn Link, super_segment: &TxFrame) {
    let mut impaired = link("packet:ub,mac=02:00:00:00:00:0b,delay=1ms,direction=in");
    send(from, super_segment);
    let segments = 60_000u64.div_ceil(1448);
    let end = Clock::now() + LIMIT;
    while !impaired.counters().iter().any(|(n, v)| *n == "impair_in_frames" && *v >= segments) {
        assert!(Clock::now() < end, "waited in vain");
        impaired.receive(Instant::ZERO, &mut |_| panic!("not yet")).unwrap();
    }
    let mut count = 0;
    impaired
        .receive(Instant::from_millis(1), &mut |frame| {
            if is_ours(frame.bytes) {
                let mut right = frame.bytes.to_vec();
                finish::complete_checksum(&mut right, Medium::Ethernet);
                assert_eq!(right, frame.bytes);
                assert!(frame.bytes.len() <= 1514);
                count += 1;
            }
        })
        .unwrap();
    assert_eq!(count, segments);
}

/// Our end of one TCP connection and some datagrams, by hand.
struct Peer {
    link: Box<dyn Link>,
    mac: MacAddr,
    kernel: MacAddr,
    /// Next sequence number of the kernel's that we expect, and of ours.
    expected: u32,
    next: u32,
    received: Vec<u8>,
    largest: usize,
    datagrams: Vec<usize>,
    over: bool,
}

impl Peer {
    fn new(link: Box<dyn Link>) -> Peer {
        let mac = link.info().mac.unwrap();
        Peer {
            link,
            mac,
            kernel: MacAddr::default(),
            expected: 0,
            next: 1000,
            received: Vec::new(),
            largest: 0,
            datagrams: Vec::new(),
            over: false,
        }
    }

    fn frame_arrives(&mut self, frame: &[u8], checksum: RxChecksum) {
        let Ok(packet) = SlicedPacket::from_ethernet(frame) else { return };
        match (&packet.net, &packet.transport) {
            (Some(NetSlice::Arp(arp)), _) => {
                let question = arp.to_packet().try_eth_ipv4().unwrap();
                if question.target_ipv4 == OURS {
                    self.answer(&question);
                }
            }
            (_, Some(TransportSlice::Tcp(tcp))) => {
                if checksum == RxChecksum::Unknown {
                    let mut right = frame.to_vec();
                    finish::complete_checksum(&mut right, Medium::Ethernet);
                    assert_eq!(right, frame);
                }
                self.segment_arrives(&tcp.to_header(), tcp.payload());
            }
            (_, Some(TransportSlice::Udp(udp))) if udp.destination_port() == 53 => {
                self.datagrams.push(udp.payload().len());
            }
            _ => {}
        }
    }

    fn answer(&mut self, question: &ArpEthIpv4Packet) {
        self.kernel = MacAddr(question.sender_mac);
        let reply = ArpEthIpv4Packet {
            operation: ArpOperation::REPLY,
            sender_mac: self.mac.0,
            sender_ipv4: OURS,
            target_mac: question.sender_mac,
            target_ipv4: question.sender_ipv4,
        };
        let mut bytes = Vec::new();
        PacketBuilder::ethernet2(self.mac.0, self.kernel.0)
            .arp(reply.into())
            .write(&mut bytes)
            .unwrap();
        send(&mut *self.link, &TxFrame { bytes, ..TxFrame::default() });
    }

    fn segment_arrives(&mut self, tcp: &etherparse::TcpHeader, payload: &[u8]) {
        let to = tcp.source_port;
        if tcp.syn {
            self.expected = tcp.sequence_number.wrapping_add(1);
            self.segment(to, true, false, &[]);
            self.next += 1;
            return;
        }
        self.largest = self.largest.max(payload.len());
        if tcp.sequence_number != self.expected {
            return self.segment(to, false, false, &[]);
        }
        self.received.extend_from_slice(payload);
        self.expected = self.expected.wrapping_add(payload.len() as u32);
        if tcp.fin {
            // All is here: answer with one super-segment and the end.
            self.expected = self.expected.wrapping_add(1);
            let reply: Vec<u8> = self.received[..REPLY].iter().map(|byte| !byte).collect();
            self.segment(to, false, false, &reply);
            self.next += REPLY as u32;
            self.segment(to, false, true, &[]);
        } else if !payload.is_empty() {
            self.segment(to, false, false, &[]);
        }
        self.over |= tcp.acknowledgment_number == self.next.wrapping_add(1) && self.next > 1001;
    }

    fn segment(&mut self, to: u16, syn: bool, fin: bool, payload: &[u8]) {
        let mut builder = PacketBuilder::ethernet2(self.mac.0, self.kernel.0)
            .ipv4(OURS, KERNEL, 64)
            .tcp(80, to, self.next, 65_535)
            .ack(self.expected);
        if syn {
            let scale = TcpOptionElement::WindowScale(7);
            let options = [TcpOptionElement::MaximumSegmentSize(1460), scale];
            builder = builder.syn().options(&options).unwrap();
        }
        if fin {
            builder = builder.fin();
        }
        let mut bytes = Vec::new();
        builder.write(&mut bytes, payload).unwrap();
        send(&mut *self.link, &leave_to_link(bytes));
    }

    fn run(mut self, done: impl Fn(&Peer) -> bool) -> Peer {
        let end = Clock::now() + LIMIT;
        while !done(&self) {
            assert!(Clock::now() < end, "waited in vain; received {}", self.received.len());
            let tick = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
            let fd = self.link.fd().unwrap();
            poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&tick)).unwrap();
            let mut frames = Vec::new();
            let mut sink = |f: RxFrame<'_>| frames.push((f.bytes.to_vec(), f.checksum));
            self.link.receive(Instant::ZERO, &mut sink).unwrap();
            for (frame, checksum) in frames {
                self.frame_arrives(&frame, checksum);
            }
        }
        self
    }
}

/// A kernel's program talks to us; `interface` is its side.
fn kernel_talks(link: Box<dyn Link>, interface: &str) {
    ip(&format!("addr add 10.9.0.1/24 dev {interface}"));
    let data: Vec<u8> = (0..400_000u32).map(|i| (i / 3) as u8).collect();
    let expected = data.clone();
    let program = std::thread::spawn(move || {
        let mut stream = TcpStream::connect((Ipv4Addr::from(OURS), 80)).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.write_all(&data).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).unwrap();
        let right: Vec<u8> = data[..REPLY].iter().map(|byte| !byte).collect();
        assert_eq!(reply, right);

        let udp = UdpSocket::bind((Ipv4Addr::from(KERNEL), 0)).unwrap();
        // UDP_SEGMENT: one call, many datagrams, cut as late as possible.
        understudy::host::option::set_int(udp.as_raw_fd(), 17, 103, 1000).unwrap();
        udp.send_to(&data[..9_500], (Ipv4Addr::from(OURS), 53)).unwrap();
    });
    let peer = Peer::new(link).run(|peer| peer.over && peer.datagrams.len() == 10);
    program.join().unwrap();
    assert_eq!(peer.received, expected);
    assert!(peer.largest > 1460, "no super-segment came: {}", peer.largest);
    assert_eq!(peer.datagrams[..9], [1000; 9]);
    assert_eq!(peer.datagrams[9], 500);
}

#[test]
fn the_kernel_through_a_packet_link() {
    need_filters!();
    in_namespace("the_kernel_through_a_packet_link", || {
        ip("link add ua type veth peer name ub");
        ip("link set ua up");
        ip("link set ub up");
        kernel_talks(link("packet:ub"), "ua");
    });
}

#[test]
fn the_kernel_through_a_tap_link() {
    in_namespace("the_kernel_through_a_tap_link", || {
        let device = std::fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun");
        if device.is_err() {
            return need::skip("/dev/net/tun (missing, or not for every user)");
        }
        // Created, brought up, and with the MTU asked for.
        let made = link("tap:ut,mtu=1400");
        assert_eq!(made.info().mtu, 1400);
        let interface = understudy::host::interface::Interface::find("ut").unwrap();
        assert_eq!((interface.mtu(), interface.is_up()), (Ok(1400), Ok(true)));
        drop(made);
        kernel_talks(link("tap:ut"), "ut");
        // One that was there already is used, and stays.
        ip("tuntap add dev uu mode tap");
        let first = link("tap:uu");
        assert!(why_not("tap:uu").contains("another program has uu open"));
        drop(first);
        understudy::host::interface::Interface::find("uu").unwrap();
        // As in `link`.
        let why = || why_not("tap:uu,mtu=2000");
        wait_for("the device", || !why().contains("another program"));
        assert!(why().contains("more than uu has (1500)"));
        ip("link add ua type veth peer name ub");
        assert!(why_not("tap:ua").contains("is not a TAP interface"));
    });
}

#[test]
fn what_cannot_work_is_said_in_a_sentence() {
    in_namespace("what_cannot_work_is_said_in_a_sentence", || {
        ip("link add ua type veth peer name ub");
        assert!(why_not("packet:nothere").contains("there is no interface \"nothere\""));
        assert!(why_not("packet:ua").contains("ip link set ua up"));
        assert!(why_not("packet:lo").contains("does not carry Ethernet frames"));
        ip("link set ua up");
        assert!(why_not("packet:ua,mtu=9000").contains("more than ua has (1500)"));
    });
}
