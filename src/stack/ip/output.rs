//! Packets that leave: headers, fragments, the neighbour, the queue.
use super::Outgoing;
use crate::base::addr::IpAddr;
use crate::base::limits::{IP_PACKET_MAX, LOOPBACK_QUEUE};
use crate::base::{Instant, NetError};
use crate::stack::api::*;
use crate::stack::core::Stack;
use crate::stack::counters::Count;
use crate::stack::neighbor::Outcome;
use crate::stack::route::Hop;
use crate::wire::{ethernet, ipv4, ipv6, protocol};

/// Where a packet's payload stands in its datagram.
#[derive(Clone, Copy, Debug)]
struct Piece {
    id: u32,
    offset: usize,
    more: bool,
}

/// What became of a frame that was given a destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::stack) enum Addressed {
    /// It can leave.
    Ready,
    /// It was taken: fed back inside, put aside for its neighbour, or dropped and counted.
    Taken,
}

/// Length of the IP header that we write for this family.
pub(in crate::stack) const fn header_len(ip: IpAddr) -> usize {
    if ip.is_ipv4() { ipv4::LEN } else { ipv6::LEN }
}

impl Stack {
    /// Sends a packet whose payload is `head` and `body`, in fragments if it must be. Errors:
    /// `NetUnreachable`, and those of `ip_send_by`.
    pub(in crate::stack) fn ip_send(
        &mut self,
        now: Instant,
        out: &Outgoing,
        head: &[u8],
        body: &[u8],
    ) -> Result<(), NetError> {
        let Some(hop) = self.hop(out.dst, Some(out.src)) else {
            self.counters.add(Count::NoRoute);
            return Err(NetError::NetUnreachable);
        };
        self.ip_send_by(now, hop, out, head, body)
    }
    /// The same by a known hop. Errors: `MessageTooLong` (more than IP can carry), `NoBuffers`.
    pub(in crate::stack) fn ip_send_by(
        &mut self,
        now: Instant,
        hop: Hop,
        out: &Outgoing,
        head: &[u8],
        body: &[u8],
    ) -> Result<(), NetError> {
        // RFC 1122 3.2.1.7: what lives for 0 hops stays here.
        if out.ttl == 0 && hop.interface != IfIndex::LOOPBACK {
            return Ok(());
        }
        let len = head.len() + body.len();
        // What must not be cut is not, whatever is thought of the path: its sender has looked at
        // its size, and may want to find out (`IP_PMTUDISC_PROBE`; RFC 8899 3).
        let mtu = usize::from(match self.interface(hop.interface) {
            Some(on) if out.dont_fragment => on.config.mtu,
            _ => self.mtu(hop.interface, out.dst),
        });
        let header = header_len(out.dst);
        if header + len <= mtu {
            let mut frame = self.queue.buffer();
            self.build(hop.interface, out, head, body, &mut frame);
            return self.ip_queue(now, hop, frame);
        }
        // The longest datagram that can be put together again: for IPv4 the length field counts the
        // header, for IPv6 it does not.
        let most = if out.dst.is_ipv4() { ipv4::MAX - ipv4::LEN } else { IP_PACKET_MAX };
        let extra = if out.dst.is_ipv4() { header } else { header + ipv6::FRAGMENT_LEN };
        let step = mtu.saturating_sub(extra) & !7;
        if len > most || step == 0 {
            return Err(NetError::MessageTooLong);
        }
        if hop.interface != IfIndex::LOOPBACK && self.queue.room() < len.div_ceil(step) {
            self.counters.add(Count::TransmitFull);
            return Err(NetError::NoBuffers);
        }
        self.counters.add(Count::Fragmented);
        let id = self.idents.next(out.src, out.dst, out.protocol);
        let whole = Outgoing { dont_fragment: false, checksum_at: None, ..*out };
        for offset in (0..len).step_by(step) {
            let end = len.min(offset + step);
            let mut frame = self.queue.buffer();
            let piece = Piece { id, offset, more: end < len };
            self.begin(hop.interface, &whole, end - offset, Some(piece), &mut frame);
            let split = head.len();
            frame.bytes.extend_from_slice(&head[offset.min(split)..end.min(split)]);
            frame.bytes.extend_from_slice(&body[offset.max(split) - split..end.max(split) - split]);
            self.ip_queue(now, hop, frame)?;
        }
        Ok(())
    }
    /// The MTU to `dst` through `interface`, bytes.
    pub(in crate::stack) fn mtu(&self, interface: IfIndex, dst: IpAddr) -> u16 {
        let on = self.interface(interface);
        let link = on.map_or(0, |i| {
            let said = if dst.is_ipv6() { i.autoconf.mtu } else { i.leased_mtu };
            said.map_or(i.config.mtu, |mtu| mtu.min(i.config.mtu))
        });
        self.path_mtus.get(dst).map_or(link, |path| path.min(link))
    }
    /// Writes a whole packet into `frame`: link header (its destination open), IP header, payload.
    pub(in crate::stack) fn build(
        &mut self,
        interface: IfIndex,
        out: &Outgoing,
        head: &[u8],
        body: &[u8],
        frame: &mut TxFrame,
    ) {
        self.begin(interface, out, head.len() + body.len(), None, frame);
        if let Some(offset) = out.checksum_at {
            frame.offload.needs_checksum = true;
            frame.offload.checksum_start = frame.bytes.len() as u16;
            frame.offload.checksum_offset = offset;
        }
        frame.bytes.extend_from_slice(head);
        frame.bytes.extend_from_slice(body);
    }
    /// Starts a frame: all headers in front of the transport's `len` bytes.
    fn begin(
        &mut self,
        interface: IfIndex,
        out: &Outgoing,
        len: usize,
        piece: Option<Piece>,
        frame: &mut TxFrame,
    ) {
        let bytes = &mut frame.bytes;
        bytes.clear();
        frame.offload = TxOffload::default();
        let config = self.interfaces.get(usize::from(interface.0)).map(|i| &i.config);
        if let Some(config) = config.filter(|config| config.medium == Medium::Ethernet) {
            let ethertype = if out.dst.is_ipv4() { ethernet::IPV4 } else { ethernet::IPV6 };
            let header = ethernet::Header { dst: Default::default(), src: config.mac, ethertype };
            bytes.extend_from_slice(&header.to_bytes());
        }
        match (out.src, out.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let id = match piece {
                    Some(piece) => piece.id,
                    // RFC 6864 4.1: the identification of what cannot be cut means nothing.
                    None if out.dont_fragment => 0,
                    None => self.idents.next(out.src, out.dst, out.protocol),
                };
                let header = ipv4::Header {
                    tos: out.tos,
                    total_len: u16::try_from(ipv4::LEN + len).unwrap_or(u16::MAX),
                    id: id as u16,
                    dont_fragment: out.dont_fragment,
                    more_fragments: piece.is_some_and(|piece| piece.more),
                    fragment_offset: piece.map_or(0, |piece| piece.offset as u16),
                    ttl: out.ttl,
                    protocol: out.protocol,
                    src,
                    dst,
                };
                bytes.extend_from_slice(&header.to_bytes());
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                let extra = if piece.is_some() { ipv6::FRAGMENT_LEN } else { 0 };
                let header = ipv6::Header {
                    traffic_class: out.tos,
                    flow_label: 0,
                    payload_len: u16::try_from(len + extra).unwrap_or(u16::MAX),
                    next_header: piece.map_or(out.protocol, |_| protocol::FRAGMENT),
                    hop_limit: out.ttl,
                    src,
                    dst,
                };
                bytes.extend_from_slice(&header.to_bytes());
                if let Some(Piece { id, offset, more }) = piece {
                    let (next_header, offset) = (out.protocol, offset as u16);
                    let fragment = ipv6::Fragment { next_header, offset, more, id };
                    bytes.extend_from_slice(&fragment.to_bytes());
                }
            }
            _ => {}
        }
    }
    /// Gives a frame its destination and queues it. Error: `NoBuffers`.
    fn ip_queue(&mut self, now: Instant, hop: Hop, mut frame: TxFrame) -> Result<(), NetError> {
        match self.address(now, hop, &mut frame) {
            Addressed::Taken => Ok(()),
            Addressed::Ready if self.enqueue(hop.interface, frame) => Ok(()),
            Addressed::Ready => Err(NetError::NoBuffers),
        }
    }
    /// Queues a finished frame; false if it had to be dropped.
    pub(in crate::stack) fn enqueue(&mut self, interface: IfIndex, frame: TxFrame) -> bool {
        let queued = self.queue.push(interface, frame);
        if !queued {
            self.counters.add(Count::TransmitFull);
        }
        queued
    }
    /// Finds out the Ethernet destination of `frame`, or takes it.
    pub(in crate::stack) fn address(
        &mut self,
        now: Instant,
        hop: Hop,
        frame: &mut TxFrame,
    ) -> Addressed {
        if hop.interface == IfIndex::LOOPBACK {
            self.feed_back(frame);
            return Addressed::Taken;
        }
        let Some(interface) = self.interface(hop.interface) else { return Addressed::Taken };
        if interface.config.medium == Medium::Ip {
            return Addressed::Ready;
        }
        let mac = match self.group_mac(hop.next) {
            Some(mac) => mac,
            None => {
                let Some(interface) = self.interface_mut(hop.interface) else {
                    return Addressed::Taken;
                };
                match interface.neighbors.lookup(now, hop.next, frame) {
                    Outcome::Send(mac) => mac,
                    Outcome::Wait { dropped, solicit } => {
                        (0..dropped).for_each(|_| self.counters.add(Count::NeighborPending));
                        if solicit {
                            self.solicit(hop.interface, hop.next, None);
                        }
                        return Addressed::Taken;
                    }
                    Outcome::Full => {
                        self.counters.add(Count::NeighborFull);
                        return Addressed::Taken;
                    }
                }
            }
        };
        if let Some(destination) = frame.bytes.get_mut(..6) {
            destination.copy_from_slice(&mac.0);
        }
        Addressed::Ready
    }
    /// Feeds back a packet that leaves by `interface` to a group which we are in: whole, and
    /// trusted where the link would complete its checksum.
    pub(in crate::stack) fn feed_own(
        &mut self,
        interface: IfIndex,
        out: &Outgoing,
        head: &[u8],
        body: &[u8],
    ) {
        if self.loopback.len() >= LOOPBACK_QUEUE {
            return self.counters.add(Count::LoopbackFull);
        }
        let mut packet = self.queue.buffer();
        // Without a link header: as the loopback has it.
        self.build(IfIndex::LOOPBACK, out, head, body, &mut packet);
        self.loopback.push_back((interface, packet));
    }
    /// Puts a packet to one of our own addresses where it will be fed back from.
    fn feed_back(&mut self, frame: &mut TxFrame) {
        if self.loopback.len() >= LOOPBACK_QUEUE {
            return self.counters.add(Count::LoopbackFull);
        }
        let spare = self.queue.buffer();
        let packet = core::mem::replace(frame, spare);
        self.loopback.push_back((IfIndex::LOOPBACK, packet));
    }
}
