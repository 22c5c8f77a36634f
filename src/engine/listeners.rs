//! Who listens, as far as the engine knows: told by `Request::Listen`, and read from the kernel's
//! own list of unix sockets at the start (a restarted engine finds the servers of the one before),
//! when the process of a listener ends, and when a knock was in vain.
use super::slab::{Key, Slab};
use super::unix;
use crate::base::addr::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use crate::host::{Errno, unix_diag};
use crate::protocol::name::{Name, NetId, Role, Slot};
use std::collections::HashMap;
use std::os::fd::OwnedFd;

/// Processes of listeners that are watched at most.
const WATCHED_MAX: usize = 4_096;

/// The sockets that share one address and port.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Places {
    /// One that does not share.
    exclusive: bool,
    /// Bit n: the n-th of a group.
    shared: u16,
}

impl Places {
    fn add(&mut self, slot: Slot) {
        match slot {
            Slot::Exclusive => self.exclusive = true,
            Slot::Shared(n) => self.shared |= 1 << n,
        }
    }
    fn remove(&mut self, slot: Slot) {
        match slot {
            Slot::Exclusive => self.exclusive = false,
            Slot::Shared(n) => self.shared &= !(1 << n),
        }
    }
    /// Everybody, the group begun at its (`start` mod its size)-th member.
    fn in_turn(self, start: u64) -> Vec<Slot> {
        let mut group: Vec<Slot> =
            (0..Slot::SHARED).filter(|n| self.shared & (1 << n) != 0).map(Slot::Shared).collect();
        if !group.is_empty() {
            let at = (start % group.len() as u64) as usize;
            group.rotate_left(at);
        }
        if self.exclusive {
            group.insert(0, Slot::Exclusive);
        }
        group
    }
}

/// A listener's address, and whether it is `::` that takes IPv4 too.
pub type Place = (SocketAddr, bool);

/// See the module.
pub struct Listeners {
    map: HashMap<Place, Places>,
    /// Somebody listens of whom only the address is known.
    stale: bool,
    /// Processes that listened (pidfds).
    watches: Slab<(i32, OwnedFd)>,
    watched: HashMap<i32, Key>,
    /// Two sockets that are connected to one another: see [`Listeners::anybody`].
    probe: Option<(OwnedFd, OwnedFd)>,
}

impl Listeners {
    /// Nobody known.
    pub fn new() -> Listeners {
        Listeners {
            map: HashMap::new(),
            stale: true,
            watches: Slab::new(),
            watched: HashMap::new(),
            probe: unix::pair().ok(),
        }
    }

    /// Somebody listens there; which places of a group are taken will be looked up when needed.
    pub fn told(&mut self, place: Place) {
        self.map.entry(place).or_default();
        self.stale = true;
    }

    /// Reads the kernel's list. What is new, and what is no longer there. Nothing changes if the
    /// list cannot be read.
    pub fn refresh(&mut self, net: NetId) -> (Vec<Place>, Vec<Place>) {
        let Some(found) = survey(net) else { return (Vec::new(), Vec::new()) };
        self.stale = false;
        let fresh = found.keys().filter(|p| !self.map.contains_key(p)).copied().collect();
        let lost = self.map.keys().filter(|p| !found.contains_key(p)).copied().collect();
        self.map = found;
        (fresh, lost)
    }

    /// The places of one address, in the order to be tried.
    pub fn places(&mut self, net: NetId, local: SocketAddr, dual: bool, start: u64) -> Vec<Slot> {
        if self.stale {
            if let Some(found) = survey(net) {
                // Who has come or gone is for `refresh` to find.
                for (place, places) in &mut self.map {
                    *places = found.get(place).copied().unwrap_or_default();
                }
                self.stale = false;
            }
        }
        self.map.get(&(local, dual)).map_or_else(Vec::new, |places| places.in_turn(start))
    }

    /// Whether anybody is still there. Who closes a listening socket, tells nobody; but the kernel
    /// looks for the listener even if the socket that is to be connected to it is connected
    /// already, and then says that instead.
    pub fn anybody(&mut self, net: NetId, local: SocketAddr, dual: bool) -> bool {
        for slot in self.places(net, local, dual, 0) {
            let Some((probe, _)) = &self.probe else { return true };
            match unix::connect(probe, net, Role::Listener { local, dual, slot }) {
                Err(Errno::CONNREFUSED) => self.gone(local, dual, slot),
                _ => return true,
            }
        }
        self.map.remove(&(local, dual));
        false
    }

    /// Nobody was found there.
    pub fn gone(&mut self, local: SocketAddr, dual: bool, slot: Slot) {
        if let Some(places) = self.map.get_mut(&(local, dual)) {
            places.remove(slot);
        }
    }

    /// Whether the end of process `pid` is yet to be watched for.
    pub fn wants_watch(&self, pid: i32) -> bool {
        pid > 0 && !self.watched.contains_key(&pid) && self.watches.len() < WATCHED_MAX
    }

    /// Keeps a pidfd; its key is for the poller.
    pub fn watch(&mut self, pid: i32, pidfd: OwnedFd) -> Key {
        let key = self.watches.insert((pid, pidfd));
        self.watched.insert(pid, key);
        key
    }

    /// The pidfd, to be put into the poller.
    pub fn pidfd(&self, key: Key) -> Option<&OwnedFd> {
        self.watches.get(key).map(|(_, fd)| fd)
    }

    /// That process has ended.
    pub fn unwatch(&mut self, key: Key) {
        if let Some((pid, _)) = self.watches.remove(key) {
            self.watched.remove(&pid);
        }
    }
}

/// The names under which a listener for `local` may be bound, the best first.
pub fn candidates(local: SocketAddr) -> impl Iterator<Item = Place> {
    let port = local.port();
    let any4 = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
    let any6 = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port);
    let wildcard = if local.is_ipv4() { any4 } else { any6 };
    [(SocketAddr::new(local.ip(), port), false), (wildcard, false), (any6, true)].into_iter()
}

/// Who listens in `net`; `None` if the kernel's list cannot be read.
fn survey(net: NetId) -> Option<HashMap<Place, Places>> {
    let list = kernel_list(net)
        .inspect_err(|error| tracing::warn!(%error, "the list of unix sockets cannot be read"));
    let mut found: HashMap<Place, Places> = HashMap::new();
    for (place, slot) in list.ok()? {
        found.entry(place).or_default().add(slot);
    }
    Some(found)
}

/// The stream listeners of `net`, from the kernel.
fn kernel_list(net: NetId) -> Result<Vec<(Place, Slot)>, Errno> {
    let mut list = Vec::new();
    unix_diag::each(&[unix_diag::LISTENING], |entry| {
        if entry.kind != libc::SOCK_STREAM {
            return;
        }
        if let Some(Name { net: its, role: Role::Listener { local, dual, slot } }) =
            Name::decode(entry.name)
        {
            if its == net {
                list.push(((local, dual), slot));
            }
        }
    })?;
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_a_group_take_turns() {
        let mut places = Places::default();
        assert_eq!(places.in_turn(0), []);
        places.add(Slot::Shared(1));
        places.add(Slot::Shared(4));
        assert_eq!(places.in_turn(0), [Slot::Shared(1), Slot::Shared(4)]);
        assert_eq!(places.in_turn(3), [Slot::Shared(4), Slot::Shared(1)]);
        places.remove(Slot::Shared(1));
        assert_eq!(places.in_turn(3), [Slot::Shared(4)]);
    }

    #[test]
    fn the_specific_address_comes_first_and_dual_last() {
        let list: Vec<Place> = candidates("10.0.0.2:80".parse().unwrap()).collect();
        let text: Vec<String> = list.iter().map(|(a, d)| format!("{a} {d}")).collect();
        assert_eq!(text, ["10.0.0.2:80 false", "0.0.0.0:80 false", "[::]:80 true"]);
    }
}
