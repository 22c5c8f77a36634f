//! What a router does with a packet that is too big, and its errors (RFC 1812, 1191, 4443).
use super::packet;
use crate::base::addr::{IpAddr, Ipv4Addr, Ipv6Addr};
use crate::wire::{icmpv4, icmpv6, ipv4, ipv6, protocol};

/// Bytes of a packet that an error quotes over IPv4: header and 8 bytes would do, Linux sends up to
/// 576 in all.
const QUOTE_V4: usize = 548;

/// What is to be done with a packet.
pub(super) enum Verdict {
    /// Goes on, in these pieces.
    Forward(Vec<Vec<u8>>),
    /// Dropped; this goes back.
    Refuse(Option<Vec<u8>>),
}

/// The address of router number `place`.
pub(super) fn address(place: usize, ipv4: bool) -> IpAddr {
    let place = place as u16;
    if ipv4 {
        IpAddr::V4(Ipv4Addr::new(10, 255, (place >> 8) as u8, place as u8))
    } else {
        IpAddr::V6(Ipv6Addr::new(0xfd00, 0xffff, 0, 0, 0, 0, 0, place))
    }
}

/// A packet is to leave on a link with `mtu`. `filter`: no errors are sent.
pub(super) fn forward(place: usize, bytes: Vec<u8>, mtu: u16, filter: bool) -> Verdict {
    let mut bytes = bytes;
    let v4 = bytes.first().is_some_and(|b| b >> 4 == 4);
    if !packet::decrement_ttl(&mut bytes) {
        let back = if v4 {
            error_v4(place, &bytes, icmpv4::kind::TIME_EXCEEDED, 0, 0)
        } else {
            error_v6(place, &bytes, icmpv6::kind::TIME_EXCEEDED, 0)
        };
        return Verdict::Refuse(back.filter(|_| !filter));
    }
    if bytes.len() <= usize::from(mtu) {
        return Verdict::Forward(vec![bytes]);
    }
    if !v4 {
        let back = error_v6(place, &bytes, icmpv6::kind::TOO_BIG, mtu.into());
        return Verdict::Refuse(back.filter(|_| !filter));
    }
    match ipv4::Header::parse(&bytes) {
        Ok(packet) if !packet.header.dont_fragment => Verdict::Forward(fragment(&packet, mtu)),
        _ => {
            let code = icmpv4::unreachable::FRAGMENTATION_NEEDED;
            let back = error_v4(place, &bytes, icmpv4::kind::UNREACHABLE, code, mtu);
            Verdict::Refuse(back.filter(|_| !filter))
        }
    }
}

/// RFC 791 3.2: pieces that fit. Options are not copied (none of ours would have to be).
fn fragment(packet: &ipv4::Packet<'_>, mtu: u16) -> Vec<Vec<u8>> {
    let step = (usize::from(mtu).saturating_sub(ipv4::LEN) & !7).max(8);
    let mut pieces = Vec::new();
    for (n, part) in packet.payload.chunks(step).enumerate() {
        let last = (n + 1) * step >= packet.payload.len();
        let header = ipv4::Header {
            total_len: (ipv4::LEN + part.len()) as u16,
            more_fragments: packet.header.more_fragments || !last,
            fragment_offset: packet.header.fragment_offset + (n * step) as u16,
            ..packet.header
        };
        pieces.push([&header.to_bytes()[..], part].concat());
    }
    pieces
}

/// RFC 1122 3.2.2: never about an error.
fn error_v4(place: usize, bytes: &[u8], kind: u8, code: u8, mtu: u16) -> Option<Vec<u8>> {
    let (IpAddr::V4(to), _) = packet::addresses(bytes)? else { return None };
    let about = bytes.get(ipv4::LEN).copied().unwrap_or(0);
    let queries = [icmpv4::kind::ECHO_REQUEST, icmpv4::kind::ECHO_REPLY];
    if bytes.get(9) == Some(&protocol::ICMP) && !queries.contains(&about) {
        return None;
    }
    let IpAddr::V4(src) = address(place, true) else { return None };
    let [m0, m1] = mtu.to_be_bytes();
    let mut body = Vec::new();
    let quote = &bytes[..bytes.len().min(QUOTE_V4)];
    icmpv4::Header { kind, code, rest: [0, 0, m0, m1] }.emit(quote, &mut body);
    let header = ipv4::Header {
        tos: 0,
        total_len: (ipv4::LEN + body.len()) as u16,
        id: 0,
        dont_fragment: false,
        more_fragments: false,
        fragment_offset: 0,
        ttl: 64,
        protocol: protocol::ICMP,
        src,
        dst: to,
    };
    Some([&header.to_bytes()[..], &body].concat())
}

/// RFC 4443 2.4: as much as fits into 1280 bytes, never about an error.
fn error_v6(place: usize, bytes: &[u8], kind: u8, mtu: u32) -> Option<Vec<u8>> {
    let (IpAddr::V6(dst), _) = packet::addresses(bytes)? else { return None };
    let about = bytes.get(ipv6::LEN).copied().unwrap_or(0);
    if bytes.get(6) == Some(&protocol::ICMPV6) && about < 128 {
        return None;
    }
    let IpAddr::V6(src) = address(place, false) else { return None };
    let most = usize::from(ipv6::MIN_MTU) - ipv6::LEN - icmpv6::LEN;
    let mut body = Vec::new();
    let header = icmpv6::Header { kind, code: 0, rest: mtu.to_be_bytes() };
    header.emit(src, dst, &bytes[..bytes.len().min(most)], &mut body);
    let header = ipv6::Header {
        traffic_class: 0,
        flow_label: 0,
        payload_len: body.len() as u16,
        next_header: protocol::ICMPV6,
        hop_limit: 64,
        src,
        dst,
    };
    Some([&header.to_bytes()[..], &body].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(dont_fragment: bool, len: usize) -> Vec<u8> {
        let header = ipv4::Header {
            tos: 0,
            total_len: (20 + len) as u16,
            id: 7,
            dont_fragment,
            more_fragments: false,
            fragment_offset: 0,
            ttl: 64,
            protocol: protocol::UDP,
            src: Ipv4Addr::new(10, 0, 0, 1),
            dst: Ipv4Addr::new(10, 0, 0, 2),
        };
        [&header.to_bytes()[..], &vec![1; len]].concat()
    }

    /// RFC 791 3.2: offsets in units of 8 bytes, more fragments on all but the last.
    #[test]
    fn too_big_is_cut() {
        let Verdict::Forward(pieces) = forward(3, datagram(false, 2500), 1000, false) else {
            panic!("not forwarded")
        };
        let seen: Vec<_> = pieces
            .iter()
            .map(|p| ipv4::Header::parse(p).unwrap())
            .map(|p| (p.header.fragment_offset, p.payload.len(), p.header.more_fragments))
            .collect();
        assert_eq!(seen, [(0, 976, true), (976, 976, true), (1952, 548, false)]);
    }

    /// RFC 1191 4: the MTU of the next hop is told.
    #[test]
    fn do_not_fragment_is_answered() {
        let Verdict::Refuse(Some(back)) = forward(3, datagram(true, 1400), 1000, false) else {
            panic!("not refused")
        };
        let view = packet::View::of(&back).unwrap();
        assert_eq!(view.what, packet::What::Icmp("fragmentation needed, MTU 1000".into()));
        assert!(matches!(forward(3, back, 100, false), Verdict::Forward(_)));
        assert!(matches!(forward(3, datagram(true, 1400), 1000, true), Verdict::Refuse(None)));
    }
}
