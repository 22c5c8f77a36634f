//! What a descriptor probably is: a hint for the calls that must be fast.
//!
//! One byte a descriptor, written without locks. It is only a hint: a call that acts on it does no
//! harm if it is wrong, and corrects it. It becomes wrong when a number is reused past us: by a
//! process that shares the descriptors but not this memory, or by a system call that no library
//! makes.
//!
//! A `vfork` child shares this memory but not the descriptors. While there may be one, nothing is
//! remembered ([`crate::host::vfork`]), and what `close` and `dup2` forget is asked for again.
use super::flags::SocketFlags;
use super::private;
use super::socket;
use super::state::StreamState;
use crate::host::{fd::Raw, sandbox, vfork};
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// What a descriptor is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum FdKind {
    /// A connected stream of ours whose peer is a program of this machine.
    Local = 1,
    /// A datagram socket of ours.
    Datagram = 2,
    /// Not ours: a file, a pipe, a socket of the kernel's own.
    Other = 3,
    /// A stream of ours whose connect is under way or waits for data: before something is written,
    /// its state is looked at.
    Opening = 4,
    /// Any other stream of ours.
    Stream = 5,
}

impl FdKind {
    /// Whether it is a stream of ours.
    pub fn is_stream(self) -> bool {
        matches!(self, FdKind::Local | FdKind::Opening | FdKind::Stream)
    }

    /// What a socket of these flags is.
    pub fn of_flags(flags: SocketFlags) -> FdKind {
        match flags.state() {
            _ if flags.has(SocketFlags::DGRAM) => FdKind::Datagram,
            StreamState::Connecting | StreamState::Deferred if flags.has(SocketFlags::WIRE) => {
                FdKind::Opening
            }
            StreamState::Open
            | StreamState::ReadShut
            | StreamState::WriteShut
            | StreamState::BothShut
                if !flags.has(SocketFlags::WIRE) =>
            {
                FdKind::Local
            }
            _ => FdKind::Stream,
        }
    }
}

const DESCRIPTORS: usize = 65_536;
static KINDS: [AtomicU8; DESCRIPTORS] = [const { AtomicU8::new(0) }; DESCRIPTORS];

fn cell(fd: Raw) -> Option<&'static AtomicU8> {
    KINDS.get(usize::try_from(fd).ok()?)
}

/// The kind of a descriptor, asked of the kernel if it is not remembered.
#[inline]
pub fn of(fd: Raw) -> FdKind {
    match cell(fd).map_or(0, |c| c.load(Relaxed)) {
        1 => FdKind::Local,
        2 => FdKind::Datagram,
        3 => FdKind::Other,
        4 => FdKind::Opening,
        5 => FdKind::Stream,
        _ => look(fd),
    }
}

#[cold]
fn look(fd: Raw) -> FdKind {
    if sandbox::is_on() {
        // The question could end the process.
        return FdKind::Other;
    }
    let kind = socket::flags_of(fd).map_or(FdKind::Other, FdKind::of_flags);
    set(fd, kind);
    kind
}

/// The kind of a descriptor for a call that carries an address, which a wrong hint would lose or
/// misread: asked of the kernel, but for datagram sockets, whose calls look again anyway.
pub fn certain(fd: Raw) -> FdKind {
    match of(fd) {
        FdKind::Datagram => FdKind::Datagram,
        hint if sandbox::is_on() => hint,
        _ => look(fd),
    }
}

/// Remembers.
pub fn set(fd: Raw, kind: FdKind) {
    if vfork::is_possible() {
        return;
    }
    if let Some(cell) = cell(fd) {
        cell.store(kind as u8, Relaxed);
    }
}

/// Forgets all that is known of a number: another file has it, or will have.
#[inline]
pub fn forget(fd: Raw) {
    if let Some(cell) = cell(fd) {
        cell.store(0, Relaxed);
    }
    private::forget(fd);
}

/// Forgets all from `first` to `last`.
pub fn forget_range(first: u32, last: u32) {
    let last = (last as usize).min(DESCRIPTORS - 1);
    for cell in KINDS.get(first as usize..=last).unwrap_or_default() {
        if cell.load(Relaxed) != 0 {
            cell.store(0, Relaxed);
        }
    }
    private::forget_range(first, last.try_into().unwrap_or(u32::MAX));
}
