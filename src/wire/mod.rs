//! Bytes to typed headers and back. Pure, and never a panic on any input.
//!
//! Each module is one protocol and looks like the others: a `Header` with `parse`, which checks and
//! returns the header and what follows it, and `to_bytes` or `emit`, which is its inverse.
//! Addresses and numbers are in host order; lengths and offsets are in bytes unless a name says
//! otherwise.
pub mod arp;
pub mod checksum;
pub mod dhcp;
pub mod ethernet;
pub mod icmpv4;
pub mod icmpv6;
pub mod igmp;
pub mod ipv4;
pub mod ipv6;
pub mod mld;
pub mod ndp;
pub mod router;
pub mod tcp;
pub mod udp;

/// Why bytes are not the header that they should be.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ParseError {
    /// Fewer bytes than the header, or than a length in it says.
    Short,
    /// A version, type or fixed field has another value than it must have.
    Unsupported,
    /// A length that contradicts itself (a header length below the minimum, an option of length 0).
    Length,
    /// The checksum is wrong.
    Checksum,
}

impl core::fmt::Display for ParseError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Short => "too short",
            Self::Unsupported => "unsupported value",
            Self::Length => "contradictory length",
            Self::Checksum => "wrong checksum",
        })
    }
}

impl core::error::Error for ParseError {}

/// IP protocol and next-header numbers (IANA).
pub mod protocol {
    /// IPv6 hop-by-hop options.
    pub const HOP_BY_HOP: u8 = 0;
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// IGMP.
    pub const IGMP: u8 = 2;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// IPv6 routing header.
    pub const ROUTING: u8 = 43;
    /// IPv6 fragment header.
    pub const FRAGMENT: u8 = 44;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
    /// Nothing follows.
    pub const NONE: u8 = 59;
    /// IPv6 destination options.
    pub const DESTINATION: u8 = 60;
}
