//! What routers say to hosts: solicitations, advertisements and redirects of neighbour discovery
//! (RFC 4861 4.1, 4.2, 4.5, RFC 4191 2.2, RFC 8106 5.1).
use super::ndp::{Options, option};
use super::{ParseError, icmpv6};
use crate::base::addr::{IpAddr, Ipv6Addr};
use crate::base::{Cidr, MacAddr};

/// Appends a router solicitation: is there a router? `source_mac` only with a source address.
pub fn solicit(src: Ipv6Addr, dst: Ipv6Addr, source_mac: Option<MacAddr>, out: &mut Vec<u8>) {
    let header = icmpv6::Header { kind: icmpv6::kind::ROUTER_SOLICITATION, code: 0, rest: [0; 4] };
    match source_mac {
        Some(MacAddr([a, b, c, d, e, f])) => {
            header.emit(src, dst, &[option::SOURCE_MAC, 1, a, b, c, d, e, f], out);
        }
        None => header.emit(src, dst, &[], out),
    }
}

/// How much a router is liked (RFC 4191 2.1), worst first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Preference {
    /// Only if there is no other.
    Low,
    /// The usual.
    Medium,
    /// Before the others.
    High,
}

/// A router says that it is there, and what hosts should do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Advertisement<'a> {
    /// Hop limit for what hosts send; 0: it does not say.
    pub hop_limit: u8,
    /// Addresses can be had by DHCPv6.
    pub managed: bool,
    /// How much the router is liked.
    pub preference: Preference,
    /// How long it can be used as a default router, seconds; 0: it is none.
    pub lifetime_s: u16,
    /// For how long a neighbour that was heard is reachable, milliseconds; 0: it does not say.
    pub reachable_ms: u32,
    /// Between two solicitations, milliseconds; 0: it does not say.
    pub retransmit_ms: u32,
    /// The options.
    pub options: Options<'a>,
}

/// A prefix of the link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefix {
    /// The prefix, with the bits behind it as they came.
    pub prefix: Cidr,
    /// Its addresses are on the link.
    pub on_link: bool,
    /// Hosts may make addresses of it.
    pub autonomous: bool,
    /// How long it is on the link and addresses are valid, seconds; `u32::MAX`: for ever.
    pub valid_s: u32,
    /// How long addresses are preferred, seconds; `u32::MAX`: for ever.
    pub preferred_s: u32,
}

impl<'a> Advertisement<'a> {
    /// From the header and body of an ICMPv6 message.
    pub fn parse(header: &icmpv6::Header, body: &'a [u8]) -> Result<Advertisement<'a>, ParseError> {
        let ([r0, r1, r2, r3, t0, t1, t2, t3], options) =
            body.split_first_chunk::<8>().ok_or(ParseError::Short)?;
        let [hop_limit, flags, l0, l1] = header.rest;
        Ok(Advertisement {
            hop_limit,
            managed: flags & 0x80 != 0,
            // RFC 4191 2.2: the reserved value is medium.
            preference: match flags >> 3 & 3 {
                0b01 => Preference::High,
                0b11 => Preference::Low,
                _ => Preference::Medium,
            },
            lifetime_s: u16::from_be_bytes([l0, l1]),
            reachable_ms: u32::from_be_bytes([*r0, *r1, *r2, *r3]),
            retransmit_ms: u32::from_be_bytes([*t0, *t1, *t2, *t3]),
            options: Options::checked(options)?,
        })
    }
    /// The router's Ethernet address, if it says it.
    pub fn source_mac(&self) -> Option<MacAddr> {
        self.options.six(option::SOURCE_MAC).map(MacAddr)
    }
    /// The link's MTU, bytes, if it says it.
    pub fn mtu(&self) -> Option<u32> {
        let value = self.options.six(option::MTU)?;
        let [_, _, m0, m1, m2, m3] = value;
        Some(u32::from_be_bytes([m0, m1, m2, m3]))
    }
    /// The prefixes (RFC 4861 4.6.2).
    pub fn prefixes(&self) -> impl Iterator<Item = Prefix> + use<'a> {
        let prefixes = self.options.iter().filter(|(kind, _)| *kind == option::PREFIX);
        prefixes.filter_map(|(_, value)| prefix(value))
    }
    /// Name servers, and for how many seconds they serve (RFC 8106 5.1).
    pub fn name_servers(&self) -> impl Iterator<Item = (u32, Ipv6Addr)> + use<'a> {
        let options = self.options.iter().filter(|(kind, _)| *kind == option::RDNSS);
        options.filter_map(|(_, value)| value.split_first_chunk::<6>()).flat_map(|(head, rest)| {
            let [_, _, l0, l1, l2, l3] = *head;
            let lifetime = u32::from_be_bytes([l0, l1, l2, l3]);
            let addresses = rest.chunks_exact(16).filter_map(|c| <[u8; 16]>::try_from(c).ok());
            addresses.map(move |octets| (lifetime, Ipv6Addr::from(octets)))
        })
    }
}

fn prefix(value: &[u8]) -> Option<Prefix> {
    let (head, address) = value.split_first_chunk::<14>()?;
    let [len, flags, v0, v1, v2, v3, p0, p1, p2, p3, ..] = *head;
    let address = IpAddr::from(<[u8; 16]>::try_from(address).ok()?);
    Some(Prefix {
        prefix: Cidr::new(address, len)?,
        on_link: flags & 0x80 != 0,
        autonomous: flags & 0x40 != 0,
        valid_s: u32::from_be_bytes([v0, v1, v2, v3]),
        preferred_s: u32::from_be_bytes([p0, p1, p2, p3]),
    })
}

/// A router knows a better first hop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Redirect {
    /// The better hop: another router's link-local address, or the destination itself.
    pub target: Ipv6Addr,
    /// For packets to here.
    pub destination: Ipv6Addr,
    /// The better hop's Ethernet address, if given.
    pub target_mac: Option<MacAddr>,
}

impl Redirect {
    /// The packet that the body of a redirect quotes (RFC 4861 4.6.3), as far as it does.
    pub fn quote(body: &[u8]) -> Option<&[u8]> {
        let options = Options::checked(body.get(32..)?).ok()?;
        let (_, value) = options.iter().find(|(kind, _)| *kind == option::REDIRECTED)?;
        value.get(6..)
    }
    /// From the body of an ICMPv6 message.
    pub fn parse(body: &[u8]) -> Result<Redirect, ParseError> {
        let (target, rest) = body.split_first_chunk::<16>().ok_or(ParseError::Short)?;
        let (destination, options) = rest.split_first_chunk::<16>().ok_or(ParseError::Short)?;
        let target_mac = Options::checked(options)?.six(option::TARGET_MAC).map(MacAddr);
        Ok(Redirect {
            target: Ipv6Addr::from(*target),
            destination: Ipv6Addr::from(*destination),
            target_mac,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{
        EthernetAddress, Icmpv6Packet, Icmpv6Repr, NdiscPrefixInfoFlags, NdiscPrefixInformation,
        NdiscRepr, NdiscRouterFlags,
    };

    const US: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
    const THEM: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);

    fn by_smoltcp(repr: NdiscRepr<'_>) -> Vec<u8> {
        let repr = Icmpv6Repr::Ndisc(repr);
        let mut bytes = vec![0; repr.buffer_len()];
        let mut packet = Icmpv6Packet::new_unchecked(&mut bytes);
        repr.emit(&US, &THEM, &mut packet, &ChecksumCapabilities::default());
        bytes
    }

    proptest! {
        /// RFC 4861 4.2, 4.6.2, 4.6.4: an advertisement as another implementation writes it.
        #[test]
        fn advertisement_as_smoltcp(
            hop_limit: u8, lifetime_s: u16, reachable_ms: u32, retransmit_ms: u32, mac: [u8; 6],
            mtu: u32, net: [u8; 16], len in 0u8..=128, bits in 0u8..4, valid_s: u32,
            preferred_s: u32,
        ) {
            let (on_link, autonomous) = (bits & 1 != 0, bits & 2 != 0);
            let mut flags = NdiscPrefixInfoFlags::empty();
            flags.set(NdiscPrefixInfoFlags::ON_LINK, on_link);
            flags.set(NdiscPrefixInfoFlags::ADDRCONF, autonomous);
            let seconds = |s: u32| smoltcp::time::Duration::from_secs(u64::from(s));
            let millis = |ms: u32| smoltcp::time::Duration::from_millis(u64::from(ms));
            let bytes = by_smoltcp(NdiscRepr::RouterAdvert {
                hop_limit,
                flags: NdiscRouterFlags::MANAGED,
                router_lifetime: seconds(u32::from(lifetime_s)),
                reachable_time: millis(reachable_ms),
                retrans_time: millis(retransmit_ms),
                lladdr: Some(EthernetAddress(mac).into()),
                mtu: Some(mtu),
                prefix_info: Some(NdiscPrefixInformation {
                    prefix_len: len,
                    flags,
                    valid_lifetime: seconds(valid_s),
                    preferred_lifetime: seconds(preferred_s),
                    prefix: net.into(),
                }),
            });
            let (header, body) = icmpv6::Header::parse(US, THEM, &bytes).unwrap();
            let got = Advertisement::parse(&header, body).unwrap();
            prop_assert_eq!(
                (got.hop_limit, got.lifetime_s, got.reachable_ms, got.retransmit_ms),
                (hop_limit, lifetime_s, reachable_ms, retransmit_ms)
            );
            prop_assert!(got.managed);
            prop_assert_eq!(got.preference, Preference::Medium);
            prop_assert_eq!((got.source_mac(), got.mtu()), (Some(MacAddr(mac)), Some(mtu)));
            let prefix = Cidr { address: IpAddr::from(net), prefix_len: len };
            let expected = Prefix { prefix, on_link, autonomous, valid_s, preferred_s };
            prop_assert_eq!(got.prefixes().collect::<Vec<_>>(), [expected]);
        }

        /// RFC 4861 4.1, 4.5, 4.6: no bytes that a router may send are too strange to look at.
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..120), rest: [u8; 4]) {
            let header = icmpv6::Header { kind: 134, code: 0, rest };
            if let Ok(got) = Advertisement::parse(&header, &bytes) {
                let _ = (got.mtu(), got.source_mac(), got.prefixes().count());
                let _ = got.name_servers().count();
            }
            let _ = Redirect::parse(&bytes);
        }
    }

    /// RFC 4861 4.1: a solicitation as another implementation reads it.
    #[test]
    fn solicitation_as_smoltcp() {
        let mac = MacAddr([2, 0, 0, 0, 0, 7]);
        let mut out = Vec::new();
        solicit(US, THEM, Some(mac), &mut out);
        let lladdr = Some(EthernetAddress(mac.0).into());
        assert_eq!(out, by_smoltcp(NdiscRepr::RouterSolicit { lladdr }));
    }

    /// RFC 4191 2.2: preferences of two bits; the reserved one counts as medium.
    #[test]
    fn preferences() {
        let parsed = [0x00, 0x08, 0x10, 0x18].map(|flags| {
            let header = icmpv6::Header { kind: 134, code: 0, rest: [64, flags, 0, 9] };
            Advertisement::parse(&header, &[0; 8]).unwrap().preference
        });
        use Preference::{High, Low, Medium};
        assert_eq!(parsed, [Medium, High, Medium, Low]);
    }

    /// RFC 8106 5.1: name servers with their lifetime.
    #[test]
    fn name_servers() {
        let one: Ipv6Addr = "fd00::53".parse().unwrap();
        let mut body = vec![0; 8];
        body.extend([option::RDNSS, 3, 0, 0, 0, 0, 1, 0]);
        body.extend(one.octets());
        let header = icmpv6::Header { kind: 134, code: 0, rest: [0; 4] };
        let got = Advertisement::parse(&header, &body).unwrap();
        assert_eq!(got.name_servers().collect::<Vec<_>>(), [(256, one)]);
    }
}
