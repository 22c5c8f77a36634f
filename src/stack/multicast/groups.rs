//! The groups joined on one interface, and what routers are told of them: the host's part of IGMP
//! (RFC 3376 5, RFC 2236 3) and MLD (RFC 3810 6, RFC 2710 4) is one machine. Pure: it says what to
//! send, `mod.rs` sends it.
//!
//! A join is reported at once and once more within a second; so is a leave. A query is answered
//! after a random part of the time that it gives. While an older router is about (RFC 3376 7.2.1)
//! its version is spoken: one report for each group, kept back if another host has sent one.
use crate::base::addr::{IpAddr, Ipv6Addr};
use crate::base::limits::GROUPS;
use crate::base::time::Duration;
use crate::base::{Instant, Rng};
use crate::wire::igmp::{Record, Version};
use std::collections::BTreeMap;

/// RFC 3376 8.1, RFC 3810 9.1: how often a change is told.
const ROBUSTNESS: u8 = 2;
/// RFC 3376 8.11, RFC 3810 9.11: between the two.
const NEWS_INTERVAL: Duration = Duration::from_secs(1);
/// RFC 2236 8.10: the same for older versions.
const OLD_NEWS_INTERVAL: Duration = Duration::from_secs(10);
/// RFC 3376 8.12: an older router is believed in for twice its query interval and an answer's time.
const OLDER_QUERIER: Duration = Duration::from_secs(260);

/// What to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::stack) enum Say {
    /// A report of the newest version.
    Records(Vec<(Record, IpAddr)>),
    /// A report of an older version.
    Report(Version, IpAddr),
    /// An older version's leave.
    Leave(IpAddr),
}

#[derive(Clone, Copy, Debug)]
struct Group {
    /// How many have joined; 0: left, but the routers have not been told twice yet.
    members: u32,
    /// How often the change is still to be told, and when next.
    news: u8,
    news_at: Instant,
    /// When a question about this group is to be answered.
    answer_at: Option<Instant>,
}

/// What the routers of one family speak.
#[derive(Clone, Copy, Debug)]
struct Family {
    version: Version,
    /// Until when the version is older than the newest.
    older_until: Instant,
    /// When a question about all groups is to be answered.
    answer_at: Option<Instant>,
}

impl Default for Family {
    fn default() -> Family {
        Family { version: Version::V3, older_until: Instant::ZERO, answer_at: None }
    }
}

/// The groups of one interface.
#[derive(Debug, Default)]
pub(in crate::stack) struct Groups {
    table: BTreeMap<IpAddr, Group>,
    v4: Family,
    v6: Family,
}

/// Whether routers are told of a group. Not of the one with all nodes, nor of IPv6 groups that do
/// not leave the host (RFC 3376 6, RFC 3810 6).
fn is_reported(group: IpAddr) -> bool {
    match group {
        IpAddr::V4(v4) => v4.octets() != [224, 0, 0, 1],
        IpAddr::V6(v6) => {
            v6.octets()[1] & 0xf > 1 && v6 != Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1)
        }
    }
}

impl Groups {
    /// One more member. False: there are too many groups.
    pub fn join(&mut self, now: Instant, group: IpAddr) -> bool {
        if let Some(known) = self.table.get_mut(&group) {
            known.members += 1;
            if known.members == 1 {
                (known.news, known.news_at) = (ROBUSTNESS, now);
            }
            return true;
        }
        if self.table.len() >= GROUPS {
            return false;
        }
        let news = if is_reported(group) { ROBUSTNESS } else { 0 };
        self.table.insert(group, Group { members: 1, news, news_at: now, answer_at: None });
        true
    }
    /// One member fewer. False: nobody had joined.
    pub fn leave(&mut self, now: Instant, group: IpAddr) -> bool {
        let Some(known) = self.table.get_mut(&group).filter(|known| known.members > 0) else {
            return false;
        };
        known.members -= 1;
        if known.members == 0 {
            if !is_reported(group) {
                self.table.remove(&group);
                return true;
            }
            known.answer_at = None;
            // RFC 2236 3: a leave of the older versions is said once.
            let older = self.family(group).version != Version::V3;
            if let Some(known) = self.table.get_mut(&group) {
                (known.news, known.news_at) = (if older { 1 } else { ROBUSTNESS }, now);
            }
        }
        true
    }
    /// Whether anybody has joined.
    pub fn is_member(&self, group: IpAddr) -> bool {
        self.table.get(&group).is_some_and(|known| known.members > 0)
    }
    /// All groups that somebody has joined.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.table.iter().filter(|(_, known)| known.members > 0).map(|(group, _)| *group)
    }
    /// A router asks about `group`, or about all of the family if that is unspecified.
    pub fn query(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        group: IpAddr,
        query: (Version, Duration),
    ) {
        let (version, within) = query;
        let at = now + Duration::from_nanos(rng.below(within.as_nanos().max(1) as u64));
        let family = self.family_mut(group);
        // RFC 3376 7.2.1: the oldest version heard lately is spoken.
        if version != Version::V3 && (version <= family.version || family.older_until <= now) {
            family.version = version;
            family.older_until = now + OLDER_QUERIER;
        }
        // RFC 3376 5.2: an earlier answer that is still to come will do.
        let earlier = |known: Option<Instant>| Some(known.map_or(at, |known| known.min(at)));
        if group.is_unspecified() {
            family.answer_at = earlier(family.answer_at);
        } else if let Some(known) = self.table.get_mut(&group).filter(|known| known.members > 0) {
            known.answer_at = earlier(known.answer_at);
        }
    }
    /// Another host has reported `group`: in the older versions one is enough (RFC 2236 3).
    pub fn heard(&mut self, group: IpAddr) {
        if self.family(group).version == Version::V3 {
            return;
        }
        if let Some(known) = self.table.get_mut(&group).filter(|known| known.members > 0) {
            known.answer_at = None;
            known.news = 0;
        }
    }
    /// When something is due.
    pub fn deadline(&self) -> Option<Instant> {
        let each = self
            .table
            .values()
            .flat_map(|g| [g.answer_at, (g.news > 0).then_some(g.news_at)].into_iter().flatten());
        each.chain(self.v4.answer_at).chain(self.v6.answer_at).min()
    }
    /// What is due for one family at `now`.
    pub fn due(&mut self, now: Instant, rng: &mut Rng, v6: bool) -> Vec<Say> {
        let family = if v6 { &mut self.v6 } else { &mut self.v4 };
        if family.older_until <= now {
            family.version = Version::V3;
        }
        let all = family.answer_at.take_if(|at| *at <= now).is_some();
        let version = family.version;
        let mut said = Vec::new();
        let mut records = Vec::new();
        for (group, known) in self.table.iter_mut().filter(|(group, _)| group.is_ipv6() == v6) {
            let asked = known.answer_at.take_if(|at| *at <= now).is_some() || all;
            let news = known.news > 0 && known.news_at <= now;
            if news {
                known.news -= 1;
                let pause = match version {
                    Version::V3 => NEWS_INTERVAL,
                    _ => OLD_NEWS_INTERVAL,
                };
                known.news_at = now + Duration::from_nanos(rng.below(pause.as_nanos() as u64));
            }
            match (version, known.members) {
                (Version::V3, 0) if news => records.push((Record::ToInclude, *group)),
                (Version::V3, 1..) if news => records.push((Record::ToExclude, *group)),
                (Version::V3, 1..) if asked && is_reported(*group) => {
                    records.push((Record::IsExclude, *group));
                }
                // RFC 2236 4: a router of version 1 knows no leave.
                (Version::V2, 0) if news => said.push(Say::Leave(*group)),
                (Version::V1 | Version::V2, 1..) if news || asked && is_reported(*group) => {
                    said.push(Say::Report(version, *group));
                }
                _ => {}
            }
        }
        self.table.retain(|_, known| known.members > 0 || known.news > 0);
        if !records.is_empty() {
            said.push(Say::Records(records));
        }
        said
    }
    fn family(&self, group: IpAddr) -> &Family {
        if group.is_ipv6() { &self.v6 } else { &self.v4 }
    }
    fn family_mut(&mut self, group: IpAddr) -> &mut Family {
        if group.is_ipv6() { &mut self.v6 } else { &mut self.v4 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(224, 1, 1, 1));
    const ANY: IpAddr = IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED);

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    /// Everything said until `end`, and when.
    fn until(groups: &mut Groups, end: u64) -> Vec<(u64, Say)> {
        let mut rng = Rng::seeded(1);
        let mut all = Vec::new();
        while let Some(next) = groups.deadline().filter(|next| *next <= at(end)) {
            all.extend(
                groups.due(next, &mut rng, false).into_iter().map(|s| (next.as_millis(), s)),
            );
        }
        all
    }
    fn record(record: Record) -> Say {
        Say::Records(vec![(record, GROUP)])
    }

    /// RFC 3376 5.1: a join and a leave are told at once and once more, within a second.
    #[test]
    fn changes_are_told_twice() {
        let mut groups = Groups::default();
        assert!(groups.join(at(0), GROUP));
        assert!(groups.join(at(0), GROUP), "a second member is no news");
        let said = until(&mut groups, 5_000);
        assert_eq!(
            said.iter().map(|s| s.1.clone()).collect::<Vec<_>>(),
            vec![record(Record::ToExclude); 2]
        );
        assert!(said[0].0 == 0 && said[1].0 <= 1_000, "{said:?}");
        assert!(groups.leave(at(6_000), GROUP));
        assert!(until(&mut groups, 9_000).is_empty());
        assert!(groups.leave(at(9_000), GROUP));
        assert!(!groups.leave(at(9_000), GROUP) && !groups.is_member(GROUP));
        let said: Vec<_> = until(&mut groups, 20_000).into_iter().map(|s| s.1).collect();
        assert_eq!(said, vec![record(Record::ToInclude); 2]);
        assert!(groups.table.is_empty());
    }

    /// RFC 3376 5.2: a query is answered once, after a random part of the time that it gives; one
    /// about another group is not.
    #[test]
    fn queries_are_answered_late() {
        let mut groups = Groups::default();
        groups.join(at(0), GROUP);
        until(&mut groups, 5_000);
        let mut rng = Rng::seeded(2);
        let query = (Version::V3, Duration::from_secs(10));
        groups.query(at(5_000), &mut rng, ANY, query);
        groups.query(at(5_000), &mut rng, ANY, query);
        let said = until(&mut groups, 20_000);
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!(said[0].1, record(Record::IsExclude));
        assert!((5_000..15_000).contains(&said[0].0));
        groups.query(at(20_000), &mut rng, "224.1.1.2".parse().unwrap(), query);
        assert!(until(&mut groups, 40_000).is_empty());
        groups.query(at(40_000), &mut rng, GROUP, query);
        assert_eq!(until(&mut groups, 60_000).len(), 1);
    }

    /// RFC 3376 7.2.1, RFC 2236 3: with an older router its version is spoken, a report of another
    /// host is enough, and after a while without it the newest comes back.
    #[test]
    fn older_routers_are_spoken_to() {
        let mut groups = Groups::default();
        groups.join(at(0), GROUP);
        until(&mut groups, 5_000);
        let mut rng = Rng::seeded(3);
        let query = (Version::V2, Duration::from_secs(10));
        groups.query(at(5_000), &mut rng, ANY, query);
        let said = until(&mut groups, 20_000);
        assert_eq!(said[0].1, Say::Report(Version::V2, GROUP));
        groups.query(at(20_000), &mut rng, GROUP, query);
        groups.heard(GROUP);
        assert!(until(&mut groups, 40_000).is_empty());
        groups.leave(at(40_000), GROUP);
        let said = until(&mut groups, 60_000);
        assert_eq!(said.into_iter().map(|s| s.1).collect::<Vec<_>>(), [Say::Leave(GROUP)]);
        groups.join(at(400_000), GROUP);
        assert_eq!(until(&mut groups, 400_000)[0].1, record(Record::ToExclude));
    }

    /// RFC 3810 6: no report of the group of all nodes, nor of groups that stay in the host.
    #[test]
    fn some_groups_are_not_reported() {
        let mut groups = Groups::default();
        for group in ["224.0.0.1", "ff02::1", "ff01::5"] {
            assert!(groups.join(at(0), group.parse().unwrap()));
        }
        assert_eq!(groups.deadline(), None);
        groups.query(at(0), &mut Rng::seeded(1), ANY, (Version::V3, Duration::from_secs(1)));
        assert!(until(&mut groups, 5_000).is_empty());
    }

    /// The number of groups is bounded.
    #[test]
    fn groups_are_bounded() {
        let mut groups = Groups::default();
        let group = |n: usize| IpAddr::from([224, 2, (n >> 8) as u8, n as u8]);
        assert!((0..GROUPS).all(|n| groups.join(at(0), group(n))));
        assert!(!groups.join(at(0), group(GROUPS)));
    }
}
