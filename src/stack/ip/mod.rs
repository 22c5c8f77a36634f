//! IP, both versions: input, output, fragments both ways, path MTU.
//!
//! A packet in: `input.rs` checks it (and walks through extension headers), `reassembly.rs` puts
//! fragments together, then the transport protocol gets a [`Received`]. A packet out: [`Outgoing`]
//! and the transport's bytes go to `output.rs`, which finds the hop, cuts if it must, and queues
//! frames.
pub(in crate::stack) mod input;
pub(in crate::stack) mod output;
pub(in crate::stack) mod path_mtu;
pub(in crate::stack) mod reassembly;
pub(in crate::stack) mod recent;

use crate::base::Rng;
use crate::base::addr::IpAddr;
use crate::base::rng::Secret;
use crate::stack::api::*;

/// A whole packet that arrived, as transport protocols see it.
#[derive(Clone, Copy, Debug)]
pub(in crate::stack) struct Received<'a> {
    /// Where from.
    pub interface: IfIndex,
    /// Source: unicast, or unspecified.
    pub src: IpAddr,
    /// Destination.
    pub dst: IpAddr,
    /// What the payload is.
    pub protocol: u8,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// Type of service or traffic class.
    pub tos: u8,
    /// To us alone: neither a multicast nor a broadcast, on either layer.
    pub unicast: bool,
    /// What is known of the transport checksum.
    pub checksum: RxChecksum,
    /// From the IP header on, without padding.
    pub packet: &'a [u8],
    /// Where in it the payload starts.
    pub at: usize,
}

impl<'a> Received<'a> {
    /// What the transport protocol sent.
    pub fn payload(&self) -> &'a [u8] {
        self.packet.get(self.at..).unwrap_or(&[])
    }
}

/// How a packet is to be sent.
#[derive(Clone, Copy, Debug)]
pub(in crate::stack) struct Outgoing {
    /// Source.
    pub src: IpAddr,
    /// Destination, of the same family.
    pub dst: IpAddr,
    /// What the payload is.
    pub protocol: u8,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// Type of service or traffic class.
    pub tos: u8,
    /// Routers must not cut it (IPv4).
    pub dont_fragment: bool,
    /// The link is to complete the checksum at this offset of the transport header.
    pub checksum_at: Option<u16>,
}

impl Outgoing {
    /// With the usual time to live.
    pub const fn new(src: IpAddr, dst: IpAddr, protocol: u8) -> Outgoing {
        let (ttl, tos, dont_fragment, checksum_at) = (64, 0, false, None);
        Outgoing { src, dst, protocol, ttl, tos, dont_fragment, checksum_at }
    }
}

/// Identifications of datagrams that may be cut: a counter per bucket of source, destination and
/// protocol, so that nobody learns from his own how many we send to others (RFC 7739).
#[derive(Clone, Debug)]
pub(in crate::stack) struct Idents {
    secret: Secret,
    counters: Vec<u32>,
}

/// A power of two.
const IDENT_BUCKETS: usize = 256;

impl Idents {
    /// Counters that start anywhere.
    pub fn new(secret: Secret, rng: &mut Rng) -> Idents {
        let counters = (0..IDENT_BUCKETS).map(|_| rng.u64() as u32).collect();
        Idents { secret, counters }
    }
    /// The next one.
    pub fn next(&mut self, src: IpAddr, dst: IpAddr, protocol: u8) -> u32 {
        let bucket = self.secret.hash(&("ip id", src, dst, protocol)) as usize % IDENT_BUCKETS;
        let Some(counter) = self.counters.get_mut(bucket) else { return 0 };
        *counter = counter.wrapping_add(1);
        *counter
    }
}
