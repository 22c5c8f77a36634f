//! Errors that others report about packets of ours (RFC 1122 3.2.2, 4.1.3.3, 4.2.3.9; RFC 4443 3;
//! RFC 5927: they may be forged, so TCP checks the quoted sequence number).
use crate::base::addr::{IpAddr, SocketAddr};
use crate::base::{FourTuple, Instant, NetError};
use crate::stack::api::*;
use crate::stack::core::Stack;
use crate::stack::counters::Count;
use crate::stack::ip::path_mtu::{reported_v4, reported_v6};
use crate::stack::tcp::IcmpError;
use crate::wire::{icmpv4, icmpv6, ipv4, ipv6, protocol};

/// What a quoted packet says of itself.
struct Quoted {
    protocol: u8,
    tuple: FourTuple,
    /// TCP's sequence number.
    seq: u32,
}

impl Stack {
    pub(super) fn icmpv4_error_arrives(
        &mut self,
        now: Instant,
        header: &icmpv4::Header,
        quote: &[u8],
    ) {
        let too_big = header.kind == icmpv4::kind::UNREACHABLE
            && header.code == icmpv4::unreachable::FRAGMENTATION_NEEDED;
        let error = if too_big {
            let sent = ipv4::Header::parse_quoted(quote).map_or(0, |(quoted, _)| quoted.total_len);
            let [_, _, m0, m1] = header.rest;
            IcmpError::TooBig(reported_v4(u16::from_be_bytes([m0, m1]), sent))
        } else {
            IcmpError::Unreachable(meaning_v4(header))
        };
        self.counters.add(Count::IcmpErrorsIn);
        self.packet_failed(now, quote, error);
    }
    pub(super) fn icmpv6_error_arrives(
        &mut self,
        now: Instant,
        header: &icmpv6::Header,
        quote: &[u8],
    ) {
        let error = if header.kind == icmpv6::kind::TOO_BIG {
            IcmpError::TooBig(reported_v6(u32::from_be_bytes(header.rest)))
        } else {
            IcmpError::Unreachable(meaning_v6(header))
        };
        self.counters.add(Count::IcmpErrorsIn);
        self.packet_failed(now, quote, error);
    }
    /// A packet of ours, of which `packet` is at least the head, did not arrive: tells its owner.
    pub(in crate::stack) fn packet_failed(
        &mut self,
        now: Instant,
        packet: &[u8],
        error: IcmpError,
    ) {
        let quoted = quoted(packet).filter(|q| self.is_local(q.tuple.local.ip()));
        let Some(Quoted { protocol, tuple, seq }) = quoted else {
            return self.counters.add(Count::IcmpStrange);
        };
        match protocol {
            protocol::TCP => self.tcp.icmp_arrives(now, tuple, seq, error),
            protocol::UDP => {
                let error = match error {
                    IcmpError::Unreachable(error) => error,
                    IcmpError::TooBig(mtu) => {
                        self.path_mtus.learn(now, tuple.remote.ip(), mtu);
                        NetError::MessageTooLong
                    }
                };
                self.push_udp_event(Event::UdpFailed { tuple, error });
            }
            _ => self.counters.add(Count::IcmpIgnored),
        }
    }
}

/// Linux's `icmp_err_convert`.
fn meaning_v4(header: &icmpv4::Header) -> NetError {
    use icmpv4::unreachable as code;
    if header.kind != icmpv4::kind::UNREACHABLE {
        return NetError::HostUnreachable; // Time exceeded; a parameter problem is as fatal.
    }
    match header.code {
        code::PORT => NetError::Refused,
        code::PROTOCOL => NetError::ProtocolUnreachable,
        code::NET | code::NET_UNKNOWN | code::NET_PROHIBITED | code::NET_TOS => {
            NetError::NetUnreachable
        }
        _ => NetError::HostUnreachable,
    }
}

/// Linux's `icmpv6_err_convert`.
fn meaning_v6(header: &icmpv6::Header) -> NetError {
    use icmpv6::unreachable as code;
    match (header.kind, header.code) {
        (icmpv6::kind::UNREACHABLE, code::NO_ROUTE) => NetError::NetUnreachable,
        (icmpv6::kind::UNREACHABLE, code::PORT) => NetError::Refused,
        (icmpv6::kind::UNREACHABLE, code::PROHIBITED | code::POLICY | code::REJECTED) => {
            NetError::Prohibited
        }
        (icmpv6::kind::PARAMETER_PROBLEM, icmpv6::problem::NEXT_HEADER) => {
            NetError::ProtocolUnreachable
        }
        _ => NetError::HostUnreachable,
    }
}

/// Takes the head of a packet that we sent apart. `None` if there is not enough of it.
fn quoted(packet: &[u8]) -> Option<Quoted> {
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
    Some(Quoted { protocol, tuple, seq: u32::from_be_bytes([s0, s1, s2, s3]) })
}
