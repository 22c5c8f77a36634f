//! connect(2) of streams: where to, and what state the socket is in. The two ways there are
//! [`super::connect_local`] and [`super::connect_wire`].
use super::connect_local::{self, Attempt};
use super::connect_wire::{self, Begun, Wait};
use super::error;
use super::first_data::FirstData;
use crate::base::addr::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use crate::host::{Errno, fd, guard::guarded, unix};
use crate::net::brief::{Destination, Loopback, Outside};
use crate::protocol::name::Role;
use crate::protocol::request::Request;
use crate::sock::bind;
use crate::sock::client;
use crate::sock::descriptor::ends::source_for;
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::sockaddr::{self, Given};
use crate::sock::descriptor::socket::{Socket, canonical};
use crate::sock::descriptor::state::{Cause, StreamState};
use crate::sock::net;
use crate::sock::options::wire;
use crate::sock::replace;

/// What is left to be done of a connect, in a frame that the thread may leave.
#[derive(Clone, Copy)]
pub enum Step {
    /// Nothing.
    Done,
    /// The kernel's connect to a listener of this machine.
    Local(Attempt),
    /// Waiting for the handshake.
    Wait(Wait),
    /// Nothing: it goes on by itself (`EINPROGRESS`).
    UnderWay,
    /// The kernel's own connect: the socket is of the host's network now.
    Host,
}

impl From<Begun> for Step {
    fn from(begun: Begun) -> Step {
        match begun {
            Begun::Done => Step::Done,
            Begun::Wait(wait) => Step::Wait(wait),
        }
    }
}

/// connect(2) with the address that the program gave. May block: the thread may leave.
pub fn connect(sock: Socket, given: &[u8]) -> Result<(), Errno> {
    finish(sock, given, guarded(|| begin(sock, given, None))?)
}

/// Does what [`begin`] has left to be done.
pub fn finish(sock: Socket, given: &[u8], step: Step) -> Result<(), Errno> {
    match step {
        Step::Done => Ok(()),
        Step::Local(attempt) => connect_local::connect(attempt),
        Step::Wait(wait) => connect_wire::wait(wait),
        Step::UnderWay => Err(Errno::INPROGRESS),
        Step::Host => unix::connect_raw_cancellable(sock.fd, given),
    }
}

/// All of a connect that does not block, with data that may go along with the SYN.
pub fn begin(sock: Socket, given: &[u8], first: Option<&mut FirstData<'_>>) -> Result<Step, Errno> {
    let family = given.first_chunk::<2>().ok_or(Errno::INVAL)?;
    if i32::from(u16::from_ne_bytes(*family)) == libc::AF_UNSPEC {
        return disconnect(sock).map(|()| Step::Done);
    }
    let waits = first.as_ref().map(|first| first.waits);
    if let Some(step) = progress(sock, waits) {
        return step;
    }
    match sockaddr::decode(given, sock.has(SocketFlags::IPV6))? {
        Given::Inet(address) => start(sock, address, first),
        Given::Unspec(_) => Err(Errno::AFNOSUPPORT),
    }
}

/// What connect(2) answers to a socket that is not new; `None`: go on. `waits`: whether the call
/// waits for a connect that is under way, if the descriptor does not say so.
pub fn progress(mut sock: Socket, waits: Option<bool>) -> Option<Result<Step, Errno>> {
    match sock.state() {
        StreamState::Closed => None,
        StreamState::Connecting if sock.has(SocketFlags::WIRE) => {
            let waits = waits.unwrap_or_else(|| !fd::is_nonblocking(sock.fd));
            Some(connect_wire::resume(sock, waits).map(Step::from))
        }
        StreamState::Connecting => {
            sock.advance(Cause::Established);
            Some(Ok(Step::Done))
        }
        StreamState::Failed => {
            // Linux 6.18: the error if it was not fetched yet, else ECONNABORTED; then anew.
            let errno = error::take_failure(&mut sock).unwrap_or(Errno::CONNABORTED);
            sock.advance_and(Cause::GiveUp, SocketFlags::WIRE, 0);
            Some(Err(errno))
        }
        _ => Some(Err(Errno::ISCONN)),
    }
}

fn start(
    sock: Socket,
    address: SocketAddr,
    first: Option<&mut FirstData<'_>>,
) -> Result<Step, Errno> {
    let remote = destination(&sock, address)?;
    let view = net::usable()?;
    match view.destination(remote.ip()) {
        Destination::Local if view.loopback == Loopback::Direct => {
            connect_local::prepare(sock, remote).map(Step::Local)
        }
        Destination::Local => {
            connect_wire::begin(sock, remote, source_for(remote.ip()), first).map(Step::from)
        }
        Destination::Wire { source } => {
            connect_wire::begin(sock, remote, source, first).map(Step::from)
        }
        Destination::Outside => match view.outside {
            Outside::Unreachable => Err(Errno::NETUNREACH),
            Outside::Host => replace::kernel_file(sock).map(|()| Step::Host),
        },
    }
}

/// The address as names have it: the wildcard is loopback, v4-mapped is v4. No multicast, no
/// broadcast.
fn destination(sock: &Socket, address: SocketAddr) -> Result<SocketAddr, Errno> {
    let mapped = sock.has(SocketFlags::IPV6) && address.ip().to_canonical().is_ipv4();
    if mapped && sock.has(SocketFlags::V6ONLY) {
        return Err(Errno::NETUNREACH);
    }
    let mut remote = canonical(address);
    if sock.has(SocketFlags::BOUND) && sock.has(SocketFlags::IPV6) {
        check_families(sock.bound_address().ip(), remote.ip())?;
    }
    match remote.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => remote.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => remote.set_ip(Ipv6Addr::LOCALHOST.into()),
        ip if ip.is_multicast() || net::current().is_broadcast(ip) => {
            return Err(Errno::NETUNREACH);
        }
        _ => {}
    }
    Ok(remote)
}

/// Whether a socket of IPv6 that is bound to `own` can connect to `remote`: one that is bound to a
/// v4-mapped address is an IPv4 socket; one that is bound to an IPv6 address has no way to IPv4.
fn check_families(own: IpAddr, remote: IpAddr) -> Result<(), Errno> {
    match (own, remote) {
        (IpAddr::V4(_), IpAddr::V6(_)) => Err(Errno::AFNOSUPPORT),
        (IpAddr::V6(own), IpAddr::V4(_)) if !own.is_unspecified() => Err(Errno::NETUNREACH),
        _ => Ok(()),
    }
}

/// connect(2) to `AF_UNSPEC`: an unconnected socket again, still bound if the program had bound it.
pub fn disconnect(mut sock: Socket) -> Result<(), Errno> {
    if !sock.has_peer() && !sock.is_listening() {
        return Ok(());
    }
    if unix::peer_address(sock.fd).is_err() && !sock.is_listening() {
        // A connect that has failed, or not begun: the file can go on.
        error::take_failure(&mut sock);
        sock.advance_and(Cause::GiveUp, SocketFlags::WIRE, 0);
        return Ok(());
    }
    if let (true, Ok(tuple)) = (sock.has(SocketFlags::WIRE), wire::tuple(&sock)) {
        // tcp_disconnect: the peer gets a reset.
        let _ = client::errno_of(&Request::Abort(tuple));
    }
    let bound = if sock.has(SocketFlags::BOUND) { sock.own_name() } else { None };
    let mut fresh = replace::unix_file(sock)?;
    if let Some(Role::Endpoint { local, .. } | Role::Listener { local, .. }) = bound.map(|n| n.role)
    {
        let _ = bind::claim(&mut fresh, local);
    }
    Ok(())
}
