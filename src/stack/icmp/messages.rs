//! ICMP messages in, and errors of ours out.
use super::Problem;
use crate::base::Instant;
use crate::base::addr::IpAddr;
use crate::stack::api::*;
use crate::stack::core::Stack;
use crate::stack::counters::Count;
use crate::stack::ip::{Outgoing, Received};
use crate::wire::{icmpv4, icmpv6, ipv4, ipv6, mld, protocol};

impl Stack {
    pub(in crate::stack) fn icmpv4_arrives(&mut self, now: Instant, packet: &Received<'_>) {
        let Ok((header, body)) = icmpv4::Header::parse(packet.payload()) else {
            return self.counters.add(Count::IcmpMalformed);
        };
        self.icmp_to_sockets(packet, header.kind == icmpv4::kind::ECHO_REPLY, header.rest);
        match header.kind {
            // RFC 1122 3.2.2.6: one to a broadcast or multicast address may be ignored.
            icmpv4::kind::ECHO_REQUEST if self.answer_echo && packet.unicast => {
                let reply = icmpv4::Header { kind: icmpv4::kind::ECHO_REPLY, ..header };
                let mut message = Vec::with_capacity(icmpv4::LEN + body.len());
                reply.emit(body, &mut message);
                let out = Outgoing::new(packet.dst, packet.src, protocol::ICMP);
                self.echo_reply(now, Outgoing { tos: packet.tos, ..out }, &message);
            }
            icmpv4::kind::UNREACHABLE
            | icmpv4::kind::TIME_EXCEEDED
            | icmpv4::kind::PARAMETER_PROBLEM
                if packet.unicast =>
            {
                self.icmpv4_error_arrives(now, packet.src, &header, body);
            }
            icmpv4::kind::REDIRECT if packet.unicast => {
                self.redirect_v4(now, packet, &header, body);
            }
            _ => self.counters.add(Count::IcmpIgnored),
        }
    }
    pub(in crate::stack) fn icmpv6_arrives(&mut self, now: Instant, packet: &Received<'_>) {
        let (IpAddr::V6(src), IpAddr::V6(dst)) = (packet.src, packet.dst) else { return };
        let Ok((header, body)) = icmpv6::Header::parse(src, dst, packet.payload()) else {
            return self.counters.add(Count::IcmpMalformed);
        };
        self.icmp_to_sockets(packet, header.kind == icmpv6::kind::ECHO_REPLY, header.rest);
        match header.kind {
            icmpv6::kind::ECHO_REQUEST if self.answer_echo && !src.is_unspecified() => {
                // RFC 4443 4.2: a request to a group is answered from an address of our own.
                let from = if dst.is_multicast() {
                    match self.source_on(packet.interface, packet.src, packet.src) {
                        Some(IpAddr::V6(v6)) => v6,
                        _ => return,
                    }
                } else {
                    dst
                };
                let reply = icmpv6::Header { kind: icmpv6::kind::ECHO_REPLY, ..header };
                let mut message = Vec::with_capacity(icmpv6::LEN + body.len());
                reply.emit(from, src, body, &mut message);
                let out = Outgoing::new(from.into(), packet.src, protocol::ICMPV6);
                self.echo_reply(now, Outgoing { tos: packet.tos, ..out }, &message);
            }
            icmpv6::kind::NEIGHBOR_SOLICITATION | icmpv6::kind::NEIGHBOR_ADVERTISEMENT
                if packet.interface != IfIndex::LOOPBACK =>
            {
                self.nd_arrives(now, packet, &header, body);
            }
            icmpv6::kind::ROUTER_ADVERTISEMENT if packet.interface != IfIndex::LOOPBACK => {
                self.router_arrives(now, packet, &header, body);
            }
            icmpv6::kind::REDIRECT if packet.interface != IfIndex::LOOPBACK => {
                self.redirect_v6(now, packet, &header, body);
            }
            mld::kind::QUERY | mld::kind::REPORT => self.mld_arrives(now, packet, &header, body),
            icmpv6::kind::UNREACHABLE
            | icmpv6::kind::TOO_BIG
            | icmpv6::kind::TIME_EXCEEDED
            | icmpv6::kind::PARAMETER_PROBLEM
                if packet.unicast =>
            {
                self.icmpv6_error_arrives(now, packet.src, &header, body);
            }
            _ => self.counters.add(Count::IcmpIgnored),
        }
    }
    fn echo_reply(&mut self, now: Instant, out: Outgoing, message: &[u8]) {
        if self.ip_send(now, &out, message, &[]).is_ok() {
            self.counters.add(Count::EchoReplies);
        }
    }

    /// Sends an error about a packet that arrived, if the rules allow it.
    pub(in crate::stack) fn icmp_report(
        &mut self,
        now: Instant,
        packet: &Received<'_>,
        problem: Problem,
    ) {
        let unicast_source =
            !packet.src.is_unspecified() && !packet.src.is_multicast() && !is_class_e(packet.src);
        // RFC 4443 2.4 e.3: an unknown option is reported to groups too.
        let excepted = matches!(
            problem,
            Problem::Parameter { code: icmpv6::problem::OPTION, .. } if packet.src.is_ipv6()
        );
        if !unicast_source || !(packet.unicast || excepted) || is_icmp_error(packet) {
            return;
        }
        let from = if self.is_local(packet.dst) {
            packet.dst
        } else {
            match self.source_on(packet.interface, packet.src, packet.src) {
                Some(ip) => ip,
                None => return,
            }
        };
        self.icmp_error(now, from, packet.src, problem, packet.packet, &[]);
    }
    /// Sends an error from `from` to `to` that quotes `quote` and `more` as far as it may.
    pub(in crate::stack) fn icmp_error(
        &mut self,
        now: Instant,
        from: IpAddr,
        to: IpAddr,
        problem: Problem,
        quote: &[u8],
        more: &[u8],
    ) {
        if !self.icmp_limit.take(now) {
            return self.counters.add(Count::IcmpLimited);
        }
        let (message, protocol) = match (from, to) {
            (IpAddr::V4(_), IpAddr::V4(_)) => {
                let Some(header) = header_v4(problem) else { return };
                // RFC 1812 4.3.2.3: as much as fits into 576 bytes.
                let body = join(quote, more, ipv4::MIN_REASSEMBLY - ipv4::LEN - icmpv4::LEN);
                let mut message = Vec::with_capacity(icmpv4::LEN + body.len());
                header.emit(&body, &mut message);
                (message, protocol::ICMP)
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                // RFC 4443 2.4 c: as much as fits into the minimum MTU.
                let most = usize::from(ipv6::MIN_MTU) - ipv6::LEN - icmpv6::LEN;
                let body = join(quote, more, most);
                let mut message = Vec::with_capacity(icmpv6::LEN + body.len());
                header_v6(problem).emit(src, dst, &body, &mut message);
                (message, protocol::ICMPV6)
            }
            _ => return,
        };
        if self.ip_send(now, &Outgoing::new(from, to, protocol), &message, &[]).is_ok() {
            self.counters.add(Count::IcmpErrorsOut);
        }
    }
}

fn header_v4(problem: Problem) -> Option<icmpv4::Header> {
    let (kind, code) = match problem {
        Problem::Port => (icmpv4::kind::UNREACHABLE, icmpv4::unreachable::PORT),
        Problem::Protocol => (icmpv4::kind::UNREACHABLE, icmpv4::unreachable::PROTOCOL),
        Problem::ReassemblyTimeout => (icmpv4::kind::TIME_EXCEEDED, 1),
        Problem::Parameter { .. } => return None,
    };
    Some(icmpv4::Header { kind, code, rest: [0; 4] })
}

fn header_v6(problem: Problem) -> icmpv6::Header {
    let (kind, code, rest) = match problem {
        Problem::Port => (icmpv6::kind::UNREACHABLE, icmpv6::unreachable::PORT, 0),
        // RFC 4443 3.4: an unknown next header; the pointer says where it was named.
        Problem::Protocol => (icmpv6::kind::PARAMETER_PROBLEM, icmpv6::problem::NEXT_HEADER, 6),
        Problem::ReassemblyTimeout => (icmpv6::kind::TIME_EXCEEDED, 1, 0),
        Problem::Parameter { code, pointer } => {
            (icmpv6::kind::PARAMETER_PROBLEM, code, pointer as u32)
        }
    };
    icmpv6::Header { kind, code, rest: rest.to_be_bytes() }
}

/// At most `most` bytes of `a` and then `b`.
fn join(a: &[u8], b: &[u8], most: usize) -> Vec<u8> {
    a.iter().chain(b).take(most).copied().collect()
}

fn is_class_e(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(v4) if v4.octets()[0] >= 240)
}

fn is_icmp_error(packet: &Received<'_>) -> bool {
    let kind = packet.payload().first().copied();
    match packet.protocol {
        protocol::ICMP => {
            kind.is_none_or(|kind| icmpv4::Header { kind, code: 0, rest: [0; 4] }.is_error())
        }
        protocol::ICMPV6 => {
            kind.is_none_or(|kind| icmpv6::Header { kind, code: 0, rest: [0; 4] }.is_error())
        }
        _ => false,
    }
}
