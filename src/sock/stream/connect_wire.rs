//! connect(2) through the engine.
//!
//! The program's unix socket is connected to the engine's gateway, and its first bytes are the
//! [`ConnectRequest`]: so long that the socket is not writable until the engine has consumed it,
//! which it does when the handshake is done. If that fails the engine closes with the request
//! unread (`OUT|ERR|HUP`) and remembers why.
use super::connect::Step;
use super::connect_local::fail_late;
use super::error;
use super::fast_open::FirstData;
use super::tcp_info;
use crate::base::addr::{IpAddr, SocketAddr};
use crate::base::time::Duration;
use crate::base::{FourTuple, Instant};
use crate::host::{Errno, clock, fd, guard::guarded, message, option, poll, unix};
use crate::protocol::connect::ConnectRequest;
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

/// How long the engine may take to see a connect that waits for its data.
const DEFERRED_WAIT: Duration = Duration::from_secs(1);

/// A connect that is under way and is waited for.
#[derive(Clone, Copy)]
pub struct Wait {
    sock: Socket,
    /// `SO_SNDTIMEO`.
    until: Option<Instant>,
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
) -> Result<Step, Errno> {
    let sock = endpoint::become_endpoint(sock, remote, source, Way::Wire)?;
    let gateway = address_of(&Name { net: NetId(net::current().id), role: Role::Gateway });
    match unix::connect(sock.fd, &gateway) {
        Ok(()) => {}
        Err(Errno::CONNREFUSED) => return Err(Errno::NETUNREACH), // no engine
        Err(Errno::AGAIN) => return fail_late(sock, Errno::TIMEDOUT).map(|()| Step::Done),
        Err(errno) => return Err(errno),
    }
    let tuple = wire::tuple(&sock).map_err(|_| Errno::INVAL)?;
    let asks =
        || options::kept(&sock, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT).unwrap_or(0) != 0;
    let plan = match first {
        Some(first) => Plan::with_data(&sock, tuple, first).unwrap_or_default(),
        None if asks() => match fast_open_room(&sock, tuple) {
            Ok(1..) => return defer(sock, tuple).map(|()| Step::Done),
            _ => Plan { fast: Some(fast_open::NOW), ..Plan::default() },
        },
        None => Plan::default(),
    };
    ask_for(sock, tuple, plan)
}

/// The first data of a socket whose connect has waited for it.
pub fn begin_deferred(mut sock: Socket, first: &mut FirstData<'_>) -> Result<Step, Errno> {
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
            Ok(Step::Done)
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
fn ask_for(mut sock: Socket, tuple: FourTuple, plan: Plan<'_>) -> Result<Step, Errno> {
    sock.advance_and(Cause::BeginConnect, 0, SocketFlags::WIRE);
    wire::apply_lowat(&mut sock);
    send_request(sock, &request(&sock, tuple, plan.fast, plan.data))?;
    let waits = plan.waits.unwrap_or_else(|| !fd::is_nonblocking(sock.fd));
    if !waits {
        kind::set(sock.fd, FdKind::Opening);
        return Err(Errno::INPROGRESS);
    }
    Ok(Step::Wait(Wait::new(sock)))
}

/// `TCP_FASTOPEN_CONNECT`, and there is a cookie: the SYN waits for the first data. The engine
/// takes the request at once, and the socket is writable then, as on Linux.
fn defer(mut sock: Socket, tuple: FourTuple) -> Result<(), Errno> {
    sock.advance_and(Cause::Defer, 0, SocketFlags::WIRE);
    kind::set(sock.fd, FdKind::Opening);
    wire::apply_lowat(&mut sock);
    send_request(sock, &request(&sock, tuple, Some(fast_open::WITH_DATA), &[]))?;
    let _ = poll::one(sock.fd, libc::POLLOUT, Some(DEFERRED_WAIT));
    Ok(())
}

fn send_request(mut sock: Socket, request: &ConnectRequest) -> Result<(), Errno> {
    let (head, length) = (request.head(), request.length as usize);
    let sent = message::send_padded(sock.fd, [&head, request.data], length);
    if sent.is_none_or(|sent| sent < length) {
        sock.advance_and(Cause::GiveUp, SocketFlags::WIRE, 0);
        replace::unix_file(sock)?;
        return Err(Errno::NETUNREACH); // the engine has just died
    }
    Ok(())
}

/// How many bytes the SYN could carry.
fn fast_open_room(sock: &Socket, tuple: FourTuple) -> Result<usize, Errno> {
    match client::value_of(&Request::FastOpenRoom(tuple, wire::wire_options(sock))) {
        Ok(Some(room)) => Ok(room as usize),
        _ => Err(Errno::ALREADY),
    }
}

/// The request.
fn request<'a>(
    sock: &Socket,
    tuple: FourTuple,
    fast: Option<u32>,
    data: &'a [u8],
) -> ConnectRequest<'a> {
    // A unix socket is writable while four times what is queued is not more than SO_SNDBUF.
    let buffer = option::get_int(sock.fd, libc::SOL_SOCKET, libc::SO_SNDBUF).unwrap_or(212_992);
    let length = u32::try_from(buffer / 4 + 1).unwrap_or(ConnectRequest::HEAD_MAX as u32);
    let mut options = wire::wire_options(sock);
    if let Some(value) = fast {
        options.push(WireOption { kind: OptionKind::FastOpen, value });
    }
    ConnectRequest { length, tuple, options, data }
}

/// connect(2) again while the first is under way.
pub fn resume(sock: Socket, waits: bool) -> Result<Step, Errno> {
    match outcome(sock) {
        Some(answer) => answer.map(|()| Step::Done),
        None if !waits => Err(Errno::ALREADY),
        None => Ok(Step::Wait(Wait::new(sock))),
    }
}

/// How the connect ended; `None`: not yet.
fn outcome(mut sock: Socket) -> Option<Result<(), Errno>> {
    let shown = poll::now(sock.fd);
    if shown & (libc::POLLERR | libc::POLLHUP) != 0 {
        let reason = error::end_reason(&mut sock, true).unwrap_or(Errno::CONNRESET);
        return Some(Err(give_up(sock, reason)));
    }
    if shown & libc::POLLOUT != 0 {
        sock.advance(Cause::Established);
        kind::set(sock.fd, FdKind::Stream);
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
    sock.advance(Cause::Established);
    false
}

/// Before something is written to a socket whose connect may still be under way: the kernel would
/// take it, but TCP does not (Linux `sk_stream_wait_connect`). May block: the thread may leave.
pub fn await_writable(sock: &Socket, flags: i32) -> Result<(), Errno> {
    let is_ready = || poll::now(sock.fd) & (libc::POLLOUT | libc::POLLERR | libc::POLLHUP) != 0;
    if is_ready() {
        return Ok(());
    }
    if flags & libc::MSG_DONTWAIT == 0 && !fd::is_nonblocking(sock.fd) {
        poll::one_cancellable(sock.fd, libc::POLLOUT, send_timeout(sock))?;
    }
    guarded(|| match is_ready() || engine_says_connected(sock) {
        true => Ok(()),
        false => Err(Errno::AGAIN),
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
        let ended = guarded(|| match outcome(sock) {
            Some(answer) => answer.map(|()| true),
            None => Ok(false),
        })?;
        if ended {
            return Ok(());
        }
        let left = until.map(|at| at.since(clock::now()));
        if left == Some(Duration::ZERO) {
            return Err(Errno::INPROGRESS);
        }
        poll::one_cancellable(sock.fd, libc::POLLOUT, left)?;
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
