//! connect(2) through the engine.
//!
//! The program's unix socket is connected to the engine's gateway, and its first bytes are the
//! [`ConnectRequest`]: so long that the socket is not writable until the engine has consumed it,
//! which it does when the handshake is done. If that fails the engine closes with the request
//! unread (`OUT|ERR|HUP`) and remembers why.
use super::ask;
use super::class::{self, Class};
use super::connect_local::fail_late;
use super::endpoint;
use super::fast_open::First;
use super::net_env;
use super::object::{Sock, address_of};
use super::options;
use super::replace;
use super::stream_error;
use super::tag::Tag;
use super::tcp_info;
use crate::base::FourTuple;
use crate::base::addr::{IpAddr, SocketAddr};
use crate::base::time::Duration;
use crate::host::{Errno, clock, fd, message, option, poll, unix};
use crate::protocol::connect::ConnectRequest;
use crate::protocol::name::{Name, NetId, Role};
use crate::protocol::option::{OptionKind, WireOption, fast_open};
use crate::protocol::request::{Reply, Request};

/// How long the engine may take to see a connect that waits for its data.
const DEFERRED_WAIT: Duration = Duration::from_secs(1);

/// Connects to `remote` from `source` (unless the program bound an address).
/// With data that may go along (`MSG_FASTOPEN`), or with `TCP_FASTOPEN_CONNECT`, the engine is
/// asked whether there is a cookie; if there is none, it asks for one.
pub fn connect(
    sock: Sock,
    remote: SocketAddr,
    source: IpAddr,
    first: Option<&mut First<'_>>,
) -> Result<(), Errno> {
    let sock = endpoint::become_endpoint(sock, remote, source)?;
    let net = NetId(net_env::current().id);
    let gateway = address_of(&Name { net, role: Role::Gateway });
    match unix::connect(sock.fd, &gateway) {
        Ok(()) => {}
        Err(Errno::CONNREFUSED) => return Err(Errno::NETUNREACH), // no engine
        Err(Errno::AGAIN) => return fail_late(sock, Errno::TIMEDOUT),
        Err(errno) => return Err(errno),
    }
    let tuple = tuple_of(&sock)?;
    let asks = || {
        options::annex_int(&sock, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT).unwrap_or(0) != 0
    };
    let plan = match first {
        Some(first) => Plan::with_data(net, &sock, tuple, first).unwrap_or_default(),
        None if asks() => match fast_open_room(net, &sock, tuple) {
            Ok(1..) => return defer(sock, tuple),
            _ => Plan { fast: Some(fast_open::NOW), ..Plan::default() },
        },
        None => Plan::default(),
    };
    begin(sock, tuple, plan)
}

/// The first data of a socket whose connect has waited for it.
pub fn connect_deferred(mut sock: Sock, first: &mut First<'_>) -> Result<(), Errno> {
    let tuple = tuple_of(&sock)?;
    let plan = Plan::with_data(NetId(net_env::current().id), &sock, tuple, first);
    sock.remove(Tag::DEFERRED);
    class::set(sock.fd, Class::Stream);
    match plan {
        Ok(plan) => begin(sock, tuple, plan),
        // Data has gone past us: it was the first.
        Err(_) => Ok(()),
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
        net: NetId,
        sock: &Sock,
        tuple: FourTuple,
        first: &mut First<'a>,
    ) -> Result<Plan<'a>, Errno> {
        let room = fast_open_room(net, sock, tuple)?;
        let data = &first.data[..first.data.len().min(room)];
        first.carried = data.len();
        let more = first.waits && first.carried < first.total;
        let fast = if more { fast_open::NOW_AND_MORE } else { fast_open::NOW };
        Ok(Plan { fast: Some(fast), data, waits: Some(first.waits) })
    }
}

/// Sends the request, and waits if the call does.
fn begin(mut sock: Sock, tuple: FourTuple, plan: Plan<'_>) -> Result<(), Errno> {
    sock.add(Tag::CONNECTED | Tag::CONNECTING | Tag::WIRE);
    options::apply_lowat(&mut sock);
    send_request(sock, &request(&sock, tuple, plan.fast, plan.data))?;
    let waits = plan.waits.unwrap_or_else(|| !fd::is_nonblocking(sock.fd));
    if !waits {
        class::set(sock.fd, Class::Opening);
        return Err(Errno::INPROGRESS);
    }
    wait(sock)
}

/// `TCP_FASTOPEN_CONNECT`, and there is a cookie: the SYN waits for the first data. The engine
/// takes the request at once, and the socket is writable then, as on Linux.
fn defer(mut sock: Sock, tuple: FourTuple) -> Result<(), Errno> {
    sock.add(Tag::CONNECTED | Tag::WIRE | Tag::DEFERRED);
    class::set(sock.fd, Class::Opening);
    options::apply_lowat(&mut sock);
    send_request(sock, &request(&sock, tuple, Some(fast_open::WITH_DATA), &[]))?;
    let _ = poll::one(sock.fd, libc::POLLOUT, Some(DEFERRED_WAIT));
    Ok(())
}

fn send_request(mut sock: Sock, request: &ConnectRequest) -> Result<(), Errno> {
    let (head, length) = (request.head(), request.length as usize);
    let sent = message::send_padded(sock.fd, [&head, request.data], length);
    if sent.is_none_or(|sent| sent < length) {
        sock.remove(Tag::CONNECTED | Tag::CONNECTING | Tag::WIRE | Tag::DEFERRED);
        replace::unix_file(sock)?;
        return Err(Errno::NETUNREACH); // the engine has just died
    }
    Ok(())
}

fn tuple_of(sock: &Sock) -> Result<FourTuple, Errno> {
    match sock.own_name().map(|name| name.role) {
        Some(Role::Endpoint { local, remote }) => Ok(FourTuple { local, remote }),
        _ => Err(Errno::INVAL),
    }
}

/// How many bytes the SYN could carry.
fn fast_open_room(_net: NetId, sock: &Sock, tuple: FourTuple) -> Result<usize, Errno> {
    match ask::value_of(&Request::FastOpenRoom(tuple, options::wire_options(sock))) {
        Ok(Some(room)) => Ok(room as usize),
        _ => Err(Errno::ALREADY),
    }
}

/// The request.
fn request<'a>(
    sock: &Sock,
    tuple: FourTuple,
    fast: Option<u32>,
    data: &'a [u8],
) -> ConnectRequest<'a> {
    // A unix socket is writable while four times what is queued is not more than SO_SNDBUF.
    let buffer = option::get_int(sock.fd, libc::SOL_SOCKET, libc::SO_SNDBUF).unwrap_or(212_992);
    let length = u32::try_from(buffer / 4 + 1).unwrap_or(ConnectRequest::HEAD_MAX as u32);
    let mut options = options::wire_options(sock);
    if let Some(value) = fast {
        options.push(WireOption { kind: OptionKind::FastOpen, value });
    }
    ConnectRequest { length, tuple, options, data }
}

/// connect(2) again while the first is under way.
pub fn resume(sock: Sock, waits: bool) -> Result<(), Errno> {
    match outcome(sock) {
        Some(answer) => answer,
        None if !waits => Err(Errno::ALREADY),
        None => wait(sock),
    }
}

/// How the connect ended; `None`: not yet.
fn outcome(mut sock: Sock) -> Option<Result<(), Errno>> {
    let shown = poll::now(sock.fd);
    if shown & (libc::POLLERR | libc::POLLHUP) != 0 {
        let reason = stream_error::end_reason(&mut sock, true).unwrap_or(Errno::CONNRESET);
        return Some(Err(give_up(sock, reason)));
    }
    if shown & libc::POLLOUT != 0 {
        sock.remove(Tag::CONNECTING);
        return Some(Ok(()));
    }
    None
}

/// Whether the connect is still under way. A socket that is not writable may just have a full
/// buffer; then the engine knows.
pub fn is_pending(sock: &mut Sock) -> bool {
    if sock.has(Tag::DEFERRED) {
        return !engine_says_connected(sock);
    }
    if !sock.has(Tag::WIRE) || !sock.has(Tag::CONNECTING) {
        return false;
    }
    let shown = poll::now(sock.fd);
    if shown & (libc::POLLERR | libc::POLLHUP) != 0 {
        return true;
    }
    if shown & libc::POLLOUT == 0 && !engine_says_connected(sock) {
        return true;
    }
    sock.remove(Tag::CONNECTING);
    false
}

/// Before something is written to a socket whose connect may still be under way: the kernel would
/// take it, but TCP does not (Linux `sk_stream_wait_connect`).
pub fn await_writable(sock: &Sock, flags: i32) -> Result<(), Errno> {
    let ready = || poll::now(sock.fd) & (libc::POLLOUT | libc::POLLERR | libc::POLLHUP) != 0;
    if ready() {
        return Ok(());
    }
    if flags & libc::MSG_DONTWAIT == 0 && !fd::is_nonblocking(sock.fd) {
        poll::one(sock.fd, libc::POLLOUT, send_timeout(sock))?;
    }
    if ready() || engine_says_connected(sock) { Ok(()) } else { Err(Errno::AGAIN) }
}

fn engine_says_connected(sock: &Sock) -> bool {
    /// `tcpi_state` of a connection whose SYN has not been answered.
    const SYN_SENT: u8 = 2;
    let Some(Role::Endpoint { local, remote }) = sock.own_name().map(|n| n.role) else {
        return false;
    };
    let mut room = [0; Reply::HEAD + tcp_info::SIZE];
    match ask::ask(&Request::Info(FourTuple { local, remote }), &mut room) {
        Ok(Reply::Info(info)) => info.first().is_some_and(|state| *state != SYN_SENT),
        _ => false,
    }
}

/// After a failure that the program is told of at once: the socket is as if new.
fn give_up(mut sock: Sock, reason: Errno) -> Errno {
    let spent = Tag::CONNECTED | Tag::CONNECTING | Tag::WIRE | Tag::FAILED | Tag::END_REPORTED;
    sock.remove(spent);
    let _ = replace::unix_file(sock);
    reason
}

/// Blocks until the connect has ended, or `SO_SNDTIMEO` (`EINPROGRESS`), or a signal (`EINTR`; the
/// connect goes on, and may be asked for again).
fn wait(sock: Sock) -> Result<(), Errno> {
    let deadline = send_timeout(&sock).map(|limit| clock::now() + limit);
    loop {
        if let Some(answer) = outcome(sock) {
            return answer;
        }
        let left = deadline.map(|at| at.since(clock::now()));
        if left == Some(Duration::ZERO) {
            return Err(Errno::INPROGRESS);
        }
        poll::one(sock.fd, libc::POLLOUT, left)?;
    }
}

fn send_timeout(sock: &Sock) -> Option<Duration> {
    let mut bytes = [0; 16];
    option::get(sock.fd, libc::SOL_SOCKET, libc::SO_SNDTIMEO, &mut bytes).ok()?;
    let (seconds, micros) = bytes.split_at(8);
    let word = |b: &[u8]| b.try_into().map_or(0, u64::from_ne_bytes);
    let limit = Duration::from_secs(word(seconds)) + Duration::from_micros(word(micros));
    (!limit.is_zero()).then_some(limit)
}

/// Tells the engine of an option of a wire connection.
pub fn set_option(tuple: FourTuple, kind: OptionKind, value: u32) -> Result<(), Errno> {
    let option = WireOption { kind, value };
    ask::demand(&Request::SetOption(tuple, option))
}
