//! Neighbour discovery: solicitations and advertisements (RFC 4861 4.3, 4.4, 4.6.1). The ICMPv6
//! header around them is [`super::icmpv6`]'s.
use super::{ParseError, icmpv6};
use crate::base::MacAddr;
use crate::base::addr::Ipv6Addr;

const SOURCE_MAC: u8 = 1;
const TARGET_MAC: u8 = 2;

const ROUTER: u8 = 0x80;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

/// Who has this address?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Solicitation {
    /// The address asked for.
    pub target: Ipv6Addr,
    /// The Ethernet address of who asks; not there while it tests its own address.
    pub source_mac: Option<MacAddr>,
}

/// I have this address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Advertisement {
    /// The sender is a router.
    pub router: bool,
    /// It answers a solicitation.
    pub solicited: bool,
    /// It may replace what is known.
    pub overrides: bool,
    /// The address.
    pub target: Ipv6Addr,
    /// Its Ethernet address, if given.
    pub target_mac: Option<MacAddr>,
}

impl Solicitation {
    /// From the body of an ICMPv6 message.
    pub fn parse(body: &[u8]) -> Result<Solicitation, ParseError> {
        let (target, options) = body.split_first_chunk::<16>().ok_or(ParseError::Short)?;
        let source_mac = mac_option(options, SOURCE_MAC)?;
        Ok(Solicitation { target: Ipv6Addr::from(*target), source_mac })
    }
    /// Appends the whole ICMPv6 message.
    pub fn emit(&self, src: Ipv6Addr, dst: Ipv6Addr, out: &mut Vec<u8>) {
        let (body, len) = body(self.target, SOURCE_MAC, self.source_mac);
        let kind = icmpv6::kind::NEIGHBOR_SOLICITATION;
        let header = icmpv6::Header { kind, code: 0, rest: [0; 4] };
        header.emit(src, dst, &body[..len], out);
    }
}

impl Advertisement {
    /// From the header and body of an ICMPv6 message.
    pub fn parse(header: &icmpv6::Header, body: &[u8]) -> Result<Advertisement, ParseError> {
        let (target, options) = body.split_first_chunk::<16>().ok_or(ParseError::Short)?;
        let target_mac = mac_option(options, TARGET_MAC)?;
        let [flags, ..] = header.rest;
        Ok(Advertisement {
            router: flags & ROUTER != 0,
            solicited: flags & SOLICITED != 0,
            overrides: flags & OVERRIDE != 0,
            target: Ipv6Addr::from(*target),
            target_mac,
        })
    }
    /// Appends the whole ICMPv6 message.
    pub fn emit(&self, src: Ipv6Addr, dst: Ipv6Addr, out: &mut Vec<u8>) {
        let (body, len) = body(self.target, TARGET_MAC, self.target_mac);
        let flags = (u8::from(self.router) * ROUTER)
            | (u8::from(self.solicited) * SOLICITED)
            | (u8::from(self.overrides) * OVERRIDE);
        let kind = icmpv6::kind::NEIGHBOR_ADVERTISEMENT;
        let header = icmpv6::Header { kind, code: 0, rest: [flags, 0, 0, 0] };
        header.emit(src, dst, &body[..len], out);
    }
}

fn body(target: Ipv6Addr, option: u8, mac: Option<MacAddr>) -> ([u8; 24], usize) {
    let mut body = [0; 24];
    body[..16].copy_from_slice(&target.octets());
    let Some(mac) = mac else { return (body, 16) };
    body[16] = option;
    body[17] = 1; // in units of 8 bytes
    body[18..].copy_from_slice(&mac.0);
    (body, 24)
}

/// The Ethernet address in the option `wanted`. Every option is checked for its length.
fn mac_option(mut options: &[u8], wanted: u8) -> Result<Option<MacAddr>, ParseError> {
    let mut found = None;
    while let &[kind, len, ..] = options {
        if len == 0 {
            return Err(ParseError::Length); // RFC 4861 4.6.
        }
        let (option, rest) =
            options.split_at_checked(usize::from(len) * 8).ok_or(ParseError::Short)?;
        if let (true, &[_, _, a, b, c, d, e, f]) = (kind == wanted, option) {
            found = Some(MacAddr([a, b, c, d, e, f]));
        }
        options = rest;
    }
    if options.is_empty() { Ok(found) } else { Err(ParseError::Short) }
}

/// The group that an address is solicited at: ff02::1:ff00:0/104 with its last 24 bits (RFC 4291
/// 2.7.1).
pub fn solicited_node(ip: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = ip.octets();
    Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c])
}

/// The link-local address made from an Ethernet address (RFC 4291 appendix A, RFC 2464 5).
pub fn link_local(mac: MacAddr) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{EthernetAddress, RawHardwareAddress};
    use smoltcp::wire::{Icmpv6Packet, Icmpv6Repr, NdiscNeighborFlags, NdiscRepr};

    fn by_smoltcp(repr: NdiscRepr<'_>, src: Ipv6Addr, dst: Ipv6Addr) -> Vec<u8> {
        let repr = Icmpv6Repr::Ndisc(repr);
        let mut bytes = vec![0; repr.buffer_len()];
        let mut packet = Icmpv6Packet::new_unchecked(&mut bytes);
        repr.emit(&src, &dst, &mut packet, &ChecksumCapabilities::default());
        bytes
    }

    fn raw(mac: MacAddr) -> RawHardwareAddress {
        EthernetAddress(mac.0).into()
    }

    proptest! {
        #[test]
        fn solicitation_as_smoltcp(src: [u8; 16], target: [u8; 16], mac: Option<[u8; 6]>) {
            let (src, target) = (Ipv6Addr::from(src), Ipv6Addr::from(target));
            let ours = Solicitation { target, source_mac: mac.map(MacAddr) };
            let dst = solicited_node(target);
            let mut out = Vec::new();
            ours.emit(src, dst, &mut out);
            let lladdr = ours.source_mac.map(raw);
            let theirs = NdiscRepr::NeighborSolicit { target_addr: target, lladdr };
            prop_assert_eq!(&out, &by_smoltcp(theirs, src, dst));
            let (_, body) = icmpv6::Header::parse(src, dst, &out).unwrap();
            prop_assert_eq!(Solicitation::parse(body), Ok(ours));
        }

        #[test]
        fn advertisement_as_smoltcp(
            src: [u8; 16], target: [u8; 16], mac: Option<[u8; 6]>, bits in 0u8..8,
        ) {
            let (src, target) = (Ipv6Addr::from(src), Ipv6Addr::from(target));
            let ours = Advertisement {
                router: bits & 4 != 0,
                solicited: bits & 2 != 0,
                overrides: bits & 1 != 0,
                target,
                target_mac: mac.map(MacAddr),
            };
            let mut out = Vec::new();
            ours.emit(src, target, &mut out);
            let theirs = NdiscRepr::NeighborAdvert {
                flags: NdiscNeighborFlags::from_bits_truncate(bits << 5),
                target_addr: target,
                lladdr: ours.target_mac.map(raw),
            };
            prop_assert_eq!(&out, &by_smoltcp(theirs, src, target));
            let (header, body) = icmpv6::Header::parse(src, target, &out).unwrap();
            prop_assert_eq!(Advertisement::parse(&header, body), Ok(ours));
        }

        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..80), rest: [u8; 4]) {
            let _ = Solicitation::parse(&bytes);
            let _ = Advertisement::parse(&icmpv6::Header { kind: 136, code: 0, rest }, &bytes);
        }
    }

    #[test]
    fn derived_addresses() {
        let mac = MacAddr([0x02, 0, 0, 0x12, 0x34, 0x56]);
        assert_eq!(link_local(mac), "fe80::ff:fe12:3456".parse::<Ipv6Addr>().unwrap());
        let group = solicited_node("fd00::1:2345:6789".parse().unwrap());
        assert_eq!(group, "ff02::1:ff45:6789".parse::<Ipv6Addr>().unwrap());
    }

    #[test]
    fn an_option_of_length_zero_is_wrong() {
        let mut body = vec![0; 24];
        assert_eq!(Solicitation::parse(&body), Err(ParseError::Length));
        body[17] = 2;
        assert_eq!(Solicitation::parse(&body), Err(ParseError::Short));
    }
}
