//! Where a datagram goes, and which names stand for that.
use crate::base::FourTuple;
use crate::base::addr::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use crate::host::{Errno, option};
use crate::net::brief::{Destination, Outside};
use crate::protocol::name::{Name, NetId, Role, Slot, Transport, spread};
use crate::sock::bind::conflict;
use crate::sock::descriptor::extra::SocketExtra;
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::socket::{Socket, canonical};
use crate::sock::net;
use core::sync::atomic::{AtomicU16, Ordering::Relaxed};

/// Where a destination lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    /// A program's socket on this machine.
    Local(SocketAddr),
    /// The engine's socket for this pair.
    Wire(FourTuple),
    /// Everybody on this machine who is in a group.
    Group(SocketAddr),
    /// The host's own network.
    Outside,
}

impl Route {
    /// The destination as names have it; `None` for the host's network.
    pub fn remote(&self) -> Option<SocketAddr> {
        match self {
            Route::Local(remote) | Route::Group(remote) => Some(*remote),
            Route::Wire(tuple) => Some(tuple.remote),
            Route::Outside => None,
        }
    }
}

/// The route to an address as the program gave it, with Linux' errors. `source` is what the program
/// wants to send from (`IP_PKTINFO`), if it said so.
pub fn find(sock: &Socket, to: SocketAddr, source: Option<IpAddr>) -> Result<Route, Errno> {
    let brief = net::usable()?;
    let mut remote = canonical(to);
    match remote.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => remote.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => remote.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    let broadcast = brief.is_broadcast(remote.ip()) || is_loopback_broadcast(remote.ip());
    if broadcast && option::get_int(sock.fd, libc::SOL_SOCKET, libc::SO_BROADCAST) != Ok(1) {
        return Err(Errno::ACCESS);
    }
    if sock.has(SocketFlags::IPV6) {
        check_families(sock, sock.bound_address().ip(), remote.ip())?;
    }
    if remote.ip().is_multicast() && !brief.has_engine() && brief.outside != Outside::Host {
        return Ok(Route::Group(remote));
    }
    match brief.destination(remote.ip()) {
        Destination::Local => Ok(Route::Local(remote)),
        Destination::Wire { source: by_route } => {
            let own = sock.bound_address();
            let specific = Some(own.ip()).filter(|ip| !ip.is_unspecified() && !ip.is_multicast());
            let source = source.or_else(|| multicast_source(sock, remote.ip()));
            let ip = specific.or(source).filter(|ip| !ip.is_loopback()).unwrap_or(by_route);
            let local = SocketAddr::new(ip, own.port());
            Ok(Route::Wire(FourTuple { local, remote }))
        }
        Destination::Outside if brief.outside == Outside::Host => Ok(Route::Outside),
        Destination::Outside => Err(Errno::NETUNREACH),
    }
}

/// The address that `IP_MULTICAST_IF` says, for a datagram to `to`.
fn multicast_source(sock: &Socket, to: IpAddr) -> Option<IpAddr> {
    if !to.is_multicast() || !to.is_ipv4() || !sock.has(SocketFlags::SEND_OPTIONS) {
        return None;
    }
    let word = SocketExtra::option_of(sock, libc::IPPROTO_IP, libc::IP_MULTICAST_IF)? as u32;
    Some(IpAddr::from(word.to_ne_bytes())).filter(|ip| !ip.is_unspecified())
}

fn is_loopback_broadcast(ip: IpAddr) -> bool {
    ip == IpAddr::V4(Ipv4Addr::new(127, 255, 255, 255))
}

/// Whether a socket bound to `own` can send to `remote`. Linux 6.18: a v6 socket that takes v6 only
/// has no route to v4-mapped addresses; one that is bound to a v4-mapped address is an IPv4 socket.
fn check_families(sock: &Socket, own: IpAddr, remote: IpAddr) -> Result<(), Errno> {
    let mapped = sock.has(SocketFlags::IPV6) && remote.is_ipv4();
    let bound_to_v6 = own.is_ipv6() && !own.is_unspecified();
    if mapped && (sock.has(SocketFlags::V6ONLY) || bound_to_v6) {
        return Err(Errno::NETUNREACH);
    }
    if own.is_ipv4() && remote.is_ipv6() {
        return Err(Errno::AFNOSUPPORT);
    }
    Ok(())
}

/// Our address when we speak to `remote` first.
pub fn source_for(remote: IpAddr) -> Option<IpAddr> {
    match net::current().destination(remote) {
        // As Linux' local table has it: all of 127/8 is spoken to from 127.0.0.1.
        Destination::Local => Some(match remote {
            IpAddr::V4(ip) if ip.is_loopback() => Ipv4Addr::LOCALHOST.into(),
            other => other,
        }),
        Destination::Wire { source } => Some(source),
        Destination::Outside => None,
    }
}

/// What is remembered of a destination: only a hint, kept by a hash. Low bits: 1 + the index of the
/// name that answered last. High bit: its receiver does not read.
static HINTS: [AtomicU16; 256] = [const { AtomicU16::new(0) }; 256];
const STUCK: u16 = 0x8000;

fn hint(remote: SocketAddr) -> &'static AtomicU16 {
    let ip = match remote.ip() {
        IpAddr::V4(ip) => u64::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip) as u64 ^ (u128::from(ip) >> 64) as u64,
    };
    let mixed = (ip ^ u64::from(remote.port()) << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    &HINTS[(mixed >> 56) as usize]
}

/// Whether the last wait for room at this destination was in vain.
pub fn is_stuck(remote: SocketAddr) -> bool {
    hint(remote).load(Relaxed) & STUCK != 0
}

/// Remembers whether waiting for room at this destination was in vain.
pub fn set_stuck(remote: SocketAddr, stuck: bool) {
    let cell = hint(remote);
    let old = cell.load(Relaxed);
    let new = if stuck { old | STUCK } else { old & !STUCK };
    if new != old {
        cell.store(new, Relaxed);
    }
}

const WAYS: usize = 3;

/// The `index`-th name that a receiver of `remote` may have: those that exclude others first, of
/// each kind the most specific first.
fn candidate(net: NetId, remote: SocketAddr, index: usize) -> Option<Name> {
    let transport = Transport::Udp;
    let (local, dual) = conflict::receivers(remote).nth(index % WAYS)?;
    let slot = match index / WAYS {
        0 => Slot::Exclusive,
        n => Slot::Shared((n - 1) as u8),
    };
    Some(Name { net, role: Role::Datagram { transport, local, dual, slot } })
}

/// Does `call` on the names of the destination until one answers: `ECONNREFUSED` if none does.
/// `EPERM`, from a socket that is connected to somebody else, is no answer. Who of a group is asked
/// first is drawn by a hash of both ends, as on Linux.
pub fn first_that_answers<T>(
    sock: &Socket,
    remote: SocketAddr,
    mut call: impl FnMut(&Name) -> Result<T, Errno>,
) -> Result<T, Errno> {
    let net = NetId(net::current().id);
    let mut attempt = |index: usize| match candidate(net, remote, index).map(|name| call(&name)) {
        None | Some(Err(Errno::CONNREFUSED | Errno::PERM)) => None,
        answer => answer,
    };
    let cell = hint(remote);
    // A socket that excludes others has no more specific one beside it, so that the hint passes
    // over nobody.
    let hinted = usize::from(cell.load(Relaxed) & !STUCK).checked_sub(1);
    for index in hinted.into_iter().chain((0..WAYS).filter(|i| Some(*i) != hinted)) {
        if let Some(answer) = attempt(index) {
            if hinted.unwrap_or(0) != index {
                cell.store(index as u16 + 1, Relaxed);
            }
            return answer;
        }
    }
    let seed = spread(&sock.bound_address(), &remote);
    // An address goes before a wildcard, whatever the draw.
    for way in 0..WAYS {
        for slot in Slot::group(seed) {
            let Slot::Shared(n) = slot else { continue };
            if let Some(answer) = attempt((usize::from(n) + 1) * WAYS + way) {
                return answer;
            }
        }
    }
    Err(Errno::CONNREFUSED)
}
