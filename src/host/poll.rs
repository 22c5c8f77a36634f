//! poll(2) on one descriptor.
use super::{
    Errno,
    fd::Raw,
    next::{self, checked},
    raw::call,
};
use core::time::Duration;

/// Waits until `fd` shows one of `events` (or an error, or a hang-up); what it shows, 0 after
/// `timeout`. No timeout: for ever. `EINTR` is returned to the caller.
pub fn one(fd: Raw, events: i16, timeout: Option<Duration>) -> Result<i16, Errno> {
    let mut entry = libc::pollfd { fd, events, revents: 0 };
    let limit = timeout.map(|t| libc::timespec {
        tv_sec: t.as_secs().min(i64::MAX as u64) as i64,
        tv_nsec: i64::from(t.subsec_nanos()),
    });
    let limit = limit.as_ref().map_or(core::ptr::null(), core::ptr::from_ref);
    // SAFETY: one pollfd and one timespec, both alive; no signal mask.
    unsafe { call!(libc::SYS_ppoll, &raw mut entry, 1, limit, 0, 0) }?;
    Ok(entry.revents)
}

/// The same by the next library's function: the thread may leave it.
pub fn one_cancellable(fd: Raw, events: i16, timeout: Option<Duration>) -> Result<i16, Errno> {
    let mut entry = libc::pollfd { fd, events, revents: 0 };
    let limit = timeout.map(|t| libc::timespec {
        tv_sec: t.as_secs().min(i64::MAX as u64) as i64,
        tv_nsec: i64::from(t.subsec_nanos()),
    });
    let limit = limit.as_ref().map_or(core::ptr::null(), core::ptr::from_ref);
    // SAFETY: one pollfd and one timespec, both alive; no signal mask.
    checked(unsafe { next::ppoll(&raw mut entry, 1, limit, core::ptr::null()) } as isize)?;
    Ok(entry.revents)
}

/// What `fd` shows now, of all flags that concern sockets.
pub fn now(fd: Raw) -> i16 {
    let all = libc::POLLIN | libc::POLLOUT | libc::POLLRDHUP | libc::POLLPRI;
    one(fd, all, Some(Duration::ZERO)).unwrap_or(0)
}
