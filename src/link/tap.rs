//! A TAP interface: a wire between us and the host's kernel, which is the only other station on it.
//!
//! An interface that does not exist is created, brought up (and gets the MTU that was asked for),
//! and is gone with the engine; its addresses on the host's side are the user's: `ip addr add
//! 10.0.0.1/24 dev NAME`. One that exists (`ip tuntap add dev NAME mode tap user YOU`) is used as
//! it is, without privileges by its owner. Checksums and super-segments are left to the kernel both
//! ways.
use super::{Link, LinkInfo, Medium, Offload, RxFrame, Sent, TxFrame, fail, mac, vnet};
use crate::base::{Instant, MacAddr};
use crate::host::{Errno, interface::Interface, tun};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::io::{self, ErrorKind, IoSlice};

/// Frames taken in one call of `receive`, at most.
const BATCH: usize = 32;
/// Largest message: header, Ethernet header, IP packet.
const MESSAGE_MAX: usize = vnet::LEN + 18 + 65_536;

/// See the module.
pub struct TapLink {
    info: LinkInfo,
    fd: OwnedFd,
    buffer: Vec<u8>,
    scratch: Vec<u8>,
    refused: u64,
}

impl TapLink {
    /// Opens or creates the interface `name`. `mac` (ours, not the kernel's side) and `mtu`: as the
    /// user wants them; `identity` goes into the address that is derived otherwise.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what to do.
    pub fn open(
        name: &str,
        mac: Option<MacAddr>,
        mtu: Option<u16>,
        identity: &str,
    ) -> io::Result<TapLink> {
        let existed = Interface::find(name).is_ok();
        let fd = tun::open_tap(name).map_err(|error| no_tap(name, existed, error))?;
        let interface = Interface::find(name)?;
        if !existed {
            if let Some(mtu) = mtu {
                interface.set_mtu(mtu.into())?;
            }
            interface.set_up()?;
        } else if !interface.is_up()? {
            // Its owner may not be allowed to; then frames are lost until somebody does it.
            let _ = interface.set_up();
        }
        let largest = u16::try_from(interface.mtu()?).unwrap_or(u16::MAX);
        if let Some(mtu) = mtu.filter(|mtu| *mtu > largest) {
            let why = format!("tap:{name}: mtu={mtu} is more than {name} has ({largest})");
            return Err(fail(ErrorKind::InvalidInput, why));
        }
        // Without it the kernel completes what it gives us; sending is not affected.
        let _ = tun::accept_offloads(&fd);
        let info = LinkInfo {
            name: format!("tap:{name}"),
            medium: Medium::Ethernet,
            mac: Some(mac.unwrap_or_else(|| mac::derive(&[identity.as_bytes(), name.as_bytes()]))),
            mtu: mtu.unwrap_or(largest),
            offload: Offload { checksum: true, tso_max: vnet::TSO_MAX },
        };
        let buffer = vec![0; MESSAGE_MAX];
        Ok(TapLink { info, fd, buffer, scratch: Vec::new(), refused: 0 })
    }
}

fn no_tap(name: &str, existed: bool, error: Errno) -> io::Error {
    let (kind, why) = match error {
        Errno::NOENT | Errno::NODEV | Errno::NXIO => {
            (ErrorKind::NotFound, "there is no /dev/net/tun; run: modprobe tun".into())
        }
        Errno::PERM | Errno::ACCESS => (
            ErrorKind::PermissionDenied,
            format!(
                "needs CAP_NET_ADMIN; run this as root, or let root make it yours: \
                 ip tuntap add dev {name} mode tap user $USER"
            ),
        ),
        Errno::BUSY => (ErrorKind::ResourceBusy, format!("another program has {name} open")),
        Errno::INVAL if existed => (
            ErrorKind::InvalidInput,
            format!("the interface {name} exists and is not a TAP interface; choose another name"),
        ),
        _ => (ErrorKind::Other, error.to_string()),
    };
    fail(kind, format!("tap:{name}: {why}"))
}

impl Link for TapLink {
    fn info(&self) -> &LinkInfo {
        &self.info
    }
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.fd.as_fd())
    }
    fn send(&mut self, _now: Instant, frame: &TxFrame) -> io::Result<Sent> {
        let header = vnet::header(frame);
        let pieces = [IoSlice::new(&header), IoSlice::new(&frame.bytes)];
        match rustix::io::writev(&self.fd, &pieces) {
            Ok(_) => Ok(Sent::Yes),
            Err(Errno::AGAIN) => Ok(Sent::Full),
            // The interface was deleted under us.
            Err(error @ (Errno::BADFD | Errno::NODEV)) => Err(error.into()),
            // EIO: it is down; EINVAL: a frame that the kernel refuses. Lost, as on a wire.
            Err(_) => {
                self.refused += 1;
                Ok(Sent::Yes)
            }
        }
    }
    fn receive(&mut self, _now: Instant, sink: &mut dyn FnMut(RxFrame<'_>)) -> io::Result<usize> {
        let mut count = 0;
        for _ in 0..BATCH {
            match rustix::io::read(&self.fd, &mut self.buffer[..]) {
                Ok(len) => {
                    let (medium, message) = (Medium::Ethernet, &self.buffer[..len]);
                    count += vnet::deliver(message, medium, &mut self.scratch, sink);
                }
                Err(Errno::AGAIN | Errno::INTR) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(count)
    }
    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![("refused", self.refused)]
    }
}
