//! UDP (RFC 768, RFC 8200 8.1).
use super::{ParseError, checksum, protocol};
use crate::base::addr::IpAddr;

/// Length of the header in bytes.
pub const LEN: usize = 8;
/// Where in the header the checksum is.
pub const CHECKSUM_OFFSET: usize = 6;

/// A UDP header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Sender's port; 0 if it wants no answer.
    pub src_port: u16,
    /// Receiver's port.
    pub dst_port: u16,
    /// Length of header and payload.
    pub len: u16,
    /// As it stands there; 0 for none.
    pub checksum: u16,
}

impl Header {
    /// The header and the payload: what its length says of the IP payload `bytes`, which may have
    /// more behind. The checksum is not looked at: see [`verify`].
    pub fn parse(bytes: &[u8]) -> Result<(Header, &[u8]), ParseError> {
        let (head, _) = bytes.split_first_chunk::<LEN>().ok_or(ParseError::Short)?;
        let [s0, s1, d0, d1, l0, l1, c0, c1] = *head;
        let header = Header {
            src_port: u16::from_be_bytes([s0, s1]),
            dst_port: u16::from_be_bytes([d0, d1]),
            len: u16::from_be_bytes([l0, l1]),
            checksum: u16::from_be_bytes([c0, c1]),
        };
        if usize::from(header.len) < LEN {
            return Err(ParseError::Length);
        }
        let payload = bytes.get(LEN..usize::from(header.len)).ok_or(ParseError::Short)?;
        Ok((header, payload))
    }
    /// As it goes on the wire.
    pub fn to_bytes(&self) -> [u8; LEN] {
        let [s0, s1] = self.src_port.to_be_bytes();
        let [d0, d1] = self.dst_port.to_be_bytes();
        let [l0, l1] = self.len.to_be_bytes();
        let [c0, c1] = self.checksum.to_be_bytes();
        [s0, s1, d0, d1, l0, l1, c0, c1]
    }
}

/// Whether the checksum of `datagram` (header and payload, trimmed to its length) is right. None is
/// right over IPv4 and wrong over IPv6.
pub fn verify(src: IpAddr, dst: IpAddr, header: &Header, datagram: &[u8]) -> bool {
    if header.checksum == 0 {
        return src.is_ipv4();
    }
    checksum::pseudo_header(src, dst, protocol::UDP, datagram.len()).bytes(datagram).is_right()
}

/// The checksum of a header (with checksum 0) and payload.
pub fn checksum(src: IpAddr, dst: IpAddr, header: &Header, payload: &[u8]) -> u16 {
    let sum = checksum::pseudo_header(src, dst, protocol::UDP, usize::from(header.len))
        .bytes(&header.to_bytes())
        .bytes(payload);
    match sum.finish() {
        0 => 0xffff, // RFC 768: a computed zero is sent as all ones.
        sum => sum,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// RFC 768: as another implementation writes it.
        #[test]
        fn as_etherparse(
            src_port: u16, dst_port: u16, src: [u8; 4], dst: [u8; 4],
            payload in prop::collection::vec(any::<u8>(), 0..200), extra in 0usize..5,
        ) {
            let theirs = etherparse::UdpHeader::with_ipv4_checksum(
                src_port, dst_port,
                &etherparse::Ipv4Header::new(0, 64, etherparse::IpNumber::UDP, src, dst).unwrap(),
                &payload,
            ).unwrap();
            let len = (LEN + payload.len()) as u16;
            let mut ours = Header { src_port, dst_port, len, checksum: 0 };
            ours.checksum = checksum(src.into(), dst.into(), &ours, &payload);
            prop_assert_eq!(ours.to_bytes(), theirs.to_bytes());
            let datagram = [&theirs.to_bytes()[..], &payload].concat();
            prop_assert!(verify(src.into(), dst.into(), &ours, &datagram));
            let padded = [&datagram[..], &vec![0; extra]].concat();
            prop_assert_eq!(Header::parse(&padded), Ok((ours, &payload[..])));
        }

        /// RFC 768, RFC 8200 8.1: over IPv6, with a checksum.
        #[test]
        fn as_etherparse_v6(
            src: [u8; 16], dst: [u8; 16], payload in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let ip = etherparse::Ipv6Header { source: src, destination: dst, ..Default::default() };
            let theirs = etherparse::UdpHeader::with_ipv6_checksum(53, 54, &ip, &payload).unwrap();
            let len = (LEN + payload.len()) as u16;
            let mut ours = Header { src_port: 53, dst_port: 54, len, checksum: 0 };
            ours.checksum = checksum(src.into(), dst.into(), &ours, &payload);
            prop_assert_eq!(ours.to_bytes(), theirs.to_bytes());
        }

        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok((header, payload)) = Header::parse(&bytes) {
                prop_assert_eq!(&header.to_bytes()[..], &bytes[..LEN]);
                prop_assert_eq!(payload.len() + LEN, usize::from(header.len));
            }
        }
    }

    /// RFC 768, RFC 1122 4.1.3.4, RFC 8200 8.1: no checksum.
    #[test]
    fn no_checksum_is_for_ipv4_only() {
        let header = Header { src_port: 1, dst_port: 2, len: 8, checksum: 0 };
        let bytes = header.to_bytes();
        assert!(verify([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), &header, &bytes));
        assert!(!verify([1u16; 8].into(), [2u16; 8].into(), &header, &bytes));
    }

    #[test]
    fn lengths() {
        assert_eq!(Header::parse(&[0; 7]), Err(ParseError::Short));
        assert_eq!(Header::parse(&[0, 1, 0, 2, 0, 7, 0, 0]), Err(ParseError::Length));
        assert_eq!(Header::parse(&[0, 1, 0, 2, 0, 9, 0, 0]), Err(ParseError::Short));
    }
}
