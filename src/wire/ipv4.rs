//! IPv4 (RFC 791, RFC 2474 for the type of service).
use super::{ParseError, checksum};
use crate::base::addr::Ipv4Addr;

/// Length of the header without options, in bytes.
pub const LEN: usize = 20;
/// Where in the header the checksum is.
pub const CHECKSUM_OFFSET: usize = 10;
/// Every host takes datagrams of this size, reassembled (RFC 1122 3.3.2).
pub const MIN_REASSEMBLY: usize = 576;
/// Longest datagram in bytes.
pub const MAX: usize = 65_535;

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;

/// An IPv4 header, without its options.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Type of service, ECN bits included.
    pub tos: u8,
    /// Length of the whole packet.
    pub total_len: u16,
    /// Which datagram a fragment belongs to.
    pub id: u16,
    /// Routers must not fragment it.
    pub dont_fragment: bool,
    /// Not the last fragment.
    pub more_fragments: bool,
    /// Where in the datagram's payload this fragment belongs, in bytes: a multiple of 8 below
    /// 65536.
    pub fragment_offset: u16,
    /// Time to live.
    pub ttl: u8,
    /// What follows: see [`super::protocol`].
    pub protocol: u8,
    /// Source.
    pub src: Ipv4Addr,
    /// Destination.
    pub dst: Ipv4Addr,
}

/// A packet, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet<'a> {
    /// The fixed part.
    pub header: Header,
    /// Options, padding included.
    pub options: &'a [u8],
    /// What follows, without padding of the frame.
    pub payload: &'a [u8],
}

impl Header {
    /// Takes a packet apart: version, lengths and header checksum are right.
    pub fn parse(bytes: &[u8]) -> Result<Packet<'_>, ParseError> {
        let (head, _) = bytes.split_first_chunk::<LEN>().ok_or(ParseError::Short)?;
        let [ver, tos, l0, l1, i0, i1, f0, f1, ttl, protocol, _, _, addresses @ ..] = *head;
        let [s0, s1, s2, s3, d0, d1, d2, d3] = addresses;
        if ver >> 4 != 4 {
            return Err(ParseError::Unsupported);
        }
        let header_len = usize::from(ver & 0xf) * 4;
        let total_len = u16::from_be_bytes([l0, l1]);
        if header_len < LEN || usize::from(total_len) < header_len {
            return Err(ParseError::Length);
        }
        let packet = bytes.get(..usize::from(total_len)).ok_or(ParseError::Short)?;
        let (whole_header, payload) = packet.split_at(header_len);
        if !checksum::Sum::ZERO.bytes(whole_header).is_right() {
            return Err(ParseError::Checksum);
        }
        let flags = u16::from_be_bytes([f0, f1]);
        let header = Header {
            tos,
            total_len,
            id: u16::from_be_bytes([i0, i1]),
            dont_fragment: flags & DONT_FRAGMENT != 0,
            more_fragments: flags & MORE_FRAGMENTS != 0,
            fragment_offset: (flags & 0x1fff) << 3,
            ttl,
            protocol,
            src: Ipv4Addr::new(s0, s1, s2, s3),
            dst: Ipv4Addr::new(d0, d1, d2, d3),
        };
        Ok(Packet { header, options: whole_header.get(LEN..).unwrap_or(&[]), payload })
    }
    /// The head of a packet that an ICMP error quotes, and what of its payload is there. Neither
    /// total length nor checksum are looked at: routers send both damaged (RFC 1812 4.3.2.3).
    pub fn parse_quoted(bytes: &[u8]) -> Result<(Header, &[u8]), ParseError> {
        let (head, _) = bytes.split_first_chunk::<LEN>().ok_or(ParseError::Short)?;
        let header_len = usize::from(head[0] & 0xf) * 4;
        let (fixed, rest) = bytes.split_at_checked(header_len).ok_or(ParseError::Short)?;
        // With the length of the header alone and a fresh checksum it is a whole packet.
        let mut alone = fixed.first_chunk::<LEN>().copied().ok_or(ParseError::Length)?;
        alone[0] = alone[0] & 0xf0 | 5;
        alone[2..4].copy_from_slice(&(LEN as u16).to_be_bytes());
        set_checksum(&mut alone);
        let header = Header::parse(&alone)?.header;
        Ok((Header { total_len: u16::from_be_bytes([head[2], head[3]]), ..header }, rest))
    }
    /// As it goes on the wire, without options and with its checksum.
    pub fn to_bytes(&self) -> [u8; LEN] {
        let mut out = [0; LEN];
        out[0] = 0x45;
        out[1] = self.tos;
        out[2..4].copy_from_slice(&self.total_len.to_be_bytes());
        out[4..6].copy_from_slice(&self.id.to_be_bytes());
        let flags = (u16::from(self.dont_fragment) * DONT_FRAGMENT)
            | (u16::from(self.more_fragments) * MORE_FRAGMENTS)
            | (self.fragment_offset >> 3);
        out[6..8].copy_from_slice(&flags.to_be_bytes());
        out[8] = self.ttl;
        out[9] = self.protocol;
        out[12..16].copy_from_slice(&self.src.octets());
        out[16..].copy_from_slice(&self.dst.octets());
        set_checksum(&mut out);
        out
    }
    /// The same with a router alert option (RFC 2113); `total_len` counts its four bytes.
    pub fn to_bytes_with_alert(&self) -> [u8; LEN + 4] {
        let mut out = [0; LEN + 4];
        out[..LEN].copy_from_slice(&self.to_bytes());
        out[0] = 0x46;
        out[LEN..].copy_from_slice(&[option::ROUTER_ALERT, 4, 0, 0]);
        out[CHECKSUM_OFFSET..CHECKSUM_OFFSET + 2].fill(0);
        let sum = checksum::of(&out);
        out[CHECKSUM_OFFSET..CHECKSUM_OFFSET + 2].copy_from_slice(&sum.to_be_bytes());
        out
    }
    /// Whether this is a piece of a larger datagram.
    pub const fn is_fragment(&self) -> bool {
        self.more_fragments || self.fragment_offset != 0
    }
}

fn set_checksum(header: &mut [u8; LEN]) {
    header[CHECKSUM_OFFSET..CHECKSUM_OFFSET + 2].fill(0);
    let sum = checksum::of(header);
    header[CHECKSUM_OFFSET..CHECKSUM_OFFSET + 2].copy_from_slice(&sum.to_be_bytes());
}

/// Option numbers, copied flag included (RFC 791 3.1).
pub mod option {
    /// End of the list.
    pub const END: u8 = 0;
    /// Padding.
    pub const NOP: u8 = 1;
    /// Loose source route.
    pub const LOOSE_SOURCE_ROUTE: u8 = 131;
    /// Strict source route.
    pub const STRICT_SOURCE_ROUTE: u8 = 137;
    /// Routers are to look at this packet.
    pub const ROUTER_ALERT: u8 = 148;
}

/// Walks through options: number and data of each, padding left out. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Options<'a>(&'a [u8]);

impl<'a> Options<'a> {
    /// The options of a packet.
    pub const fn new(options: &'a [u8]) -> Self {
        Self(options)
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = Result<(u8, &'a [u8]), ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (&kind, rest) = self.0.split_first()?;
            match kind {
                option::END => return None,
                option::NOP => self.0 = rest,
                _ => {
                    let whole = core::mem::take(&mut self.0);
                    let Some(&len) = rest.first() else { return Some(Err(ParseError::Short)) };
                    if len < 2 {
                        return Some(Err(ParseError::Length));
                    }
                    let Some((this, rest)) = whole.split_at_checked(usize::from(len)) else {
                        return Some(Err(ParseError::Short));
                    };
                    self.0 = rest;
                    return Some(Ok((kind, this.get(2..).unwrap_or(&[]))));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{IpFragOffset, Ipv4Header};
    use proptest::prelude::*;

    prop_compose! {
        fn header()(
            tos: u8, id: u16, df: bool, mf: bool, offset in 0u16..0x2000, ttl: u8, protocol: u8,
            src: [u8; 4], dst: [u8; 4],
        ) -> Header {
            Header {
                tos, total_len: 20, id, dont_fragment: df, more_fragments: mf,
                fragment_offset: offset << 3, ttl, protocol, src: src.into(), dst: dst.into(),
            }
        }
    }

    proptest! {
        /// RFC 791 3.1: the header, as another implementation writes it.
        #[test]
        fn as_etherparse(
            ours in header(), words in 0usize..=10,
            payload in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let mut theirs = Ipv4Header {
                dscp: etherparse::IpDscp::try_new(ours.tos >> 2).unwrap(),
                ecn: etherparse::IpEcn::try_new(ours.tos & 3).unwrap(),
                total_len: 20 + payload.len() as u16,
                identification: ours.id,
                dont_fragment: ours.dont_fragment,
                more_fragments: ours.more_fragments,
                fragment_offset: IpFragOffset::try_new(ours.fragment_offset >> 3).unwrap(),
                time_to_live: ours.ttl,
                protocol: ours.protocol.into(),
                source: ours.src.octets(),
                destination: ours.dst.octets(),
                ..Default::default()
            };
            theirs.header_checksum = theirs.calc_header_checksum();
            let ours = Header { total_len: theirs.total_len, ..ours };
            prop_assert_eq!(&ours.to_bytes()[..], &theirs.to_bytes()[..]);

            let options = vec![1u8; words * 4];
            theirs.options = options[..].try_into().unwrap();
            theirs.total_len += options.len() as u16;
            theirs.header_checksum = theirs.calc_header_checksum();
            let bytes = [&theirs.to_bytes()[..], &payload, b"padding"].concat();
            let ours = Header { total_len: theirs.total_len, ..ours };
            let packet = Packet { header: ours, options: &options, payload: &payload };
            prop_assert_eq!(Header::parse(&bytes), Ok(packet));
            let cut = &bytes[..bytes.len() - 7];
            prop_assert_eq!(Header::parse_quoted(cut), Ok((ours, &payload[..])));
        }

        #[test]
        fn any_bytes(mut bytes in prop::collection::vec(any::<u8>(), 0..80), version: bool) {
            if let Some(first) = bytes.first_mut().filter(|_| version) {
                *first = *first & 0x0f | 0x40;
            }
            let _ = Header::parse_quoted(&bytes);
            if let Ok(packet) = Header::parse(&bytes) {
                let _ = Options::new(packet.options).count();
            }
            let _ = Options::new(&bytes).count();
        }

        /// RFC 791 3.1: the header's checksum.
        #[test]
        fn a_flipped_bit_is_seen(ours in header(), bit in 0usize..160) {
            let mut bytes = ours.to_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Header::parse(&bytes).is_err());
        }
    }

    /// RFC 791 3.1: options.
    #[test]
    fn options_one_by_one() {
        let bytes = [1, 7, 3, 4, 1, 131, 3, 4, 0, 99, 99];
        let all: Vec<_> = Options::new(&bytes).collect();
        assert_eq!(all, [Ok((7, &[4][..])), Ok((131, &[4][..]))]);
        assert_eq!(Options::new(&[7]).collect::<Vec<_>>(), [Err(ParseError::Short)]);
        assert_eq!(Options::new(&[7, 1, 1]).collect::<Vec<_>>(), [Err(ParseError::Length)]);
        assert_eq!(Options::new(&[7, 4, 1]).collect::<Vec<_>>(), [Err(ParseError::Short)]);
    }
}
