//! One entry of a datagram socket's error queue (`IP_RECVERR`, ip(7)), as it goes from the engine
//! to the program and as the program's socket keeps it.
use super::codec::{Packet, Reader};
use crate::base::addr::{IpAddr, SocketAddr};

/// Where an error came from (`SO_EE_ORIGIN_*`).
pub mod origin {
    /// This host.
    pub const LOCAL: u8 = 1;
    /// ICMP.
    pub const ICMP: u8 = 2;
    /// ICMPv6.
    pub const ICMP6: u8 = 3;
}

/// The beginning of the datagram that an error is about.
#[derive(Clone, Copy)]
pub struct Quote {
    bytes: [u8; Quote::MAX],
    len: usize,
}

impl Quote {
    /// Bytes of a datagram that are kept with its error.
    pub const MAX: usize = 512;

    /// The first bytes of a datagram, as many as are kept.
    pub fn of(datagram: &[u8]) -> Quote {
        let len = datagram.len().min(Self::MAX);
        let mut quote = Quote { bytes: [0; Self::MAX], len };
        quote.bytes[..len].copy_from_slice(&datagram[..len]);
        quote
    }
}

impl core::ops::Deref for Quote {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl PartialEq for Quote {
    fn eq(&self, other: &Quote) -> bool {
        self[..] == other[..]
    }
}

impl Eq for Quote {}

impl core::fmt::Debug for Quote {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:02x?}", &self[..])
    }
}

/// An error, with what `struct sock_extended_err` has of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ErrorRecord {
    /// The errno.
    pub errno: u8,
    /// One of [`origin`].
    pub origin: u8,
    /// ICMP's type.
    pub kind: u8,
    /// ICMP's code.
    pub code: u8,
    /// An MTU or a pointer.
    pub info: u32,
    /// Where the datagram was to go.
    pub to: SocketAddr,
    /// The host that reported the error; `None` if it is not known.
    pub offender: Option<IpAddr>,
    /// The beginning of the datagram.
    pub quote: Quote,
}

impl ErrorRecord {
    /// The longest form, bytes.
    pub const MAX: usize = 64 + Quote::MAX;

    /// As bytes.
    pub fn encode(&self) -> Packet<{ ErrorRecord::MAX }> {
        let mut p = Packet::new();
        p.u8(self.errno).u8(self.origin).u8(self.kind).u8(self.code).u32(self.info).addr(self.to);
        match self.offender {
            Some(ip) => p.u8(1).ip(ip),
            None => p.u8(0),
        };
        p.bytes(&self.quote);
        p
    }
    /// Reads it; `None` if it is none.
    pub fn decode(bytes: &[u8]) -> Option<ErrorRecord> {
        let mut r = Reader(bytes);
        let (errno, origin, kind, code) = (r.u8()?, r.u8()?, r.u8()?, r.u8()?);
        let (info, to) = (r.u32()?, r.addr()?);
        let offender = if r.bool()? { Some(r.ip()?) } else { None };
        Some(ErrorRecord {
            errno,
            origin,
            kind,
            code,
            info,
            to,
            offender,
            quote: Quote::of(r.rest()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_the_round_trip() {
        let record = ErrorRecord {
            errno: 111,
            origin: origin::ICMP,
            kind: 3,
            code: 3,
            info: 1400,
            to: "[fd00::9]:53".parse().unwrap(),
            offender: Some("fd00::1".parse().unwrap()),
            quote: Quote::of(&[7; 600]),
        };
        assert_eq!(ErrorRecord::decode(&record.encode()), Some(record));
        let unknown = ErrorRecord { offender: None, quote: Quote::of(&[1, 2]), ..record };
        assert_eq!(ErrorRecord::decode(&unknown.encode()), Some(unknown));
    }

    proptest::proptest! {
        #[test]
        fn decoding_never_panics(bytes in proptest::collection::vec(0u8..=255, 0..80)) {
            let _ = ErrorRecord::decode(&bytes);
        }
    }
}
