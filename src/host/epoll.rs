//! Which epoll instances of this process watch a descriptor, and watching it again.
use super::{Errno, fd::Raw, file, raw::call};

/// A registration: `EPOLL_CTL_ADD` with the same values gives the same again.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// The epoll instance.
    pub epoll: Raw,
    /// `events` of `struct epoll_event`.
    pub events: u32,
    /// `data` of `struct epoll_event`.
    pub data: u64,
}

/// All registrations of `fd` in this process, read from `/proc/self/fdinfo`.
pub fn watches_of(fd: Raw) -> Vec<Watch> {
    let mut found = Vec::new();
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY;
    let mode = rustix::fs::Mode::empty();
    let Ok(dir) = rustix::fs::open("/proc/self/fd", flags | rustix::fs::OFlags::CLOEXEC, mode)
    else {
        return found;
    };
    let Ok(entries) = rustix::fs::Dir::read_from(&dir) else { return found };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(epoll) = name.to_str().ok().and_then(|n| n.parse::<Raw>().ok()) else { continue };
        let is_epoll = rustix::fs::readlinkat(&dir, name, Vec::new())
            .is_ok_and(|target| target.to_bytes() == b"anon_inode:[eventpoll]");
        if is_epoll {
            let path = format!("/proc/self/fdinfo/{epoll}");
            let _ = file::lines(&path, |line| {
                found.extend(core::str::from_utf8(line).ok().and_then(|l| parse(l, epoll, fd)));
            });
        }
    }
    found
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

/// Watches `fd` as `watch` says.
pub fn add(watch: &Watch, fd: Raw) -> Result<(), Errno> {
    let mut event = libc::epoll_event { events: watch.events, u64: watch.data };
    let operation = libc::EPOLL_CTL_ADD;
    // SAFETY: the kernel reads one epoll_event, which is ours.
    unsafe { call!(libc::SYS_epoll_ctl, watch.epoll, operation, fd, &raw mut event) }.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_fdinfo() {
        let line = "tfd:        5 events: 8000001d data:     7f0000000005  pos:0 ino:12 sdev:9";
        let watch = parse(line, 3, 5).unwrap();
        assert_eq!((watch.epoll, watch.events, watch.data), (3, 0x8000_001d, 0x7f00_0000_0005));
        assert!(parse(line, 3, 6).is_none());
        assert!(parse("flags:\t02", 3, 6).is_none());
    }
}
