//! Errors that others report about packets of ours (RFC 1122 3.2.2, 4.1.3.3, 4.2.3.9; RFC 4443 3;
//! RFC 5927: they may be forged, so TCP checks the quoted sequence number).
use super::quote::{Quoted, echo_pair, quoted};
use crate::base::addr::IpAddr;
use crate::base::{Instant, NetError};
use crate::stack::api::*;
use crate::stack::core::Stack;
use crate::stack::counters::Count;
use crate::stack::ip::path_mtu::{reported_v4, reported_v6};
use crate::stack::tcp::IcmpError;
use crate::wire::{icmpv4, icmpv6, ipv4, protocol, udp};

/// What is told to the owner of a datagram besides the error.
#[derive(Clone, Copy, Debug)]
pub(in crate::stack) struct Report {
    kind: u8,
    code: u8,
    info: u32,
    from: IpAddr,
}

impl Report {
    /// A neighbour of ours did not answer: as Linux, which reports that to itself
    /// (ipv4_link_failure, ip6_link_failure).
    pub fn neighbor_failed(packet: &[u8]) -> Option<Report> {
        let from = quoted(packet)?.tuple.local.ip();
        let (kind, code) = match from {
            IpAddr::V4(_) => (icmpv4::kind::UNREACHABLE, icmpv4::unreachable::HOST),
            IpAddr::V6(_) => (icmpv6::kind::UNREACHABLE, icmpv6::unreachable::ADDRESS),
        };
        Some(Report { kind, code, info: 0, from })
    }
}

impl Stack {
    pub(super) fn icmpv4_error_arrives(
        &mut self,
        now: Instant,
        from: IpAddr,
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
        let info = match (error, header.kind) {
            (IcmpError::TooBig(mtu), _) => u32::from(mtu),
            // The pointer is the first byte.
            (_, icmpv4::kind::PARAMETER_PROBLEM) => u32::from(header.rest[0]),
            _ => 0,
        };
        let (kind, code) = (header.kind, header.code);
        self.packet_failed(now, quote, error, Report { kind, code, info, from });
    }
    pub(super) fn icmpv6_error_arrives(
        &mut self,
        now: Instant,
        from: IpAddr,
        header: &icmpv6::Header,
        quote: &[u8],
    ) {
        let error = if header.kind == icmpv6::kind::TOO_BIG {
            IcmpError::TooBig(reported_v6(u32::from_be_bytes(header.rest)))
        } else {
            IcmpError::Unreachable(meaning_v6(header))
        };
        self.counters.add(Count::IcmpErrorsIn);
        let (kind, code, info) = (header.kind, header.code, u32::from_be_bytes(header.rest));
        self.packet_failed(now, quote, error, Report { kind, code, info, from });
    }
    /// A packet of ours, of which `packet` is at least the head, did not arrive: tells its owner.
    pub(in crate::stack) fn packet_failed(
        &mut self,
        now: Instant,
        packet: &[u8],
        error: IcmpError,
        report: Report,
    ) {
        let quoted = quoted(packet).filter(|q| self.is_local(q.tuple.local.ip()));
        let Some(Quoted { protocol, tuple, seq, transport }) = quoted else {
            return self.counters.add(Count::IcmpStrange);
        };
        match protocol {
            protocol::TCP => {
                if let Some(mtu) = self.tcp.icmp_arrives(now, tuple, seq, error) {
                    self.path_is_narrow(now, tuple.remote.ip(), mtu);
                }
            }
            protocol::UDP | protocol::ICMP | protocol::ICMPV6 => {
                let echo = protocol != protocol::UDP;
                let (tuple, quote) = if echo {
                    let Some(tuple) = echo_pair(tuple, transport) else {
                        return self.counters.add(Count::IcmpIgnored);
                    };
                    (tuple, transport)
                } else {
                    (tuple, transport.get(udp::LEN..).unwrap_or_default())
                };
                let error = match error {
                    IcmpError::Unreachable(error) => error,
                    IcmpError::TooBig(mtu) => {
                        self.path_mtus.learn(now, tuple.remote.ip(), mtu);
                        NetError::MessageTooLong
                    }
                };
                let Report { kind, code, info, from } = report;
                let quote = quote.to_vec();
                let failed = DatagramFailed { echo, tuple, error, kind, code, info, from, quote };
                self.push_udp_event(Event::DatagramFailed(Box::new(failed)));
            }
            _ => self.counters.add(Count::IcmpIgnored),
        }
    }
}

/// Linux's `icmp_err_convert`.
fn meaning_v4(header: &icmpv4::Header) -> NetError {
    use icmpv4::unreachable as code;
    if header.kind != icmpv4::kind::UNREACHABLE {
        return match header.kind {
            icmpv4::kind::PARAMETER_PROBLEM => NetError::Protocol,
            _ => NetError::HostUnreachable, // Time exceeded.
        };
    }
    match header.code {
        code::PORT => NetError::Refused,
        code::SOURCE_ROUTE_FAILED => NetError::NotSupported,
        code::HOST_UNKNOWN => NetError::HostDown,
        code::HOST_ISOLATED => NetError::NoNetwork,
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
        (icmpv6::kind::PARAMETER_PROBLEM, _) => NetError::Protocol,
        _ => NetError::HostUnreachable,
    }
}
