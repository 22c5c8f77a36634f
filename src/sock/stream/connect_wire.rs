//! connect(2) through the engine.
//!
//! The program's unix socket is connected to the engine's gateway, and its first bytes are the
//! [`ConnectRequest`]. The send buffer is made so small that the socket is not writable until the
//! engine has consumed it, which it does when the handshake is done; the first call that sees that
//! gives the buffer its size back ([`settle`]). If the handshake fails the engine closes with the
//! request unread (`OUT|ERR|HUP`) and remembers why.
use super::connect_local::fail_late;
use super::error;
use super::first_data::FirstData;
use super::tcp_info;
use crate::base::addr::{IpAddr, SocketAddr};
use crate::base::time::Duration;
use crate::base::{FourTuple, Instant};
use crate::host::{Errno, clock, fd, guard::guarded, message, option, poll, unix};
use crate::protocol::connect::ConnectRequest;
use crate::protocol::errno::from_byte;
use crate::protocol::name::{Name, NetId, Role};
use crate::protocol::option::{OptionKind, WireOption, fast_open};
use crate::protocol::request::{Reply, Request};
use crate::sock::bind::endpoint::{self, Way};
use crate::sock::client;
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::kind::{self, FdKind};
use crate::sock::descriptor::socket::{Socket, address_of};
use crate::sock::descriptor::state::{Cause, StreamState};
use crate::sock::net;
use crate::sock::options::{self, wire};
use crate::sock::replace;
use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

/// How long the engine may take to see a connect that waits for its data.
const DEFERRED_WAIT: Duration = Duration::from_secs(1);

/// A connect that is under way and is waited for.
#[derive(Clone, Copy)]
pub struct Wait {
    sock: Socket,
    /// `SO_SNDTIMEO`.
    until: Option<Instant>,
}

/// How far a connect through the engine has come.
#[derive(Clone, Copy)]
pub enum Begun {
    /// It is done, or waits for data (`TCP_FASTOPEN_CONNECT`).
    Done,
    /// It is under way, and the call waits for it.
    Wait(Wait),
}

impl Wait {
    fn new(sock: Socket) -> Wait {
        Wait { sock, until: send_timeout(&sock).map(|limit| clock::now() + limit) }
    }
}

/// Begins a connection to `remote` from `source` (unless the program bound an address).
///
/// With data that may go along (`MSG_FASTOPEN`), or with `TCP_FASTOPEN_CONNECT`, the engine is
/// asked whether there is a cookie; if there is none, it asks for one.
pub fn begin(
    sock: Socket,
    remote: SocketAddr,
    source: IpAddr,
    first: Option<&mut FirstData<'_>>,
) -> Result<Begun, Errno> {
    let sock = endpoint::become_endpoint(sock, remote, source, Way::Wire)?;
    let gateway = address_of(&Name { net: NetId(net::current().id), role: Role::Gateway });
    match unix::connect(sock.fd, &gateway) {
        Ok(()) => {}
        Err(Errno::CONNREFUSED) => return Err(Errno::NETUNREACH), // no engine
        Err(Errno::AGAIN) => return fail_late(sock, Errno::TIMEDOUT).map(|()| Begun::Done),
        Err(errno) => return Err(errno),
    }
    let tuple = wire::tuple(&sock).map_err(|_| Errno::INVAL)?;
    let asks =
        || options::kept(&sock, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT).unwrap_or(0) != 0;
    let plan = match first {
        Some(first) => Plan::with_data(&sock, tuple, first).unwrap_or_default(),
        None if asks() => match fast_open_room(&sock, tuple) {
            Ok(1..) => return defer(sock, tuple).map(|()| Begun::Done),
            _ => Plan { fast: Some(fast_open::NOW), ..Plan::default() },
        },
        None => Plan::default(),
    };
    ask_for(sock, tuple, plan)
}

/// The first data of a socket whose connect has waited for it.
pub fn begin_deferred(mut sock: Socket, first: &mut FirstData<'_>) -> Result<Begun, Errno> {
    let tuple = wire::tuple(&sock)?;
    match Plan::with_data(&sock, tuple, first) {
        Ok(plan) => {
            sock.advance(Cause::FirstData);
            ask_for(sock, tuple, plan)
        }
        // Data has gone past us: it was the first.
        Err(_) => {
            sock.advance(Cause::Established);
            kind::set(sock.fd, FdKind::Stream);
            Ok(Begun::Done)
        }
    }
}

/// What goes to the engine besides the options, and whether the call waits (`None`: as the
/// descriptor says).
#[derive(Default)]
struct Plan<'a> {
    fast: Option<u32>,
    data: &'a [u8],
    waits: Option<bool>,
}

impl<'a> Plan<'a> {
    /// As much as fits the SYN goes along.
    fn with_data(
        sock: &Socket,
        tuple: FourTuple,
        first: &mut FirstData<'a>,
    ) -> Result<Plan<'a>, Errno> {
        let room = fast_open_room(sock, tuple)?;
        let data = &first.data[..first.data.len().min(room)];
        first.carried = data.len();
        let more = first.waits && first.carried < first.total;
        let fast = if more { fast_open::NOW_AND_MORE } else { fast_open::NOW };
        Ok(Plan { fast: Some(fast), data, waits: Some(first.waits) })
    }
}

/// Sends the request; what is left to be done is to wait, if the call does.
fn ask_for(mut sock: Socket, tuple: FourTuple, plan: Plan<'_>) -> Result<Begun, Errno> {
    sock.advance_and(Cause::BeginConnect, 0, SocketFlags::WIRE);
    send_request(&mut sock, tuple, plan.fast, plan.data)?;
    let waits = plan.waits.unwrap_or_else(|| !fd::is_nonblocking(sock.fd));
    if !waits {
        kind::set(sock.fd, FdKind::Opening);
        return Err(Errno::INPROGRESS);
    }
    Ok(Begun::Wait(Wait::new(sock)))
}

/// `TCP_FASTOPEN_CONNECT`, and there is a cookie: the SYN waits for the first data. The engine
/// takes the request at once, and the socket is writable then, as on Linux.
fn defer(mut sock: Socket, tuple: FourTuple) -> Result<(), Errno> {
    sock.advance_and(Cause::Defer, 0, SocketFlags::WIRE);
    kind::set(sock.fd, FdKind::Opening);
    send_request(&mut sock, tuple, Some(fast_open::WITH_DATA), &[])?;
    let _ = poll::one(sock.fd, libc::POLLOUT, Some(DEFERRED_WAIT));
    restore_buffer(&mut sock);
    Ok(())
}

fn send_request(
    sock: &mut Socket,
    tuple: FourTuple,
    fast: Option<u32>,
    data: &[u8],
) -> Result<(), Errno> {
    let mut options = wire::wire_options(sock);
    if let Some(value) = fast {
        options.push(WireOption { kind: OptionKind::FastOpen, value });
    }
    let request = ConnectRequest { length: ConnectRequest::LEAST as u32, tuple, options, data };
    let mut message = [0; ConnectRequest::LEAST];
    let head = request.head();
    message[..head.len()].copy_from_slice(&head);
    // Padding only behind the head, where no data follows.
    let len = if data.is_empty() { message.len() } else { head.len() };
    let padding = ConnectRequest::LEAST.saturating_sub(len + data.len());
    let parts = [&message[..len], data];
    shrink_buffer(sock, len + data.len() + padding);
    let mut sent = message::send_pieces(sock.fd, parts, None);
    if padding > 0 && sent.is_ok() {
        sent = message::send_bytes(sock.fd, &[0; ConnectRequest::LEAST][..padding], None, FLAGS);
    }
    let Err(errno) = sent.and_then(|n| if n > 0 { Ok(()) } else { Err(Errno::PIPE) }) else {
        return Ok(());
    };
    // The engine has turned us away already, or has just died.
    let reason = match errno {
        Errno::PIPE | Errno::CONNRESET => client::errno_of(&Request::EndReason(tuple)).ok(),
        _ => None,
    };
    sock.advance_and(Cause::GiveUp, SocketFlags::WIRE, 0);
    restore_buffer(sock);
    replace::unix_file(*sock)?;
    Err(reason.and_then(from_byte).unwrap_or(Errno::NETUNREACH))
}

const FLAGS: i32 = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;

/// `SO_SNDBUF` of a socket whose program has not set it (`net.core.wmem_default`); 0: unknown.
static DEFAULT_BUFFER: AtomicI32 = AtomicI32::new(0);

/// What `SO_SNDBUF` is when no connect is under way.
pub fn full_buffer(sock: &Socket) -> i32 {
    if let Some(set) = options::kept(sock, libc::SOL_SOCKET, libc::SO_SNDBUF) {
        return set;
    }
    match DEFAULT_BUFFER.load(Relaxed) {
        0 => {
            let fresh = unix::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
            let default = fresh.and_then(|fresh| buffer_of(fresh.raw()));
            default.unwrap_or(FALLBACK_BUFFER)
        }
        known => known,
    }
}

/// The kernel's own default.
const FALLBACK_BUFFER: i32 = 212_992;

fn buffer_of(fd: fd::Raw) -> Result<i32, Errno> {
    option::get_int(fd, libc::SOL_SOCKET, libc::SO_SNDBUF)
}

/// Makes the send buffer so small that a message of `len` bytes fills it.
fn shrink_buffer(sock: &Socket, len: usize) {
    if DEFAULT_BUFFER.load(Relaxed) == 0
        && options::kept(sock, libc::SOL_SOCKET, libc::SO_SNDBUF).is_none()
        && let Ok(size) = buffer_of(sock.fd)
    {
        DEFAULT_BUFFER.store(size, Relaxed);
    }
    // The kernel doubles it, and one piece may have half of that less 64 bytes.
    let _ = option::set_int(sock.fd, libc::SOL_SOCKET, libc::SO_SNDBUF, len as i32 + 64);
}

/// The program has set `SO_SNDBUF` while its connect is under way: the new size counts later,
/// but the socket must not become writable.
pub fn keep_shrunk(sock: &Socket) {
    if sock.has(SocketFlags::WIRE) && sock.state() == StreamState::Connecting {
        shrink_buffer(sock, ConnectRequest::LEAST);
    }
}

fn restore_buffer(sock: &mut Socket) {
    let half = full_buffer(sock) / 2;
    let _ = option::set_int(sock.fd, libc::SOL_SOCKET, libc::SO_SNDBUF, half);
    wire::apply_lowat(sock);
}

/// The handshake is done, and the program knows it from now on.
fn settle(sock: &mut Socket) {
    restore_buffer(sock);
    sock.advance(Cause::Established);
    kind::set(sock.fd, FdKind::of_flags(sock.flags));
}

/// How many bytes the SYN could carry.
fn fast_open_room(sock: &Socket, tuple: FourTuple) -> Result<usize, Errno> {
    match client::value_of(&Request::FastOpenRoom(tuple, wire::wire_options(sock))) {
        Ok(Some(room)) => Ok(room as usize),
        _ => Err(Errno::ALREADY),
    }
}

/// connect(2) again while the first is under way.
pub fn resume(sock: Socket, waits: bool) -> Result<Begun, Errno> {
    match outcome(sock, poll::now(sock.fd)) {
        Some(answer) => answer.map(|()| Begun::Done),
        None if !waits => Err(Errno::ALREADY),
        None => Ok(Begun::Wait(Wait::new(sock))),
    }
}

/// How the connect ended, by what `poll` shows; `None`: not yet.
fn outcome(mut sock: Socket, shown: i16) -> Option<Result<(), Errno>> {
    if shown & (libc::POLLERR | libc::POLLHUP) != 0 {
        let reason = error::end_reason(&mut sock, true).unwrap_or(Errno::CONNRESET);
        return Some(Err(give_up(sock, reason)));
    }
    if shown & libc::POLLOUT != 0 {
        settle(&mut sock);
        return Some(Ok(()));
    }
    None
}

/// Whether the connect is still under way. A socket that is not writable may just have a full
/// buffer; then the engine knows.
pub fn is_pending(sock: &mut Socket) -> bool {
    match sock.state() {
        StreamState::Deferred => return !engine_says_connected(sock),
        StreamState::Connecting if sock.has(SocketFlags::WIRE) => {}
        _ => return false,
    }
    let shown = poll::now(sock.fd);
    if shown & (libc::POLLERR | libc::POLLHUP) != 0 {
        return true;
    }
    if shown & libc::POLLOUT == 0 && !engine_says_connected(sock) {
        return true;
    }
    settle(sock);
    false
}

/// Before something is written to a socket whose connect may still be under way: the kernel would
/// take it, but TCP does not (Linux `sk_stream_wait_connect`). May block: the thread may leave.
pub fn await_writable(mut sock: Socket, flags: i32) -> Result<(), Errno> {
    if flags & libc::MSG_DONTWAIT == 0 && !fd::is_nonblocking(sock.fd) {
        poll::one_cancellable(sock.fd, libc::POLLOUT, send_timeout(&sock))?;
    }
    guarded(|| {
        let shown = poll::now(sock.fd);
        if shown & (libc::POLLERR | libc::POLLHUP) != 0 {
            return Ok(());
        }
        if shown & libc::POLLOUT == 0 && !engine_says_connected(&sock) {
            return Err(Errno::AGAIN);
        }
        settle(&mut sock);
        Ok(())
    })
}

fn engine_says_connected(sock: &Socket) -> bool {
    /// `tcpi_state` of a connection whose SYN has not been answered.
    const SYN_SENT: u8 = 2;
    let Ok(tuple) = wire::tuple(sock) else { return false };
    let mut room = [0; Reply::HEAD + tcp_info::SIZE];
    match client::ask(&Request::Info(tuple), &mut room) {
        Ok(Reply::Info(info)) => info.first().is_some_and(|state| *state != SYN_SENT),
        _ => false,
    }
}

/// After a failure that the program is told of at once: the socket is as if new.
fn give_up(mut sock: Socket, reason: Errno) -> Errno {
    sock.advance_and(Cause::GiveUp, SocketFlags::WIRE, 0);
    let _ = replace::unix_file(sock);
    reason
}

/// Blocks until the connect has ended, or `SO_SNDTIMEO` (`EINPROGRESS`), or a signal (`EINTR`; the
/// connect goes on, and may be asked for again). The thread may leave.
pub fn wait(wait: Wait) -> Result<(), Errno> {
    let Wait { sock, until } = wait;
    loop {
        let left = until.map(|at| at.since(clock::now()));
        let shown = poll::one_cancellable(sock.fd, libc::POLLOUT, left)?;
        let ended = guarded(|| match outcome(sock, shown) {
            Some(answer) => answer.map(|()| true),
            None => Ok(false),
        })?;
        if ended {
            return Ok(());
        }
        if left == Some(Duration::ZERO) {
            return Err(Errno::INPROGRESS);
        }
    }
}

fn send_timeout(sock: &Socket) -> Option<Duration> {
    let mut bytes = [0; 16];
    option::get(sock.fd, libc::SOL_SOCKET, libc::SO_SNDTIMEO, &mut bytes).ok()?;
    let (seconds, micros) = bytes.split_at(8);
    let word = |b: &[u8]| b.try_into().map_or(0, u64::from_ne_bytes);
    let limit = Duration::from_secs(word(seconds)) + Duration::from_micros(word(micros));
    (!limit.is_zero()).then_some(limit)
}
