//! Ethernet frames over a unix stream socket, each with its length in front: four bytes,
//! big-endian. This is what QEMU (`-netdev stream`), passt, gvproxy and another net's `stream` link
//! speak. It needs no privilege.
//!
//! The peer may come late, go away and come back: a listener waits for the next peer (one at a
//! time; others wait their turn in the backlog), a connector tries again, at first after 50 ms, at
//! last every 2 s. Frames meanwhile are lost, as on a cable that is pulled out. No offloads: what
//! goes over the stream is finished. A length that no frame can have ends the connection, since
//! what follows it cannot be understood any more.
use super::{Link, LinkInfo, Medium, Offload, RxChecksum, RxFrame, Sent, TxFrame, fail, mac};
use crate::base::{Instant, MacAddr, limits, time::Duration};
use crate::host::Errno;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};
use std::io::{self, ErrorKind, IoSlice};

/// Bytes in front of each frame.
const PREFIX: usize = 4;
/// Largest frame: Ethernet header with one VLAN tag, IP packet.
const FRAME_MAX: usize = 18 + limits::IP_PACKET_MAX;
/// Room for what was read: several of the largest frames, many ordinary ones.
const INPUT: usize = 4 * (PREFIX + FRAME_MAX);
/// Reads in one call of `receive`, at most.
const READS: usize = 4;
/// First and longest pause between two attempts to connect.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// When to try again to write the rest of a frame.
const FLUSH: Duration = Duration::from_millis(1);
/// Socket buffer asked for, bytes; the system may give less.
const BUFFER: usize = 1 << 20;

/// See the module.
pub struct StreamLink {
    info: LinkInfo,
    path: String,
    listener: Option<Listener>,
    peer: Option<OwnedFd>,
    /// The number that the last peer's file had.
    last: i32,
    /// When a connector without peer tries again, and how long it waits after that.
    retry: Instant,
    pause: Duration,
    /// Bytes read and not yet handed on: `input[start..end]`.
    input: Vec<u8>,
    start: usize,
    end: usize,
    /// The rest of a frame that the socket took in part, and when to try again.
    output: Vec<u8>,
    flush: Instant,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    connections: u64,
    lost_without_peer: u64,
    too_long: u64,
    malformed: u64,
}

impl StreamLink {
    /// Connects to the socket at `path`; if nobody is there yet, goes on trying.
    ///
    /// # Errors
    /// A sentence, if it can never work.
    pub fn connect(
        path: &str,
        mac: Option<MacAddr>,
        mtu: Option<u16>,
        identity: &str,
        now: Instant,
    ) -> io::Result<StreamLink> {
        let mut link = StreamLink::new(format!("stream:{path}"), path, mac, mtu, identity);
        match dial(path) {
            Ok(peer) => link.begin(peer),
            Err(Errno::CONNREFUSED | Errno::NOENT | Errno::AGAIN) if may_come(path) => {
                link.retry = now + PAUSE_FIRST;
            }
            Err(error) => return Err(cannot("stream", path, error)),
        }
        Ok(link)
    }

    /// Listens at `path`. A socket that a dead program left there is replaced.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn listen(
        path: &str,
        mac: Option<MacAddr>,
        mtu: Option<u16>,
        identity: &str,
    ) -> io::Result<StreamLink> {
        let mut link = StreamLink::new(format!("stream-listen:{path}"), path, mac, mtu, identity);
        let listener =
            Listener::open(path).map_err(|error| cannot("stream-listen", path, error))?;
        link.listener = Some(listener);
        Ok(link)
    }

    /// One end of a pair of connected stream sockets that somebody else made.
    pub fn from_connected(fd: OwnedFd, mac: MacAddr, mtu: u16) -> io::Result<StreamLink> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        let mut link = StreamLink::new("stream".into(), "", Some(mac), Some(mtu), "");
        link.retry = Instant::FAR_FUTURE;
        link.begin(fd);
        Ok(link)
    }

    fn new(
        name: String,
        path: &str,
        mac: Option<MacAddr>,
        mtu: Option<u16>,
        identity: &str,
    ) -> StreamLink {
        let mac = mac.unwrap_or_else(|| mac::derive(&[identity.as_bytes(), name.as_bytes()]));
        let info = LinkInfo {
            name,
            medium: Medium::Ethernet,
            mac: Some(mac),
            mtu: mtu.unwrap_or(1500),
            offload: Offload::default(),
        };
        StreamLink {
            info,
            path: path.into(),
            listener: None,
            peer: None,
            last: -1,
            retry: Instant::ZERO,
            pause: PAUSE_FIRST,
            input: vec![0; INPUT],
            start: 0,
            end: 0,
            output: Vec::new(),
            flush: Instant::FAR_FUTURE,
            counts: Counts::default(),
        }
    }

    /// Whether there is a peer now.
    pub fn is_connected(&self) -> bool {
        self.peer.is_some()
    }

    fn begin(&mut self, peer: OwnedFd) {
        let _ = rustix::net::sockopt::set_socket_send_buffer_size(&peer, BUFFER);
        // A caller that watches numbers must see that this is another file.
        let again = peer.as_raw_fd() == self.last;
        let other = again.then(|| rustix::io::fcntl_dupfd_cloexec(&peer, 0).ok()).flatten();
        let peer = other.unwrap_or(peer);
        self.last = peer.as_raw_fd();
        self.peer = Some(peer);
        self.counts.connections += 1;
        self.pause = PAUSE_FIRST;
    }

    /// The peer has gone, or talks nonsense.
    fn end(&mut self, now: Instant) {
        self.peer = None;
        (self.start, self.end) = (0, 0);
        self.output.clear();
        self.flush = Instant::FAR_FUTURE;
        if self.retry != Instant::FAR_FUTURE {
            self.retry = now + self.pause;
        }
    }

    /// Takes the next peer, if it is there and the time has come.
    fn find_peer(&mut self, now: Instant) {
        if let Some(listener) = &self.listener {
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            if let Ok(peer) = rustix::net::accept_with(&listener.fd, flags) {
                self.begin(peer);
            }
        } else if now >= self.retry {
            match dial(&self.path) {
                Ok(peer) => self.begin(peer),
                Err(_) => {
                    self.pause = (self.pause * 2).min(PAUSE_MAX);
                    self.retry = now + self.pause;
                }
            }
        }
    }

    /// Writes the rest of a frame; whether nothing is left of it.
    fn flush(&mut self, now: Instant) -> bool {
        let Some(peer) = &self.peer else { return true };
        if self.output.is_empty() {
            return true;
        }
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match rustix::net::send(peer, &self.output, flags) {
            Ok(written) => drop(self.output.drain(..written)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.end(now),
        }
        let done = self.output.is_empty();
        self.flush = if done { Instant::FAR_FUTURE } else { now + FLUSH };
        done
    }

    /// Hands on the whole frames of the input; how many, or `None` if the peer talks nonsense.
    fn take_frames(&mut self, sink: &mut dyn FnMut(RxFrame<'_>)) -> Option<usize> {
        let mut count = 0;
        while let Some((prefix, rest)) = self.input[self.start..self.end].split_first_chunk() {
            let len = u32::from_be_bytes(*prefix) as usize;
            if len > FRAME_MAX {
                return None;
            }
            let Some(bytes) = rest.get(..len) else { break };
            if len < 14 {
                self.counts.malformed += 1;
            } else {
                sink(RxFrame { bytes, checksum: RxChecksum::Unknown, gso_size: 0 });
                count += 1;
            }
            self.start += PREFIX + len;
        }
        self.input.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        Some(count)
    }
}

impl Link for StreamLink {
    fn info(&self) -> &LinkInfo {
        &self.info
    }
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        let listener = self.listener.as_ref().map(|l| l.fd.as_fd());
        self.peer.as_ref().map(|peer| peer.as_fd()).or(listener)
    }
    fn send(&mut self, now: Instant, frame: &TxFrame) -> io::Result<Sent> {
        if !self.flush(now) {
            return Ok(Sent::Full);
        }
        let Some(peer) = &self.peer else {
            self.counts.lost_without_peer += 1;
            return Ok(Sent::Yes);
        };
        if frame.bytes.len() > FRAME_MAX {
            self.counts.too_long += 1;
            return Ok(Sent::Yes);
        }
        let prefix = (frame.bytes.len() as u32).to_be_bytes();
        let pieces = [IoSlice::new(&prefix), IoSlice::new(&frame.bytes)];
        let mut none = SendAncillaryBuffer::default();
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match rustix::net::sendmsg(peer, &pieces, &mut none, flags) {
            Ok(written) => {
                let whole = [&prefix[..], &frame.bytes];
                let mut skip = written;
                for piece in whole {
                    let done = skip.min(piece.len());
                    self.output.extend_from_slice(&piece[done..]);
                    skip -= done;
                }
                if !self.output.is_empty() {
                    self.flush = now + FLUSH;
                }
            }
            Err(Errno::AGAIN | Errno::INTR) => return Ok(Sent::Full),
            Err(_) => {
                self.counts.lost_without_peer += 1;
                self.end(now);
            }
        }
        Ok(Sent::Yes)
    }
    fn receive(&mut self, now: Instant, sink: &mut dyn FnMut(RxFrame<'_>)) -> io::Result<usize> {
        if self.peer.is_none() {
            self.find_peer(now);
        }
        self.flush(now);
        let mut count = 0;
        for _ in 0..READS {
            let Some(peer) = &self.peer else { break };
            match rustix::io::read(peer, &mut self.input[self.end..]) {
                Ok(read) if read > 0 => self.end += read,
                Err(Errno::AGAIN | Errno::INTR) => break,
                _ => {
                    self.end(now);
                    break;
                }
            }
            let full = self.end == self.input.len();
            match self.take_frames(sink) {
                Some(frames) => count += frames,
                None => {
                    self.counts.malformed += 1;
                    self.end(now);
                    break;
                }
            }
            if !full {
                break;
            }
        }
        Ok(count)
    }
    fn deadline(&self) -> Option<Instant> {
        let deadline = match (&self.peer, &self.listener) {
            (Some(_), _) => self.flush,
            (None, None) => self.retry,
            (None, Some(_)) => Instant::FAR_FUTURE,
        };
        Some(deadline).filter(|at| *at != Instant::FAR_FUTURE)
    }
    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("connected", u64::from(self.is_connected())),
            ("connections", self.counts.connections),
            ("lost_without_peer", self.counts.lost_without_peer),
            ("too_long", self.counts.too_long),
            ("malformed", self.counts.malformed),
        ]
    }
}

/// A listening socket; its file goes with it.
struct Listener {
    fd: OwnedFd,
    path: String,
    /// Device and inode of the file that we made.
    file: (u64, u64),
}

impl Listener {
    fn open(path: &str) -> Result<Listener, Errno> {
        let address = SocketAddrUnix::new(path)?;
        let fd = socket()?;
        match rustix::net::bind(&fd, &address) {
            Err(Errno::ADDRINUSE) if is_abandoned(path) => {
                rustix::fs::unlink(path)?;
                rustix::net::bind(&fd, &address)?;
            }
            result => result?,
        }
        // What comes over it is a network: only its owner may be on it.
        rustix::fs::chmod(path, Mode::RUSR | Mode::WUSR)?;
        rustix::net::listen(&fd, 1)?;
        Ok(Listener { fd, path: path.into(), file: identity(path)? })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Not if somebody else has put a file of their own there meanwhile.
        if identity(&self.path) == Ok(self.file) {
            let _ = rustix::fs::unlink(&self.path);
        }
    }
}

fn identity(path: &str) -> Result<(u64, u64), Errno> {
    let stat = rustix::fs::lstat(path)?;
    Ok((stat.st_dev, stat.st_ino))
}

fn is_socket(path: &str) -> bool {
    rustix::fs::stat(path)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Socket)
}

/// A socket file that nobody listens on any more.
fn is_abandoned(path: &str) -> bool {
    // connect(2) also says so of plain files: never remove those.
    is_socket(path) && matches!(dial(path), Err(Errno::CONNREFUSED))
}

/// Nobody is there, but somebody could come: the folder exists and no other file is in the place.
fn may_come(path: &str) -> bool {
    let folder = match path.rsplit_once('/') {
        Some(("", _)) => "/",
        Some((folder, _)) => folder,
        None => ".",
    };
    let free = matches!(rustix::fs::lstat(path), Err(Errno::NOENT));
    (free || is_socket(path)) && rustix::fs::stat(folder).is_ok()
}

fn socket() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

fn dial(path: &str) -> Result<OwnedFd, Errno> {
    let fd = socket()?;
    rustix::net::connect(&fd, &SocketAddrUnix::new(path)?)?;
    Ok(fd)
}

fn cannot(kind: &str, path: &str, error: Errno) -> io::Error {
    let (kind_of_error, why) = match error {
        Errno::NOENT => (ErrorKind::NotFound, "the folder does not exist".into()),
        Errno::NOTDIR => (ErrorKind::NotFound, "a part of the path is not a folder".into()),
        Errno::ACCESS | Errno::PERM => {
            (ErrorKind::PermissionDenied, "permission denied; choose a path of your own".into())
        }
        Errno::ADDRINUSE if is_socket(path) => {
            (ErrorKind::AddrInUse, "another program listens there already".into())
        }
        Errno::ADDRINUSE | Errno::CONNREFUSED => {
            (ErrorKind::InvalidInput, "there is a file that is not a socket".into())
        }
        Errno::PROTOTYPE => {
            (ErrorKind::InvalidInput, "that socket is not a stream socket".to_owned())
        }
        _ => (ErrorKind::Other, error.to_string()),
    };
    fail(kind_of_error, format!("{kind}:{path}: {why}"))
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
