//! One entry of a datagram socket's error queue (`IP_RECVERR`, ip(7)), as it goes from the engine
//! to the program and as the annex keeps it.
use super::control::{Reader, Writer};
use crate::base::addr::{IpAddr, SocketAddr};

/// Bytes of a datagram that are kept with its error.
pub const QUOTE_MAX: usize = 512;

/// Where an error came from (`SO_EE_ORIGIN_*`).
pub mod origin {
    /// This host.
    pub const LOCAL: u8 = 1;
    /// ICMP.
    pub const ICMP: u8 = 2;
    /// ICMPv6.
    pub const ICMP6: u8 = 3;
}

/// An error, with what `struct sock_extended_err` has of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
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
    /// Who said that it failed; `None` if nobody did.
    pub offender: Option<IpAddr>,
    /// The head of the datagram, as far as it was quoted.
    pub quote: Vec<u8>,
}

impl Record {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer(Vec::with_capacity(64 + self.quote.len()));
        w.u8(self.errno).u8(self.origin).u8(self.kind).u8(self.code).u32(self.info).addr(self.to);
        match self.offender {
            Some(ip) => w.u8(1).addr(SocketAddr::new(ip, 0)),
            None => w.u8(0),
        };
        w.0.extend_from_slice(self.quote.get(..QUOTE_MAX).unwrap_or(&self.quote));
        w.0
    }
    /// Reads it; `None` if it is none.
    pub fn decode(bytes: &[u8]) -> Option<Record> {
        let mut r = Reader(bytes);
        let (errno, origin, kind, code) = (r.u8()?, r.u8()?, r.u8()?, r.u8()?);
        let (info, to) = (r.u32()?, r.addr()?);
        let offender = if r.u8()? == 0 { None } else { Some(r.addr()?.ip()) };
        let quote = r.rest();
        let quote = quote.get(..QUOTE_MAX).unwrap_or(quote).to_vec();
        Some(Record { errno, origin, kind, code, info, to, offender, quote })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_the_round_trip() {
        let record = Record {
            errno: 111,
            origin: origin::ICMP,
            kind: 3,
            code: 3,
            info: 1400,
            to: "10.0.0.1:53".parse().unwrap(),
            offender: Some("fd00::1".parse().unwrap()),
            quote: vec![1, 2, 3],
        };
        assert_eq!(Record::decode(&record.encode()), Some(record.clone()));
        let nobody = Record { offender: None, ..record };
        assert_eq!(Record::decode(&nobody.encode()), Some(nobody));
    }

    proptest::proptest! {
        #[test]
        fn decoding_never_panics(bytes in proptest::collection::vec(0u8..=255, 0..80)) {
            let _ = Record::decode(&bytes);
        }
    }
}
