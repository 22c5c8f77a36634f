//! A raw socket on a network interface of the host: we are one more station on that wire, with our
//! own Ethernet address.
//!
//! With a `virtio_net_hdr` in front of each frame the kernel cuts our TCP super-segments and
//! completes our checksums (or has the hardware do it), and gives us those that it merged (GRO) or
//! that a neighbour on a veth never cut. What it cannot do: the host itself does not see what we
//! send, nor we what it sends, on the same interface (as with macvlan); frames of VLANs are not
//! ours: make a VLAN interface and use that. Needs CAP_NET_RAW in the namespace of the interface.
use super::{Link, LinkInfo, Medium, Offload, RxChecksum, RxFrame, Sent, TxFrame, fail, mac, vnet};
use crate::base::{Instant, MacAddr};
use crate::host::{
    Errno,
    interface::{Interface, KIND_ETHERNET},
    packet::{self, Batch},
};
use core::cell::Cell;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::io::{self, ErrorKind, IoSlice};

/// Socket buffers, bytes. A receiver that sleeps for 5 ms at 10 Gb/s misses 6 MB.
const RECEIVE_BUFFER: i32 = 8 << 20;
const SEND_BUFFER: i32 = 2 << 20;
/// Largest message: header, Ethernet header, IP packet.
const MESSAGE_MAX: usize = vnet::LEN + 18 + 65_536;

/// See the module.
pub struct PacketLink {
    info: LinkInfo,
    /// Name and number of the interface.
    interface: (String, u32),
    fd: OwnedFd,
    vnet: bool,
    batch: Batch,
    scratch: Vec<u8>,
    oversized: u64,
    refused: u64,
    missed: Cell<u64>,
}

impl PacketLink {
    /// Opens the interface `name`. `mac` and `mtu`: as the user wants them; `identity` goes into
    /// the address that is derived otherwise.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what to do.
    pub fn open(
        name: &str,
        mac: Option<MacAddr>,
        mtu: Option<u16>,
        identity: &str,
    ) -> io::Result<PacketLink> {
        let interface = Interface::find(name).map_err(|_| no_interface(name))?;
        let (kind, own) = interface.hardware()?;
        if kind != KIND_ETHERNET {
            let why = format!("packet:{name}: {name} does not carry Ethernet frames; use another");
            return Err(fail(ErrorKind::Unsupported, why));
        }
        if !interface.is_up()? {
            let why = format!("packet:{name}: {name} is down; run: ip link set {name} up");
            return Err(fail(ErrorKind::NetworkDown, why));
        }
        let mac = mac.unwrap_or_else(|| mac::derive(&[identity.as_bytes(), &own.0]));
        let largest = u16::try_from(interface.mtu()?).unwrap_or(u16::MAX);
        if let Some(mtu) = mtu.filter(|mtu| *mtu > largest) {
            let why = format!("packet:{name}: mtu={mtu} is more than {name} has ({largest})");
            return Err(fail(ErrorKind::InvalidInput, why));
        }
        let fd = packet::open().map_err(|error| no_socket(name, error))?;
        let raw = fd.as_raw_fd();
        let vnet = packet::set_vnet_header(raw).is_ok();
        packet::ignore_outgoing(raw)?;
        packet::set_buffers(raw, RECEIVE_BUFFER, SEND_BUFFER);
        packet::attach_filter(raw, mac)?;
        packet::join(raw, interface.index, mac, own)?;
        packet::bind(raw, interface.index)?;
        let tso_max = if vnet { vnet::TSO_MAX } else { 0 };
        let info = LinkInfo {
            name: format!("packet:{name}"),
            medium: Medium::Ethernet,
            mac: Some(mac),
            mtu: mtu.unwrap_or(largest),
            offload: Offload { checksum: vnet, tso_max },
        };
        Ok(PacketLink {
            info,
            interface: (name.into(), interface.index),
            fd,
            vnet,
            batch: Batch::new(MESSAGE_MAX),
            scratch: Vec::new(),
            oversized: 0,
            refused: 0,
            missed: Cell::new(0),
        })
    }

    /// The kernel says "down", once, when the interface was set down (it may come up again) and
    /// when it was removed or moved to another namespace (it never will).
    fn is_gone(&self) -> bool {
        let (name, index) = &self.interface;
        !matches!(Interface::find(name), Ok(found) if found.index == *index)
    }

    fn missed(&self) -> u64 {
        let missed = self.missed.get() + u64::from(packet::take_drops(self.fd.as_raw_fd()));
        self.missed.set(missed);
        missed
    }
}

fn no_interface(name: &str) -> io::Error {
    let why = format!("packet:{name}: there is no interface {name:?} here; \"ip link\" lists them");
    fail(ErrorKind::NotFound, why)
}

fn no_socket(name: &str, error: Errno) -> io::Error {
    match error {
        Errno::PERM | Errno::ACCESS => fail(
            ErrorKind::PermissionDenied,
            format!(
                "packet:{name}: a raw socket needs CAP_NET_RAW; run this as root or in a user \
                 namespace of your own (unshare -Urn), or use a stream link, which needs nothing"
            ),
        ),
        _ => fail(ErrorKind::Other, format!("packet:{name}: no raw socket: {error}")),
    }
}

impl Link for PacketLink {
    fn info(&self) -> &LinkInfo {
        &self.info
    }
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.fd.as_fd())
    }
    fn send(&mut self, _now: Instant, frame: &TxFrame) -> io::Result<Sent> {
        let header = vnet::header(frame);
        let skip = if self.vnet { 0 } else { 1 };
        let pieces = [IoSlice::new(&header), IoSlice::new(&frame.bytes)];
        match rustix::io::writev(&self.fd, &pieces[skip..]) {
            Ok(_) => Ok(Sent::Yes),
            Err(Errno::AGAIN) => Ok(Sent::Full),
            // The interface was removed.
            Err(error @ (Errno::NXIO | Errno::NODEV)) => Err(error.into()),
            // Its queue dropped the frame, it is down, or it refuses this frame: lost, as on a
            // wire.
            Err(_) => {
                self.refused += 1;
                Ok(Sent::Yes)
            }
        }
    }
    fn receive(&mut self, _now: Instant, sink: &mut dyn FnMut(RxFrame<'_>)) -> io::Result<usize> {
        match self.batch.receive(&self.fd) {
            Ok(_) => {}
            Err(Errno::AGAIN | Errno::INTR) => return Ok(0),
            Err(Errno::NETDOWN) if !self.is_gone() => return Ok(0),
            // A frame whose offloads the header cannot express.
            Err(Errno::INVAL) => {
                self.refused += 1;
                return Ok(0);
            }
            Err(error) => return Err(error.into()),
        }
        let mut count = 0;
        for message in self.batch.messages() {
            match message {
                None => self.oversized += 1,
                Some(message) if self.vnet => {
                    count += vnet::deliver(message, Medium::Ethernet, &mut self.scratch, sink);
                }
                Some(bytes) => {
                    sink(RxFrame { bytes, checksum: RxChecksum::Unknown, gso_size: 0 });
                    count += 1;
                }
            }
        }
        Ok(count)
    }
    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("receive_missed", self.missed()),
            ("receive_oversized", self.oversized),
            ("refused", self.refused),
        ]
    }
}
