//! Naming a stream that is about to connect: both ends, as the peer and `getsockname` will read
//! them.
use super::net_env;
use super::object::{Sock, address_of};
use super::replace;
use super::tag::Tag;
use crate::base::addr::{IpAddr, SocketAddr};
use crate::base::limits::{EPHEMERAL_FIRST, EPHEMERAL_LAST};
use crate::host::{Errno, clock, unix};
use crate::protocol::name::{Name, NetId, Role};

/// How many ports are drawn before `EADDRNOTAVAIL`.
const DRAWS: usize = 256;

/// Binds the socket to the name of a connection to `remote`: from the address and port that the
/// program bound, else from `source` and a random port. The file is replaced if it has a name.
pub fn become_endpoint(sock: Sock, remote: SocketAddr, source: IpAddr) -> Result<Sock, Errno> {
    let own = sock.own_name().map(|name| name.role);
    let (mut ip, mut port) = (source, 0);
    match own {
        None => return bind(sock, SocketAddr::new(ip, port), remote),
        Some(Role::Endpoint { remote: before, .. }) if before == remote && !in_use(&sock) => {
            return Ok(sock);
        }
        Some(Role::Listener { local, .. } | Role::Endpoint { local, .. })
            if sock.has(Tag::BOUND) =>
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
    let bound = if sock.has(Tag::BOUND) { Tag::BOUND } else { 0 };
    let mut fresh = replace::unix_file(sock)?;
    fresh.add(bound);
    bind(fresh, SocketAddr::new(ip, port), remote)
}

/// Whether the unix socket was connected already (a connect that failed late).
fn in_use(sock: &Sock) -> bool {
    unix::peer_address(sock.fd).is_ok()
}

fn bind(sock: Sock, local: SocketAddr, remote: SocketAddr) -> Result<Sock, Errno> {
    let net = NetId(net_env::current().id);
    let to = |local| {
        unix::bind(sock.fd, &address_of(&Name { net, role: Role::Endpoint { local, remote } }))
    };
    if local.port() != 0 {
        // The 4-tuple is there already: Linux' answer to a connect from a bound port.
        return to(local).map(|()| sock).map_err(|errno| match errno {
            Errno::ADDRINUSE => Errno::ADDRNOTAVAIL,
            other => other,
        });
    }
    for _ in 0..DRAWS {
        let candidate = SocketAddr::new(local.ip(), random_port());
        // Never from itself to itself.
        if candidate == remote {
            continue;
        }
        match to(candidate) {
            Err(Errno::ADDRINUSE) => {}
            other => return other.map(|()| sock),
        }
    }
    Err(Errno::ADDRNOTAVAIL)
}

/// RFC 6056 3.3.1.
fn random_port() -> u16 {
    let range = u64::from(EPHEMERAL_LAST - EPHEMERAL_FIRST) + 1;
    EPHEMERAL_FIRST + (clock::random_u64() % range) as u16
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
}
