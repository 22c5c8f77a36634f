//! Reading after `shutdown(SHUT_RD)`. TCP goes on receiving, and what comes can be read, though a
//! read no longer waits for it (Linux `tcp_recvmsg`). A unix socket takes nothing more; so the
//! engine keeps what comes on a wire connection, within its window, and is asked for it.
use super::ask;
use super::names;
use super::object::Sock;
use super::tag::Tag;
use crate::base::FourTuple;
use crate::host::{Errno, message::Payload};
use crate::protocol::request::{PACKET_MAX, Reply, Request};

/// What a read is given for which the kernel's socket has nothing: how many bytes.
pub fn receive(sock: &Sock, payload: Payload, flags: i32) -> Result<usize, Errno> {
    if !sock.has(Tag::WIRE) || !sock.has(Tag::READ_SHUT) || sock.has(Tag::WRITE_SHUT) {
        return Ok(0);
    }
    let (Ok(local), Ok(remote)) = (names::local(sock), names::remote(sock)) else { return Ok(0) };
    // One byte of the packet says what it is.
    let most = payload.total()?.min(PACKET_MAX - 1) as u32;
    let request =
        Request::ReadAfterShutdown(FourTuple { local, remote }, most, flags & libc::MSG_PEEK != 0);
    let mut room = vec![0; PACKET_MAX];
    match ask::ask(&request, &mut room) {
        Ok(Reply::Info(bytes)) => scatter(payload, bytes),
        _ => Ok(0),
    }
}

fn scatter(payload: Payload, mut bytes: &[u8]) -> Result<usize, Errno> {
    let (whole, mut index) = (bytes.len(), 0);
    while let (false, Some(part)) = (bytes.is_empty(), payload.part(index)?) {
        let written = part.write(bytes)?;
        bytes = &bytes[written..];
        index += 1;
    }
    Ok(whole - bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::usermem::UserSlice;

    #[test]
    fn bytes_fill_one_buffer_after_another() {
        let mut one = [0; 4];
        assert_eq!(scatter(Payload::Flat(UserSlice::from_bytes(&mut one)), b"abc"), Ok(3));
        assert_eq!(&one, b"abc\0");
        let (mut a, mut b) = ([0u8; 2], [0u8; 3]);
        let mut vector = Vec::new();
        for part in [&mut a[..], &mut [], &mut b[..]] {
            vector.extend((part.as_mut_ptr() as usize).to_ne_bytes());
            vector.extend(part.len().to_ne_bytes());
        }
        assert_eq!(scatter(Payload::Vector(UserSlice::from_bytes(&mut vector)), b"abcd"), Ok(4));
        assert_eq!((&a, &b), (b"ab", b"cd\0"));
    }
}
