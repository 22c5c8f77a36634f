//! Integers (little-endian), addresses and bytes, written into a buffer of fixed size and read
//! back.
use super::option::{OptionKind, OptionList, WireOption};
use crate::base::FourTuple;
use crate::base::addr::{IpAddr, SocketAddr};
use core::ops::Deref;

/// A message of at most `N` bytes.
///
/// What does not fit is left out; every message states its longest form as `N`, and its tests
/// encode that.
#[derive(Clone, Copy, Debug)]
pub struct Packet<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Packet<N> {
    pub(super) const fn new() -> Packet<N> {
        Packet { bytes: [0; N], len: 0 }
    }
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        if let Some(room) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            room.copy_from_slice(bytes);
            self.len += bytes.len();
        }
        self
    }
    pub(super) fn u8(&mut self, v: u8) -> &mut Self {
        self.bytes(&[v])
    }
    pub(super) fn bool(&mut self, v: bool) -> &mut Self {
        self.u8(u8::from(v))
    }
    pub(super) fn u32(&mut self, v: u32) -> &mut Self {
        self.bytes(&v.to_le_bytes())
    }
    pub(super) fn addr(&mut self, a: SocketAddr) -> &mut Self {
        match a.ip() {
            IpAddr::V4(ip) => self.u8(4).bytes(&ip.octets()),
            IpAddr::V6(ip) => self.u8(6).bytes(&ip.octets()),
        };
        self.bytes(&a.port().to_le_bytes())
    }
    pub(super) fn ip(&mut self, ip: IpAddr) -> &mut Self {
        self.addr(SocketAddr::new(ip, 0))
    }
    pub(super) fn tuple(&mut self, t: FourTuple) -> &mut Self {
        self.addr(t.local).addr(t.remote)
    }
    pub(super) fn option(&mut self, o: WireOption) -> &mut Self {
        self.u8(o.kind as u8).u32(o.value)
    }
    pub(super) fn options(&mut self, list: &OptionList) -> &mut Self {
        self.u8(list.len() as u8);
        for option in list.iter() {
            self.option(*option);
        }
        self
    }
    /// Overwrites bytes that were written before.
    pub(super) fn patch(&mut self, at: usize, bytes: &[u8]) {
        if let Some(room) = self.bytes[..self.len].get_mut(at..at + bytes.len()) {
            room.copy_from_slice(bytes);
        }
    }
}

impl<const N: usize> Deref for Packet<N> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Reads a message from its beginning. `None`: it is too short, or holds something else.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>()?;
        self.0 = tail;
        Some(*head)
    }
    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|[b]| b)
    }
    pub(super) fn bool(&mut self) -> Option<bool> {
        Some(self.u8()? != 0)
    }
    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }
    pub(super) fn addr(&mut self) -> Option<SocketAddr> {
        let ip: IpAddr = match self.u8()? {
            4 => self.take::<4>()?.into(),
            6 => self.take::<16>()?.into(),
            _ => return None,
        };
        Some(SocketAddr::new(ip, u16::from_le_bytes(self.take()?)))
    }
    pub(super) fn ip(&mut self) -> Option<IpAddr> {
        Some(self.addr()?.ip())
    }
    pub(super) fn tuple(&mut self) -> Option<FourTuple> {
        Some(FourTuple { local: self.addr()?, remote: self.addr()? })
    }
    pub(super) fn kind(&mut self) -> Option<OptionKind> {
        OptionKind::from_byte(self.u8()?)
    }
    pub(super) fn option(&mut self) -> Option<WireOption> {
        Some(WireOption { kind: self.kind()?, value: self.u32()? })
    }
    pub(super) fn options(&mut self) -> Option<OptionList> {
        let mut list = OptionList::new();
        for _ in 0..self.u8()? {
            list.push(self.option()?);
        }
        Some(list)
    }
    pub(super) fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.0)
    }
}
