//! The neighbours of one family on one link, and what becomes of a frame for one: see the states at
//! the top of the room.
use crate::base::addr::IpAddr;
use crate::base::frame::TxFrame;
use crate::base::limits::{NEIGHBOR_PENDING, NEIGHBOR_PENDING_BYTES, NEIGHBORS};
use crate::base::time::Duration;
use crate::base::{Instant, MacAddr};
use std::collections::{BTreeMap, VecDeque};

/// RFC 4861 10: RETRANS_TIMER.
const RETRANSMIT: Duration = Duration::from_secs(1);
/// RFC 4861 10: MAX_MULTICAST_SOLICIT and MAX_UNICAST_SOLICIT.
const TRIES: u8 = 3;
/// RFC 4861 10: REACHABLE_TIME.
const REACHABLE: Duration = Duration::from_secs(30);
/// A neighbour to which something was sent so lately is not forgotten for another.
const IN_USE: Duration = Duration::from_secs(60);
/// RFC 4861 10: DELAY_FIRST_PROBE_TIME.
const DELAY: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Incomplete { tries: u8, again: Instant },
    Reachable { until: Instant },
    Stale,
    Delay { until: Instant },
    Probe { tries: u8, again: Instant },
}

#[derive(Debug)]
pub(super) struct Neighbor {
    state: State,
    /// Known in every state but `Incomplete`.
    mac: MacAddr,
    /// When it was first heard of, or asked for; and when something was last sent to it.
    heard_at: Instant,
    sent_at: Option<Instant>,
    /// Frames that wait, without their destination.
    pending: VecDeque<TxFrame>,
    pending_bytes: usize,
}

/// What becomes of a frame to a neighbour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::stack) enum Outcome {
    /// Send it there.
    Send(MacAddr),
    /// It was put aside; `dropped` frames that had waited longer were dropped for it.
    Wait {
        /// How many.
        dropped: usize,
        /// Ask for the neighbour now.
        solicit: bool,
    },
    /// No room for another neighbour: it was dropped.
    Full,
}

/// What is due.
#[derive(Debug)]
pub(in crate::stack) enum Due {
    /// Ask for it: directly if its address is known.
    Solicit(IpAddr, Option<MacAddr>),
    /// It did not answer; these frames waited.
    Failed(IpAddr, VecDeque<TxFrame>),
}

/// What somebody says of a neighbour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::stack) struct Claim {
    /// The neighbour.
    pub ip: IpAddr,
    /// Its Ethernet address.
    pub mac: MacAddr,
    /// It answers our question.
    pub solicited: bool,
    /// It may replace another address.
    pub overrides: bool,
    /// Remember it even if we had not heard of it.
    pub create: bool,
}

/// The neighbours of one family.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) table: BTreeMap<IpAddr, Neighbor>,
    /// Not later than the first deadline in the table.
    pub(super) next: Option<Instant>,
    /// How long one that answered is reachable, and between two questions.
    pub(super) reachable: Duration,
    pub(super) retransmit: Duration,
}

impl Default for Table {
    fn default() -> Table {
        let (reachable, retransmit) = (REACHABLE, RETRANSMIT);
        Table { table: BTreeMap::new(), next: None, reachable, retransmit }
    }
}

impl Table {
    /// Where to send `frame`, whose next hop is `ip`; or it is taken to wait.
    pub(super) fn lookup(&mut self, now: Instant, ip: IpAddr, frame: &mut TxFrame) -> Outcome {
        if !self.table.contains_key(&ip) {
            if !self.make_room(now) {
                return Outcome::Full;
            }
            let again = now + self.retransmit;
            self.insert(now, ip, State::Incomplete { tries: 1, again }, MacAddr::default());
            self.wake_by(again);
            let dropped = self.table.get_mut(&ip).map_or(0, |n| n.put_aside(frame));
            return Outcome::Wait { dropped, solicit: true };
        }
        let Some(neighbor) = self.table.get_mut(&ip) else { return Outcome::Full };
        neighbor.sent_at = Some(now);
        match neighbor.state {
            State::Incomplete { .. } => {
                return Outcome::Wait { dropped: neighbor.put_aside(frame), solicit: false };
            }
            State::Reachable { until } if now < until => {}
            State::Reachable { .. } | State::Stale => {
                let until = now + DELAY;
                neighbor.state = State::Delay { until };
                let mac = neighbor.mac;
                self.wake_by(until);
                return Outcome::Send(mac);
            }
            State::Delay { .. } | State::Probe { .. } => {}
        }
        Outcome::Send(neighbor.mac)
    }
    /// Takes note of a claim. Gives back the frames that waited for it.
    pub(super) fn learn(&mut self, now: Instant, claim: &Claim) -> Option<VecDeque<TxFrame>> {
        let reachable = State::Reachable { until: now + self.reachable };
        let Some(neighbor) = self.table.get_mut(&claim.ip) else {
            if claim.create && self.make_room(now) {
                self.insert(now, claim.ip, State::Stale, claim.mac);
            }
            return None;
        };
        let same = neighbor.mac == claim.mac;
        match neighbor.state {
            State::Incomplete { .. } => {
                neighbor.mac = claim.mac;
                neighbor.state = if claim.solicited { reachable } else { State::Stale };
                neighbor.pending_bytes = 0;
                neighbor.sent_at = Some(now);
                return Some(core::mem::take(&mut neighbor.pending));
            }
            // RFC 4861 7.2.5 I: no override, another address: do not believe it, but find out.
            State::Reachable { .. } if !same && !claim.overrides => neighbor.state = State::Stale,
            _ if !same && !claim.overrides => {}
            // 7.2.5 II.
            _ if claim.solicited => {
                neighbor.mac = claim.mac;
                neighbor.state = reachable;
            }
            _ if !same => {
                neighbor.mac = claim.mac;
                neighbor.state = State::Stale;
            }
            _ => {}
        }
        None
    }
    /// The Ethernet address of a neighbour, if known.
    pub(super) fn mac(&self, ip: IpAddr) -> Option<MacAddr> {
        let known = |n: &&Neighbor| !matches!(n.state, State::Incomplete { .. });
        self.table.get(&ip).filter(known).map(|n| n.mac)
    }
    /// The next thing that is due at `now`; call until `None`.
    pub(super) fn due(&mut self, now: Instant) -> Option<Due> {
        if self.next.is_none_or(|next| now < next) {
            return None;
        }
        let late = |n: &Neighbor| n.deadline().is_some_and(|at| at <= now);
        let Some((&ip, neighbor)) = self.table.iter_mut().find(|(_, n)| late(n)) else {
            self.next = self.table.values().filter_map(Neighbor::deadline).min();
            return None;
        };
        let again = now + self.retransmit;
        match neighbor.state {
            State::Incomplete { tries, .. } if tries < TRIES => {
                neighbor.state = State::Incomplete { tries: tries + 1, again };
                Some(Due::Solicit(ip, None))
            }
            State::Delay { .. } => {
                neighbor.state = State::Probe { tries: 1, again };
                Some(Due::Solicit(ip, Some(neighbor.mac)))
            }
            State::Probe { tries, .. } if tries < TRIES => {
                neighbor.state = State::Probe { tries: tries + 1, again };
                Some(Due::Solicit(ip, Some(neighbor.mac)))
            }
            _ => self.table.remove(&ip).map(|neighbor| Due::Failed(ip, neighbor.pending)),
        }
    }
    /// All of them: address, Ethernet address if known, and state's name.
    pub(super) fn iter(
        &self,
        now: Instant,
    ) -> impl Iterator<Item = (IpAddr, Option<MacAddr>, &'static str)> + '_ {
        self.table.iter().map(move |(ip, n)| match n.state {
            State::Incomplete { .. } => (*ip, None, "incomplete"),
            State::Reachable { until } if now < until => (*ip, Some(n.mac), "reachable"),
            State::Reachable { .. } | State::Stale => (*ip, Some(n.mac), "stale"),
            State::Delay { .. } => (*ip, Some(n.mac), "delay"),
            State::Probe { .. } => (*ip, Some(n.mac), "probe"),
        })
    }

    fn insert(&mut self, now: Instant, ip: IpAddr, state: State, mac: MacAddr) {
        let pending = VecDeque::new();
        let neighbor =
            Neighbor { state, mac, heard_at: now, sent_at: None, pending, pending_bytes: 0 };
        self.table.insert(ip, neighbor);
    }
    /// Forgets one neighbour if the table is full: see the top of the file. False: all of them are
    /// in use.
    fn make_room(&mut self, now: Instant) -> bool {
        if self.table.len() < NEIGHBORS {
            return true;
        }
        let rank = |(_, n): &(&IpAddr, &Neighbor)| match (n.state, n.sent_at) {
            (State::Incomplete { .. }, _) => (0, n.heard_at),
            (_, None) => (1, n.heard_at),
            (_, Some(at)) => (2, at),
        };
        let unused = |n: &Neighbor| {
            let incomplete = matches!(n.state, State::Incomplete { .. });
            incomplete || n.sent_at.is_none_or(|at| now.since(at) >= IN_USE)
        };
        let oldest = self.table.iter().filter(|(_, n)| unused(n)).min_by_key(rank);
        let Some((&ip, _)) = oldest else { return false };
        self.table.remove(&ip);
        true
    }
    fn wake_by(&mut self, at: Instant) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }
}

impl Neighbor {
    /// Takes `frame`, and drops the oldest (RFC 4861 7.2.2) for it; how many.
    fn put_aside(&mut self, frame: &mut TxFrame) -> usize {
        let frame = core::mem::take(frame);
        self.pending_bytes += frame.bytes.len();
        self.pending.push_back(frame);
        let mut dropped = 0;
        while self.pending.len() > NEIGHBOR_PENDING
            || self.pending_bytes > NEIGHBOR_PENDING_BYTES && self.pending.len() > 1
        {
            let Some(oldest) = self.pending.pop_front() else { break };
            self.pending_bytes -= oldest.bytes.len();
            dropped += 1;
        }
        dropped
    }
    fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Incomplete { again, .. } | State::Probe { again, .. } => Some(again),
            State::Delay { until } => Some(until),
            State::Reachable { .. } | State::Stale => None,
        }
    }
}
