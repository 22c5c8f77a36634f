//! ICMP (RFC 792, RFC 1122 3.2.2, RFC 1191).
use super::{ParseError, checksum};

/// Length of the header in bytes.
pub const LEN: usize = 8;

/// Message types.
pub mod kind {
    /// Echo reply.
    pub const ECHO_REPLY: u8 = 0;
    /// Destination unreachable; see [`super::unreachable`].
    pub const UNREACHABLE: u8 = 3;
    /// Source quench, obsolete (RFC 6633).
    pub const SOURCE_QUENCH: u8 = 4;
    /// Redirect.
    pub const REDIRECT: u8 = 5;
    /// Echo request.
    pub const ECHO_REQUEST: u8 = 8;
    /// Time exceeded: code 0 in transit, 1 in reassembly.
    pub const TIME_EXCEEDED: u8 = 11;
    /// Parameter problem.
    pub const PARAMETER_PROBLEM: u8 = 12;
}

/// Codes of [`kind::UNREACHABLE`].
pub mod unreachable {
    /// Network unreachable.
    pub const NET: u8 = 0;
    /// Host unreachable.
    pub const HOST: u8 = 1;
    /// Protocol unreachable.
    pub const PROTOCOL: u8 = 2;
    /// Port unreachable.
    pub const PORT: u8 = 3;
    /// Fragmentation needed; the lower half of `rest` is the next hop's MTU (RFC 1191 4).
    pub const FRAGMENTATION_NEEDED: u8 = 4;
    /// Source route failed.
    pub const SOURCE_ROUTE_FAILED: u8 = 5;
    /// Network unknown.
    pub const NET_UNKNOWN: u8 = 6;
    /// Host unknown.
    pub const HOST_UNKNOWN: u8 = 7;
    /// Source host isolated.
    pub const HOST_ISOLATED: u8 = 8;
    /// Network administratively prohibited.
    pub const NET_PROHIBITED: u8 = 9;
    /// Host administratively prohibited.
    pub const HOST_PROHIBITED: u8 = 10;
    /// Network unreachable for this type of service.
    pub const NET_TOS: u8 = 11;
}

/// The head of an ICMP message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Type: see [`kind`].
    pub kind: u8,
    /// Code, by type.
    pub code: u8,
    /// By type: identifier and sequence number, next hop's MTU, pointer, or nothing.
    pub rest: [u8; 4],
}

impl Header {
    /// The header and the body. The checksum is right.
    pub fn parse(bytes: &[u8]) -> Result<(Header, &[u8]), ParseError> {
        let (head, body) = bytes.split_first_chunk::<LEN>().ok_or(ParseError::Short)?;
        if !checksum::Sum::ZERO.bytes(bytes).is_right() {
            return Err(ParseError::Checksum);
        }
        let [kind, code, _, _, rest @ ..] = *head;
        Ok((Header { kind, code, rest }, body))
    }
    /// Appends header and body, with checksum.
    pub fn emit(&self, body: &[u8], out: &mut Vec<u8>) {
        let [r0, r1, r2, r3] = self.rest;
        let sum = checksum::Sum::ZERO.bytes(&[self.kind, self.code, 0, 0, r0, r1, r2, r3]);
        let [c0, c1] = sum.bytes(body).finish().to_be_bytes();
        out.extend_from_slice(&[self.kind, self.code, c0, c1, r0, r1, r2, r3]);
        out.extend_from_slice(body);
    }
    /// Whether it reports an error (RFC 1122 3.2.2), so that no error may answer it. Unknown types
    /// are taken for errors.
    pub const fn is_error(&self) -> bool {
        // 8 to 10 and 13 to 18 are the queries.
        !matches!(self.kind, kind::ECHO_REPLY | 8..=10 | 13..=18)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{IcmpEchoHeader, Icmpv4Header, Icmpv4Type, icmpv4::DestUnreachableHeader};
    use proptest::prelude::*;

    proptest! {
        /// RFC 792: echo.
        #[test]
        fn echo_as_etherparse(id: u16, seq: u16, body: Vec<u8>) {
            let echo = Icmpv4Type::EchoRequest(IcmpEchoHeader { id, seq });
            let theirs = Icmpv4Header::with_checksum(echo, &body);
            let bytes = [&theirs.to_bytes()[..], &body].concat();
            let [i0, i1] = id.to_be_bytes();
            let [s0, s1] = seq.to_be_bytes();
            let ours = Header { kind: kind::ECHO_REQUEST, code: 0, rest: [i0, i1, s0, s1] };
            prop_assert_eq!(Header::parse(&bytes), Ok((ours, &body[..])));
            let mut out = Vec::new();
            ours.emit(&body, &mut out);
            prop_assert_eq!(out, bytes);
        }

        /// RFC 792, RFC 1191 4: fragmentation needed, with the next hop's MTU.
        #[test]
        fn too_big_as_etherparse(mtu: u16, body: Vec<u8>) {
            let needed = DestUnreachableHeader::FragmentationNeeded { next_hop_mtu: mtu };
            let kind = Icmpv4Type::DestinationUnreachable(needed);
            let theirs = Icmpv4Header::with_checksum(kind, &body);
            let bytes = [&theirs.to_bytes()[..], &body].concat();
            let [m0, m1] = mtu.to_be_bytes();
            let ours = Header {
                kind: kind::UNREACHABLE,
                code: unreachable::FRAGMENTATION_NEEDED,
                rest: [0, 0, m0, m1],
            };
            prop_assert_eq!(Header::parse(&bytes), Ok((ours, &body[..])));
        }

        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Header::parse(&bytes);
        }
    }

    /// RFC 792: the checksum.
    #[test]
    fn damage_is_seen() {
        let mut out = Vec::new();
        Header { kind: 8, code: 0, rest: [1, 2, 3, 4] }.emit(b"body", &mut out);
        assert!(Header::parse(&out).is_ok());
        out[9] ^= 1;
        assert_eq!(Header::parse(&out), Err(ParseError::Checksum));
        assert_eq!(Header::parse(&out[..7]), Err(ParseError::Short));
    }
}
