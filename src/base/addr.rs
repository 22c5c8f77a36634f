//! Addresses: what `core::net` lacks.
pub use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::str::FromStr;

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// All stations.
    pub const BROADCAST: MacAddr = MacAddr([0xff; 6]);
    /// Group bit set (broadcast included).
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }
    /// The group address that an IP multicast or broadcast address is sent to (RFC 1112 6.4,
    /// RFC 2464 7); `None` for unicast.
    pub fn for_multicast(ip: IpAddr) -> Option<MacAddr> {
        match ip {
            IpAddr::V4(v4) if v4.is_broadcast() => Some(MacAddr::BROADCAST),
            IpAddr::V4(v4) if v4.is_multicast() => {
                let o = v4.octets();
                Some(MacAddr([0x01, 0x00, 0x5e, o[1] & 0x7f, o[2], o[3]]))
            }
            IpAddr::V6(v6) if v6.is_multicast() => {
                let o = v6.octets();
                Some(MacAddr([0x33, 0x33, o[12], o[13], o[14], o[15]]))
            }
            _ => None,
        }
    }
}

impl core::fmt::Display for MacAddr {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}
impl core::fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

impl FromStr for MacAddr {
    type Err = &'static str;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        const ERR: &str = "a MAC address is six hexadecimal bytes, like 02:00:00:00:00:01";
        let mut mac = [0u8; 6];
        let mut parts = s.split(':');
        for byte in &mut mac {
            let part = parts.next().filter(|p| (1..=2).contains(&p.len())).ok_or(ERR)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| ERR)?;
        }
        if parts.next().is_some() { Err(ERR) } else { Ok(MacAddr(mac)) }
    }
}

/// An address with the length of its network prefix, in bits: `10.0.0.2/24`. Host bits are kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Cidr {
    /// The address, host bits included.
    pub address: IpAddr,
    /// Length of the prefix in bits: at most 32 or 128.
    pub prefix_len: u8,
}

impl Cidr {
    /// `None` if the prefix is longer than the address.
    pub fn new(address: IpAddr, prefix_len: u8) -> Option<Cidr> {
        let max = if address.is_ipv4() { 32 } else { 128 };
        (prefix_len <= max).then_some(Cidr { address, prefix_len })
    }
    /// Whether `ip` lies in this prefix. Never across families.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.address, ip) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix_len)).unwrap_or(0);
                u32::from(a) & mask == u32::from(b) & mask
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix_len)).unwrap_or(0);
                u128::from(a) & mask == u128::from(b) & mask
            }
            _ => false,
        }
    }
    /// The prefix with its host bits cleared, as routes are written.
    #[must_use]
    pub fn network(&self) -> Cidr {
        let len = u32::from(self.prefix_len);
        let address = match self.address {
            IpAddr::V4(a) => {
                let mask = u32::MAX.checked_shl(32 - len).unwrap_or(0);
                Ipv4Addr::from(u32::from(a) & mask).into()
            }
            IpAddr::V6(a) => {
                let mask = u128::MAX.checked_shl(128 - len).unwrap_or(0);
                Ipv6Addr::from(u128::from(a) & mask).into()
            }
        };
        Cidr { address, ..*self }
    }
    /// The directed broadcast address of an IPv4 prefix shorter than 31 bits.
    pub fn broadcast(&self) -> Option<Ipv4Addr> {
        match self.address {
            IpAddr::V4(a) if self.prefix_len < 31 => {
                Some(Ipv4Addr::from(u32::from(a) | (u32::MAX >> self.prefix_len)))
            }
            _ => None,
        }
    }
}

impl core::fmt::Display for Cidr {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

impl FromStr for Cidr {
    type Err = &'static str;
    /// `10.0.0.2/24`, `fd00::2/64`; without a length, a host route.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        const ERR: &str = "an address with prefix length, like 10.0.0.2/24 or fd00::2/64";
        let (address, len) = match s.split_once('/') {
            Some((a, l)) => (a, Some(l)),
            None => (s, None),
        };
        let address: IpAddr = address.parse().map_err(|_| ERR)?;
        let max = if address.is_ipv4() { 32 } else { 128 };
        let prefix_len = match len {
            Some(l) => l.parse().map_err(|_| ERR)?,
            None => max,
        };
        Cidr::new(address, prefix_len).ok_or(ERR)
    }
}

/// A connection's name: both its ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FourTuple {
    /// Our end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
}

impl FourTuple {
    /// The same connection as the peer names it.
    pub const fn reversed(self) -> FourTuple {
        FourTuple { local: self.remote, remote: self.local }
    }
}
