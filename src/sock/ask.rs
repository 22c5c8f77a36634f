//! Asking the engine, on the control channel. One connection a question: nothing stays open in the
//! program, so there is nothing to leak over `fork` or `exec`.
use super::control::{PACKET_MAX, Reply, Request};
use super::name::{Name, NetId, Role};
use super::net_env;
use super::object::address_of;
use crate::base::addr::IpAddr;
use crate::host::{Errno, message, option, unix};

/// How long the engine may take to answer, seconds.
const PATIENCE_SECONDS: i64 = 5;

/// Asks, and waits for the answer. `None`: there is no engine, or it does not answer.
pub fn ask(net: NetId, request: &Request) -> Option<Reply> {
    try_ask(net, request).ok()
}

/// Asks for something whose answer is an errno. No engine: `ENETDOWN`.
pub fn demand(net: NetId, request: &Request) -> Result<(), Errno> {
    match ask(net, request) {
        Some(Reply::Errno(0)) => Ok(()),
        Some(Reply::Errno(errno)) => Err(Errno::from_raw_os_error(i32::from(errno))),
        Some(_) => Err(Errno::PROTO),
        None => Err(Errno::NETDOWN),
    }
}

/// The longest packet to `ip` that need not be cut, bytes; `None`: there is no engine to know.
pub fn path_mtu(ip: IpAddr) -> Option<u16> {
    match ask(NetId(net_env::current().id), &Request::PathMtu(ip))? {
        Reply::Info(bytes) => Some(u16::from_le_bytes(*bytes.first_chunk()?)),
        _ => None,
    }
}

fn try_ask(net: NetId, request: &Request) -> Result<Reply, Errno> {
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    let channel = unix::socket(libc::AF_UNIX, kind, 0)?;
    let patience = libc::timeval { tv_sec: PATIENCE_SECONDS, tv_usec: 0 };
    let mut bytes = [0u8; 16];
    bytes[..8].copy_from_slice(&patience.tv_sec.to_ne_bytes());
    bytes[8..].copy_from_slice(&patience.tv_usec.to_ne_bytes());
    for direction in [libc::SO_RCVTIMEO, libc::SO_SNDTIMEO] {
        option::set(channel.raw(), libc::SOL_SOCKET, direction, &bytes)?;
    }
    let name = Name { net, role: Role::Control };
    retry(|| unix::connect(channel.raw(), &address_of(&name)))?;
    let packet = request.encode();
    retry(|| message::send_bytes(channel.raw(), &packet, None, libc::MSG_NOSIGNAL))?;
    let mut answer = vec![0; PACKET_MAX];
    let len = retry(|| message::receive_bytes(channel.raw(), &mut answer, None, 0))?;
    Reply::decode(&answer[..len]).ok_or(Errno::PROTO)
}

fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}
