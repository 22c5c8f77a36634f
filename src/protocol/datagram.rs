//! What goes with a datagram besides its bytes, where a unix datagram has no place for it.
//!
//! - To the engine: an [`UdpSendHeader`] in front of the payload, sent to the engine's gateway
//!   instead of the peer's socket. Only for datagrams that leave otherwise than usual.
//! - To a program: a [`ReceiveMeta`], in a file in memory whose descriptor is sent along
//!   (SCM_RIGHTS), or, if it is only TTL, TOS and an IPv4 source, as the number in an event
//!   counter. A program that reads the datagram without asking for control data never sees it: the
//!   kernel closes it. Without one all is as usual: TTL 64, TOS 0, one datagram.
use super::codec::{Packet, Reader};
use super::name::Transport;
use crate::base::FourTuple;
use crate::base::addr::IpAddr;

/// How a datagram is to leave.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SendSettings {
    /// TTL or hop limit; `None` for the usual one.
    pub ttl: Option<u8>,
    /// Type of service or traffic class.
    pub tos: u8,
    /// `IP_MTU_DISCOVER`; `None` for the usual `IP_PMTUDISC_WANT`.
    pub discover: Option<u8>,
    /// No UDP checksum.
    pub no_checksum: bool,
    /// Cut into datagrams of so many bytes (`UDP_SEGMENT`); 0: one datagram.
    pub segment: u16,
    /// To a group: members on this machine do not get it (`IP_MULTICAST_LOOP` off).
    pub no_loop: bool,
    /// To a group: the index of the interface (1 is the loopback); 0: as routes say.
    pub interface: u8,
}

impl SendSettings {
    /// Whether every setting is the usual one.
    pub fn is_usual(&self) -> bool {
        *self == SendSettings::default()
    }
}

/// The header of a datagram to the engine's gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UdpSendHeader {
    /// The protocol.
    pub transport: Transport,
    /// Both ends of the datagram.
    pub tuple: FourTuple,
    /// How it is to leave.
    pub settings: SendSettings,
}

const NONE: u32 = u32::MAX;

impl UdpSendHeader {
    /// The longest header, bytes.
    pub const MAX: usize = 64;

    /// The bytes in front of the payload: their number is the first.
    pub fn encode(&self) -> Packet<{ UdpSendHeader::MAX }> {
        let s = &self.settings;
        let mut p = Packet::new();
        p.u8(0).u8(self.transport.to_byte()).tuple(self.tuple);
        p.u32(s.ttl.map_or(NONE, u32::from)).u8(s.tos);
        p.u32(s.discover.map_or(NONE, u32::from)).bool(s.no_checksum);
        p.u32(u32::from(s.segment)).bool(s.no_loop).u8(s.interface);
        let len = p.len() as u8;
        p.patch(0, &[len]);
        p
    }
    /// The header and the payload; `None` if it is none.
    pub fn decode(bytes: &[u8]) -> Option<(UdpSendHeader, &[u8])> {
        let (head, payload) = bytes.split_at_checked(usize::from(*bytes.first()?))?;
        let mut r = Reader(head.get(1..)?);
        let byte = |word: u32| u8::try_from(word).ok();
        let (transport, tuple) = (Transport::of_datagrams(r.u8()?)?, r.tuple()?);
        let (ttl, tos) = (byte(r.u32()?), r.u8()?);
        let (discover, no_checksum) = (byte(r.u32()?), r.bool()?);
        let segment = u16::try_from(r.u32()?).ok()?;
        let (no_loop, interface) = (r.bool()?, r.u8()?);
        let settings =
            SendSettings { ttl, tos, discover, no_checksum, segment, no_loop, interface };
        Some((UdpSendHeader { transport, tuple, settings }, payload))
    }
}

/// How a datagram arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReceiveMeta {
    /// TTL or hop limit.
    pub ttl: u8,
    /// Type of service or traffic class.
    pub tos: u8,
    /// It is several datagrams of so many bytes each, the last perhaps less; 0: one.
    pub segment: u16,
    /// The source, if the sender's name does not say it.
    pub source: Option<IpAddr>,
    /// The destination, if it is not the socket's own address.
    pub destination: Option<IpAddr>,
}

impl Default for ReceiveMeta {
    fn default() -> ReceiveMeta {
        ReceiveMeta { ttl: 64, tos: 0, segment: 0, source: None, destination: None }
    }
}

impl ReceiveMeta {
    /// The longest form, bytes.
    pub const MAX: usize = 64;
    const MAGIC: u32 = 0x7573_6e31;

    const NUMBER_MAGIC: u64 = 0x7573;

    /// TTL, TOS and an IPv4 source as one number: from the highest bits a constant (16 bits), the
    /// source (32; 0 for none), TTL and TOS (8 each). `None`: there is more to say.
    pub fn to_number(&self) -> Option<u64> {
        let source = match self.source {
            None => 0,
            Some(IpAddr::V4(ip)) => u64::from(u32::from(ip)),
            Some(IpAddr::V6(_)) => return None,
        };
        let ReceiveMeta { ttl, tos, source: ip, .. } = *self;
        let short = ReceiveMeta { ttl, tos, source: ip, ..ReceiveMeta::default() };
        let number = source << 16 | u64::from(ttl) << 8 | u64::from(tos);
        (*self == short).then_some(Self::NUMBER_MAGIC << 48 | number)
    }
    /// Reads such a number; `None` if it is none.
    pub fn from_number(number: u64) -> Option<ReceiveMeta> {
        let [tos, ttl, ..] = number.to_le_bytes();
        let source = (number >> 16) as u32;
        let source = (source != 0).then(|| IpAddr::V4(source.into()));
        (number >> 48 == Self::NUMBER_MAGIC).then_some(ReceiveMeta {
            ttl,
            tos,
            source,
            ..ReceiveMeta::default()
        })
    }

    /// As bytes.
    pub fn encode(&self) -> Packet<{ ReceiveMeta::MAX }> {
        let mut p = Packet::new();
        p.u32(Self::MAGIC).u8(self.ttl).u8(self.tos).u32(u32::from(self.segment));
        for ip in [self.source, self.destination] {
            match ip {
                Some(ip) => p.u8(1).ip(ip),
                None => p.u8(0),
            };
        }
        p
    }
    /// Reads it; `None` if it is none.
    pub fn decode(bytes: &[u8]) -> Option<ReceiveMeta> {
        let mut r = Reader(bytes);
        if r.u32()? != Self::MAGIC {
            return None;
        }
        let (ttl, tos, segment) = (r.u8()?, r.u8()?, u16::try_from(r.u32()?).ok()?);
        let mut ip = || match r.u8()? {
            0 => Some(None),
            _ => r.ip().map(Some),
        };
        let (source, destination) = (ip()?, ip()?);
        Some(ReceiveMeta { ttl, tos, segment, source, destination })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_survive_the_round_trip() {
        let (local, remote) = ("[fd00::1]:7".parse().unwrap(), "[fd00::2]:9".parse().unwrap());
        let tuple = FourTuple { local, remote };
        let strange = SendSettings {
            ttl: Some(1),
            tos: 3,
            no_checksum: true,
            segment: 9,
            discover: Some(2),
            no_loop: true,
            interface: 3,
        };
        for settings in [SendSettings::default(), strange] {
            let header = UdpSendHeader { transport: Transport::Echo, tuple, settings };
            let bytes = [&header.encode()[..], b"payload"].concat();
            assert_eq!(UdpSendHeader::decode(&bytes), Some((header, &b"payload"[..])));
        }
        let ip = Some(tuple.local.ip());
        let full = ReceiveMeta { ttl: 1, tos: 2, segment: 1200, source: ip, destination: ip };
        for meta in [ReceiveMeta::default(), full] {
            assert_eq!(ReceiveMeta::decode(&meta.encode()), Some(meta));
        }
        assert_eq!(full.to_number(), None);
        for source in [None, Some(IpAddr::from([10, 0, 0, 2]))] {
            let short = ReceiveMeta { ttl: 1, tos: 0xb8, source, ..ReceiveMeta::default() };
            assert_eq!(short.to_number().and_then(ReceiveMeta::from_number), Some(short));
        }
        assert_eq!(ReceiveMeta::from_number(7), None);
    }

    proptest::proptest! {
        #[test]
        fn decoding_never_panics(bytes in proptest::collection::vec(0u8..=255, 0..80)) {
            let _ = UdpSendHeader::decode(&bytes);
            let _ = ReceiveMeta::decode(&bytes);
        }
    }
}
