//! TCP by RFC 9293, cut by the life of a connection: one file a concern. Sans-IO.
//!
//! `Tcp` is the set of all connections and listeners. Segments come in through `segment_arrives`,
//! leave through `poll_transmit`; bytes go through `send`/`receive`; time through `handle_timeout`.
pub mod api;
pub use api::*;

use crate::base::{FourTuple, Instant, NetError, addr::SocketAddr, rng::Secret};
use crate::stack::{ConnId, Event};

/// All TCP connections and listeners of one stack.
#[derive(Debug)]
pub struct Tcp {
    config: TcpConfig,
}

#[allow(missing_docs, unused_variables)]
impl Tcp {
    pub fn new(config: TcpConfig, secret: Secret, seed: u64) -> Tcp {
        Tcp { config }
    }
    pub fn listen(
        &mut self,
        local: SocketAddr,
        dual: bool,
        backlog: usize,
    ) -> Result<(), NetError> {
        Ok(())
    }
    pub fn unlisten(&mut self, local: SocketAddr, dual: bool) {}
    pub fn listeners(&self) -> impl Iterator<Item = (SocketAddr, bool)> {
        std::iter::empty()
    }
    pub fn connect(
        &mut self,
        now: Instant,
        tuple: FourTuple,
        path: Path,
        options: TcpOptions,
    ) -> Result<ConnId, NetError> {
        Err(NetError::NoBuffers)
    }
    pub fn segment_arrives(&mut self, now: Instant, meta: &SegmentMeta, segment: &[u8]) {}
    pub fn icmp_arrives(&mut self, now: Instant, tuple: FourTuple, seq: u32, error: IcmpError) {}
    pub fn poll_transmit(&mut self, now: Instant, out: &mut SegmentOut) -> bool {
        false
    }
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }
    pub fn handle_timeout(&mut self, now: Instant) {}
    pub fn status(&self, id: ConnId) -> Option<TcpStatus> {
        None
    }
    pub fn tuple(&self, id: ConnId) -> Option<FourTuple> {
        None
    }
    pub fn send(&mut self, now: Instant, id: ConnId, data: &[u8]) -> Result<usize, NetError> {
        Err(NetError::NotConnected)
    }
    pub fn send_space(&mut self, id: ConnId) -> [&mut [u8]; 2] {
        [&mut [], &mut []]
    }
    pub fn send_commit(&mut self, now: Instant, id: ConnId, n: usize) {}
    pub fn receive(&mut self, now: Instant, id: ConnId, b: &mut [u8]) -> Result<usize, NetError> {
        Err(NetError::NotConnected)
    }
    pub fn peek(&self, id: ConnId) -> [&[u8]; 2] {
        [&[], &[]]
    }
    pub fn consume(&mut self, now: Instant, id: ConnId, n: usize) {}
    pub fn close(&mut self, now: Instant, id: ConnId) {}
    pub fn abort(&mut self, now: Instant, id: ConnId) {}
    pub fn release(&mut self, now: Instant, id: ConnId) {}
    pub fn options(&self, id: ConnId) -> Option<&TcpOptions> {
        None
    }
    pub fn set_options(&mut self, now: Instant, id: ConnId, options: TcpOptions) {}
    pub fn info(&self, now: Instant, id: ConnId) -> Option<TcpInfo> {
        None
    }
    pub fn connections(&self) -> impl Iterator<Item = (ConnId, FourTuple, State)> {
        std::iter::empty()
    }
    pub fn set_path(&mut self, now: Instant, id: ConnId, path: Path) {}
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}
