//! Which addresses programs listen at, as far as the engine knows: told by `Request::Listen`, and
//! read from the kernel's own list of unix sockets at the start (a restarted engine finds the
//! servers of the one before), when the process of a listener ends, and when a listener was not
//! found.
use super::super::system::poller::{EventFlags, Poller, Token};
use super::super::system::slab::{Key, Slab};
use super::super::system::timers::{Due, Timers};
use super::super::system::unix;
use crate::base::Instant;
use crate::base::addr::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use crate::base::time::Duration;
use crate::host::{Errno, unix_diag};
use crate::protocol::name::{Name, NetId, Role, Slot};
use std::collections::HashMap;
use std::os::fd::OwnedFd;

/// Processes of listeners that are watched at most.
const WATCHED_MAX: usize = 4_096;
/// The kernel's list of listeners is read at most this often.
const LIST_PAUSE: Duration = Duration::from_millis(50);

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
    /// All places, the group begun at its (`start` mod its size)-th member.
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

/// All listeners.
pub struct Listeners {
    map: HashMap<Place, Places>,
    /// There are listeners of which only the address is known.
    stale: bool,
    /// Processes that listened (pidfds).
    watches: Slab<(i32, OwnedFd)>,
    watched: HashMap<i32, Key>,
    /// Two sockets that are connected to one another: see [`Listeners::is_there`].
    probe: Option<(OwnedFd, OwnedFd)>,
    /// An address that had a listener when it was looked at last, and the turn of the loop in which
    /// that was.
    seen: Option<(Place, u64)>,
    /// When the kernel's list was read last.
    checked: Instant,
    /// A timer for the next reading is set.
    check_set: bool,
}

impl Listeners {
    /// None is known.
    pub fn new() -> Listeners {
        Listeners {
            map: HashMap::new(),
            stale: true,
            watches: Slab::new(),
            watched: HashMap::new(),
            probe: unix::pair().ok(),
            seen: None,
            checked: Instant::ZERO,
            check_set: false,
        }
    }

    /// A program listens there; which places of a group are taken will be looked up when needed.
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
                // Addresses that have come or gone are for `refresh` to find.
                for (place, places) in &mut self.map {
                    *places = found.get(place).copied().unwrap_or_default();
                }
                self.stale = false;
            }
        }
        self.map.get(&(local, dual)).map_or_else(Vec::new, |places| places.in_turn(start))
    }

    /// Whether a program is known to have listened there.
    pub fn is_known(&self, local: SocketAddr, dual: bool) -> bool {
        self.map.contains_key(&(local, dual))
    }

    /// Whether an address still has a listener: a program that closes one tells no-one. Connects
    /// nothing: `connect` on a connected unix socket gives `EISCONN` if the name has a listener,
    /// `ECONNREFUSED` if not. Within one turn of the loop an address is looked at once.
    pub fn is_there(&mut self, net: NetId, local: SocketAddr, dual: bool, turn: u64) -> bool {
        if self.seen == Some(((local, dual), turn)) {
            return true;
        }
        for slot in self.places(net, local, dual, 0) {
            let Some((probe, _)) = &self.probe else { return true };
            match unix::connect(probe, net, Role::Listener { local, dual, slot }) {
                Err(Errno::CONNREFUSED) => self.gone(local, dual, slot),
                _ => {
                    self.seen = Some(((local, dual), turn));
                    return true;
                }
            }
        }
        self.map.remove(&(local, dual));
        false
    }

    /// A listener has been shut down: no address is known to have been looked at.
    pub fn look_again(&mut self) {
        self.seen = None;
    }

    /// No listener was found there.
    pub fn gone(&mut self, local: SocketAddr, dual: bool, slot: Slot) {
        if let Some(places) = self.map.get_mut(&(local, dual)) {
            places.remove(slot);
        }
    }

    /// Whether the kernel's list may be read now. If it has just been read, a timer is set.
    pub fn may_check(&mut self, now: Instant, timers: &mut Timers) -> bool {
        let next = self.checked + LIST_PAUSE;
        if now >= next || self.checked == Instant::ZERO {
            self.checked = now;
            return true;
        }
        if !self.check_set {
            self.check_set = true;
            timers.set(next, Due::Listeners);
        }
        false
    }

    /// The timer of [`Listeners::may_check`] has come.
    pub fn check_is_due(&mut self) {
        self.check_set = false;
    }

    /// From now on the poller tells when process `pid`, which listens, ends. True: it has ended.
    pub fn watch(&mut self, pid: i32, poller: &Poller) -> bool {
        use rustix::process::{Pid, PidfdFlags, pidfd_open};
        if pid <= 0 || self.watched.contains_key(&pid) || self.watches.len() >= WATCHED_MAX {
            return false;
        }
        let Some(id) = Pid::from_raw(pid) else { return false };
        match pidfd_open(id, PidfdFlags::empty()) {
            Ok(pidfd) => {
                let key = self.watches.insert((pid, pidfd));
                self.watched.insert(pid, key);
                let Some((_, pidfd)) = self.watches.get(key) else { return false };
                if poller.add(pidfd, Token::Process(key), EventFlags::IN).is_err() {
                    self.unwatch(key);
                }
                false
            }
            Err(Errno::SRCH) => true,
            Err(error) => {
                tracing::debug!(pid, %error, "cannot watch a listener's process");
                false
            }
        }
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

/// The listeners of `net`; `None` if the kernel's list cannot be read.
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
