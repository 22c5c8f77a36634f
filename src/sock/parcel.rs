//! What goes with a datagram besides its bytes, where a unix datagram has no place for it.
//!
//! - To the engine: a [`Parcel`] in front of the payload, sent to the engine's gateway instead of
//!   the proxy. Only for datagrams that leave otherwise than usual.
//! - To a program: a [`Note`], in a file in memory whose descriptor is sent along (SCM_RIGHTS). Who
//!   reads the datagram without asking for control data never sees it: the kernel closes it. No
//!   note means that all is as usual: TTL 64, TOS 0, one datagram.
use super::control::{Reader, Writer, transport_byte, transport_of};
use super::name::Transport;
use crate::base::FourTuple;
use crate::base::addr::{IpAddr, SocketAddr};

/// How a datagram is to leave.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct How {
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

impl How {
    /// Whether there is anything to say.
    pub fn is_usual(&self) -> bool {
        *self == How::default()
    }
}

/// The head of a datagram to the engine's gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parcel {
    /// What it is.
    pub transport: Transport,
    /// Both its ends.
    pub tuple: FourTuple,
    /// How it is to leave.
    pub how: How,
}

const NONE: u32 = u32::MAX;

impl Parcel {
    /// The bytes in front of the payload: their number is the first.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer(Vec::with_capacity(64));
        w.u8(0).u8(transport_byte(self.transport)).tuple(self.tuple);
        w.u32(self.how.ttl.map_or(NONE, u32::from)).u8(self.how.tos);
        w.u32(self.how.discover.map_or(NONE, u32::from)).u8(u8::from(self.how.no_checksum));
        w.u32(u32::from(self.how.segment));
        w.u8(u8::from(self.how.no_loop)).u8(self.how.interface);
        w.0[0] = w.0.len() as u8;
        w.0
    }
    /// The head and the payload; `None` if it is no parcel.
    pub fn decode(bytes: &[u8]) -> Option<(Parcel, &[u8])> {
        let (head, payload) = bytes.split_at_checked(usize::from(*bytes.first()?))?;
        let mut r = Reader(head.get(1..)?);
        let byte = |word: u32| u8::try_from(word).ok();
        let (transport, tuple) = (transport_of(r.u8()?)?, r.tuple()?);
        let (ttl, tos) = (byte(r.u32()?), r.u8()?);
        let (discover, no_checksum) = (byte(r.u32()?), r.u8()? != 0);
        let segment = u16::try_from(r.u32()?).ok()?;
        let (no_loop, interface) = (r.u8()? != 0, r.u8()?);
        let how = How { ttl, tos, discover, no_checksum, segment, no_loop, interface };
        Some((Parcel { transport, tuple, how }, payload))
    }
}

/// What a datagram arrived with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Note {
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

impl Default for Note {
    fn default() -> Note {
        Note { ttl: 64, tos: 0, segment: 0, source: None, destination: None }
    }
}

impl Note {
    /// Longest note, bytes.
    pub const MAX: usize = 64;
    const MAGIC: u32 = 0x7573_6e31;

    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer(Vec::with_capacity(Self::MAX));
        w.u32(Self::MAGIC).u8(self.ttl).u8(self.tos).u32(u32::from(self.segment));
        for ip in [self.source, self.destination] {
            match ip {
                Some(ip) => w.u8(1).addr(SocketAddr::new(ip, 0)),
                None => w.u8(0),
            };
        }
        w.0
    }
    /// Reads it; `None` if it is none.
    pub fn decode(bytes: &[u8]) -> Option<Note> {
        let mut r = Reader(bytes);
        if r.u32()? != Self::MAGIC {
            return None;
        }
        let (ttl, tos, segment) = (r.u8()?, r.u8()?, u16::try_from(r.u32()?).ok()?);
        let mut ip = || match r.u8()? {
            0 => Some(None),
            _ => r.addr().map(|a| Some(a.ip())),
        };
        let (source, destination) = (ip()?, ip()?);
        Some(Note { ttl, tos, segment, source, destination })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_survive_the_round_trip() {
        let (local, remote) = ("[fd00::1]:7".parse().unwrap(), "[fd00::2]:9".parse().unwrap());
        let tuple = FourTuple { local, remote };
        let strange = How { ttl: Some(1), tos: 3, no_checksum: true, segment: 9, ..How::default() };
        let strange = How { discover: Some(2), no_loop: true, interface: 3, ..strange };
        for how in [How::default(), strange] {
            let parcel = Parcel { transport: Transport::Echo, tuple, how };
            let bytes = [&parcel.encode()[..], b"payload"].concat();
            assert_eq!(Parcel::decode(&bytes), Some((parcel, &b"payload"[..])));
        }
        let ip = Some(tuple.local.ip());
        let full = Note { ttl: 1, tos: 2, segment: 1200, source: ip, destination: ip };
        for note in [Note::default(), full] {
            assert!(note.encode().len() <= Note::MAX);
            assert_eq!(Note::decode(&note.encode()), Some(note));
        }
    }

    proptest::proptest! {
        #[test]
        fn decoding_never_panics(bytes in proptest::collection::vec(0u8..=255, 0..80)) {
            let _ = Parcel::decode(&bytes);
            let _ = Note::decode(&bytes);
        }
    }
}
