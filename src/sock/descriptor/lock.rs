//! Changes of a socket's state are made one after another by the threads of a process.
//!
//! A change reads the state from the kernel and writes it back; two threads that do so at once
//! would undo each other's. An ordinary lock is not for us: a signal handler may come in the middle
//! of a change and make one of its own, a thread may leave it for ever (`siglongjmp`), and a child
//! may be forked while another thread has it. So:
//!
//! - A change that interrupts another one of the same thread is made at once, and is noted. The
//!   interrupted change repeats it when it has written: it may have written what it read before.
//! - A thread that has waited for a while takes the lock away: its owner has left.
//!
//! Changes of two processes that share a socket are not ordered.
use crate::base::time::Duration;
use crate::host::{Errno, clock, fd::Raw, thread};
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A change that interrupted another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// Flags of a descriptor to clear and to set.
    Flags(Raw, u64, u64),
    /// A value of one word in the extra state of a descriptor.
    Word(Raw, u16, u32),
}

/// The thread that makes a change, as `pthread_self` names it; 0: none does.
static OWNER: AtomicUsize = AtomicUsize::new(0);
/// Rounds of waiting before the lock is taken away, most of them of one pause each.
const PATIENCE: u32 = 1_000;
const PAUSE: Duration = Duration::from_micros(50);

/// Changes noted at most.
const NOTES: usize = 8;
/// The notes of the owner's signal handlers: four words each, the last one is the kind (0: free).
static NOTED: [[AtomicU64; 4]; NOTES] = [const { [const { AtomicU64::new(0) }; 4] }; NOTES];

/// Changes made by this process; it tells whether what was read is still what is there.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// How many changes this process has made.
pub fn generation() -> u64 {
    GENERATION.load(Ordering::SeqCst)
}

/// Makes a change: `apply` reads, changes and writes. It is called again for changes that have
/// interrupted this one.
pub fn change<T>(
    change: Change,
    mut apply: impl FnMut(Change) -> Result<T, Errno>,
) -> Result<T, Errno> {
    if is_mine_after_waiting() {
        let result = apply(change);
        note(change);
        GENERATION.fetch_add(1, Ordering::SeqCst);
        return result;
    }
    let _turn = Turn;
    // Of changes that came after the last one had written: they are in what is read now.
    while next_note().is_some() {}
    let result = apply(change);
    GENERATION.fetch_add(1, Ordering::SeqCst);
    while let Some(noted) = next_note() {
        let _ = apply(noted);
    }
    result
}

/// Makes a change that is not noted: one that signal handlers have no reason to make.
pub fn exclusively<T>(apply: impl FnOnce() -> T) -> T {
    let _turn = if is_mine_after_waiting() { None } else { Some(Turn) };
    apply()
}

/// The lock, taken; dropped, it is given back unless another thread has taken it away.
struct Turn;

impl Drop for Turn {
    fn drop(&mut self) {
        let _ = OWNER.compare_exchange(thread::current(), 0, Ordering::SeqCst, Ordering::SeqCst);
    }
}

/// Takes the lock. Whether this thread had it already: it has been interrupted in a change (or has
/// left one).
fn is_mine_after_waiting() -> bool {
    let me = thread::current();
    for round in 0.. {
        let free = if round < PATIENCE { 0 } else { OWNER.load(Ordering::SeqCst) };
        match OWNER.compare_exchange(free, me, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => return false,
            Err(owner) if owner == me => return true,
            Err(_) if round < 100 => clock::yield_now(),
            Err(_) => clock::sleep(PAUSE),
        }
    }
    false
}

fn note(change: Change) {
    let words = match change {
        Change::Flags(fd, clear, set) => [fd as u64, clear, set, 1],
        Change::Word(fd, key, value) => [fd as u64, u64::from(key), u64::from(value), 2],
    };
    for place in &NOTED {
        // Only this thread and its signal handlers write here.
        if place[3].load(Ordering::SeqCst) == 0 {
            for (cell, word) in place.iter().zip(words) {
                cell.store(word, Ordering::SeqCst);
            }
            return;
        }
    }
}

fn next_note() -> Option<Change> {
    for place in &NOTED {
        let [a, b, c, kind] = place.each_ref().map(|cell| cell.load(Ordering::SeqCst));
        place[3].store(0, Ordering::SeqCst);
        match kind {
            1 => return Some(Change::Flags(a as Raw, b, c)),
            2 => return Some(Change::Word(a as Raw, b as u16, c as u32)),
            _ => {}
        }
    }
    None
}

/// A fork has left this process with one thread, which may not be the lock's owner.
pub fn forked() {
    OWNER.store(0, Ordering::SeqCst);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_change_repeats_what_interrupted_it() {
        let inner = Change::Flags(7, 0, 2);
        let mut seen = Vec::new();
        let outer = Change::Flags(7, 0, 1);
        change(outer, |now| {
            seen.push(now);
            if now == outer {
                // As a signal handler of this thread would.
                change(inner, |_| Ok(())).unwrap();
                change(Change::Word(9, 3, 4), |_| Ok(())).unwrap();
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, [outer, inner, Change::Word(9, 3, 4)]);
        // Nothing is left for the next one.
        let mut count = 0;
        change(outer, |_| {
            count += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(count, 1);
    }

    #[test]
    fn threads_take_turns() {
        let value = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        change(Change::Flags(-1, 0, 0), |_| {
                            let old = value.load(Ordering::Relaxed);
                            std::hint::spin_loop();
                            value.store(old + 1, Ordering::Relaxed);
                            Ok(())
                        })
                        .unwrap();
                    }
                });
            }
        });
        assert_eq!(value.into_inner(), 2_000);
    }
}
