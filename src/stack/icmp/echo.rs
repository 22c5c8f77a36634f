//! ICMP sockets: echo requests of programs, and what they want to hear of.
//!
//! As with UDP, who has which identifier is the driver's business: what it said it wants
//! ([`Stack::want_icmp`]) becomes events.
use super::IcmpWanted;
use super::quote::echo_pair;
use crate::base::addr::{IpAddr, SocketAddr};
use crate::base::limits::UDP_QUEUE;
use crate::base::{FourTuple, Instant, NetError};
use crate::stack::api::*;
use crate::stack::core::Stack;
use crate::stack::counters::Count;
use crate::stack::ip::Received;
use crate::wire::{checksum, protocol};

/// Offset of the checksum in an ICMP message.
const CHECKSUM_AT: usize = 2;

impl Stack {
    /// From now on these are wanted.
    pub fn want_icmp(&mut self, wanted: IcmpWanted) {
        self.icmp_wanted = wanted;
    }

    /// Sends an ICMP message of a program, whose checksum is made here. The ports of `tuple` mean
    /// nothing. Errors: as of [`Stack::udp_send`]; `MessageTooLong` also for less than a header.
    pub fn icmp_send(
        &mut self,
        now: Instant,
        tuple: FourTuple,
        options: &UdpSendOptions,
        message: &[u8],
    ) -> Result<(), NetError> {
        let dst = tuple.remote.ip();
        if self.is_broadcast(dst) && !options.broadcast {
            return Err(NetError::Prohibited);
        }
        let (src, hop) = self.udp_route(tuple.local.ip(), dst, options.interface)?;
        let (number, sum) = match (src, dst) {
            (IpAddr::V4(_), _) => (protocol::ICMP, checksum::Sum::ZERO),
            // RFC 4443 2.3: over the pseudo-header as well.
            (IpAddr::V6(_), _) => {
                let number = protocol::ICMPV6;
                (number, checksum::pseudo_header(src, dst, number, message.len()))
            }
        };
        let Some((head, [_, _, rest @ ..])) = message.split_first_chunk::<CHECKSUM_AT>() else {
            return Err(NetError::MessageTooLong);
        };
        let [c0, c1] = sum.bytes(head).bytes(rest).finish().to_be_bytes();
        let [kind, code] = *head;
        let fits = self.fits(hop.interface, dst, message.len(), options.cutting)?;
        let out = self.outgoing(hop.interface, (src, dst), number, options, fits);
        self.ip_send_by(now, hop, &out, &[kind, code, c0, c1], rest)?;
        let ends = FourTuple { local: SocketAddr::new(src, 0), ..tuple };
        if let Some(pair) = echo_pair(ends, message) {
            self.recent.note(number, pair);
        }
        self.counters.add(Count::EchoOut);
        Ok(())
    }

    /// Tells programs of an ICMP message, if they want to hear of it. `rest` is the second word of
    /// its header.
    pub(super) fn icmp_to_sockets(&mut self, packet: &Received<'_>, reply: bool, rest: [u8; 4]) {
        let wanted = self.icmp_wanted;
        if !(wanted.all || wanted.echo && reply) || self.udp_events.len() >= UDP_QUEUE {
            return;
        }
        let datagram = |port: u16, payload: &[u8]| UdpDatagram {
            tuple: FourTuple {
                local: SocketAddr::new(packet.dst, port),
                remote: SocketAddr::new(packet.src, 0),
            },
            interface: packet.interface,
            ttl: packet.ttl,
            tos: packet.tos,
            payload: payload.to_vec(),
            segment: 0,
            quote: Vec::new(),
        };
        if wanted.all {
            let whole = if packet.src.is_ipv4() { packet.packet } else { packet.payload() };
            self.push_udp_event(Event::IcmpArrived(datagram(0, whole)));
        }
        if wanted.echo && reply {
            let [i0, i1, _, _] = rest;
            let id = u16::from_be_bytes([i0, i1]);
            self.push_udp_event(Event::EchoArrived(datagram(id, packet.payload())));
        }
    }
}
