//! connect(2) through the engine.
//!
//! The program's unix socket is connected to the engine's gateway, and its first bytes are the
//! [`ConnectRequest`]: so long that the socket is not writable until the engine has consumed it,
//! which it does when the handshake is done. If that fails the engine closes with the request
//! unread (`OUT|ERR|HUP`) and remembers why.
use super::ask;
use super::connect_local::fail_late;
use super::control::{ConnectRequest, OptionKind, Reply, Request, WireOption, fast_open};
use super::endpoint;
use super::fast_open::First;
use super::name::{Name, NetId, Role};
use super::net_env;
use super::object::{Sock, address_of};
use super::options;
use super::replace;
use super::stream_error;
use super::tag::Tag;
use crate::base::FourTuple;
use crate::base::addr::{IpAddr, SocketAddr};
use crate::base::time::Duration;
use crate::host::{Errno, clock, fd, message, option, poll, unix};

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
    let mut sock = endpoint::become_endpoint(sock, remote, source)?;
    let net = NetId(net_env::current().id);
    let gateway = address_of(&Name { net, role: Role::Gateway });
    match unix::connect(sock.fd, &gateway) {
        Ok(()) => {}
        Err(Errno::CONNREFUSED) => return Err(Errno::NETUNREACH), // no engine
        Err(Errno::AGAIN) => return fail_late(sock, Errno::TIMEDOUT),
        Err(errno) => return Err(errno),
    }
    let Some(Role::Endpoint { local, remote }) = sock.own_name().map(|n| n.role) else {
        return Err(Errno::INVAL);
    };
    let tuple = FourTuple { local, remote };
    let (fast, data) = plan_fast_open(&sock, net, tuple, first);
    let deferred = fast == Some(fast_open::WITH_DATA);
    let connecting = if deferred { 0 } else { Tag::CONNECTING };
    sock.add(Tag::CONNECTED | Tag::WIRE | connecting);
    options::apply_lowat(&mut sock);
    let request = request(&sock, tuple, fast, data);
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    if message::send_bytes(sock.fd, &request, None, flags) != Ok(request.len()) {
        sock.remove(Tag::CONNECTED | Tag::CONNECTING | Tag::WIRE);
        replace::unix_file(sock)?;
        return Err(Errno::NETUNREACH); // the engine has just died
    }
    if deferred {
        // The engine takes the request at once: the socket is writable then, as on Linux.
        let _ = poll::one(sock.fd, libc::POLLOUT, Some(DEFERRED_WAIT));
        return Ok(());
    }
    if fd::is_nonblocking(sock.fd) { Err(Errno::INPROGRESS) } else { wait(sock) }
}

/// What the request says of fast open, and the data that goes with it.
fn plan_fast_open<'a>(
    sock: &Sock,
    net: NetId,
    tuple: FourTuple,
    first: Option<&mut First<'a>>,
) -> (Option<u32>, &'a [u8]) {
    let deferred = || {
        options::annex_int(sock, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT).unwrap_or(0) != 0
    };
    if first.is_none() && !deferred() {
        return (None, &[]);
    }
    let room = match ask::ask(net, &Request::FastOpenRoom(tuple)) {
        Some(Reply::Value(room)) => room as usize,
        _ => 0,
    };
    match first {
        Some(first) => {
            let data = &first.data[..first.data.len().min(room)];
            first.carried = data.len();
            (Some(fast_open::NOW), data)
        }
        None if room > 0 => (Some(fast_open::WITH_DATA), &[]),
        None => (Some(fast_open::NOW), &[]),
    }
}

/// The request with its padding.
fn request(sock: &Sock, tuple: FourTuple, fast: Option<u32>, data: &[u8]) -> Vec<u8> {
    // A unix socket is writable while four times what is queued is not more than SO_SNDBUF.
    let buffer = option::get_int(sock.fd, libc::SOL_SOCKET, libc::SO_SNDBUF).unwrap_or(212_992);
    let length = u32::try_from(buffer / 4 + 1).unwrap_or(ConnectRequest::HEADER_MAX as u32);
    let mut options = options::wire_options(sock);
    options.extend(fast.map(|value| WireOption { kind: OptionKind::FastOpen, value }));
    ConnectRequest { length, tuple, options, data: data.to_vec() }.encode()
}

/// connect(2) again while the first is under way.
pub fn resume(sock: Sock) -> Result<(), Errno> {
    match outcome(sock) {
        Some(answer) => answer,
        None if fd::is_nonblocking(sock.fd) => Err(Errno::ALREADY),
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

fn engine_says_connected(sock: &Sock) -> bool {
    /// `tcpi_state` of a connection whose SYN has not been answered.
    const SYN_SENT: u8 = 2;
    let Some(Role::Endpoint { local, remote }) = sock.own_name().map(|n| n.role) else {
        return false;
    };
    let net = NetId(net_env::current().id);
    match ask::ask(net, &Request::Info(FourTuple { local, remote })) {
        Some(Reply::Info(info)) => info.first().is_some_and(|state| *state != SYN_SENT),
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
    let net = NetId(net_env::current().id);
    ask::demand(net, &Request::SetOption(tuple, option))
}
