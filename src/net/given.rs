//! What may stand for an address in a net's file: an address, or where it is to come from.
use super::config::LinkConfig;
use crate::base::Cidr;
use crate::base::addr::IpAddr;
use core::ops::Range;
use core::str::FromStr;

/// An entry of `addresses`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Given {
    /// This one.
    Static(Cidr),
    /// An IPv4 address that a DHCP server gives (RFC 2131).
    Dhcp,
    /// IPv6 addresses made of what routers advertise (RFC 4862).
    Slaac,
}

impl FromStr for Given {
    type Err = String;
    fn from_str(text: &str) -> Result<Given, String> {
        match text {
            "dhcp" => Ok(Given::Dhcp),
            "slaac" => Ok(Given::Slaac),
            _ => match text.parse() {
                Ok(cidr) => Ok(Given::Static(cidr)),
                Err(why) => Err(format!("{why}; or \"dhcp\" or \"slaac\"")),
            },
        }
    }
}

/// Entries with their places in the file, the words taken out.
#[derive(Clone, Default, Debug)]
pub(super) struct Addresses {
    /// The addresses.
    pub fixed: Vec<(Range<usize>, Cidr)>,
    /// Where `"dhcp"` stands.
    pub dhcp: Option<Range<usize>>,
    /// Where `"slaac"` stands.
    pub slaac: Option<Range<usize>>,
}

impl Addresses {
    /// Sorts entries out.
    pub(super) fn new(all: Vec<(Range<usize>, Given)>) -> Addresses {
        let mut sorted = Addresses::default();
        for (place, given) in all {
            match given {
                Given::Static(cidr) => sorted.fixed.push((place, cidr)),
                Given::Dhcp => sorted.dhcp = Some(place),
                Given::Slaac => sorted.slaac = Some(place),
            }
        }
        sorted
    }
    /// Where the first of them stands.
    pub(super) fn place(&self) -> Option<Range<usize>> {
        let words = self.dhcp.iter().chain(&self.slaac);
        self.fixed.iter().map(|(place, _)| place).chain(words).next().cloned()
    }
    /// Where the first word stands.
    pub(super) fn word(&self) -> Option<Range<usize>> {
        self.dhcp.clone().or_else(|| self.slaac.clone())
    }
    /// Gives the words to a link.
    pub(super) fn ask(&self, link: &mut LinkConfig) {
        link.dhcp |= self.dhcp.is_some();
        link.slaac |= self.slaac.is_some();
    }
}

/// Not a group, a network or a broadcast address.
pub(super) fn is_host(cidr: Cidr) -> bool {
    let len = u32::from(cidr.prefix_len);
    match cidr.address {
        _ if len == 0 => false,
        IpAddr::V4(v4) => {
            // RFC 3021: both addresses of a /31 are hosts'.
            let network = len < 31 && u32::from(v4) << len == 0;
            let special = v4.is_multicast() || v4.is_unspecified() || v4.is_broadcast();
            !network && !special && cidr.broadcast() != Some(v4)
        }
        IpAddr::V6(v6) => !v6.is_multicast() && !v6.is_unspecified(),
    }
}
