//! The neighbours of one interface: a table for each family.
use super::table::{Claim, Due, Outcome, Table};
use crate::base::addr::IpAddr;
use crate::base::frame::TxFrame;
use crate::base::time::Duration;
use crate::base::{Instant, MacAddr};
use std::collections::VecDeque;

/// A router may ask for pauses between questions of this length, milliseconds. (RFC 4861 6.3.4 has
/// no bound: an hour would mean that no neighbour that has changed is ever found.)
const RETRANSMIT_BOUNDS_MS: (u32, u32) = (100, 10_000);
/// RFC 4861 6.2.1: the longest time for which a router may call a neighbour reachable, and the
/// shortest that is believed, milliseconds.
const REACHABLE_BOUNDS_MS: (u32, u32) = (100, 3_600_000);

/// The neighbours of one interface.
#[derive(Debug, Default)]
pub(in crate::stack) struct Neighbors {
    v4: Table,
    v6: Table,
}

impl Neighbors {
    fn table(&mut self, ip: IpAddr) -> &mut Table {
        if ip.is_ipv4() { &mut self.v4 } else { &mut self.v6 }
    }
    /// What a router says of reachability and of questions, in milliseconds (RFC 4861 6.3.4); 0 and
    /// `None`: nothing. It says so of IPv6; ARP has its own times.
    pub fn set_timing(&mut self, reachable_ms: u32, retransmit_ms: Option<u32>) {
        let time = |ms: u32, (least, most): (u32, u32)| {
            Duration::from_millis(u64::from(ms.clamp(least, most)))
        };
        if reachable_ms != 0 {
            self.v6.reachable = time(reachable_ms, REACHABLE_BOUNDS_MS);
        }
        if let Some(ms) = retransmit_ms {
            self.v6.retransmit = time(ms, RETRANSMIT_BOUNDS_MS);
        }
    }
    /// Where to send `frame`, whose next hop is `ip`; or it is taken to wait.
    pub fn lookup(&mut self, now: Instant, ip: IpAddr, frame: &mut TxFrame) -> Outcome {
        self.table(ip).lookup(now, ip, frame)
    }
    /// Takes note of a claim. Gives back the frames that waited for it.
    pub fn learn(&mut self, now: Instant, claim: &Claim) -> Option<VecDeque<TxFrame>> {
        self.table(claim.ip).learn(now, claim)
    }
    /// The Ethernet address of a neighbour, if known.
    pub fn mac(&self, ip: IpAddr) -> Option<MacAddr> {
        let table = if ip.is_ipv4() { &self.v4 } else { &self.v6 };
        table.mac(ip)
    }
    /// The next thing that is due at `now`; call until `None`.
    pub fn due(&mut self, now: Instant) -> Option<Due> {
        self.v4.due(now).or_else(|| self.v6.due(now))
    }
    /// When something is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.v4.next.into_iter().chain(self.v6.next).min()
    }
    /// All of them: address, Ethernet address if known, and state's name.
    pub fn iter(
        &self,
        now: Instant,
    ) -> impl Iterator<Item = (IpAddr, Option<MacAddr>, &'static str)> + '_ {
        self.v4.iter(now).chain(self.v6.iter(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::{NEIGHBOR_PENDING, NEIGHBOR_PENDING_BYTES, NEIGHBORS};

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

    /// RFC 6583 6.2: bounded tables. What makes room are questions without an answer, then
    /// neighbours to which nothing is sent; those in use stay.
    #[test]
    fn the_table_is_bounded() {
        let full = NEIGHBORS as u16;
        let mut table = Neighbors::default();
        for i in 0..2 * full {
            let claim = Claim { ip: ip(i), create: true, ..claim(MAC, false, true) };
            table.learn(at(u64::from(i)), &claim);
        }
        assert_eq!(table.v4.table.len(), NEIGHBORS);
        assert!(table.v4.table.contains_key(&ip(2 * full - 1)), "the newest is kept");
        // A question that nobody answers makes room for the next.
        let mut table = Neighbors::default();
        for i in 0..=full {
            let outcome = table.lookup(at(0), ip(i), &mut frame(60));
            assert_eq!(outcome, Outcome::Wait { dropped: 0, solicit: true });
        }
        assert_eq!(table.v4.table.len(), NEIGHBORS);
        // All in use: there is no room.
        let mut table = Neighbors::default();
        for i in 0..full {
            table.lookup(at(0), ip(i), &mut frame(60));
            table.learn(at(0), &Claim { ip: ip(i), ..claim(MAC, true, true) });
        }
        assert_eq!(table.lookup(at(59), ip(full), &mut frame(60)), Outcome::Full);
        assert_ne!(table.lookup(at(60), ip(full), &mut frame(60)), Outcome::Full);
    }

    /// RFC 6583 4: packets from forged addresses make neighbours by the thousand, as questions, as
    /// claims and as addresses that were answered: they never push out the peer in use, and
    /// neither family the other's.
    #[test]
    fn forged_neighbors_push_out_only_each_other() {
        let mut table = Neighbors::default();
        let peer = ip(1);
        table.lookup(at(0), peer, &mut frame(60));
        table.learn(at(0), &claim(MAC, true, true));
        let v6 = |i: u16| IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, i]);
        for i in 2..3 * NEIGHBORS as u16 {
            let now = at(1) + Duration::from_millis(u64::from(i));
            table.lookup(now, ip(i), &mut frame(98));
            let forged = Claim { ip: ip(i + 20_000), create: true, ..claim(OTHER, false, true) };
            table.learn(now, &forged);
            table.lookup(now, v6(i), &mut frame(118));
        }
        assert_eq!(table.mac(peer), Some(MAC));
        assert_eq!(table.lookup(at(5), peer, &mut frame(60)), Outcome::Send(MAC));
        assert!(table.v4.table.len() <= NEIGHBORS && table.v6.table.len() <= NEIGHBORS);
        // A new peer is found among them.
        let new = ip(60_000);
        table.lookup(at(5), new, &mut frame(60));
        let found = Claim { ip: new, ..claim(MAC, true, true) };
        assert_eq!(table.learn(at(5), &found).map(|frames| frames.len()), Some(1));
        assert_eq!(table.lookup(at(5), new, &mut frame(60)), Outcome::Send(MAC));
    }

    /// RFC 4861 6.3.4: what a router says of times is about IPv6, and within bounds.
    #[test]
    fn the_times_of_routers_do_not_rule_arp() {
        let mut table = Neighbors::default();
        table.set_timing(3_600_000, Some(3_600_000));
        let v6 = IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 1]);
        for (neighbor, seconds, reachable) in [(ip(1), 1, 30), (v6, 10, 3_600)] {
            let mut table = Neighbors::default();
            table.set_timing(3_600_000, Some(3_600_000));
            table.lookup(at(0), neighbor, &mut frame(60));
            assert_eq!(table.deadline(), Some(at(seconds)), "{neighbor}");
            table.learn(at(0), &Claim { ip: neighbor, ..claim(MAC, true, true) });
            assert_eq!(state(&table, at(reachable - 1)), ["reachable"]);
            assert_eq!(state(&table, at(reachable)), ["stale"]);
        }
    }
}
