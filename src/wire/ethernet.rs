//! Ethernet II frames without FCS (RFC 894, RFC 2464).
use super::ParseError;
use crate::base::MacAddr;

/// Length of the header in bytes.
pub const LEN: usize = 14;
/// IPv4.
pub const IPV4: u16 = 0x0800;
/// ARP.
pub const ARP: u16 = 0x0806;
/// IPv6.
pub const IPV6: u16 = 0x86dd;

/// An Ethernet header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// To whom.
    pub dst: MacAddr,
    /// From whom.
    pub src: MacAddr,
    /// What follows: [`IPV4`], [`ARP`], [`IPV6`], ...
    pub ethertype: u16,
}

impl Header {
    /// The header and the payload (padding included).
    pub fn parse(frame: &[u8]) -> Result<(Header, &[u8]), ParseError> {
        let (head, payload) = frame.split_first_chunk::<LEN>().ok_or(ParseError::Short)?;
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] = *head;
        let header = Header {
            dst: MacAddr([d0, d1, d2, d3, d4, d5]),
            src: MacAddr([s0, s1, s2, s3, s4, s5]),
            ethertype: u16::from_be_bytes([t0, t1]),
        };
        Ok((header, payload))
    }
    /// As it goes on the wire.
    pub fn to_bytes(&self) -> [u8; LEN] {
        let mut out = [0; LEN];
        out[..6].copy_from_slice(&self.dst.0);
        out[6..12].copy_from_slice(&self.src.0);
        out[12..].copy_from_slice(&self.ethertype.to_be_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn as_etherparse(dst: [u8; 6], src: [u8; 6], ethertype: u16, rest: Vec<u8>) {
            let ours = Header { dst: MacAddr(dst), src: MacAddr(src), ethertype };
            let theirs = etherparse::Ethernet2Header {
                destination: dst,
                source: src,
                ether_type: ethertype.into(),
            };
            prop_assert_eq!(ours.to_bytes(), theirs.to_bytes());
            let frame = [&theirs.to_bytes()[..], &rest].concat();
            prop_assert_eq!(Header::parse(&frame), Ok((ours, &rest[..])));
        }

        #[test]
        fn short(bytes in prop::collection::vec(any::<u8>(), 0..LEN)) {
            prop_assert_eq!(Header::parse(&bytes), Err(ParseError::Short));
        }
    }
}
