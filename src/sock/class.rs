//! What a descriptor probably is: a hint for the calls that must be fast.
//!
//! One byte a descriptor, written without locks. Only ever a hint: who acts on it must do no harm
//! if it is wrong, and corrects it. `close`, `dup2` and their kin only ever forget, so that a vfork
//! child, which shares this memory with its parent, does no harm either.
use super::object;
use super::tag::Tag;
use crate::host::fd::Raw;
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// What a descriptor is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// A socket object of type stream.
    Stream,
    /// The same, which may not be connected yet, or waits for data to go with its SYN: who writes
    /// is looked at.
    Opening,
    /// A socket object of type datagram.
    Datagram,
    /// Anything else: a file, a pipe, a socket of the kernel's own.
    Other,
}

const DESCRIPTORS: usize = 65_536;
static CLASSES: [AtomicU8; DESCRIPTORS] = [const { AtomicU8::new(0) }; DESCRIPTORS];

fn cell(fd: Raw) -> Option<&'static AtomicU8> {
    CLASSES.get(usize::try_from(fd).ok()?)
}

/// The class of a descriptor, asked of the kernel if it is not remembered.
#[inline]
pub fn of(fd: Raw) -> Class {
    match cell(fd).map_or(0, |c| c.load(Relaxed)) {
        1 => Class::Stream,
        2 => Class::Datagram,
        3 => Class::Other,
        4 => Class::Opening,
        _ => look(fd),
    }
}

#[cold]
fn look(fd: Raw) -> Class {
    let class = match object::tag_of(fd) {
        Some(tag) if tag.has(Tag::DGRAM) => Class::Datagram,
        Some(tag) if tag.has(Tag::WIRE) && tag.has(Tag::DEFERRED | Tag::CONNECTING) => {
            Class::Opening
        }
        Some(_) => Class::Stream,
        None => Class::Other,
    };
    set(fd, class);
    class
}

/// The class of a descriptor for a call in which it would do harm to take something else for a
/// stream: that is asked of the kernel.
pub fn certain(fd: Raw) -> Class {
    if of(fd) == Class::Stream {
        forget(fd);
    }
    of(fd)
}

/// Remembers.
pub fn set(fd: Raw, class: Class) {
    if let Some(cell) = cell(fd) {
        let value = match class {
            Class::Stream => 1,
            Class::Datagram => 2,
            Class::Other => 3,
            Class::Opening => 4,
        };
        cell.store(value, Relaxed);
    }
}

/// Forgets.
#[inline]
pub fn forget(fd: Raw) {
    if let Some(cell) = cell(fd) {
        cell.store(0, Relaxed);
    }
}

/// Forgets all from `first` to `last`.
pub fn forget_range(first: u32, last: u32) {
    let last = (last as usize).min(DESCRIPTORS - 1);
    for cell in CLASSES.get(first as usize..=last).unwrap_or_default() {
        cell.store(0, Relaxed);
    }
}
