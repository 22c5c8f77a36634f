//! The two ends of a stream: what the names of its file and of its peer say, and the extra state.
use super::extra::{Key, SocketExtra};
use super::flags::SocketFlags;
use super::socket::Socket;
use crate::base::addr::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use crate::host::Errno;
use crate::protocol::name::Role;

/// Both ends of a stream, v4 as v4: what is known of them. `ENOTCONN`: there is no remote end.
pub fn of(sock: &Socket) -> Result<(SocketAddr, SocketAddr), Errno> {
    let own = sock.own_name().map(|name| name.role);
    if !sock.has(SocketFlags::ACCEPTED)
        && let Some(Role::Endpoint { local, remote }) = own
        && !sock.has(SocketFlags::REMOTE_KEPT)
    {
        return Ok((local, remote));
    }
    let peer = sock.peer_name().map(|name| name.role);
    let ends = match (sock.has(SocketFlags::ACCEPTED), own, peer) {
        (true, own, Some(peer)) => accepted(own, &peer),
        (false, Some(own), peer) => connected(sock, &own, peer.as_ref()),
        _ => None,
    };
    ends.ok_or(Errno::NOTCONN)
}

/// The ends of a stream whose name does not say the remote one.
fn connected(sock: &Socket, own: &Role, peer: Option<&Role>) -> Option<(SocketAddr, SocketAddr)> {
    let (Role::Listener { local, .. } | Role::Endpoint { local, .. }) = *own else {
        return None;
    };
    let remote = match (sock.has(SocketFlags::REMOTE_KEPT), peer) {
        (true, _) => kept_remote(sock)?,
        (false, Some(Role::Listener { local: listener, .. })) => {
            SocketAddr::new(implied_destination(local.ip(), listener.ip()), listener.port())
        }
        _ => return None,
    };
    let ip = if local.ip().is_unspecified() { source_for(remote.ip()) } else { local.ip() };
    Some((SocketAddr::new(ip, local.port()), remote))
}

#[inline(never)]
fn kept_remote(sock: &Socket) -> Option<SocketAddr> {
    let mut extra = SocketExtra::new();
    extra.read_one(sock, Key::PEER);
    extra.peer()
}

/// The ends of an accepted socket: local, remote.
fn accepted(own: Option<Role>, peer: &Role) -> Option<(SocketAddr, SocketAddr)> {
    let listener = match own {
        Some(Role::Listener { local, .. }) => Some(local),
        _ => None,
    };
    match *peer {
        Role::Wire { local, remote } => Some((remote, local)),
        // The name may be of an earlier attempt to another port.
        Role::Endpoint { local, remote }
            if listener.is_none_or(|listener| listener.port() == remote.port()) =>
        {
            Some((remote, local))
        }
        Role::Endpoint { local, .. } | Role::Listener { local, .. } => {
            let listener = listener?;
            let dialled = implied_destination(local.ip(), listener.ip());
            let ip = if local.ip().is_unspecified() { source_for(dialled) } else { local.ip() };
            let remote = SocketAddr::new(ip, local.port());
            Some((SocketAddr::new(dialled, listener.port()), remote))
        }
        _ => None,
    }
}

/// The address that a connecting socket bound to `source` has dialled, if its name does not say it
/// and the listener is bound to `listener`: that one; of a wildcard the source itself, and if both
/// are wildcards, loopback. A connect to any other address gets a name that says it.
pub fn implied_destination(source: IpAddr, listener: IpAddr) -> IpAddr {
    match (listener, source) {
        (ip, _) if !ip.is_unspecified() => ip,
        (_, ip) if !ip.is_unspecified() => ip,
        (IpAddr::V6(_), IpAddr::V6(_)) => Ipv6Addr::LOCALHOST.into(),
        _ => Ipv4Addr::LOCALHOST.into(),
    }
}

/// The source address for a local destination, as Linux routes: the destination itself, but all of
/// 127/8 is spoken to from 127.0.0.1.
pub fn source_for(remote: IpAddr) -> IpAddr {
    match remote {
        IpAddr::V4(ip) if ip.is_loopback() => Ipv4Addr::LOCALHOST.into(),
        other => other,
    }
}
