//! IPv6 and its extension headers (RFC 8200).
use super::{ParseError, protocol};
use crate::base::addr::Ipv6Addr;

/// Length of the header in bytes.
pub const LEN: usize = 40;
/// Every link carries packets of this size (RFC 8200 5).
pub const MIN_MTU: u16 = 1280;

/// An IPv6 header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Traffic class, ECN bits included.
    pub traffic_class: u8,
    /// Flow label: 20 bits.
    pub flow_label: u32,
    /// Length of all that follows.
    pub payload_len: u16,
    /// What follows: see [`protocol`].
    pub next_header: u8,
    /// Hop limit.
    pub hop_limit: u8,
    /// Source.
    pub src: Ipv6Addr,
    /// Destination.
    pub dst: Ipv6Addr,
}

impl Header {
    /// The header and what follows it, without padding of the frame.
    pub fn parse(bytes: &[u8]) -> Result<(Header, &[u8]), ParseError> {
        let (header, rest) = Header::parse_quoted(bytes)?;
        let payload = rest.get(..usize::from(header.payload_len)).ok_or(ParseError::Short)?;
        Ok((header, payload))
    }
    /// The header of a packet that an ICMP error quotes, and what of its payload is there.
    pub fn parse_quoted(bytes: &[u8]) -> Result<(Header, &[u8]), ParseError> {
        let (head, rest) = bytes.split_first_chunk::<LEN>().ok_or(ParseError::Short)?;
        let [v0, v1, v2, v3, l0, l1, next_header, hop_limit, ..] = *head;
        let (_, addresses) = head.split_first_chunk::<8>().ok_or(ParseError::Short)?;
        let (src, dst) = addresses.split_first_chunk::<16>().ok_or(ParseError::Short)?;
        let dst = dst.first_chunk::<16>().ok_or(ParseError::Short)?;
        let first = u32::from_be_bytes([v0, v1, v2, v3]);
        if first >> 28 != 6 {
            return Err(ParseError::Unsupported);
        }
        let header = Header {
            traffic_class: (first >> 20) as u8,
            flow_label: first & 0xf_ffff,
            payload_len: u16::from_be_bytes([l0, l1]),
            next_header,
            hop_limit,
            src: Ipv6Addr::from(*src),
            dst: Ipv6Addr::from(*dst),
        };
        Ok((header, rest))
    }
    /// As it goes on the wire.
    pub fn to_bytes(&self) -> [u8; LEN] {
        let mut out = [0; LEN];
        let first = 6 << 28 | u32::from(self.traffic_class) << 20 | self.flow_label & 0xf_ffff;
        out[..4].copy_from_slice(&first.to_be_bytes());
        out[4..6].copy_from_slice(&self.payload_len.to_be_bytes());
        out[6] = self.next_header;
        out[7] = self.hop_limit;
        out[8..24].copy_from_slice(&self.src.octets());
        out[24..].copy_from_slice(&self.dst.octets());
        out
    }
}

/// Whether `next_header` is an extension header whose length is in its second byte.
pub const fn is_extension(next_header: u8) -> bool {
    matches!(next_header, protocol::HOP_BY_HOP | protocol::ROUTING | protocol::DESTINATION)
}

/// An extension header with a length: hop-by-hop or destination options, or routing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extension<'a> {
    /// What follows it.
    pub next_header: u8,
    /// All after the length field: options, or routing type, segments left and data.
    pub body: &'a [u8],
}

impl Extension<'_> {
    /// The header at the start of `bytes`, and what follows it.
    pub fn parse(bytes: &[u8]) -> Result<(Extension<'_>, &[u8]), ParseError> {
        let &[next_header, len, ..] = bytes else { return Err(ParseError::Short) };
        // RFC 8200 4.3: in units of 8 bytes, not including the first 8.
        let len = (usize::from(len) + 1) * 8;
        let (this, rest) = bytes.split_at_checked(len).ok_or(ParseError::Short)?;
        Ok((Extension { next_header, body: this.get(2..).unwrap_or(&[]) }, rest))
    }
}

/// Whether the first fragment of a datagram, `payload` behind its fragment header, has all headers
/// up to that of the transport (RFC 7112 5), whose smallest length counts for it.
pub fn has_all_headers(mut next_header: u8, mut payload: &[u8]) -> bool {
    while is_extension(next_header) {
        let Ok((extension, rest)) = Extension::parse(payload) else { return false };
        (next_header, payload) = (extension.next_header, rest);
    }
    let least = match next_header {
        protocol::TCP => 20,
        protocol::UDP | protocol::ICMPV6 => 8,
        protocol::NONE => 0,
        _ => 1,
    };
    payload.len() >= least
}

/// Length of the fragment header in bytes.
pub const FRAGMENT_LEN: usize = 8;

/// The fragment header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fragment {
    /// What the datagram's fragmentable part starts with.
    pub next_header: u8,
    /// Where in that part this fragment belongs, in bytes: a multiple of 8 below 65536.
    pub offset: u16,
    /// Not the last one.
    pub more: bool,
    /// Which datagram it belongs to.
    pub id: u32,
}

impl Fragment {
    /// The header at the start of `bytes`, and what follows it.
    pub fn parse(bytes: &[u8]) -> Result<(Fragment, &[u8]), ParseError> {
        let (head, rest) = bytes.split_first_chunk::<FRAGMENT_LEN>().ok_or(ParseError::Short)?;
        let [next_header, _, o0, o1, i0, i1, i2, i3] = *head;
        let fragment = Fragment {
            next_header,
            offset: u16::from_be_bytes([o0, o1]) & 0xfff8,
            more: o1 & 1 != 0,
            id: u32::from_be_bytes([i0, i1, i2, i3]),
        };
        Ok((fragment, rest))
    }
    /// As it goes on the wire.
    pub fn to_bytes(&self) -> [u8; FRAGMENT_LEN] {
        let [o0, o1] = (self.offset & 0xfff8 | u16::from(self.more)).to_be_bytes();
        let [i0, i1, i2, i3] = self.id.to_be_bytes();
        [self.next_header, 0, o0, o1, i0, i1, i2, i3]
    }
}

/// What to do with a packet that has an option which we do not know (RFC 8200 4.2: the two highest
/// bits of its type).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unknown {
    /// Go on.
    Skip,
    /// Drop the packet.
    Discard,
    /// Drop it and send a parameter problem.
    Report,
    /// The same, unless the destination was multicast.
    ReportUnicast,
}

/// One option of a hop-by-hop or destination header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExtensionOption<'a> {
    /// Its number.
    pub kind: u8,
    /// Where in the header's body it starts, in bytes.
    pub offset: usize,
    /// Its data.
    pub data: &'a [u8],
}

impl ExtensionOption<'_> {
    /// What its number says to those who do not know it.
    pub const fn if_unknown(&self) -> Unknown {
        match self.kind >> 6 {
            0 => Unknown::Skip,
            1 => Unknown::Discard,
            2 => Unknown::Report,
            _ => Unknown::ReportUnicast,
        }
    }
}

/// Walks through the options of a body, padding left out. Ends after the first error.
#[derive(Clone, Debug)]
pub struct ExtensionOptions<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> ExtensionOptions<'a> {
    /// Over the body of a hop-by-hop or destination header.
    pub const fn new(body: &'a [u8]) -> Self {
        Self { body, at: 0 }
    }
}

impl<'a> Iterator for ExtensionOptions<'a> {
    type Item = Result<ExtensionOption<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let offset = self.at;
            let rest = self.body.get(offset..)?;
            let (&kind, rest) = rest.split_first()?;
            if kind == 0 {
                self.at += 1; // RFC 8200 4.2: Pad1 has no length field.
                continue;
            }
            let data = rest.split_first().and_then(|(len, data)| data.get(..usize::from(*len)));
            let Some(data) = data else {
                self.at = self.body.len();
                return Some(Err(ParseError::Short));
            };
            self.at += 2 + data.len();
            if kind != 1 {
                return Some(Ok(ExtensionOption { kind, offset, data }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{Ipv6Header, Ipv6RawExtHeader};
    use proptest::prelude::*;

    proptest! {
        /// RFC 8200 3: the header, as another implementation writes it.
        #[test]
        fn as_etherparse(
            traffic_class: u8, label in 0u32..0x10_0000, next_header: u8, hop_limit: u8,
            src: [u8; 16], dst: [u8; 16], payload in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let theirs = Ipv6Header {
                traffic_class,
                flow_label: etherparse::Ipv6FlowLabel::try_new(label).unwrap(),
                payload_length: payload.len() as u16,
                next_header: next_header.into(),
                hop_limit,
                source: src,
                destination: dst,
            };
            let ours = Header {
                traffic_class, flow_label: label, payload_len: payload.len() as u16, next_header,
                hop_limit, src: src.into(), dst: dst.into(),
            };
            prop_assert_eq!(ours.to_bytes(), theirs.to_bytes());
            let bytes = [&theirs.to_bytes()[..], &payload, b"padding"].concat();
            prop_assert_eq!(Header::parse(&bytes), Ok((ours, &payload[..])));
        }

        // smoltcp, because etherparse 0.19 puts offset and flag where RFC 8200 4.5 does not.
        #[test]
        fn fragment_as_smoltcp(next_header: u8, units in 0u16..0x2000, more: bool, id: u32) {
            let mut theirs = [next_header, 0, 0, 0, 0, 0, 0, 0];
            let repr = smoltcp::wire::Ipv6FragmentRepr {
                frag_offset: units, more_frags: more, ident: id,
            };
            repr.emit(&mut smoltcp::wire::Ipv6FragmentHeader::new_unchecked(&mut theirs[2..]));
            let ours = Fragment { next_header, offset: units << 3, more, id };
            prop_assert_eq!(ours.to_bytes(), theirs);
            prop_assert_eq!(Fragment::parse(&theirs), Ok((ours, &[][..])));
        }

        /// RFC 8200 4.3, 4.4 and 4.6: extension headers.
        #[test]
        fn extension_as_etherparse(next_header: u8, units in 0usize..20, rest: Vec<u8>) {
            let body = vec![7; 6 + units * 8];
            let theirs = Ipv6RawExtHeader::new_raw(next_header.into(), &body).unwrap();
            let bytes = [&theirs.to_bytes()[..], &rest].concat();
            let ours = Extension { next_header, body: &body };
            prop_assert_eq!(Extension::parse(&bytes), Ok((ours, &rest[..])));
        }

        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Header::parse(&bytes);
            let _ = Fragment::parse(&bytes);
            let _ = ExtensionOptions::new(&bytes).count();
            if let Ok((extension, _)) = Extension::parse(&bytes) {
                let _ = ExtensionOptions::new(extension.body).count();
            }
        }
    }

    /// RFC 8200 4.2: options, and what to do about unknown ones.
    #[test]
    fn options_one_by_one() {
        let body = [0, 1, 2, 0, 0, 5, 2, 0, 0, 0xc3, 1, 9];
        let all: Vec<_> = ExtensionOptions::new(&body).map(Result::unwrap).collect();
        assert_eq!(all[0], ExtensionOption { kind: 5, offset: 5, data: &[0, 0] });
        assert_eq!(all[1], ExtensionOption { kind: 0xc3, offset: 9, data: &[9] });
        assert_eq!(all[0].if_unknown(), Unknown::Skip);
        assert_eq!(all[1].if_unknown(), Unknown::ReportUnicast);
        assert_eq!(all.len(), 2);
        let bad: Vec<_> = ExtensionOptions::new(&[5, 3, 0]).collect();
        assert_eq!(bad, [Err(ParseError::Short)]);
    }
}
