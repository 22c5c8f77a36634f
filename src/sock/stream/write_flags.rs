//! `MSG_MORE` and `MSG_EOR` of what a program writes to a wire connection, told to the engine
//! ([`crate::protocol::write_flags`]).
use crate::host::{
    Errno, event,
    fd::Raw,
    guard::guarded,
    message::{Parts, Payload},
    option,
};
use crate::protocol::write_flags::{END_OF_RECORD, MORE};
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::socket::Socket;

/// Bytes that a unix socket keeps in one piece, if its buffer allows (Linux `unix_stream_sendmsg`).
const PIECE: usize = 32 * 1024;

/// How a write with flags goes.
#[derive(Clone, Copy)]
struct Plan {
    total: usize,
    piece: usize,
}

/// send(2) with one of these flags; `None`: they mean nothing on this socket. May block.
#[cold]
pub fn send(fd: Raw, payload: Payload, flags: i32) -> Option<Result<usize, Errno>> {
    let plan = guarded(|| plan(fd, payload).ok_or(Errno::NOTSUP)).ok()?;
    let mut marks = if flags & libc::MSG_MORE != 0 { MORE } else { 0 };
    if flags & libc::MSG_EOR != 0 {
        marks |= END_OF_RECORD;
    }
    // Where no counter is to be had, the bytes go without their mark.
    let counter = event::counter().ok()?;
    let rights = [counter.raw(); MORE | END_OF_RECORD];
    let mut sent = 0;
    while sent < plan.total {
        let end = plan.total.min(sent + plan.piece);
        // What is more than a piece goes in several: all but the last have more behind them.
        let marks = if end == plan.total { marks } else { MORE };
        let send =
            |rights: &[Raw]| Parts::new(&[], payload, sent..end)?.send(fd, None, rights, flags);
        let answer = match send(&rights[..marks]) {
            // Too many descriptors are on their way already.
            Err(Errno::TOOMANYREFS) => send(&[]),
            answer => answer,
        };
        match answer {
            Ok(n) => sent += n,
            Err(errno) if sent == 0 => return Some(Err(errno)),
            Err(_) => break,
        }
        if sent < end {
            break;
        }
    }
    Some(Ok(sent))
}

fn plan(fd: Raw, payload: Payload) -> Option<Plan> {
    if !Socket::of(fd)?.has(SocketFlags::WIRE) {
        return None;
    }
    let total = payload.total().ok().filter(|total| *total > 0)?;
    let buffer = option::get_int(fd, libc::SOL_SOCKET, libc::SO_SNDBUF).unwrap_or(0);
    let piece = (usize::try_from(buffer).unwrap_or(0) / 2).saturating_sub(64).clamp(1, PIECE);
    Some(Plan { total, piece })
}
