//! Flags of datagram sockets that only this process can have changed, remembered in its memory, so
//! that sending and receiving need not ask the kernel for them.
//!
//! A socket is private from `socket` until the process forks, the descriptor is copied (`dup`, or
//! SCM_RIGHTS) or closed. What is remembered is never more than a shortcut: a socket that is not
//! remembered has its flags read from the kernel.
use super::flags::SocketFlags;
use crate::host::{fd::Raw, vfork};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

const DESCRIPTORS: usize = 65_536;
/// For each descriptor the count of forks at its time, plus one, above its lower 32 flags.
static FLAGS: [AtomicU64; DESCRIPTORS] = [const { AtomicU64::new(0) }; DESCRIPTORS];
/// How often this process, or one that it descends from, has forked.
static FORKS: AtomicU32 = AtomicU32::new(0);

fn cell(fd: Raw) -> Option<&'static AtomicU64> {
    FLAGS.get(usize::try_from(fd).ok()?)
}

fn generation() -> u64 {
    u64::from(FORKS.load(Relaxed)) + 1
}

/// The process forks: nothing that it has is private any more, here and in the child.
pub fn forking() {
    FORKS.fetch_add(1, Relaxed);
}

/// A socket has just been made.
pub fn remember(fd: Raw, flags: SocketFlags) {
    if let Some(cell) = cell(fd)
        && !vfork::is_possible()
    {
        cell.store(generation() << 32 | flags.to_kernel() & 0xffff_ffff, Relaxed);
    }
}

/// The flags of a socket have changed.
pub fn update(fd: Raw, flags: SocketFlags) {
    if get(fd).is_some() {
        remember(fd, flags);
    }
}

/// The flags of a private socket. No system call.
#[inline]
pub fn get(fd: Raw) -> Option<SocketFlags> {
    let bits = cell(fd)?.load(Relaxed);
    let private = bits >> 32 == generation() && !vfork::is_possible();
    private.then(|| SocketFlags::new(bits & 0xffff_ffff))
}

/// It is private no more.
#[inline]
pub fn forget(fd: Raw) {
    if let Some(cell) = cell(fd)
        && cell.load(Relaxed) != 0
    {
        cell.store(0, Relaxed);
    }
}

/// The same for all from `first` to `last`.
pub fn forget_range(first: u32, last: u32) {
    let last = (last as usize).min(DESCRIPTORS - 1);
    for cell in FLAGS.get(first as usize..=last).unwrap_or_default() {
        if cell.load(Relaxed) != 0 {
            cell.store(0, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_private_until_it_may_be_shared() {
        // Numbers that no test has open.
        let (one, two) = (60_001, 60_002);
        let dgram = SocketFlags::new(SocketFlags::DGRAM);
        let connected = SocketFlags::new(SocketFlags::DGRAM | SocketFlags::PEER);
        remember(one, dgram);
        assert_eq!(get(one), Some(dgram));
        update(one, connected);
        assert_eq!(get(one), Some(connected));
        update(two, dgram);
        assert!(get(two).is_none(), "never remembered");
        forget(one);
        assert!(get(one).is_none());
        remember(two, dgram);
        forking();
        assert!(get(two).is_none());
        remember(two, dgram);
        forget_range(60_000, u32::MAX);
        assert!(get(two).is_none());
    }
}
