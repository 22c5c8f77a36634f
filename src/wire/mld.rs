//! MLD: who listens to which IPv6 group (RFC 2710, RFC 3810 5). The ICMPv6 header around it is
//! [`super::icmpv6`]'s.
use super::igmp::{Record, Version};
use super::{ParseError, icmpv6, protocol};
use crate::base::addr::Ipv6Addr;

/// Message types of ICMPv6.
pub mod kind {
    /// A router asks.
    pub const QUERY: u8 = 130;
    /// A host listens, version 1.
    pub const REPORT: u8 = 131;
    /// A host does not listen any more, version 1.
    pub const DONE: u8 = 132;
    /// What a host listens to, version 2.
    pub const REPORT_V2: u8 = 143;
}

/// The hop-by-hop header in front of every message: router alert with value 0, "MLD" (RFC 2711
/// 2.1), and padding.
pub const ROUTER_ALERT: [u8; 8] = [protocol::ICMPV6, 0, 5, 2, 0, 0, 1, 0];

/// A router asks who listens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Query {
    /// What it speaks: [`Version::V2`] for MLDv1, [`Version::V3`] for MLDv2.
    pub version: Version,
    /// To this group; unspecified: to any.
    pub group: Ipv6Addr,
    /// Answers are to come within so many milliseconds.
    pub within_ms: u32,
}

impl Query {
    /// From the header and body of an ICMPv6 message.
    pub fn parse(header: &icmpv6::Header, body: &[u8]) -> Result<Query, ParseError> {
        let group = Ipv6Addr::from(*body.first_chunk::<16>().ok_or(ParseError::Short)?);
        let [c0, c1, ..] = header.rest;
        let code = u32::from(u16::from_be_bytes([c0, c1]));
        // RFC 3810 8.1: the version of a query is told by its length; 5.1.3: large values.
        let (version, within_ms) = match body.len() {
            16 => (Version::V2, code),
            20.. if code < 0x8000 => (Version::V3, code),
            20.. => (Version::V3, (code & 0xfff | 0x1000) << ((code >> 12 & 7) + 3)),
            _ => return Err(ParseError::Length),
        };
        Ok(Query { version, group, within_ms })
    }
}

/// The group of a report of version 1.
pub fn reported(body: &[u8]) -> Option<Ipv6Addr> {
    body.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets))
}

/// Appends a message of version 1 about one group.
pub fn short(kind: u8, src: Ipv6Addr, dst: Ipv6Addr, group: Ipv6Addr, out: &mut Vec<u8>) {
    icmpv6::Header { kind, code: 0, rest: [0; 4] }.emit(src, dst, &group.octets(), out);
}

/// Appends a report of version 2: each group with what is new or true of it, without sources.
pub fn report(src: Ipv6Addr, dst: Ipv6Addr, records: &[(Record, Ipv6Addr)], out: &mut Vec<u8>) {
    let [n0, n1] = u16::try_from(records.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut body = Vec::with_capacity(records.len() * 20);
    for (record, group) in records.iter().take(usize::from(u16::MAX)) {
        body.extend_from_slice(&[record.to_byte(), 0, 0, 0]);
        body.extend_from_slice(&group.octets());
    }
    let header = icmpv6::Header { kind: kind::REPORT_V2, code: 0, rest: [0, 0, n0, n1] };
    header.emit(src, dst, &body, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
    const US: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

    fn query(code: u16, extra: usize) -> Result<Query, ParseError> {
        let [c0, c1] = code.to_be_bytes();
        let header = icmpv6::Header { kind: kind::QUERY, code: 0, rest: [c0, c1, 0, 0] };
        Query::parse(&header, &[&GROUP.octets()[..], &vec![0; extra]].concat())
    }

    /// RFC 3810 8.1: which version a query is of; 5.1.3: its time to answer.
    #[test]
    fn versions_of_queries() {
        let is = |version, within_ms| Ok(Query { version, group: GROUP, within_ms });
        assert_eq!(query(10_000, 0), is(Version::V2, 10_000));
        assert_eq!(query(10_000, 4), is(Version::V3, 10_000));
        assert_eq!(query(0x8000, 4), is(Version::V3, 0x8000));
        assert_eq!(query(0x9001, 4), is(Version::V3, 0x1001 << 4));
        assert_eq!(query(0, 2), Err(ParseError::Length));
    }

    /// RFC 3810 5.2: a report says its records one behind the other.
    #[test]
    fn a_report() {
        let all: Ipv6Addr = "ff02::16".parse().unwrap();
        let mut out = Vec::new();
        report(US, all, &[(Record::ToExclude, GROUP)], &mut out);
        let (header, body) = icmpv6::Header::parse(US, all, &out).unwrap();
        assert_eq!((header.kind, header.rest), (143, [0, 0, 0, 1]));
        assert_eq!(body[..4], [4, 0, 0, 0]);
        assert_eq!(reported(&body[4..]), Some(GROUP));
    }

    proptest! {
        /// RFC 3810 5.1: no bytes are too strange to look at.
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..40), rest: [u8; 4]) {
            let _ = Query::parse(&icmpv6::Header { kind: kind::QUERY, code: 0, rest }, &bytes);
            let _ = reported(&bytes);
        }
    }
}
