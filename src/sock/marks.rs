//! What a program says of the bytes that it writes to a stream, besides the bytes (`MSG_MORE`,
//! `MSG_EOR`), told to the engine.
//!
//! A unix stream carries no flags, but it carries descriptors, and a read ends behind the bytes
//! that a descriptor was sent with. So they are sent along with an event counter, once to thrice:
//! their number is the message, nobody ever reads the counter, and the engine closes it at once.
use super::object::Sock;
use super::tag::Tag;
use crate::host::{
    Errno, event,
    fd::Raw,
    message::{self, Payload},
    option,
};

/// More follows at once.
pub const MORE: usize = 1;
/// A record ends here.
pub const END_OF_RECORD: usize = 2;
/// Bytes that a unix socket keeps in one piece, if its buffer allows (Linux `unix_stream_sendmsg`).
const PIECE: usize = 32 * 1024;

/// send(2) with one of these flags; `None`: they mean nothing on this socket.
#[cold]
pub fn send(fd: Raw, payload: Payload, flags: i32) -> Option<Result<usize, Errno>> {
    if !Sock::of(fd)?.has(Tag::WIRE) {
        return None;
    }
    let mut marks = if flags & libc::MSG_MORE != 0 { MORE } else { 0 };
    if flags & libc::MSG_EOR != 0 {
        marks |= END_OF_RECORD;
    }
    // Where no counter is to be had, the bytes go without their mark.
    let counter = event::counter().ok()?;
    let total = payload.total().ok().filter(|total| *total > 0)?;
    Some(send_pieces(fd, payload, total, marks, counter.raw(), flags))
}

/// What is more than a piece goes in several: all but the last have more behind them.
fn send_pieces(
    fd: Raw,
    payload: Payload,
    total: usize,
    marks: usize,
    counter: Raw,
    flags: i32,
) -> Result<usize, Errno> {
    let buffer = option::get_int(fd, libc::SOL_SOCKET, libc::SO_SNDBUF).unwrap_or(0);
    let piece = (usize::try_from(buffer).unwrap_or(0) / 2).saturating_sub(64).clamp(1, PIECE);
    let mut sent = 0;
    while sent < total {
        let end = total.min(sent + piece);
        let marks = if end == total { marks } else { MORE };
        let what = (payload, sent..end);
        let rights = [counter; MORE | END_OF_RECORD];
        let answer = match message::send_parts(fd, &[], what.clone(), None, &rights[..marks], flags)
        {
            // Too many descriptors are on their way already.
            Err(Errno::TOOMANYREFS) => message::send_parts(fd, &[], what, None, &[], flags),
            answer => answer,
        };
        match answer {
            Ok(n) => sent += n,
            Err(errno) if sent == 0 => return Err(errno),
            Err(_) => break,
        }
        if sent < end {
            break;
        }
    }
    Ok(sent)
}
