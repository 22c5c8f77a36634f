//! The kernel's list of unix sockets: the registry of names. By `sock_diag` (netlink), or where
//! that is forbidden from `/proc/net/unix`. No allocation: `bind` may run in a signal handler.
use super::{Errno, fd::Owned, file, message, scratch::Scratch, unix};

/// `TCP_ESTABLISHED`, as unix sockets use it: connected.
pub const ESTABLISHED: u8 = 1;
/// `TCP_CLOSE`: bound or not, neither connected nor listening.
pub const CLOSED: u8 = 7;
/// `TCP_LISTEN`.
pub const LISTENING: u8 = 10;

/// One socket of the list.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// `SOCK_STREAM`, `SOCK_DGRAM` or `SOCK_SEQPACKET`.
    pub kind: i32,
    /// [`ESTABLISHED`], [`CLOSED`] or [`LISTENING`].
    pub state: u8,
    /// Its inode, as `/proc/<pid>/fd` shows it.
    pub inode: u32,
    /// Its abstract name, without the leading NUL. Sockets with paths are left out.
    pub name: &'a [u8],
    /// Its owner, if the kernel says so (since Linux 5.3).
    pub uid: Option<u32>,
    /// The other end's inode.
    pub peer: Option<u32>,
    /// Bytes waiting to be read (of a listener: connections to be accepted), bytes sent and not yet
    /// read (of a listener: its backlog).
    pub queues: Option<(u32, u32)>,
}

const NETLINK_SOCK_DIAG: i32 = 4;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const REQUEST_DUMP: u16 = 0x301;
/// UDIAG_SHOW_NAME, _PEER, _RQLEN, _UID.
const SHOW: u32 = 0x1 | 0x4 | 0x10 | 0x40;
/// The kernel makes its pages as large as the buffer, up to this (af_netlink.c, netlink_dump).
const PAGE: usize = 32 * 1024;

/// Hands every abstractly named socket of these `states` (see [`Entry::state`]) to `each`, in no
/// order. Sockets that come or go meanwhile may be missed.
pub fn each(states: &[u8], mut each: impl FnMut(&Entry)) -> Result<(), Errno> {
    match by_netlink(states, &mut each) {
        Ok(true) => Ok(()),
        // Nothing was handed over yet.
        Ok(false) | Err(_) => by_proc(states, &mut each),
    }
}

/// Whether a unix socket with this inode is there; `None` if the kernel does not say.
pub fn is_there(inode: u32) -> Option<bool> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    let socket = unix::socket(libc::AF_NETLINK, kind, NETLINK_SOCK_DIAG).ok()?;
    // struct nlmsghdr (a plain request), then struct unix_diag_req with no cookie.
    let mut request = [0u8; 40];
    request[0..4].copy_from_slice(&40u32.to_ne_bytes());
    request[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request[6..8].copy_from_slice(&1u16.to_ne_bytes());
    request[16] = libc::AF_UNIX as u8;
    request[20..24].copy_from_slice(&u32::MAX.to_ne_bytes());
    request[24..28].copy_from_slice(&inode.to_ne_bytes());
    request[32..40].fill(0xff);
    message::send_bytes(socket.raw(), &request, None, 0).ok()?;
    let mut buffer = [0u8; 512];
    let len = message::receive_bytes(socket.raw(), &mut buffer, None, 0).ok()?;
    let answer = buffer.get(..len)?;
    match u16_at(answer, 4)? {
        SOCK_DIAG_BY_FAMILY => Some(true),
        NLMSG_ERROR => {
            let errno = u32_at(answer, 16)? as i32;
            (errno == -libc::ENOENT).then_some(false)
        }
        _ => None,
    }
}

/// `Ok(false)`: not answered at all.
fn by_netlink(states: &[u8], each: &mut dyn FnMut(&Entry)) -> Result<bool, Errno> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    let socket = unix::socket(libc::AF_NETLINK, kind, NETLINK_SOCK_DIAG)?;
    let mask = states.iter().fold(0u32, |mask, s| mask | 1 << s);
    // struct nlmsghdr, then struct unix_diag_req.
    let mut request = [0u8; 40];
    request[0..4].copy_from_slice(&40u32.to_ne_bytes());
    request[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request[6..8].copy_from_slice(&REQUEST_DUMP.to_ne_bytes());
    request[16] = libc::AF_UNIX as u8;
    request[20..24].copy_from_slice(&mask.to_ne_bytes());
    request[28..32].copy_from_slice(&SHOW.to_ne_bytes());
    message::send_bytes(socket.raw(), &request, None, 0)?;
    let mut buffer = Scratch::new(PAGE)?;
    let mut answered = false;
    loop {
        match page(&socket, &mut buffer, each) {
            Ok(Page::More) => answered = true,
            Ok(Page::Last) => return Ok(true),
            Ok(Page::Refused) | Err(_) if !answered => return Ok(false),
            Ok(Page::Refused) => return Ok(true),
            Err(errno) => return Err(errno),
        }
    }
}

enum Page {
    More,
    Last,
    Refused,
}

fn page(socket: &Owned, buffer: &mut [u8], each: &mut dyn FnMut(&Entry)) -> Result<Page, Errno> {
    let len = loop {
        match message::receive_bytes(socket.raw(), buffer, None, 0) {
            Err(Errno::INTR) => {}
            other => break other?,
        }
    };
    let mut rest = &buffer[..len.min(buffer.len())];
    while let Some(length) = u32_at(rest, 0) {
        let length = length as usize;
        let Some(message) = rest.get(..length).filter(|m| m.len() >= 16) else { break };
        match u16_at(message, 4) {
            Some(NLMSG_DONE) => return Ok(Page::Last),
            Some(NLMSG_ERROR) => return Ok(Page::Refused),
            Some(SOCK_DIAG_BY_FAMILY) => {
                if let Some(entry) = entry(&message[16..]) {
                    each(&entry);
                }
            }
            _ => {}
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(Page::More)
}

/// Reads a `struct unix_diag_msg` and its attributes.
fn entry(body: &[u8]) -> Option<Entry<'_>> {
    let mut found = Entry {
        kind: i32::from(*body.get(1)?),
        state: *body.get(2)?,
        inode: u32_at(body, 4)?,
        name: &[],
        uid: None,
        peer: None,
        queues: None,
    };
    let mut rest = body.get(16..)?;
    while let (Some(length), Some(what)) = (u16_at(rest, 0), u16_at(rest, 2)) {
        let length = usize::from(length);
        let value = rest.get(4..length)?;
        match what {
            0 => found.name = value.strip_prefix(&[0]).unwrap_or_default(),
            2 => found.peer = u32_at(value, 0),
            4 => found.queues = u32_at(value, 0).zip(u32_at(value, 4)),
            7 => found.uid = u32_at(value, 0),
            _ => {}
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    (!found.name.is_empty()).then_some(found)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

fn by_proc(states: &[u8], each: &mut dyn FnMut(&Entry)) -> Result<(), Errno> {
    file::lines(c"/proc/net/unix", |line| {
        if let Some(entry) = proc_entry(line).filter(|e| states.contains(&e.state)) {
            each(&entry);
        }
    })
}

/// Reads a line `Num: RefCount Protocol Flags Type St Inode Path`, of which all but the inode are
/// hexadecimal. An abstract path begins with `@`.
fn proc_entry(line: &[u8]) -> Option<Entry<'_>> {
    let mut fields = line.split(|b| *b == b' ').filter(|f| !f.is_empty());
    let mut number = |radix| {
        let text = core::str::from_utf8(fields.next()?).ok()?;
        u32::from_str_radix(text, radix).ok()
    };
    // `Num:` is an address and a colon: no number.
    let _ = number(16);
    let (_references, _protocol) = (number(16)?, number(16)?);
    let (flags, kind, state, inode) = (number(16)?, number(16)?, number(16)?, number(10)?);
    let name = fields.next()?.strip_prefix(b"@")?;
    /// __SO_ACCEPTCON.
    const LISTENS: u32 = 1 << 16;
    /// SS_CONNECTED.
    const CONNECTED: u32 = 3;
    let state = match (flags & LISTENS != 0, state) {
        (true, _) => LISTENING,
        (false, CONNECTED) => ESTABLISHED,
        _ => CLOSED,
    };
    Some(Entry { kind: kind as i32, state, inode, name, uid: None, peer: None, queues: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(name: &str, by: impl FnOnce(&mut dyn FnMut(&Entry))) -> Option<(i32, u8, u32)> {
        let mut found = None;
        by(&mut |e| {
            if e.name == name.as_bytes() {
                found = Some((e.kind, e.state, e.inode));
            }
        });
        found
    }

    #[test]
    fn both_ways_show_the_same() {
        let name = format!("us-diag-test-{}", std::process::id());
        let socket = unix::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0).unwrap();
        unix::bind(socket.raw(), &unix::Address::abstract_name(name.as_bytes())).unwrap();
        for state in [CLOSED, LISTENING] {
            let all = [ESTABLISHED, CLOSED, LISTENING];
            let netlink = seen(&name, |f| assert_eq!(by_netlink(&all, f), Ok(true)));
            let proc = seen(&name, |f| by_proc(&all, f).unwrap());
            assert_eq!(netlink, proc);
            assert_eq!(netlink.map(|(k, s, _)| (k, s)), Some((libc::SOCK_STREAM, state)));
            let other = if state == CLOSED { LISTENING } else { CLOSED };
            assert_eq!(seen(&name, |f| assert_eq!(by_netlink(&[other], f), Ok(true))), None);
            unix::listen(socket.raw(), 5).unwrap();
        }
        let mut details = None;
        each(&[LISTENING], |e| {
            if e.name == name.as_bytes() {
                details = Some((e.uid, e.queues));
            }
        })
        .unwrap();
        let uid = rustix::process::getuid().as_raw();
        assert_eq!(details, Some((Some(uid), Some((0, 5)))));
    }

    #[test]
    fn many_sockets_need_many_pages() {
        let base = format!("us-diag-many-{}", std::process::id());
        let sockets: Vec<Owned> = (0..300)
            .map(|i| {
                let socket = unix::socket(libc::AF_UNIX, libc::SOCK_DGRAM, 0).unwrap();
                let name = format!("{base}-{i:060}");
                unix::bind(socket.raw(), &unix::Address::abstract_name(name.as_bytes())).unwrap();
                socket
            })
            .collect();
        let mut count = 0;
        each(&[CLOSED], |e| count += usize::from(e.name.starts_with(base.as_bytes()))).unwrap();
        assert_eq!(count, sockets.len());
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics(bytes in proptest::collection::vec(0u8..=255, 0..80)) {
            let _ = entry(&bytes);
            let _ = proc_entry(&bytes);
        }
    }
}
