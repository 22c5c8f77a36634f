//! ICMPv6 (RFC 4443).
use super::{ParseError, checksum, protocol};
use crate::base::addr::Ipv6Addr;

/// Length of the header in bytes.
pub const LEN: usize = 8;

/// Message types. Those below 128 are errors.
pub mod kind {
    /// Destination unreachable; see [`super::unreachable`].
    pub const UNREACHABLE: u8 = 1;
    /// Packet too big; `rest` is the MTU.
    pub const TOO_BIG: u8 = 2;
    /// Time exceeded: code 0 in transit, 1 in reassembly.
    pub const TIME_EXCEEDED: u8 = 3;
    /// Parameter problem; `rest` points into the packet; see [`super::problem`].
    pub const PARAMETER_PROBLEM: u8 = 4;
    /// Echo request.
    pub const ECHO_REQUEST: u8 = 128;
    /// Echo reply.
    pub const ECHO_REPLY: u8 = 129;
    /// Router solicitation.
    pub const ROUTER_SOLICITATION: u8 = 133;
    /// Router advertisement.
    pub const ROUTER_ADVERTISEMENT: u8 = 134;
    /// Neighbour solicitation.
    pub const NEIGHBOR_SOLICITATION: u8 = 135;
    /// Neighbour advertisement.
    pub const NEIGHBOR_ADVERTISEMENT: u8 = 136;
    /// Redirect.
    pub const REDIRECT: u8 = 137;
}

/// Codes of [`kind::UNREACHABLE`].
pub mod unreachable {
    /// No route.
    pub const NO_ROUTE: u8 = 0;
    /// Administratively prohibited.
    pub const PROHIBITED: u8 = 1;
    /// Address unreachable.
    pub const ADDRESS: u8 = 3;
    /// Port unreachable.
    pub const PORT: u8 = 4;
    /// Source address failed ingress or egress policy.
    pub const POLICY: u8 = 5;
    /// Route to destination rejected.
    pub const REJECTED: u8 = 6;
}

/// Codes of [`kind::PARAMETER_PROBLEM`].
pub mod problem {
    /// Erroneous header field.
    pub const FIELD: u8 = 0;
    /// Unknown next header.
    pub const NEXT_HEADER: u8 = 1;
    /// Unknown option.
    pub const OPTION: u8 = 2;
    /// A first fragment without all headers (RFC 7112 5).
    pub const INCOMPLETE: u8 = 3;
}

/// The head of an ICMPv6 message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Type: see [`kind`].
    pub kind: u8,
    /// Code, by type.
    pub code: u8,
    /// By type: identifier and sequence number, MTU, pointer, flags, or nothing.
    pub rest: [u8; 4],
}

impl Header {
    /// The header and the body. The checksum is right.
    pub fn parse(
        src: Ipv6Addr,
        dst: Ipv6Addr,
        bytes: &[u8],
    ) -> Result<(Header, &[u8]), ParseError> {
        let (head, body) = bytes.split_first_chunk::<LEN>().ok_or(ParseError::Short)?;
        if !pseudo_header(src, dst, bytes.len()).bytes(bytes).is_right() {
            return Err(ParseError::Checksum);
        }
        let [kind, code, _, _, rest @ ..] = *head;
        Ok((Header { kind, code, rest }, body))
    }
    /// Appends header and body, with checksum.
    pub fn emit(&self, src: Ipv6Addr, dst: Ipv6Addr, body: &[u8], out: &mut Vec<u8>) {
        let [r0, r1, r2, r3] = self.rest;
        let sum = pseudo_header(src, dst, LEN + body.len())
            .bytes(&[self.kind, self.code, 0, 0, r0, r1, r2, r3])
            .bytes(body);
        let [c0, c1] = sum.finish().to_be_bytes();
        out.extend_from_slice(&[self.kind, self.code, c0, c1, r0, r1, r2, r3]);
        out.extend_from_slice(body);
    }
    /// Whether it reports an error, so that no error may answer it.
    pub const fn is_error(&self) -> bool {
        self.kind < 128 // RFC 4443 2.1.
    }
}

fn pseudo_header(src: Ipv6Addr, dst: Ipv6Addr, len: usize) -> checksum::Sum {
    checksum::pseudo_header(src.into(), dst.into(), protocol::ICMPV6, len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{IcmpEchoHeader, Icmpv6Header, Icmpv6Type};
    use proptest::prelude::*;

    proptest! {
        /// RFC 4443 4.1: echo.
        #[test]
        fn echo_as_etherparse(src: [u8; 16], dst: [u8; 16], id: u16, seq: u16, body: Vec<u8>) {
            let echo = Icmpv6Type::EchoRequest(IcmpEchoHeader { id, seq });
            let theirs = Icmpv6Header::with_checksum(echo, src, dst, &body).unwrap();
            let bytes = [&theirs.to_bytes()[..], &body].concat();
            let [i0, i1] = id.to_be_bytes();
            let [s0, s1] = seq.to_be_bytes();
            let ours = Header { kind: kind::ECHO_REQUEST, code: 0, rest: [i0, i1, s0, s1] };
            prop_assert_eq!(Header::parse(src.into(), dst.into(), &bytes), Ok((ours, &body[..])));
            let mut out = Vec::new();
            ours.emit(src.into(), dst.into(), &body, &mut out);
            prop_assert_eq!(out, bytes);
        }

        /// RFC 4443 3.2: packet too big.
        #[test]
        fn too_big_as_etherparse(src: [u8; 16], dst: [u8; 16], mtu: u32, body: Vec<u8>) {
            let kind = Icmpv6Type::PacketTooBig { mtu };
            let theirs = Icmpv6Header::with_checksum(kind, src, dst, &body).unwrap();
            let bytes = [&theirs.to_bytes()[..], &body].concat();
            let ours = Header { kind: kind::TOO_BIG, code: 0, rest: mtu.to_be_bytes() };
            prop_assert_eq!(Header::parse(src.into(), dst.into(), &bytes), Ok((ours, &body[..])));
        }

        #[test]
        fn any_bytes(src: [u8; 16], bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Header::parse(src.into(), src.into(), &bytes);
        }
    }
}
