//! Neighbours on an Ethernet link: one table for ARP and ND, with the states of RFC 4861 7.3.2.
//!
//! | state | means | packets to it |
//! |---|---|---|
//! | incomplete | asked for, by multicast or broadcast, 3 times at 1 s | wait, bounded |
//! | reachable | it answered within the last 30 s | go |
//! | stale | it was there once, or somebody said so | go, and it becomes delay |
//! | delay | used again; it has 5 s to show itself | go |
//! | probe | being asked directly, 3 times at 1 s | go |
//!
//! A neighbour that does not answer is forgotten; who waited for it is told. The table is pure: it
//! says what to send (`Solicit`), `arp.rs` and `nd.rs` send it. Hints from TCP that a neighbour is
//! reachable are not used: a busy one is asked once in 35 s.
mod advertised;
mod arp;
mod autoconf;
mod dad;
mod io;
mod nd;
mod redirect;
mod redirects;
mod tentative;

pub(in crate::stack) use advertised::Autoconf;
pub(in crate::stack) use redirects::Redirects;
pub(in crate::stack) use tentative::Tentative;

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
struct Neighbor {
    state: State,
    /// Known in every state but `Incomplete`.
    mac: MacAddr,
    /// When it was last of use, to find the one to forget.
    used: Instant,
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

/// The neighbours of one interface.
#[derive(Debug)]
pub(in crate::stack) struct Neighbors {
    table: BTreeMap<IpAddr, Neighbor>,
    /// Not later than the first deadline in the table.
    next: Option<Instant>,
    /// How long one that answered is reachable, and between two questions: as routers say.
    reachable: Duration,
    retransmit: Duration,
}

impl Default for Neighbors {
    fn default() -> Neighbors {
        let (reachable, retransmit) = (REACHABLE, RETRANSMIT);
        Neighbors { table: BTreeMap::new(), next: None, reachable, retransmit }
    }
}

impl Neighbors {
    /// What a router says of reachability and of questions, in milliseconds (RFC 4861 6.3.4); 0 and
    /// `None`: nothing. Kept between a tenth of a second and an hour.
    pub fn set_timing(&mut self, reachable_ms: u32, retransmit_ms: Option<u32>) {
        let time = |ms: u32| Duration::from_millis(u64::from(ms.clamp(100, 3_600_000)));
        if reachable_ms != 0 {
            self.reachable = time(reachable_ms);
        }
        if let Some(ms) = retransmit_ms {
            self.retransmit = time(ms);
        }
    }
    /// Where to send `frame`, whose next hop is `ip`; or it is taken to wait.
    pub fn lookup(&mut self, now: Instant, ip: IpAddr, frame: &mut TxFrame) -> Outcome {
        if !self.table.contains_key(&ip) {
            if !self.make_room() {
                return Outcome::Full;
            }
            let again = now + self.retransmit;
            self.insert(now, ip, State::Incomplete { tries: 1, again }, MacAddr::default());
            self.wake_by(again);
            let dropped = self.table.get_mut(&ip).map_or(0, |n| n.put_aside(frame));
            return Outcome::Wait { dropped, solicit: true };
        }
        let Some(neighbor) = self.table.get_mut(&ip) else { return Outcome::Full };
        neighbor.used = now;
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
    pub fn learn(&mut self, now: Instant, claim: &Claim) -> Option<VecDeque<TxFrame>> {
        let reachable = State::Reachable { until: now + self.reachable };
        let Some(neighbor) = self.table.get_mut(&claim.ip) else {
            if claim.create && self.make_room() {
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
    pub fn mac(&self, ip: IpAddr) -> Option<MacAddr> {
        let known = |n: &&Neighbor| !matches!(n.state, State::Incomplete { .. });
        self.table.get(&ip).filter(known).map(|n| n.mac)
    }
    /// The next thing that is due at `now`; call until `None`.
    pub fn due(&mut self, now: Instant) -> Option<Due> {
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
    /// When something is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.next
    }
    /// All of them: address, Ethernet address if known, and state's name.
    pub fn iter(
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
        let neighbor = Neighbor { state, mac, used: now, pending, pending_bytes: 0 };
        self.table.insert(ip, neighbor);
    }
    /// Forgets the neighbour that was of no use for longest, if the table is full. One that is
    /// being asked for is not forgotten.
    fn make_room(&mut self) -> bool {
        if self.table.len() < NEIGHBORS {
            return true;
        }
        let idle = |n: &Neighbor| matches!(n.state, State::Reachable { .. } | State::Stale);
        let oldest = self.table.iter().filter(|(_, n)| idle(n)).min_by_key(|(_, n)| n.used);
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

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);
    const OTHER: MacAddr = MacAddr([2, 0, 0, 0, 0, 10]);

    fn ip(last: u16) -> IpAddr {
        IpAddr::from([10, 0, (last >> 8) as u8, last as u8])
    }
    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1000)
    }
    fn frame(len: usize) -> TxFrame {
        TxFrame { bytes: vec![0; len], ..Default::default() }
    }
    fn claim(mac: MacAddr, solicited: bool, overrides: bool) -> Claim {
        Claim { ip: ip(1), mac, solicited, overrides, create: false }
    }
    fn state(table: &Neighbors, now: Instant) -> Vec<&'static str> {
        table.iter(now).map(|(_, _, state)| state).collect()
    }

    /// RFC 4861 7.2.2: three solicitations, then the packets have failed.
    #[test]
    fn asked_three_times_then_failed() {
        let mut table = Neighbors::default();
        let wait = Outcome::Wait { dropped: 0, solicit: true };
        assert_eq!(table.lookup(at(0), ip(1), &mut frame(60)), wait);
        for second in 1..=2 {
            assert_eq!(table.deadline(), Some(at(second)));
            assert!(matches!(table.due(at(second)), Some(Due::Solicit(_, None))));
            assert!(table.due(at(second)).is_none());
        }
        let Some(Due::Failed(_, frames)) = table.due(at(3)) else { panic!("not failed") };
        assert_eq!(frames.len(), 1);
        assert!(table.due(at(3)).is_none());
        assert_eq!(table.deadline(), None);
    }

    /// RFC 4861 7.3: reachable, stale, delay, probe.
    #[test]
    fn life_of_a_neighbor() {
        let mut table = Neighbors::default();
        table.lookup(at(0), ip(1), &mut frame(60));
        table.lookup(at(0), ip(1), &mut frame(61));
        let frames = table.learn(at(0), &claim(MAC, true, true)).unwrap();
        assert_eq!(frames.iter().map(|f| f.bytes.len()).collect::<Vec<_>>(), [60, 61]);
        assert_eq!(table.lookup(at(29), ip(1), &mut frame(1)), Outcome::Send(MAC));
        assert_eq!(state(&table, at(29)), ["reachable"]);
        assert_eq!(state(&table, at(30)), ["stale"]);
        assert_eq!(table.lookup(at(40), ip(1), &mut frame(1)), Outcome::Send(MAC));
        assert_eq!(state(&table, at(40)), ["delay"]);
        assert!(matches!(table.due(at(45)), Some(Due::Solicit(_, Some(MAC)))));
        assert!(matches!(table.due(at(46)), Some(Due::Solicit(_, Some(MAC)))));
        assert!(table.learn(at(46), &claim(MAC, true, true)).is_none());
        assert_eq!(state(&table, at(46)), ["reachable"]);
        assert!(table.due(at(100)).is_none());
    }

    /// RFC 4861 7.2.5: what an advertisement may change.
    #[test]
    fn claims_by_the_rules() {
        let mut table = Neighbors::default();
        assert!(table.learn(at(0), &claim(MAC, false, true)).is_none());
        assert!(state(&table, at(0)).is_empty(), "unsolicited claims create nothing");
        table.lookup(at(0), ip(1), &mut frame(60));
        table.learn(at(0), &claim(MAC, true, true));
        table.learn(at(1), &claim(OTHER, false, false));
        assert_eq!(state(&table, at(1)), ["stale"]);
        assert_eq!(table.lookup(at(1), ip(1), &mut frame(1)), Outcome::Send(MAC));
        table.learn(at(1), &claim(OTHER, false, true));
        assert_eq!(table.lookup(at(1), ip(1), &mut frame(1)), Outcome::Send(OTHER));
    }

    /// RFC 4861 7.2.2: a few packets wait for the answer.
    #[test]
    fn what_waits_is_bounded() {
        let mut table = Neighbors::default();
        table.lookup(at(0), ip(1), &mut frame(60));
        let mut dropped = 0;
        for _ in 0..1000 {
            match table.lookup(at(0), ip(1), &mut frame(1500)) {
                Outcome::Wait { dropped: n, solicit: false } => dropped += n,
                other => panic!("{other:?}"),
            }
        }
        let frames = table.learn(at(0), &claim(MAC, true, true)).unwrap();
        assert_eq!(frames.len() + dropped, 1001);
        assert!(frames.len() <= NEIGHBOR_PENDING);
        assert!(frames.iter().map(|f| f.bytes.len()).sum::<usize>() <= NEIGHBOR_PENDING_BYTES);
    }

    /// RFC 6583 6.2: a bounded table; neighbours that are in use are not forgotten for new ones.
    #[test]
    fn the_table_is_bounded() {
        let mut table = Neighbors::default();
        for i in 0..2 * NEIGHBORS as u16 {
            let claim = Claim { ip: ip(i), create: true, ..claim(MAC, false, true) };
            table.learn(at(u64::from(i)), &claim);
        }
        assert_eq!(table.table.len(), NEIGHBORS);
        assert!(table.table.contains_key(&ip(2 * NEIGHBORS as u16 - 1)), "the newest is kept");
        let mut table = Neighbors::default();
        for i in 0..=NEIGHBORS as u16 {
            let outcome = table.lookup(at(0), ip(i), &mut frame(60));
            assert_eq!(outcome == Outcome::Full, i == NEIGHBORS as u16);
        }
    }
}
