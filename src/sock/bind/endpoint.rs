//! Naming a stream that is about to connect, so that the peer and `getsockname` can read both ends.
//!
//! A unix socket gets one name in its life. Most streams have none when they connect, and get one
//! that says both ends. A socket that the program has bound, or whose connect was refused before,
//! keeps its name and its file if the other side can tell from it which address was dialled
//! ([`implied_destination`]); otherwise the descriptor gets a new file.
use super::conflict::receivers;
use crate::base::addr::{IpAddr, SocketAddr};
use crate::base::limits::{EPHEMERAL_FIRST, EPHEMERAL_LAST};
use crate::host::{Errno, clock, unix};
use crate::protocol::name::{Name, NetId, Role, Slot};
use crate::sock::descriptor::ends::{implied_destination, source_for};
use crate::sock::descriptor::extra::SocketExtra;
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::socket::{Socket, address_of};
use crate::sock::net;
use crate::sock::replace;

/// How many ports are drawn before `EADDRNOTAVAIL`.
const DRAWS: usize = 256;

/// How a connection goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Straight to a program of this machine.
    Local,
    /// Through the engine.
    Wire,
}

/// Gives the socket a name for a connection to `remote`: from the address and port that the program
/// bound, else from `source` and a random port.
pub fn become_endpoint(
    sock: Socket,
    remote: SocketAddr,
    source: IpAddr,
    way: Way,
) -> Result<Socket, Errno> {
    if !sock.has(SocketFlags::BOUND) {
        match draw(&sock, source, remote) {
            // It has a name.
            Err(Errno::INVAL) => {}
            drawn => return drawn.map(|()| sock),
        }
    }
    let own = sock.own_name().map(|name| name.role);
    let (mut ip, mut port) = (source, 0);
    match own {
        None => return draw(&sock, source, remote).map(|()| sock),
        Some(Role::Endpoint { remote: before, .. })
            if before == remote && !sock.has(SocketFlags::REMOTE_KEPT) && !in_use(&sock) =>
        {
            return Ok(sock);
        }
        Some(role) if way == Way::Local && says_enough(&sock, &role, remote) && !in_use(&sock) => {
            return match role {
                Role::Endpoint { .. } => keep_remote(sock, remote),
                _ => Ok(sock),
            };
        }
        Some(Role::Listener { local, .. } | Role::Endpoint { local, .. })
            if sock.has(SocketFlags::BOUND) =>
        {
            port = local.port();
            if !local.ip().is_unspecified() {
                ip = local.ip();
            }
        }
        _ => {}
    }
    if ip.is_ipv4() != remote.is_ipv4() {
        return Err(Errno::NETUNREACH);
    }
    let bound = if sock.has(SocketFlags::BOUND) { SocketFlags::BOUND } else { 0 };
    let mut fresh = replace::unix_file(sock)?;
    fresh.add(bound);
    match port {
        0 => draw(&fresh, ip, remote)?,
        port => bind(&fresh, SocketAddr::new(ip, port), remote)?,
    }
    Ok(fresh)
}

/// Whether both sides can tell from the name that there is that `remote` was dialled.
fn says_enough(sock: &Socket, own: &Role, remote: SocketAddr) -> bool {
    let local = match *own {
        // A name that is shared, or may be taken by others once this one is connected.
        Role::Listener { slot: Slot::Shared(_), .. } => return false,
        Role::Listener { .. } if sock.has(SocketFlags::REUSEADDR) => return false,
        Role::Listener { local, .. } => local,
        // The accepted socket would take what the name says for true.
        Role::Endpoint { remote: before, .. } if before.port() == remote.port() => return false,
        Role::Endpoint { local, .. } => local,
        _ => return false,
    };
    let families = local.is_ipv4() == remote.is_ipv4() || local.ip().is_unspecified();
    families
        && (local.ip().is_unspecified() || source_for(remote.ip()).is_ipv4() == local.is_ipv4())
        && receivers(remote)
            .all(|(listener, _)| implied_destination(local.ip(), listener.ip()) == remote.ip())
}

/// Remembers what was dialled where the name, of an earlier attempt, says something else.
#[inline(never)]
fn keep_remote(mut sock: Socket, remote: SocketAddr) -> Result<Socket, Errno> {
    SocketExtra::edit(&mut sock, |extra| extra.set_peer(Some(remote)))?;
    sock.add(SocketFlags::REMOTE_KEPT);
    Ok(sock)
}

/// Whether the unix socket was connected already (a connect that failed late).
fn in_use(sock: &Socket) -> bool {
    unix::peer_address(sock.fd).is_ok()
}

/// From a random port. `EINVAL`: the socket has a name.
fn draw(sock: &Socket, ip: IpAddr, remote: SocketAddr) -> Result<(), Errno> {
    if ip.is_ipv4() != remote.is_ipv4() {
        return Err(Errno::NETUNREACH);
    }
    for _ in 0..DRAWS {
        let candidate = SocketAddr::new(ip, random_port());
        // Never from itself to itself.
        if candidate == remote {
            continue;
        }
        match bind_name(sock, candidate, remote) {
            Err(Errno::ADDRINUSE) => {}
            other => return other,
        }
    }
    Err(Errno::ADDRNOTAVAIL)
}

/// From a port that the program has chosen.
fn bind(sock: &Socket, local: SocketAddr, remote: SocketAddr) -> Result<(), Errno> {
    bind_name(sock, local, remote).map_err(|errno| match errno {
        // The 4-tuple is there already: Linux's answer to a connect from a bound port.
        Errno::ADDRINUSE => Errno::ADDRNOTAVAIL,
        other => other,
    })
}

fn bind_name(sock: &Socket, local: SocketAddr, remote: SocketAddr) -> Result<(), Errno> {
    let net = NetId(net::current().id);
    unix::bind(sock.fd, &address_of(&Name { net, role: Role::Endpoint { local, remote } }))
}

/// RFC 6056 3.3.1.
fn random_port() -> u16 {
    let range = u64::from(EPHEMERAL_LAST - EPHEMERAL_FIRST) + 1;
    EPHEMERAL_FIRST + (clock::random_port_bits() % range) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6056 3.3.1: ports are drawn from the dynamic range (RFC 6335 6), all of it, and one says
    /// nothing of the next.
    #[test]
    fn ports_are_random() {
        let ports: Vec<u16> = (0..4_096).map(|_| random_port()).collect();
        assert!(ports.iter().all(|port| *port >= EPHEMERAL_FIRST));
        let eighth = |port: &u16| usize::from((port - EPHEMERAL_FIRST) / 2_048);
        let mut drawn = [0; 8];
        ports.iter().for_each(|port| drawn[eighth(port)] += 1);
        assert!(drawn.iter().all(|n| (350..700).contains(n)), "{drawn:?}");
        let neighbours = ports.windows(2).filter(|w| w[0].abs_diff(w[1]) <= 1).count();
        assert!(neighbours < 20, "{neighbours}");
    }

    #[test]
    fn names_that_say_enough_are_kept() {
        let plain = Socket::new(-1, SocketFlags::new(SocketFlags::BOUND));
        let reusing = Socket::new(-1, SocketFlags::new(SocketFlags::REUSEADDR));
        let bound = |local: &str, slot| Role::Listener {
            local: local.parse().unwrap(),
            dual: local.starts_with("[::]"),
            slot,
        };
        let only = Slot::Exclusive;
        let enough = |sock: &Socket, role: Role, remote: &str| {
            says_enough(sock, &role, remote.parse().unwrap())
        };
        for (local, remote, expected) in [
            ("127.0.0.1:7", "127.0.0.1:80", true),
            ("0.0.0.0:7", "127.0.0.1:80", true),
            ("[::1]:7", "[::1]:80", true),
            ("[::]:7", "[::1]:80", true),
            // The listener may be bound to a wildcard: it could not know.
            ("127.0.0.1:7", "127.0.0.2:80", false),
            ("0.0.0.0:7", "10.0.0.2:80", false),
            ("[::]:7", "127.0.0.1:80", false),
            ("[::1]:7", "127.0.0.1:80", false),
        ] {
            let role = bound(local, only);
            assert_eq!(enough(&plain, role, remote), expected, "{local} {remote}");
            assert!(!enough(&reusing, role, remote));
            assert!(!enough(&plain, bound(local, Slot::Shared(0)), remote));
        }
        let (local, remote) = ("127.0.0.1:7".parse().unwrap(), "127.0.0.1:80".parse().unwrap());
        let refused = Role::Endpoint { local, remote };
        assert!(enough(&plain, refused, "127.0.0.1:81"));
        assert!(!enough(&plain, refused, "127.0.0.2:80"));
    }
}
