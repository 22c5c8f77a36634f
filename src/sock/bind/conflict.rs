//! Which binds exclude each other: Linux's rules, as a pure function over what is bound already.
//!
//! The kernel's abstract names make one exact name unique; that `0.0.0.0:80` and `10.0.0.2:80`
//! exclude each other is for us to know. The tables of the tests were read off Linux 6.18 with a
//! program that bound every pair. (inet_csk_bind_conflict, udp_lib_lport_inuse and
//! inet_rcv_saddr_equal are where Linux does it.)
use crate::base::addr::{IpAddr, Ipv4Addr, SocketAddr};
use crate::base::limits::{EPHEMERAL_FIRST, EPHEMERAL_LAST};
use crate::host::{Errno, scratch::Scratch};
use crate::protocol::name::{Name, NetId, Role, Slot, Transport};

/// A bound socket, or one that wants to be. v4-mapped addresses must have been made v4.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bound {
    /// Unspecified for a wildcard.
    pub local: SocketAddr,
    /// `::` that also takes IPv4.
    pub dual: bool,
    /// Made to share its address: `SO_REUSEPORT` (TCP, UDP) or `SO_REUSEADDR` (UDP).
    pub shared: bool,
    /// Whose it is; `None` if it is not known.
    pub uid: Option<u32>,
}

impl Bound {
    /// What the name of a bound socket of `net` and `transport` says; `None` for all other names.
    pub fn from_name(
        name: &[u8],
        net: NetId,
        transport: Transport,
        uid: Option<u32>,
    ) -> Option<Bound> {
        let name = Name::decode(name).filter(|n| n.net == net)?;
        let (local, dual, slot) = match (name.role, transport) {
            (Role::Listener { local, dual, slot }, Transport::Tcp) => (local, dual, slot),
            (Role::Datagram { transport: its, local, dual, slot }, _) if its == transport => {
                (local, dual, slot)
            }
            _ => return None,
        };
        Some(Bound { local, dual, shared: slot != Slot::Exclusive, uid })
    }
}

/// What is learnt of `wanted` by looking at every bound socket once. No allocation: `bind` may be
/// called from a signal handler.
pub struct Survey {
    wanted: Bound,
    transport: Transport,
    clash: bool,
    /// A byte for each port of the dynamic range, 1 if it is taken; only where a port is wanted.
    taken: Option<Scratch>,
}

const PORTS: usize = (EPHEMERAL_LAST - EPHEMERAL_FIRST) as usize + 1;

impl Survey {
    /// Nothing seen yet.
    pub fn new(wanted: Bound, transport: Transport) -> Result<Survey, Errno> {
        let any_port = wanted.local.port() == 0;
        let taken = if any_port { Some(Scratch::new(PORTS)?) } else { None };
        Ok(Survey { wanted, transport, clash: false, taken })
    }
    /// Takes notice of a bound socket.
    pub fn see(&mut self, old: &Bound) {
        if !overlap(old, &self.wanted) {
            return;
        }
        let port = old.local.port();
        if let (Some(index), Some(taken)) = (port.checked_sub(EPHEMERAL_FIRST), &mut self.taken) {
            taken[usize::from(index)] = 1;
        }
        self.clash |=
            port == self.wanted.local.port() && !may_share(old, &self.wanted, self.transport);
    }
    /// Whether Linux would answer `EADDRINUSE`.
    pub fn clash(&self) -> bool {
        self.clash
    }
    /// A port of the dynamic range at which `wanted` (whose port is ignored) neither excludes nor
    /// shares with anybody: from a random start, the next free one (RFC 6056 3.3.1).
    pub fn free_port(&self, random: u64) -> Option<u16> {
        let taken = self.taken.as_ref()?;
        let start = (random % PORTS as u64) as usize;
        (0..PORTS)
            .map(|i| (start + i) % PORTS)
            .find(|i| taken[*i] == 0)
            .map(|i| EPHEMERAL_FIRST + i as u16)
    }
}

/// Which ports of the dynamic range are dealt out to an address: those of one share exclude
/// nothing but equal names, those of different shares never meet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortShare(u16);

impl PortShare {
    const COUNT: u16 = 3;

    /// A port of the share.
    pub fn port(self, random: u64) -> u16 {
        let rounds = (PORTS as u16 - self.0).div_ceil(Self::COUNT);
        EPHEMERAL_FIRST + self.0 + (random % u64::from(rounds)) as u16 * Self::COUNT
    }
}

/// The share of an address: one for all that are no wildcards, one for the wildcards of a single
/// family, one for the wildcard of both.
pub fn share_of_ports(ip: IpAddr, dual: bool) -> PortShare {
    match (ip.is_unspecified(), dual) {
        (false, _) => PortShare(0),
        (true, false) => PortShare(1),
        (true, true) => PortShare(2),
    }
}

/// Whether a packet could be for both of them, ports aside.
fn overlap(a: &Bound, b: &Bound) -> bool {
    match (a.local.ip(), b.local.ip()) {
        (IpAddr::V4(x), IpAddr::V4(y)) => x == y || x.is_unspecified() || y.is_unspecified(),
        (IpAddr::V6(x), IpAddr::V6(y)) => x == y || x.is_unspecified() || y.is_unspecified(),
        (IpAddr::V4(_), IpAddr::V6(_)) => b.dual,
        (IpAddr::V6(_), IpAddr::V4(_)) => a.dual,
    }
}

/// Whether both have agreed to share. A group of listeners must be one user's, so that nobody can
/// steal another's connections; `SO_REUSEADDR` on UDP asks no such thing.
fn may_share(a: &Bound, b: &Bound, transport: Transport) -> bool {
    let one_user = match (a.uid, b.uid) {
        (Some(x), Some(y)) => x == y,
        _ => true,
    };
    a.shared && b.shared && (transport != Transport::Tcp || one_user)
}

/// The order in which names are tried for a destination: `(address, dual)`, the best match first.
/// Linux prefers the socket bound to the very address, then the wildcard of its family, then the
/// wildcard that takes both.
pub fn receivers(destination: SocketAddr) -> impl Iterator<Item = (SocketAddr, bool)> {
    let port = destination.port();
    let v6_any = SocketAddr::new(core::net::Ipv6Addr::UNSPECIFIED.into(), port);
    let wildcard = match destination {
        SocketAddr::V4(_) => SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port),
        SocketAddr::V6(_) => v6_any,
    };
    let specific = SocketAddr::new(destination.ip(), port);
    [(specific, false), (wildcard, false), (v6_any, true)].into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ways to bind to one port; names as in the table below.
    const WAYS: [(&str, &str, bool); 10] = [
        ("4any", "0.0.0.0", false),
        ("4lo", "127.0.0.1", false),
        ("4lo2", "127.0.0.2", false),
        ("4lo6", "127.0.0.6", false),
        ("6any", "::", false),
        ("dual", "::", true),
        ("6lo", "::1", false),
        ("6loD", "::1", false),
        ("map", "::ffff:127.0.0.1", false),
        ("mapany", "::ffff:0.0.0.0", false),
    ];

    /// Rows: bound first. Columns: bound second. `x`: EADDRINUSE. Linux 6.18, TCP and UDP alike.
    const LINUX: [&str; 10] = [
        "xxxx.x..xx", // 4any
        "xx...x..xx", // 4lo
        "x.x..x...x", // 4lo2
        "x..x.x...x", // 4lo6
        "....xxxx..", // 6any
        "xxxxxxxxxx", // dual
        "....xxxx..", // 6lo
        "....xxxx..", // 6loD: ::1 with IPV6_V6ONLY off
        "xx...x..xx", // map
        "xxxx.x..xx", // mapany
    ];

    fn survey(existing: &[Bound], wanted: &Bound, transport: Transport) -> Survey {
        let mut survey = Survey::new(*wanted, transport).unwrap();
        existing.iter().for_each(|old| survey.see(old));
        survey
    }

    fn conflicts(existing: &[Bound], wanted: &Bound, transport: Transport) -> bool {
        survey(existing, wanted, transport).clash()
    }

    fn free_port(existing: &[Bound], wanted: &Bound, random: u64) -> Option<u16> {
        survey(existing, wanted, Transport::Udp).free_port(random)
    }

    fn bound(ip: &str, dual: bool, port: u16) -> Bound {
        let ip: IpAddr = ip.parse().unwrap();
        let local = SocketAddr::new(ip.to_canonical(), port);
        Bound { local, dual, shared: false, uid: Some(1000) }
    }

    #[test]
    fn every_pair_as_on_linux() {
        for (first, row) in WAYS.iter().zip(LINUX) {
            for (second, mark) in WAYS.iter().zip(row.chars()) {
                let old = bound(first.1, first.2, 80);
                for transport in [Transport::Tcp, Transport::Udp] {
                    let new = bound(second.1, second.2, 80);
                    let got = conflicts(&[old], &new, transport);
                    assert_eq!(got, mark == 'x', "{} then {}", first.0, second.0);
                    let elsewhere = bound(second.1, second.2, 81);
                    assert!(!conflicts(&[old], &elsewhere, transport));
                }
            }
        }
    }

    #[test]
    fn groups_share_if_all_agree_and_tcp_asks_for_one_user() {
        let alone = bound("0.0.0.0", false, 80);
        let member = Bound { shared: true, ..alone };
        let stranger = Bound { uid: Some(7), ..member };
        let unknown = Bound { uid: None, ..member };
        for t in [Transport::Tcp, Transport::Udp] {
            assert!(conflicts(&[member], &alone, t));
            assert!(conflicts(&[alone], &member, t));
            assert!(!conflicts(&[member, member], &member, t));
            assert!(!conflicts(&[unknown], &member, t));
            assert!(conflicts(&[member, alone], &member, t));
        }
        assert!(conflicts(&[stranger], &member, Transport::Tcp));
        assert!(!conflicts(&[stranger], &member, Transport::Udp));
    }

    #[test]
    fn only_names_of_this_net_and_transport_count() {
        let local = "10.0.0.2:80".parse().unwrap();
        let role = Role::Listener { local, dual: false, slot: Slot::Shared(2) };
        let bytes = Name { net: NetId(5), role }.encode();
        let read = |net, t| Bound::from_name(bytes.as_bytes(), NetId(net), t, Some(1));
        let expected = Bound { local, dual: false, shared: true, uid: Some(1) };
        assert_eq!(read(5, Transport::Tcp), Some(expected));
        assert_eq!(read(5, Transport::Udp), None);
        assert_eq!(read(6, Transport::Tcp), None);
        assert_eq!(Bound::from_name(b"/tmp/x", NetId(5), Transport::Tcp, None), None);
    }

    #[test]
    fn free_ports() {
        let wanted = bound("127.0.0.1", false, 0);
        assert_eq!(free_port(&[], &wanted, 5), Some(EPHEMERAL_FIRST + 5));
        let all_but = |hole: u16| -> Vec<Bound> {
            (EPHEMERAL_FIRST..=EPHEMERAL_LAST)
                .filter(|p| *p != hole)
                .map(|p| Bound { shared: true, ..bound("0.0.0.0", false, p) })
                .collect()
        };
        assert_eq!(free_port(&all_but(50_000), &wanted, u64::MAX), Some(50_000));
        assert_eq!(free_port(&all_but(0), &wanted, 0), None);
        // The other family's ports are free, and other addresses' too.
        assert!(free_port(&all_but(0), &bound("::1", false, 0), 0).is_some());
    }

    #[test]
    fn the_best_match_comes_first() {
        let order = |to: &str| -> Vec<String> {
            receivers(to.parse().unwrap()).map(|(a, d)| format!("{a}{}", u8::from(d))).collect()
        };
        assert_eq!(order("127.0.0.1:5"), ["127.0.0.1:50", "0.0.0.0:50", "[::]:51"]);
        assert_eq!(order("[::1]:5"), ["[::1]:50", "[::]:50", "[::]:51"]);
    }
}
