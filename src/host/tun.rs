//! TAP interfaces: /dev/net/tun (Documentation/networking/tuntap.rst of Linux).
use super::{Errno, interface, raw::call};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};

const IFF_TAP: u16 = 0x0002;
const IFF_NO_PI: u16 = 0x1000;
const IFF_VNET_HDR: u16 = 0x4000;
const TUNSETIFF: u32 = 0x4004_54ca;
const TUNSETOFFLOAD: u32 = 0x4004_54d0;
const TUN_F_CSUM: usize = 0x01;
const TUN_F_TSO4: usize = 0x02;
const TUN_F_TSO6: usize = 0x04;
const TUN_F_TSO_ECN: usize = 0x08;

/// Opens the TAP interface `name`, non-blocking, with a `virtio_net_hdr` in front of each frame;
/// creates it if it does not exist (it then lives as long as the descriptor).
///
/// # Errors
/// `ENOENT` without the device file, `EPERM`/`EACCES` without CAP_NET_ADMIN (or being its owner),
/// `EBUSY` if somebody has it open, `EINVAL` if it exists and is no TAP interface.
pub fn open_tap(name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let fd = rustix::fs::open("/dev/net/tun", flags, Mode::empty())?;
    let mut request = interface::request(name)?;
    request[16..18].copy_from_slice(&(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR).to_ne_bytes());
    // SAFETY: TUNSETIFF takes a `struct ifreq`, which has the size of `request`.
    unsafe { call!(libc::SYS_ioctl, fd.as_raw_fd(), TUNSETIFF, request.as_mut_ptr()) }?;
    Ok(fd)
}

/// Lets the kernel hand us frames with unfinished checksums, and TCP super-segments.
pub fn accept_offloads(fd: &OwnedFd) -> Result<(), Errno> {
    let all = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    // SAFETY: TUNSETOFFLOAD takes a number.
    unsafe { call!(libc::SYS_ioctl, fd.as_raw_fd(), TUNSETOFFLOAD, all) }.map(drop)
}
