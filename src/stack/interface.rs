//! Interfaces: what the stack knows of each, and the frames that wait to leave.
use super::dhcp::Client;
use super::multicast::Groups;
use super::neighbor::{Autoconf, Neighbors, Tentative};
use crate::base::addr::{IpAddr, Ipv4Addr, Ipv6Addr};
use crate::base::limits::{IP_PACKET_MAX, TRANSMIT_QUEUE};
use crate::base::{Cidr, Instant, MacAddr};
use crate::stack::api::*;
use std::collections::VecDeque;

/// An interface with its neighbours.
#[derive(Debug)]
pub(in crate::stack) struct Interface {
    /// As the driver gave it; `addresses` are those in use, with the ones that we made.
    pub config: InterfaceConfig,
    /// What it does by itself.
    pub settings: InterfaceSettings,
    /// Who is on the link (Ethernet only).
    pub neighbors: Neighbors,
    /// Addresses that are not in use yet: somebody may have them.
    pub tentative: Vec<Tentative>,
    /// What routers said.
    pub autoconf: Autoconf,
    /// The DHCP client, if an address is to be leased.
    pub dhcp: Option<Client>,
    /// MTU that came with a lease.
    pub leased_mtu: Option<u16>,
    /// The groups joined here.
    pub groups: Groups,
    /// When an address was last defended against somebody else.
    pub defended: Option<Instant>,
}

impl Interface {
    /// The loopback.
    pub fn loopback() -> Interface {
        let v4 = Cidr { address: IpAddr::V4(Ipv4Addr::LOCALHOST), prefix_len: 8 };
        let v6 = Cidr { address: IpAddr::V6(Ipv6Addr::LOCALHOST), prefix_len: 128 };
        Interface::new(InterfaceConfig {
            name: String::from("lo"),
            medium: Medium::Ip,
            mac: MacAddr::default(),
            mtu: IP_PACKET_MAX as u16,
            addresses: vec![v4, v6],
            offload: Offload::default(),
        })
    }
    /// An interface without neighbours yet.
    pub fn new(config: InterfaceConfig) -> Interface {
        Interface {
            config,
            settings: InterfaceSettings::default(),
            neighbors: Neighbors::default(),
            tentative: Vec::new(),
            autoconf: Autoconf::default(),
            dhcp: None,
            leased_mtu: None,
            groups: Groups::default(),
            defended: None,
        }
    }
    /// When something is to be done here.
    pub fn deadline(&self) -> Option<Instant> {
        let tentative = self.tentative.iter().map(|t| t.at).min();
        let (neighbors, groups) = (self.neighbors.deadline(), self.groups.deadline());
        let dhcp = self.dhcp.as_ref().map(Client::deadline);
        let all = [tentative, neighbors, groups, self.autoconf.deadline(), dhcp];
        all.into_iter().flatten().min()
    }
    /// Largest super-segment that the link cuts for us, bytes; 0 for none. Without checksum offload
    /// there is no cutting: every piece needs its own sum.
    pub fn tso_max(&self) -> u32 {
        let offload = self.config.offload;
        if offload.checksum { offload.tso_max.min(IP_PACKET_MAX as u32) } else { 0 }
    }
}

/// Frames that are ready to leave, and spare buffers.
#[derive(Debug, Default)]
pub(in crate::stack) struct TransmitQueue {
    ready: VecDeque<(IfIndex, TxFrame)>,
    spare: Vec<TxFrame>,
}

/// Spare buffers kept at most.
const SPARE: usize = 64;
/// Spare buffers larger than this are given back to the allocator.
const SPARE_CAPACITY: usize = 16 << 10;

impl TransmitQueue {
    /// An empty frame.
    pub fn buffer(&mut self) -> TxFrame {
        self.spare.pop().unwrap_or_default()
    }
    /// Gives a buffer back.
    pub fn recycle(&mut self, mut frame: TxFrame) {
        if self.spare.len() < SPARE && frame.bytes.capacity() <= SPARE_CAPACITY {
            frame.bytes.clear();
            self.spare.push(frame);
        }
    }
    /// How many more frames fit.
    pub fn room(&self) -> usize {
        TRANSMIT_QUEUE.saturating_sub(self.ready.len())
    }
    /// Queues a frame; false and dropped if the queue is full.
    pub fn push(&mut self, interface: IfIndex, frame: TxFrame) -> bool {
        if self.room() == 0 {
            self.recycle(frame);
            return false;
        }
        self.ready.push_back((interface, frame));
        true
    }
    /// Takes the first frame, in exchange for the buffer of `frame`.
    pub fn pop(&mut self, frame: &mut TxFrame) -> Option<IfIndex> {
        let (interface, next) = self.ready.pop_front()?;
        let old = core::mem::replace(frame, next);
        self.recycle(old);
        Some(interface)
    }
}
