//! Between TCP and IP: segments in with their checksum verified, segments out with theirs done,
//! half done or left out, whichever the interface wants.
use crate::base::addr::{IpAddr, SocketAddr};
use crate::base::{FourTuple, Instant, NetError};
use crate::stack::api::*;
use crate::stack::core::Stack;
use crate::stack::counters::Count;
use crate::stack::ip::output::{Addressed, header_len};
use crate::stack::ip::{Outgoing, Received};
use crate::stack::route::Hop;
use crate::stack::tcp::{IcmpError, Path, SegmentMeta, SegmentOut, TcpOptions};
use crate::wire::{checksum, protocol};

/// Where in a TCP header the checksum is.
const CHECKSUM_OFFSET: usize = 16;

impl Stack {
    pub(in crate::stack) fn tcp_arrives(&mut self, now: Instant, packet: &Received<'_>) {
        let segment = packet.payload();
        // RFC 9293 3.9.2.3: a segment to or from anything but one host is dropped in silence.
        if !packet.unicast || packet.src.is_unspecified() {
            return self.counters.add(Count::TcpNotUnicast);
        }
        if packet.checksum == RxChecksum::Unknown {
            let (src, dst) = (packet.src, packet.dst);
            let sum = checksum::pseudo_header(src, dst, protocol::TCP, segment.len());
            if !sum.bytes(segment).is_right() {
                return self.counters.add(Count::TcpChecksum);
            }
        }
        // Without a route back there is no answer to give.
        let Some(hop) = self.hop(packet.src, Some(packet.dst)) else {
            return self.counters.add(Count::NoRoute);
        };
        let path = self.path(hop, packet.src);
        let meta = SegmentMeta { local: packet.dst, remote: packet.src, tos: packet.tos, path };
        self.tcp.segment_arrives(now, &meta, segment);
    }
    /// Opens a connection over the route to its remote end. An unspecified local address is
    /// selected; the local port must be chosen. Errors: `NetUnreachable`, `AddressNotAvailable`,
    /// and those of `Tcp::connect`.
    pub fn tcp_connect(
        &mut self,
        now: Instant,
        tuple: FourTuple,
        options: TcpOptions,
    ) -> Result<ConnId, NetError> {
        let (mut local, remote) = (tuple.local.ip(), tuple.remote.ip());
        if local.is_ipv4() != remote.is_ipv4() {
            return Err(NetError::AddressNotAvailable);
        }
        if remote.is_unspecified() || remote.is_multicast() || self.is_broadcast(remote) {
            return Err(NetError::NetUnreachable);
        }
        let hop = self.hop(remote, Some(local)).ok_or(NetError::NetUnreachable)?;
        if local.is_unspecified() {
            local = self.source_for(remote).ok_or(NetError::AddressNotAvailable)?;
        }
        let leaks = local.is_loopback() && hop.interface != IfIndex::LOOPBACK;
        if leaks || !self.is_local(local) {
            return Err(NetError::AddressNotAvailable);
        }
        // Scope and flow of the program's sockaddr are no part of the connection's name.
        let tuple = FourTuple {
            local: SocketAddr::new(local, tuple.local.port()),
            remote: SocketAddr::new(remote, tuple.remote.port()),
        };
        let path = self.path(hop, remote);
        self.tcp.connect(now, tuple, path, options)
    }
    /// How many bytes of data the SYN of a connection could carry (fast open, RFC 7413); 0 without
    /// a cookie of the peer, or a way there.
    pub fn fast_open_room(&self, now: Instant, tuple: FourTuple, options: &TcpOptions) -> usize {
        let (local, remote) = (tuple.local.ip(), tuple.remote.ip());
        let Some(hop) = self.hop(remote, Some(local)) else { return 0 };
        let mtu = self.path(hop, remote).mtu;
        self.tcp.fast_open_room(now, remote, mtu, options)
    }
    /// What ICMP said of the way to `dst` is too old: RFC 1191 6.3, its first link's MTU is tried.
    pub(in crate::stack) fn path_is_unknown(&mut self, now: Instant, dst: IpAddr) {
        if let Some(hop) = self.hop(dst, None) {
            let mtu = self.mtu(hop.interface, dst);
            self.tcp.path_mtu_changed(now, dst, mtu);
        }
    }
    /// A router has said, and TCP believes, that packets to `dst` may be no larger than `mtu`: all
    /// of its connections there are told, and those to come find it (RFC 1191 3, RFC 8201 5.2).
    pub(in crate::stack) fn path_is_narrow(&mut self, now: Instant, dst: IpAddr, mtu: u16) {
        self.path_mtus.learn(now, dst, mtu);
        if let Some(mtu) = self.path_mtus.get(dst) {
            self.tcp.path_mtu_changed(now, dst, mtu);
        }
    }
    /// What TCP must know of the way to `dst`.
    fn path(&self, hop: Hop, dst: IpAddr) -> Path {
        let tso_max = self.interface(hop.interface).map_or(0, |i| i.tso_max());
        Path { mtu: self.mtu(hop.interface, dst), tso_max }
    }
    /// Wraps a segment of TCP into `frame`. `None` if it was taken by the loopback or a neighbour's
    /// queue, or dropped.
    pub(in crate::stack) fn send_segment(
        &mut self,
        now: Instant,
        segment: &SegmentOut,
        frame: &mut TxFrame,
    ) -> Option<IfIndex> {
        let (src, dst) = (segment.tuple.local.ip(), segment.tuple.remote.ip());
        let Some(hop) = self.hop(dst, Some(src)) else {
            self.counters.add(Count::NoRoute);
            let error = IcmpError::Unreachable(NetError::NetUnreachable);
            self.tcp.icmp_arrives(now, segment.tuple, sequence(segment), error);
            return None;
        };
        let header_len = header_len(dst);
        let segment_len = segment.bytes.len();
        let payload_len = segment_len.saturating_sub(usize::from(segment.header_len));
        let gso = segment.gso_size != 0 && payload_len > usize::from(segment.gso_size);
        let most = self.largest(hop.interface, gso);
        if header_len + segment_len > most {
            self.counters.add(Count::TransmitTooBig);
            // The route has changed under the connection: tell it what goes through now.
            let error = IcmpError::TooBig(self.mtu(hop.interface, dst));
            self.tcp.icmp_arrives(now, segment.tuple, sequence(segment), error);
            return None;
        }
        let partial = self.completes_checksums(hop.interface);
        let out = Outgoing {
            // Who did not choose one has what routers advertise (RFC 4861 6.3.2).
            ttl: match segment.ttl {
                64 => self.hop_limit(hop.interface, dst),
                // RFC 1122 3.2.1.7: nothing leaves with 0.
                ttl => ttl.max(1),
            },
            tos: segment.tos,
            dont_fragment: true, // RFC 1191 3.
            checksum_at: partial.then_some(CHECKSUM_OFFSET as u16),
            ..Outgoing::new(src, dst, protocol::TCP)
        };
        self.build(hop.interface, &out, &segment.bytes, &[], frame);
        let start = frame.bytes.len() - segment_len;
        let pseudo = checksum::pseudo_header(src, dst, protocol::TCP, segment_len);
        let sum = if partial { pseudo.fold() } else { pseudo.bytes(&segment.bytes).finish() };
        let field = start + CHECKSUM_OFFSET..start + CHECKSUM_OFFSET + 2;
        if let Some(field) = frame.bytes.get_mut(field) {
            field.copy_from_slice(&sum.to_be_bytes());
        }
        if gso {
            frame.offload.gso_size = segment.gso_size;
            frame.offload.header_len = (start as u16).saturating_add(segment.header_len);
            frame.offload.ipv6 = dst.is_ipv6();
        }
        match self.address(now, hop, frame) {
            Addressed::Ready => Some(hop.interface),
            Addressed::Taken => None,
        }
    }
    /// Largest packet that may leave in one piece, or be cut by the link.
    fn largest(&self, interface: IfIndex, gso: bool) -> usize {
        self.interface(interface)
            .map_or(0, |i| if gso { i.tso_max() as usize } else { usize::from(i.config.mtu) })
    }
}

/// The sequence number of a segment of ours.
fn sequence(segment: &SegmentOut) -> u32 {
    let field = segment.bytes.get(4..8).and_then(|b| b.first_chunk());
    field.map_or(0, |b| u32::from_be_bytes(*b))
}
