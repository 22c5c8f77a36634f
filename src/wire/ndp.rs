//! Neighbour discovery: solicitations and advertisements (RFC 4861 4.3, 4.4), and the options of
//! all its messages (4.6). What routers send is in [`super::router`]; the ICMPv6 header around them
//! is [`super::icmpv6`]'s.
use super::{ParseError, icmpv6};
use crate::base::MacAddr;
use crate::base::addr::Ipv6Addr;

/// Option numbers (RFC 4861 4.6, RFC 8106 5.1, RFC 3971 5.3.2).
pub mod option {
    /// Source link-layer address.
    pub const SOURCE_MAC: u8 = 1;
    /// Target link-layer address.
    pub const TARGET_MAC: u8 = 2;
    /// Prefix information.
    pub const PREFIX: u8 = 3;
    /// The head of the packet that was redirected.
    pub const REDIRECTED: u8 = 4;
    /// MTU of the link.
    pub const MTU: u8 = 5;
    /// A number that the sender will know again.
    pub const NONCE: u8 = 14;
    /// Recursive name servers.
    pub const RDNSS: u8 = 25;
}
use option::{NONCE, SOURCE_MAC, TARGET_MAC};

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
    /// By which a host that tests an address knows its own question (RFC 7527 4.1).
    pub nonce: Option<[u8; 6]>,
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
        let options = Options::checked(options)?;
        let source_mac = options.six(SOURCE_MAC).map(MacAddr);
        Ok(Solicitation { target: Ipv6Addr::from(*target), source_mac, nonce: options.six(NONCE) })
    }
    /// Appends the whole ICMPv6 message.
    pub fn emit(&self, src: Ipv6Addr, dst: Ipv6Addr, out: &mut Vec<u8>) {
        let mac = self.source_mac.map(|mac| (SOURCE_MAC, mac.0));
        let (body, len) = body(self.target, [mac, self.nonce.map(|nonce| (NONCE, nonce))]);
        let kind = icmpv6::kind::NEIGHBOR_SOLICITATION;
        let header = icmpv6::Header { kind, code: 0, rest: [0; 4] };
        header.emit(src, dst, &body[..len], out);
    }
}

impl Advertisement {
    /// From the header and body of an ICMPv6 message.
    pub fn parse(header: &icmpv6::Header, body: &[u8]) -> Result<Advertisement, ParseError> {
        let (target, options) = body.split_first_chunk::<16>().ok_or(ParseError::Short)?;
        let target_mac = Options::checked(options)?.six(TARGET_MAC).map(MacAddr);
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
        let (body, len) = body(self.target, [self.target_mac.map(|m| (TARGET_MAC, m.0)), None]);
        let flags = (u8::from(self.router) * ROUTER)
            | (u8::from(self.solicited) * SOLICITED)
            | (u8::from(self.overrides) * OVERRIDE);
        let kind = icmpv6::kind::NEIGHBOR_ADVERTISEMENT;
        let header = icmpv6::Header { kind, code: 0, rest: [flags, 0, 0, 0] };
        header.emit(src, dst, &body[..len], out);
    }
}

fn body(target: Ipv6Addr, options: [Option<(u8, [u8; 6])>; 2]) -> ([u8; 32], usize) {
    let mut body = [0; 32];
    body[..16].copy_from_slice(&target.octets());
    let mut len = 16;
    for (kind, value) in options.into_iter().flatten() {
        body[len] = kind;
        body[len + 1] = 1; // in units of 8 bytes
        body[len + 2..len + 8].copy_from_slice(&value);
        len += 8;
    }
    (body, len)
}

/// One option: its number, and its value without number and length.
pub type NdOption<'a> = (u8, &'a [u8]);

/// The options of a message, all of a right length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options<'a>(&'a [u8]);

impl<'a> Options<'a> {
    /// Looks at the length of every option. Error: RFC 4861 4.6: one is 0 or goes beyond the end.
    pub fn checked(bytes: &'a [u8]) -> Result<Options<'a>, ParseError> {
        let mut rest = bytes;
        while let &[_, len, ..] = rest {
            if len == 0 {
                return Err(ParseError::Length);
            }
            rest = rest.get(usize::from(len) * 8..).ok_or(ParseError::Short)?;
        }
        if rest.is_empty() { Ok(Options(bytes)) } else { Err(ParseError::Short) }
    }
    /// Each option.
    pub fn iter(&self) -> impl Iterator<Item = NdOption<'a>> + use<'a> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let &[kind, len, ..] = rest else { return None };
            let (option, behind) = rest.split_at_checked(usize::from(len) * 8)?;
            rest = behind;
            Some((kind, option.get(2..)?))
        })
    }
    /// The last option of this number that has six bytes.
    pub fn six(&self, wanted: u8) -> Option<[u8; 6]> {
        self.iter()
            .filter(|(kind, _)| *kind == wanted)
            .filter_map(|(_, v)| v.try_into().ok())
            .last()
    }
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
        /// RFC 4861 4.3: a solicitation as another implementation writes and reads it.
        #[test]
        fn solicitation_as_smoltcp(src: [u8; 16], target: [u8; 16], mac: Option<[u8; 6]>) {
            let (src, target) = (Ipv6Addr::from(src), Ipv6Addr::from(target));
            let ours = Solicitation { target, source_mac: mac.map(MacAddr), nonce: None };
            let dst = solicited_node(target);
            let mut out = Vec::new();
            ours.emit(src, dst, &mut out);
            let lladdr = ours.source_mac.map(raw);
            let theirs = NdiscRepr::NeighborSolicit { target_addr: target, lladdr };
            prop_assert_eq!(&out, &by_smoltcp(theirs, src, dst));
            let (_, body) = icmpv6::Header::parse(src, dst, &out).unwrap();
            prop_assert_eq!(Solicitation::parse(body), Ok(ours));
        }

        /// RFC 4861 4.4: an advertisement as another implementation writes and reads it.
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

    /// RFC 4291 2.7.1: solicited-node groups; RFC 2464 5: link-local addresses made of a MAC.
    #[test]
    fn derived_addresses() {
        let mac = MacAddr([0x02, 0, 0, 0x12, 0x34, 0x56]);
        assert_eq!(link_local(mac), "fe80::ff:fe12:3456".parse::<Ipv6Addr>().unwrap());
        let group = solicited_node("fd00::1:2345:6789".parse().unwrap());
        assert_eq!(group, "ff02::1:ff45:6789".parse::<Ipv6Addr>().unwrap());
    }

    /// RFC 7527 4.1: the nonce of a solicitation goes out and comes back.
    #[test]
    fn a_nonce_survives() {
        let target = "fd00::1".parse().unwrap();
        let ours = Solicitation { target, source_mac: None, nonce: Some([1, 2, 3, 4, 5, 6]) };
        let (src, dst) = (Ipv6Addr::UNSPECIFIED, solicited_node(target));
        let mut out = Vec::new();
        ours.emit(src, dst, &mut out);
        assert_eq!(Solicitation::parse(&out[icmpv6::LEN..]), Ok(ours));
    }

    /// RFC 4861 4.6: an option of length 0, or longer than what is there, spoils the message.
    #[test]
    fn an_option_of_length_zero_is_wrong() {
        let mut body = vec![0; 24];
        assert_eq!(Solicitation::parse(&body), Err(ParseError::Length));
        body[17] = 2;
        assert_eq!(Solicitation::parse(&body), Err(ParseError::Short));
    }
}
