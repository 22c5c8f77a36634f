//! The packet that an ICMP message quotes, and whether it is one of ours.
use crate::base::FourTuple;
use crate::base::addr::{IpAddr, SocketAddr};
use crate::stack::core::Stack;
use crate::wire::{icmpv4, icmpv6, ipv4, ipv6, protocol};

/// What a quoted packet says of itself.
pub(in crate::stack) struct Quoted<'a> {
    /// From the transport header on.
    pub transport: &'a [u8],
    pub protocol: u8,
    pub tuple: FourTuple,
    /// TCP's sequence number.
    pub seq: u32,
}

impl Stack {
    /// Whether `packet`, of which there is at least the head, is of a connection of ours, within
    /// what is outstanding, or of a flow of datagrams that left lately. It proves that the sender
    /// of what quotes it has seen it, or the like.
    pub(in crate::stack) fn has_sent(&self, packet: &[u8]) -> Option<FourTuple> {
        let Quoted { protocol, tuple, seq, transport } = quoted(packet)?;
        let ours = match protocol {
            _ if !self.is_local(tuple.local.ip()) => false,
            protocol::TCP => self.tcp.is_outstanding(tuple, seq),
            protocol::ICMP | protocol::ICMPV6 => {
                echo_pair(tuple, transport).is_some_and(|pair| self.recent.knows(protocol, pair))
            }
            _ => self.recent.knows(protocol, tuple),
        };
        ours.then_some(tuple)
    }
}

/// Takes the head of a packet that we sent apart. `None` if there is not enough of it.
pub(in crate::stack) fn quoted(packet: &[u8]) -> Option<Quoted<'_>> {
    let (src, dst, protocol, transport): (IpAddr, IpAddr, u8, &[u8]) = match packet.first()? >> 4 {
        4 => {
            let (header, rest) = ipv4::Header::parse_quoted(packet).ok()?;
            if header.fragment_offset != 0 {
                return None;
            }
            (header.src.into(), header.dst.into(), header.protocol, rest)
        }
        6 => {
            let (header, rest) = ipv6::Header::parse_quoted(packet).ok()?;
            let (mut next, mut rest) = (header.next_header, rest);
            // The only extension header that we send.
            if next == protocol::FRAGMENT {
                let (fragment, behind) = ipv6::Fragment::parse(rest).ok()?;
                if fragment.offset != 0 {
                    return None;
                }
                (next, rest) = (fragment.next_header, behind);
            }
            (header.src.into(), header.dst.into(), next, rest)
        }
        _ => return None,
    };
    let [p0, p1, p2, p3, s0, s1, s2, s3] = *transport.first_chunk::<8>()?;
    let local = SocketAddr::new(src, u16::from_be_bytes([p0, p1]));
    let remote = SocketAddr::new(dst, u16::from_be_bytes([p2, p3]));
    let tuple = FourTuple { local, remote };
    Some(Quoted { protocol, tuple, seq: u32::from_be_bytes([s0, s1, s2, s3]), transport })
}

/// The pair of an echo request of ours: its identifier stands for our port. `None` if it is another
/// message.
pub(super) fn echo_pair(tuple: FourTuple, message: &[u8]) -> Option<FourTuple> {
    let [kind, _, _, _, i0, i1, ..] = *message else { return None };
    let request = match tuple.local {
        SocketAddr::V4(_) => icmpv4::kind::ECHO_REQUEST,
        SocketAddr::V6(_) => icmpv6::kind::ECHO_REQUEST,
    };
    let FourTuple { mut local, mut remote } = tuple;
    local.set_port(u16::from_be_bytes([i0, i1]));
    remote.set_port(0);
    (kind == request).then_some(FourTuple { local, remote })
}
