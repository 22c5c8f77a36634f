//! The first bytes on a stream to the engine's gateway: which connection is wanted.
use super::codec::{Packet, Reader};
use super::option::OptionList;
use crate::base::FourTuple;

const MAGIC: [u8; 4] = *b"usC1";

/// What a program asks the gateway for.
///
/// On the wire: the head ([`ConnectRequest::head`]), the data that goes with the SYN, and padding
/// up to [`ConnectRequest::LEAST`] bytes. The program's socket has a send buffer just large enough
/// for it, so that it is not writable until the engine has taken the request. That is how a connect
/// in progress looks to `poll`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConnectRequest<'a> {
    /// Length of the whole message, padding included, bytes.
    pub length: u32,
    /// The connection wanted.
    pub tuple: FourTuple,
    /// Options set before `connect`.
    pub options: OptionList,
    /// Data to go with the SYN (fast open), at most [`Self::DATA_MAX`] bytes.
    pub data: &'a [u8],
}

impl<'a> ConnectRequest<'a> {
    /// The longest head, bytes.
    pub const HEAD_MAX: usize = 256;
    /// The shortest message, bytes: what the kernel charges for it is more than a quarter of the
    /// smallest send buffer (`SOCK_MIN_SNDBUF`, 4,608 bytes), above which a unix socket is not
    /// writable.
    pub const LEAST: usize = 1_024;
    /// Most bytes of data in a request: what fits one segment on most wires.
    pub const DATA_MAX: usize = 4_096;

    /// The head of the message: all but the data and the padding.
    pub fn head(&self) -> Packet<{ ConnectRequest::HEAD_MAX }> {
        let mut p = Packet::new();
        p.bytes(&MAGIC).u32(self.length).tuple(self.tuple).options(&self.options);
        p.u32(self.data.len() as u32);
        let least = (p.len() + self.data.len()) as u32;
        p.patch(4, &self.length.max(least).to_le_bytes());
        p
    }
    /// Reads the beginning of a message. `None`: it is none, or its data is not all there.
    pub fn decode(bytes: &'a [u8]) -> Option<ConnectRequest<'a>> {
        let mut r = Reader(bytes);
        if r.take::<4>()? != MAGIC {
            return None;
        }
        let (length, tuple, options) = (r.u32()?, r.tuple()?, r.options()?);
        let data_len = r.u32()? as usize;
        let data = r.rest().get(..data_len).filter(|data| data.len() <= Self::DATA_MAX)?;
        Some(ConnectRequest { length, tuple, options, data })
    }
}

#[cfg(test)]
mod tests {
    use super::super::option::{OptionKind, WireOption};
    use super::*;

    #[test]
    fn requests_survive_the_round_trip() {
        let tuple =
            FourTuple { local: "[::1]:1".parse().unwrap(), remote: "[fd00::1]:2".parse().unwrap() };
        let all: OptionList = (0..=255)
            .filter_map(OptionKind::from_byte)
            .map(|kind| WireOption { kind, value: u32::MAX })
            .collect();
        assert_eq!(all.len(), OptionList::MAX);
        for data in [&b"hello"[..], &[7; ConnectRequest::DATA_MAX]] {
            let connect = ConnectRequest { length: 53_000, tuple, options: all, data };
            let bytes = [&connect.head()[..], data].concat();
            assert_eq!(ConnectRequest::decode(&bytes), Some(connect));
            assert_eq!(ConnectRequest::decode(&bytes[..bytes.len() - 1]), None);
        }
        let short = ConnectRequest { length: 0, tuple, options: OptionList::new(), data: b"x" };
        let head = short.head();
        let bytes = [&head[..], b"x"].concat();
        assert_eq!(ConnectRequest::decode(&bytes).unwrap().length as usize, head.len() + 1);
    }

    proptest::proptest! {
        #[test]
        fn decoding_never_panics(bytes in proptest::collection::vec(0u8..=255, 0..300)) {
            let _ = ConnectRequest::decode(&bytes);
        }
    }
}
