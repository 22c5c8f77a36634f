//! IGMP: who listens to which IPv4 group (RFC 1112 appendix I, RFC 2236, RFC 3376 4).
use super::{ParseError, checksum};
use crate::base::addr::Ipv4Addr;

/// Message types.
pub mod kind {
    /// A router asks.
    pub const QUERY: u8 = 0x11;
    /// A host listens, version 1.
    pub const REPORT_V1: u8 = 0x12;
    /// A host listens, version 2.
    pub const REPORT_V2: u8 = 0x16;
    /// A host does not listen any more, version 2.
    pub const LEAVE: u8 = 0x17;
    /// What a host listens to, version 3.
    pub const REPORT_V3: u8 = 0x22;
}

/// Record types of version 3 and of MLDv2 (RFC 3376 4.2.12, RFC 3810 5.2.12).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Record {
    /// An answer: everything but some sources is wanted (we leave none out).
    IsExclude,
    /// News: nothing is wanted any more.
    ToInclude,
    /// News: everything is wanted.
    ToExclude,
}

impl Record {
    /// As it goes on the wire.
    pub const fn to_byte(self) -> u8 {
        match self {
            Record::IsExclude => 2,
            Record::ToInclude => 3,
            Record::ToExclude => 4,
        }
    }
}

/// Which protocol a router speaks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Version {
    /// RFC 1112.
    V1,
    /// RFC 2236; for IPv6 MLDv1 (RFC 2710).
    V2,
    /// RFC 3376; for IPv6 MLDv2 (RFC 3810).
    V3,
}

/// A router asks who listens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Query {
    /// What it speaks.
    pub version: Version,
    /// To this group; unspecified: to any.
    pub group: Ipv4Addr,
    /// Answers are to come within so many milliseconds.
    pub within_ms: u32,
}

/// What we make of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Message {
    /// A question.
    Query(Query),
    /// Another host's report of versions 1 or 2 about this group.
    Report(Ipv4Addr),
    /// Anything else: for routers.
    Other,
}

/// RFC 3376 4.1.1: values from 128 on are a mantissa and an exponent.
const fn code_value(code: u8) -> u32 {
    let code = code as u32;
    if code < 128 { code } else { (code & 0xf | 0x10) << ((code >> 4 & 7) + 3) }
}

impl Message {
    /// The message. Its checksum is right.
    pub fn parse(bytes: &[u8]) -> Result<Message, ParseError> {
        let ([what, code, _, _, group @ ..], _) =
            bytes.split_first_chunk::<8>().ok_or(ParseError::Short)?;
        if !checksum::Sum::ZERO.bytes(bytes).is_right() {
            return Err(ParseError::Checksum);
        }
        let group = Ipv4Addr::from(*group);
        // RFC 3376 7.1: the version of a query is told by its length, and by its code.
        match *what {
            kind::QUERY => {
                let (version, tenths) = match (bytes.len(), *code) {
                    (8, 0) => (Version::V1, 100), // RFC 3376 7.2.1: as if 10 s.
                    (8, code) => (Version::V2, u32::from(code)),
                    (12.., code) => (Version::V3, code_value(code)),
                    _ => return Err(ParseError::Length),
                };
                Ok(Message::Query(Query { version, group, within_ms: tenths * 100 }))
            }
            kind::REPORT_V1 | kind::REPORT_V2 => Ok(Message::Report(group)),
            _ => Ok(Message::Other),
        }
    }
}

/// A message of versions 1 and 2 about one group.
pub fn short(kind: u8, group: Ipv4Addr) -> [u8; 8] {
    let [a, b, c, d] = group.octets();
    let mut out = [kind, 0, 0, 0, a, b, c, d];
    let sum = checksum::of(&out).to_be_bytes();
    out[2..4].copy_from_slice(&sum);
    out
}

/// A report of version 3: each group with what is new or true of it, without sources.
pub fn report(records: &[(Record, Ipv4Addr)]) -> Vec<u8> {
    let [n0, n1] = u16::try_from(records.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut out = vec![kind::REPORT_V3, 0, 0, 0, 0, 0, n0, n1];
    for (record, group) in records.iter().take(usize::from(u16::MAX)) {
        out.extend_from_slice(&[record.to_byte(), 0, 0, 0]);
        out.extend_from_slice(&group.octets());
    }
    let sum = checksum::of(&out).to_be_bytes();
    out[2..4].copy_from_slice(&sum);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use smoltcp::wire::{IgmpPacket, IgmpRepr, IgmpVersion};

    const GROUP: Ipv4Addr = Ipv4Addr::new(224, 1, 1, 1);

    /// RFC 2236 2: reports and leaves as another implementation writes them.
    #[test]
    fn short_messages_as_smoltcp() {
        let by_smoltcp = |repr: IgmpRepr| {
            let mut bytes = vec![0; repr.buffer_len()];
            repr.emit(&mut IgmpPacket::new_unchecked(&mut bytes));
            bytes
        };
        for (ours, theirs) in
            [(kind::REPORT_V1, IgmpVersion::Version1), (kind::REPORT_V2, IgmpVersion::Version2)]
        {
            let repr = IgmpRepr::MembershipReport { group_addr: GROUP, version: theirs };
            assert_eq!(short(ours, GROUP)[..], by_smoltcp(repr));
            assert_eq!(Message::parse(&short(ours, GROUP)), Ok(Message::Report(GROUP)));
        }
        let leave = by_smoltcp(IgmpRepr::LeaveGroup { group_addr: GROUP });
        assert_eq!(short(kind::LEAVE, GROUP)[..], leave);
    }

    /// RFC 3376 7.1: which version a query is of; 4.1.1: its time to answer.
    #[test]
    fn versions_of_queries() {
        let query = |code: u8, extra: &[u8]| {
            let mut bytes = short(kind::QUERY, GROUP).to_vec();
            bytes[1] = code;
            bytes.extend_from_slice(extra);
            bytes[2..4].fill(0);
            let sum = checksum::of(&bytes).to_be_bytes();
            bytes[2..4].copy_from_slice(&sum);
            Message::parse(&bytes)
        };
        let is =
            |version, within_ms| Ok(Message::Query(Query { version, group: GROUP, within_ms }));
        assert_eq!(query(0, &[]), is(Version::V1, 10_000));
        assert_eq!(query(100, &[]), is(Version::V2, 10_000));
        assert_eq!(query(100, &[2, 125, 0, 0]), is(Version::V3, 10_000));
        assert_eq!(query(0x80, &[2, 125, 0, 0]), is(Version::V3, 12_800));
        assert_eq!(query(0xff, &[2, 125, 0, 0]), is(Version::V3, 31 * 1024 * 100));
        assert_eq!(query(1, &[2]), Err(ParseError::Length));
    }

    /// RFC 3376 4.2: a report says its records one behind the other.
    #[test]
    fn a_report() {
        let bytes = report(&[(Record::ToExclude, GROUP), (Record::ToInclude, GROUP)]);
        assert_eq!(bytes[..2], [0x22, 0]);
        assert_eq!(bytes[4..], [0, 0, 0, 2, 4, 0, 0, 0, 224, 1, 1, 1, 3, 0, 0, 0, 224, 1, 1, 1]);
        assert_eq!(Message::parse(&bytes), Ok(Message::Other));
    }

    proptest! {
        /// RFC 3376 4: no bytes are too strange to look at.
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = Message::parse(&bytes);
        }
    }
}
