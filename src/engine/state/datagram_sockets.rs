//! Which datagram sockets the programs have that receive from every host (they are not connected),
//! by protocol and port: read from the kernel's list of
//! unix sockets. `bind` tells the engine nothing, so the list is read again when a datagram arrives
//! for a pair that has no peer socket, or could not be delivered.
//!
//! In a flood of such datagrams (a scan, random sources) the list is read for a small share of the
//! time only, and what it said last is believed in between: a datagram to a closed port then costs
//! one look into a table.
use super::super::system::poller::now;
use super::listeners::candidates;
use crate::base::Instant;
use crate::base::addr::SocketAddr;
use crate::base::time::Duration;
use crate::host::unix_diag;
use crate::protocol::name::{Name, NetId, Role, Slot, Transport};
use std::collections::HashMap;

/// How often the list may be read in a row.
const BURST: u32 = 256;
/// For each reading beyond that, so many times as long as it takes must have gone by.
const REST: u32 = 10;

/// When something that takes time may be done again, so that it takes a small share of all time.
#[derive(Debug)]
struct Pace {
    /// What is left of a burst.
    left: u32,
    /// When there is one more.
    next: Instant,
    /// How long the last one took, with the rest after it.
    each: Duration,
}

impl Pace {
    /// Whether it may be done now; it is then.
    fn begins(&mut self, now: Instant) -> bool {
        if now >= self.next && !self.each.is_zero() {
            let gained = now.since(self.next).as_nanos() / self.each.as_nanos() + 1;
            let gained = u32::try_from(gained).unwrap_or(BURST);
            self.left = self.left.saturating_add(gained).min(BURST);
            self.next = now + self.each;
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
    /// It is done.
    fn ends(&mut self, begin: Instant, end: Instant) {
        self.each = end.since(begin) * (REST + 1);
        self.next = self.next.max(end + end.since(begin) * REST);
    }
}

/// The programs' datagram sockets.
pub struct DatagramSockets {
    by_port: HashMap<(Transport, u16), Vec<Role>>,
    readings: Pace,
    /// How often the list has been read.
    count: u64,
}

impl DatagramSockets {
    /// None is known.
    pub fn new() -> DatagramSockets {
        let readings = Pace { left: BURST, next: Instant::ZERO, each: Duration::ZERO };
        DatagramSockets { by_port: HashMap::new(), readings, count: 0 }
    }

    /// How often the kernel's list has been read.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether a datagram to `local` may find a socket.
    pub fn has(&self, transport: Transport, local: SocketAddr) -> bool {
        self.at(transport, local).next().is_some()
    }

    /// The sockets that a datagram to `local` may be for, in Linux's order: the specific address,
    /// the wildcard, `::` that takes IPv4 too.
    pub fn at(&self, transport: Transport, local: SocketAddr) -> impl Iterator<Item = Role> {
        let all = self.by_port.get(&(transport, local.port())).map_or(&[][..], |all| all);
        candidates(local).flat_map(move |place| {
            all.iter().copied().filter(move |role| match role {
                Role::Datagram { local, dual, .. } => (*local, *dual) == place,
                _ => false,
            })
        })
    }

    /// The same, with the members of each group in the order of `seed`.
    pub fn in_turn(&self, transport: Transport, local: SocketAddr, seed: u64) -> Vec<Role> {
        let order: Vec<Slot> = Slot::group(seed).collect();
        let rank = |role: &Role| match role {
            Role::Datagram { slot, .. } => {
                order.iter().position(|s| s == slot).map_or(0, |n| n + 1)
            }
            _ => 0,
        };
        let place = |role: &Role| match role {
            Role::Datagram { local, dual, .. } => (*dual, local.ip().is_unspecified()),
            _ => (true, true),
        };
        let mut roles: Vec<Role> = self.at(transport, local).collect();
        roles.sort_by_key(|role| (place(role), rank(role)));
        roles
    }

    /// Reads the kernel's list, if it may be read now. False: it may not, or it cannot be read.
    pub fn refresh(&mut self, net: NetId) -> bool {
        let begin = now();
        if !self.readings.begins(begin) {
            return false;
        }
        self.count += 1;
        let states = [unix_diag::ESTABLISHED, unix_diag::CLOSED];
        self.by_port.clear();
        let by_port = &mut self.by_port;
        let listed = unix_diag::each(&states, |entry| {
            // What is connected receives from its peer alone, which knows it.
            if entry.kind != libc::SOCK_DGRAM || entry.peer.is_some() {
                return;
            }
            let name = Name::decode(entry.name).filter(|name| name.net == net);
            if let Some(role @ Role::Datagram { transport, local, .. }) = name.map(|n| n.role) {
                by_port.entry((transport, local.port())).or_default().push(role);
            }
        });
        self.readings.ends(begin, now());
        if let Err(error) = &listed {
            tracing::warn!(%error, "the list of unix sockets cannot be read");
        }
        listed.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::system::unix;
    use rustix::net::SocketType;
    use std::os::fd::OwnedFd;

    fn bound(net: NetId, local: &str, dual: bool, slot: Slot) -> (Role, OwnedFd) {
        let (transport, local) = (Transport::Udp, local.parse().unwrap());
        let role = Role::Datagram { transport, local, dual, slot };
        (role, unix::bound(SocketType::DGRAM, net, role).unwrap())
    }

    #[test]
    fn sockets_are_found_by_port_and_in_order() {
        let net = NetId(std::process::id() << 8 | 0xf1);
        let mut sockets = DatagramSockets::new();
        let to = |text: &str| text.parse().unwrap();
        assert!(sockets.refresh(net));
        assert!(!sockets.has(Transport::Udp, to("10.0.0.2:53")));
        let (dual, _a) = bound(net, "[::]:53", true, Slot::Exclusive);
        let (two, _b) = bound(net, "0.0.0.0:53", false, Slot::Shared(2));
        let (nine, _c) = bound(net, "0.0.0.0:53", false, Slot::Shared(9));
        let (specific, gone) = bound(net, "10.0.0.2:53", false, Slot::Exclusive);
        assert!(sockets.refresh(net));
        assert!(sockets.has(Transport::Udp, to("10.0.0.2:53")));
        assert!(!sockets.has(Transport::Echo, to("10.0.0.2:53")));
        assert!(!sockets.has(Transport::Udp, to("10.0.0.2:54")));
        let mut firsts = Vec::new();
        for seed in 0..64 {
            let all = sockets.in_turn(Transport::Udp, to("10.0.0.2:53"), seed);
            assert_eq!((all.len(), all[0], all[3]), (4, specific, dual));
            firsts.push(all[1]);
        }
        assert!(firsts.contains(&two) && firsts.contains(&nine));
        assert_eq!(sockets.in_turn(Transport::Udp, to("10.0.0.3:53"), 0).len(), 3);
        assert_eq!(sockets.in_turn(Transport::Udp, to("[fd00::1]:53"), 0), [dual]);
        drop(gone);
        assert!(sockets.refresh(net));
        assert_eq!(sockets.at(Transport::Udp, to("10.0.0.2:53")).count(), 3);
    }

    #[test]
    fn a_reading_takes_a_small_share_of_the_time() {
        let takes = Duration::from_micros(100);
        let mut pace = Pace { left: BURST, next: Instant::ZERO, each: Duration::ZERO };
        let (mut time, mut read) = (Instant::from_millis(5), 0);
        // Asked all the time, for a second.
        while time < Instant::from_millis(1_005) {
            if pace.begins(time) {
                read += 1;
                pace.ends(time, time + takes);
                time = time + takes;
            }
            time = time + Duration::from_micros(1);
        }
        assert!((850..950).contains(&(read - BURST)), "{read}");
        // After a rest there is a burst again.
        time = time + Duration::from_secs(1);
        assert!((0..BURST).all(|_| pace.begins(time)));
    }
}
