//! Which epoll instances of this process watch a descriptor, and watching it again.
use super::{Errno, fd::Owned, fd::Raw, file, raw::call, scratch::Scratch};

/// A registration: `EPOLL_CTL_ADD` with the same values gives the same again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
struct Watch {
    /// `data` of `struct epoll_event`.
    data: u64,
    /// `events` of `struct epoll_event`.
    events: u32,
    /// The epoll instance.
    epoll: Raw,
}

/// Registrations of one descriptor that are carried over, at most.
const WATCHES_MAX: usize = 32;

/// Whether registrations can be listed: `/proc` is there, and a descriptor can be opened.
pub fn can_list() -> bool {
    open_list().is_ok()
}

fn open_list() -> Result<Owned, Errno> {
    let (path, flags) = (c"/proc/self/fd", libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC);
    // SAFETY: a C string that outlives the call.
    let fd = unsafe { call!(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags) }?;
    // SAFETY: the kernel has just made it, for us.
    Ok(unsafe { Owned::new(fd as Raw) })
}

/// Makes `replace` put another file under `fd`, and registers that where the old one was.
pub fn move_watches(fd: Raw, replace: impl FnOnce() -> Result<(), Errno>) -> Result<(), Errno> {
    let mut watches = [Watch::default(); WATCHES_MAX];
    let mut count = 0;
    // Without /proc there is nothing to be known; the replacement is what was asked for.
    let _ = each_watch(fd, |watch| {
        if let Some(place) = watches.get_mut(count) {
            *place = watch;
            count += 1;
        }
    });
    replace()?;
    for watch in &watches[..count] {
        let mut event = libc::epoll_event { events: watch.events, u64: watch.data };
        let (epoll, operation) = (watch.epoll, libc::EPOLL_CTL_ADD);
        // SAFETY: the kernel reads one epoll_event, which is ours.
        let _ = unsafe { call!(libc::SYS_epoll_ctl, epoll, operation, fd, &raw mut event) };
    }
    Ok(())
}

/// All registrations of `fd` in this process, read from `/proc/self/fdinfo`.
fn each_watch(fd: Raw, mut each: impl FnMut(Watch)) -> Result<(), Errno> {
    let list = open_list()?;
    let mut buffer = Scratch::new(32 * 1024)?;
    loop {
        let (list, at, room) = (list.raw(), buffer.as_mut_ptr(), buffer.len());
        // SAFETY: the kernel writes at most `room` bytes to the buffer.
        let len = unsafe { call!(libc::SYS_getdents64, list, at, room) }?;
        if len == 0 {
            return Ok(());
        }
        for name in Names(&buffer[..len]) {
            let number = core::str::from_utf8(name).ok().and_then(|n| n.parse::<Raw>().ok());
            if let Some(epoll) = number.filter(|epoll| is_epoll(*epoll)) {
                let mut room = [0; PATH_MAX];
                let path = path_of("fdinfo", epoll, &mut room);
                let _ = file::lines(path, |line| {
                    let line = core::str::from_utf8(line).ok();
                    line.and_then(|l| parse(l, epoll, fd)).into_iter().for_each(&mut each);
                });
            }
        }
    }
}

/// The names in what getdents64(2) wrote.
struct Names<'a>(&'a [u8]);

impl<'a> Iterator for Names<'a> {
    type Item = &'a [u8];
    fn next(&mut self) -> Option<&'a [u8]> {
        // struct linux_dirent64: inode, offset, length, type, name.
        let len = u16::from_ne_bytes([*self.0.get(16)?, *self.0.get(17)?]);
        let (entry, rest) = self.0.split_at_checked(usize::from(len))?;
        self.0 = rest;
        let name = entry.get(19..)?;
        name.split(|b| *b == 0).next()
    }
}

/// Whether a descriptor is an epoll instance, by its link in `/proc`.
fn is_epoll(fd: Raw) -> bool {
    const TARGET: &[u8] = b"anon_inode:[eventpoll]";
    let (mut room, mut target) = ([0; PATH_MAX], [0u8; 32]);
    let path = path_of("fd", fd, &mut room);
    let (at, to, len) = (path.as_ptr(), target.as_mut_ptr(), target.len());
    // SAFETY: a C string; the kernel writes at most `len` bytes to `target`.
    let len = unsafe { call!(libc::SYS_readlinkat, libc::AT_FDCWD, at, to, len) };
    len.is_ok_and(|len| &target[..len] == TARGET)
}

const PATH_MAX: usize = 48;

/// `/proc/self/<folder>/<fd>`.
fn path_of<'a>(folder: &str, fd: Raw, room: &'a mut [u8; PATH_MAX]) -> &'a core::ffi::CStr {
    use std::io::Write;
    let mut rest = &mut room[..PATH_MAX - 1];
    let _ = write!(rest, "/proc/self/{folder}/{fd}");
    core::ffi::CStr::from_bytes_until_nul(room).unwrap_or_default()
}

/// A line of fdinfo: `tfd: 5 events: 19 data: 5  pos:0 ino:1 sdev:8`, numbers but tfd in hex.
fn parse(line: &str, epoll: Raw, fd: Raw) -> Option<Watch> {
    let mut words = line.split_whitespace();
    let mut field = |name: &str| if words.next()? == name { words.next() } else { None };
    let tfd: Raw = field("tfd:")?.parse().ok()?;
    let events = u32::from_str_radix(field("events:")?, 16).ok()?;
    let data = u64::from_str_radix(field("data:")?, 16).ok()?;
    (tfd == fd).then_some(Watch { epoll, events, data })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::unix;

    #[test]
    fn lines_of_fdinfo() {
        let line = "tfd:        5 events: 8000001d data:     7f0000000005  pos:0 ino:12 sdev:9";
        let watch = parse(line, 3, 5).unwrap();
        assert_eq!((watch.epoll, watch.events, watch.data), (3, 0x8000_001d, 0x7f00_0000_0005));
        assert!(parse(line, 3, 6).is_none());
        assert!(parse("flags:\t02", 3, 6).is_none());
    }

    #[test]
    fn another_file_is_watched_as_the_one_before() {
        use rustix::event::epoll;
        use rustix::fd::{AsRawFd, BorrowedFd};
        let instance = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let (old, new) =
            [(); 2].map(|()| unix::socket(libc::AF_UNIX, libc::SOCK_DGRAM, 0).unwrap()).into();
        // SAFETY: open as long as `old` lives.
        let watched = unsafe { BorrowedFd::borrow_raw(old.raw()) };
        let (data, flags) = (epoll::EventData::new_u64(77), epoll::EventFlags::OUT);
        epoll::add(&instance, watched, data, flags).unwrap();
        let mut found = Vec::new();
        each_watch(old.raw(), |watch| found.push(watch)).unwrap();
        let epoll = instance.as_raw_fd();
        assert_eq!(found, [Watch { data: 77, events: flags.bits() | 0x18, epoll }]);
        move_watches(old.raw(), || super::super::fd::dup3(new.raw(), old.raw(), 0)).unwrap();
        found.clear();
        each_watch(old.raw(), |watch| found.push(watch)).unwrap();
        assert_eq!(found.len(), 1);
        assert!(can_list());
    }
}
