//! Questions to the kernel about single unix sockets (`sock_diag`): what a socket itself does not
//! show. One netlink socket is kept for all of them; the kernel answers within the call.
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};
use std::cell::Cell;
use std::os::fd::OwnedFd;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// `UDIAG_SHOW_PEER`, `UDIAG_SHOW_ICONS`, and the attributes that answer them.
const SHOW_PEER: u32 = 0x4;
const SHOW_QUEUE: u32 = 0x8;
const PEER: u16 = 2;
const QUEUE: u16 = 3;
/// Longest answer: a queue of 16,000 connections.
const ANSWER_MAX: usize = 64 << 10;

/// The kernel, to be asked.
pub struct SocketDiag {
    netlink: Option<OwnedFd>,
    /// Number of the last question: an answer carries it.
    asked: Cell<u32>,
}

impl SocketDiag {
    /// Without netlink nothing is known.
    pub fn new() -> SocketDiag {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let kind = (AddressFamily::NETLINK, SocketType::RAW);
        let netlink = net::socket_with(kind.0, kind.1, flags, Some(netlink::SOCK_DIAG)).ok();
        SocketDiag { netlink, asked: Cell::new(0) }
    }

    /// Whether any process still holds the other end of a connected socket. `None`: not known.
    pub fn peer_is_held(&self, socket: &OwnedFd) -> Option<bool> {
        let mut answer = [0; 512];
        let len = self.ask(inode(socket)?, SHOW_PEER, &mut answer)?;
        // The inode of a socket that is closed is shown as 0.
        let peer = attribute(answer.get(..len)?, PEER).and_then(|value| u32_at(value, 0));
        Some(peer.is_some_and(|inode| inode != 0))
    }

    /// The inodes of the sockets that wait in the queue of the listening socket with this inode.
    pub fn waiting_at(&self, listener: u32) -> Vec<u32> {
        let mut answer = vec![0; ANSWER_MAX];
        let len = self.ask(listener, SHOW_QUEUE, &mut answer).unwrap_or(0);
        let queue = answer.get(..len).and_then(|answer| attribute(answer, QUEUE));
        let words = queue.unwrap_or_default().chunks_exact(4);
        words.filter_map(|word| u32_at(word, 0)).collect()
    }

    fn ask(&self, inode: u32, show: u32, answer: &mut [u8]) -> Option<usize> {
        let netlink = self.netlink.as_ref()?;
        self.asked.set(self.asked.get().wrapping_add(1));
        // struct nlmsghdr (a plain request), then struct unix_diag_req without a cookie.
        let mut request = [0u8; 40];
        request[0..4].copy_from_slice(&40u32.to_ne_bytes());
        request[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        request[6..8].copy_from_slice(&1u16.to_ne_bytes());
        request[8..12].copy_from_slice(&self.asked.get().to_ne_bytes());
        request[16] = libc::AF_UNIX as u8;
        request[20..24].copy_from_slice(&u32::MAX.to_ne_bytes());
        request[24..28].copy_from_slice(&inode.to_ne_bytes());
        request[28..32].copy_from_slice(&show.to_ne_bytes());
        request[32..40].fill(0xff);
        net::send(netlink, &request, SendFlags::empty()).ok()?;
        let len = loop {
            match net::recv(netlink, &mut answer[..], RecvFlags::empty()) {
                Ok((len, _)) if u32_at(&answer[..len], 8) == Some(self.asked.get()) => break len,
                // An answer to an earlier question.
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return None,
            }
        };
        (u16_at(answer, 4)? == SOCK_DIAG_BY_FAMILY).then_some(len)
    }
}

/// The number by which the kernel's lists name a socket.
pub fn inode(socket: &OwnedFd) -> Option<u32> {
    u32::try_from(rustix::fs::fstat(socket).ok()?.st_ino).ok()
}

/// An attribute of the first `struct unix_diag_msg` of an answer.
fn attribute(answer: &[u8], wanted: u16) -> Option<&[u8]> {
    let length = u32_at(answer, 0)? as usize;
    let mut rest = answer.get(32..length)?;
    while let (Some(length), Some(what)) = (u16_at(rest, 0), u16_at(rest, 2)) {
        let value = rest.get(4..usize::from(length))?;
        if what == wanted {
            return Some(value);
        }
        rest = rest.get(usize::from(length).next_multiple_of(4)..).unwrap_or_default();
    }
    None
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::system::unix;
    use rustix::net::Shutdown;

    #[test]
    fn a_socket_that_is_shut_down_is_held_and_one_that_is_closed_is_not() {
        let diag = SocketDiag::new();
        let (ours, theirs) = unix::pair().unwrap();
        assert_eq!(diag.peer_is_held(&ours), Some(true));
        net::shutdown(&theirs, Shutdown::Both).unwrap();
        let copy = theirs.try_clone().unwrap();
        drop(theirs);
        assert_eq!(diag.peer_is_held(&ours), Some(true));
        drop(copy);
        assert_eq!(diag.peer_is_held(&ours), Some(false));
    }

    #[test]
    fn what_waits_to_be_accepted_is_listed() {
        let diag = SocketDiag::new();
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket =
            || net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
        let name = format!("us-diag-queue-{}", std::process::id());
        let name = rustix::net::SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap();
        let listener = socket();
        net::bind(&listener, &name).unwrap();
        net::listen(&listener, 8).unwrap();
        let at = inode(&listener).unwrap();
        assert!(diag.waiting_at(at).is_empty());
        let clients = [socket(), socket()];
        clients.iter().for_each(|client| net::connect(client, &name).unwrap());
        let mut want: Vec<u32> = clients.iter().filter_map(inode).collect();
        let mut got = diag.waiting_at(at);
        want.sort_unstable();
        got.sort_unstable();
        assert_eq!(got, want);
        net::accept(&listener).unwrap();
        assert_eq!(diag.waiting_at(at).len(), 1);
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics(bytes in proptest::collection::vec(0u8..=255, 0..80)) {
            let _ = attribute(&bytes, PEER);
        }
    }
}
