//! The client of the engine: questions on the control channel. One connection a question: nothing
//! stays open in the program, so there is nothing to leak over `fork` or `exec`. No allocation.
use super::descriptor::socket::address_of;
use super::net;
use crate::base::addr::IpAddr;
use crate::host::{Errno, fd::Owned, message, message::Payload, option, private_table, unix};
use crate::protocol::name::{Name, NetId, Role};
use crate::protocol::request::{Reply, Request};

/// How long the engine may take to answer, seconds.
const PATIENCE_SECONDS: i64 = 5;

/// Room for a reply that is a number.
pub const NUMBER: usize = 16;

/// Why a question has no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AskError {
    /// The process has used up its descriptors (`EMFILE`, `ENFILE`), or may not make a socket.
    NoDescriptor(Errno),
    /// No engine runs in this net, or it has ended while it was asked.
    NoEngine,
    /// The engine did not answer in time.
    Slow,
    /// The answer is none of ours.
    Nonsense,
}

impl AskError {
    /// What a program is told whose call cannot be answered otherwise.
    pub fn errno(self) -> Errno {
        match self {
            AskError::NoDescriptor(errno) => errno,
            AskError::NoEngine => Errno::NETDOWN,
            AskError::Slow => Errno::TIMEDOUT,
            AskError::Nonsense => Errno::PROTO,
        }
    }
}

/// Asks the engine of this process's net, and waits for the answer, which is read into `room`.
pub fn ask<'a>(request: &Request, room: &'a mut [u8]) -> Result<Reply<'a>, AskError> {
    let len = with_a_descriptor(|| exchange(request, room))?;
    match len {
        0 => Err(AskError::NoEngine),
        len => Reply::decode(&room[..len]).ok_or(AskError::Nonsense),
    }
}

/// One question, and its answer; how many bytes that has.
fn exchange(request: &Request, room: &mut [u8]) -> Result<usize, AskError> {
    let channel = connect()?;
    send(&channel, request)?;
    retry(|| message::receive_bytes(channel.raw(), room, None, 0)).map_err(of_channel)
}

/// Makes a question also where the process has used up its descriptors.
fn with_a_descriptor<T: Copy>(mut ask: impl FnMut() -> Result<T, AskError>) -> Result<T, AskError> {
    match ask() {
        Err(AskError::NoDescriptor(errno @ (Errno::MFILE | Errno::NFILE))) => {
            private_table::run(-1, ask).unwrap_or(Err(AskError::NoDescriptor(errno)))
        }
        answer => answer,
    }
}

/// Asks for bytes ([`Reply::Info`]), which are read straight into the program's `payload`; how
/// many.
pub fn ask_for_bytes(request: &Request, payload: Payload) -> Result<usize, AskError> {
    let mut head = 0;
    let len = with_a_descriptor(|| {
        let channel = connect()?;
        send(&channel, request)?;
        retry(|| message::receive_behind(channel.raw(), &mut head, payload)).map_err(of_channel)
    })?;
    match len {
        0 => Err(AskError::NoEngine),
        len if head == Reply::INFO => Ok(len - Reply::HEAD),
        _ => Err(AskError::Nonsense),
    }
}

/// Asks for something whose answer is an errno: 0 is `Ok`.
pub fn demand(request: &Request) -> Result<(), Errno> {
    match errno_of(request) {
        Ok(0) => Ok(()),
        Ok(errno) => Err(Errno::from_raw_os_error(i32::from(errno))),
        Err(error) => Err(error.errno()),
    }
}

/// Asks for an errno.
pub fn errno_of(request: &Request) -> Result<u8, AskError> {
    match ask(request, &mut [0; NUMBER])? {
        Reply::Errno(errno) => Ok(errno),
        _ => Err(AskError::Nonsense),
    }
}

/// Asks for a number. `None`: the engine knows none.
pub fn value_of(request: &Request) -> Result<Option<u32>, AskError> {
    match ask(request, &mut [0; NUMBER])? {
        Reply::Value(value) => Ok(Some(value)),
        Reply::Errno(_) => Ok(None),
        _ => Err(AskError::Nonsense),
    }
}

/// The longest packet to `ip` that need not be cut, bytes; `None`: it is not known.
pub fn path_mtu(ip: IpAddr) -> Option<u16> {
    match ask(&Request::PathMtu(ip), &mut [0; NUMBER]).ok()? {
        Reply::Info(bytes) => Some(u16::from_le_bytes(*bytes.first_chunk()?)),
        _ => None,
    }
}

fn send(channel: &Owned, request: &Request) -> Result<(), AskError> {
    let packet = request.encode();
    let sent = retry(|| message::send_bytes(channel.raw(), &packet, None, libc::MSG_NOSIGNAL));
    sent.map(drop).map_err(of_channel)
}

fn connect() -> Result<Owned, AskError> {
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    let channel = unix::socket(libc::AF_UNIX, kind, 0).map_err(AskError::NoDescriptor)?;
    let patience = libc::timeval { tv_sec: PATIENCE_SECONDS, tv_usec: 0 };
    let mut bytes = [0u8; 16];
    bytes[..8].copy_from_slice(&patience.tv_sec.to_ne_bytes());
    bytes[8..].copy_from_slice(&patience.tv_usec.to_ne_bytes());
    for direction in [libc::SO_RCVTIMEO, libc::SO_SNDTIMEO] {
        option::set(channel.raw(), libc::SOL_SOCKET, direction, &bytes).map_err(of_channel)?;
    }
    let name = Name { net: NetId(net::current().id), role: Role::Control };
    retry(|| unix::connect(channel.raw(), &address_of(&name))).map_err(of_channel)?;
    Ok(channel)
}

fn of_channel(errno: Errno) -> AskError {
    match errno {
        Errno::AGAIN => AskError::Slow,
        _ => AskError::NoEngine,
    }
}

fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}
