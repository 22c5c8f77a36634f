//! Putting another file under a descriptor number that the program has, without ever hitting a file
//! that another thread has just opened under it.
//!
//! `dup3` replaces whatever is there. So a replacement is announced first, then the number is
//! checked to be the same file still, and calls of the library that close a number wait while it is
//! being replaced.
use crate::host::{Errno, clock, fd, fd::Owned, fd::Raw, option, thread};
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

/// `SO_COOKIE`: a number that no other socket of this boot has.
const SO_COOKIE: i32 = 57;
/// Pauses of a closing call, at most: a thread that was left in the middle ends the wait.
const PAUSES: u32 = 1_000;

/// The number that is being replaced, plus one; 0: none is.
static REPLACED: AtomicU64 = AtomicU64::new(0);
/// The thread that replaces it.
static OWNER: AtomicUsize = AtomicUsize::new(0);

/// Which file a descriptor is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity(u64);

impl Identity {
    /// That of the socket under this number.
    pub fn of(fd: Raw) -> Result<Identity, Errno> {
        option::get_u64(fd, libc::SOL_SOCKET, SO_COOKIE).map(Identity)
    }
}

/// Puts `new` under the number `fd`, if the file there is still `old`. `EBADF`: it is another one.
pub fn install(new: &Owned, fd: Raw, old: Identity) -> Result<(), Errno> {
    let close_on_exec = fd::closes_on_exec(fd)?;
    announce(fd);
    let result = match Identity::of(fd) {
        Ok(now) if now == old => {
            fd::dup3(new.raw(), fd, if close_on_exec { libc::O_CLOEXEC } else { 0 })
        }
        _ => Err(Errno::BADF),
    };
    REPLACED.store(0, SeqCst);
    result
}

fn announce(fd: Raw) {
    let me = thread::current();
    let mine = fd as u64 + 1;
    for round in 0.. {
        match REPLACED.compare_exchange(0, mine, SeqCst, SeqCst) {
            Ok(_) => break,
            // A signal handler in the middle of this thread's own, or a thread that was left.
            Err(_) if OWNER.load(SeqCst) == me || round >= PAUSES => {
                REPLACED.store(mine, SeqCst);
                break;
            }
            Err(_) => clock::yield_now(),
        }
    }
    OWNER.store(me, SeqCst);
}

/// Waits until none of the numbers from `first` to `last` is being replaced: they are about to be
/// closed.
#[inline]
pub fn before_close(first: u32, last: u32) {
    if REPLACED.load(SeqCst) != 0 {
        wait(first, last);
    }
}

#[cold]
fn wait(first: u32, last: u32) {
    for _ in 0..PAUSES {
        let concerned = REPLACED.load(SeqCst).checked_sub(1).is_some_and(|fd| {
            (u64::from(first)..=u64::from(last)).contains(&fd)
                && OWNER.load(SeqCst) != thread::current()
        });
        if !concerned {
            return;
        }
        clock::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::unix;

    fn socket() -> Owned {
        unix::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0).unwrap()
    }

    #[test]
    fn only_the_file_that_was_meant_is_replaced() {
        let (old, new, other) = (socket(), socket(), socket());
        let identity = Identity::of(old.raw()).unwrap();
        install(&new, old.raw(), identity).unwrap();
        assert_eq!(Identity::of(old.raw()), Identity::of(new.raw()));
        // It is another file now.
        assert_eq!(install(&other, old.raw(), identity), Err(Errno::BADF));
        assert_ne!(Identity::of(old.raw()), Identity::of(other.raw()));
        before_close(0, u32::MAX);
    }
}
