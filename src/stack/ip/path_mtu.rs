//! Path MTU discovery's memory (RFC 1191, RFC 8201): destinations that are behind a narrower link.
use crate::base::Instant;
use crate::base::addr::IpAddr;
use crate::base::limits::PATH_MTUS;
use crate::base::time::Duration;
use crate::wire::ipv6;
use std::collections::BTreeMap;

/// RFC 1191 6.3, RFC 8201 4: after 10 minutes the path may be tried again.
const LIFE: Duration = Duration::from_secs(600);
/// Linux `min_pmtu`: 512 bytes of payload behind both headers. Smaller reports are attacks or
/// links that nobody has.
const MIN_V4: u16 = 552;
/// RFC 1191 7.1: likely MTUs, for routers that do not say theirs.
const PLATEAUS: [u16; 8] = [32_000, 17_914, 8_166, 4_352, 2_002, 1_492, 1_006, MIN_V4];

/// What is known of paths.
#[derive(Clone, Debug, Default)]
pub(in crate::stack) struct PathMtus(BTreeMap<IpAddr, (u16, Instant)>);

impl PathMtus {
    /// The MTU to `dst`, if it is known to be less than the link's.
    pub fn get(&self, dst: IpAddr) -> Option<u16> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&dst).map(|(mtu, _)| *mtu)
    }
    /// Takes note of a report. A path never widens by one.
    pub fn learn(&mut self, now: Instant, dst: IpAddr, mtu: u16) {
        if self.get(dst).is_some_and(|known| known <= mtu) {
            return;
        }
        if self.0.len() >= PATH_MTUS && !self.0.contains_key(&dst) {
            let oldest = self.0.iter().min_by_key(|(_, (_, until))| *until);
            if let Some((&ip, _)) = oldest {
                self.0.remove(&ip);
            }
        }
        self.0.insert(dst, (mtu, now + LIFE));
    }
    /// When something is to be forgotten.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.values().map(|(_, until)| *until).min()
    }
    /// Forgets what is too old; of whom that was.
    pub fn expire(&mut self, now: Instant) -> Vec<IpAddr> {
        let old = self.0.iter().filter(|(_, (_, until))| *until <= now);
        let old: Vec<IpAddr> = old.map(|(ip, _)| *ip).collect();
        self.0.retain(|_, (_, until)| *until > now);
        old
    }
}

/// The MTU that an IPv4 router reports about a packet of `sent` bytes, made plausible.
pub(in crate::stack) fn reported_v4(mtu: u16, sent: u16) -> u16 {
    if mtu == 0 {
        // RFC 1191 5: an old router; take the next plateau below.
        return PLATEAUS.into_iter().find(|plateau| *plateau < sent).unwrap_or(MIN_V4);
    }
    mtu.max(MIN_V4)
}

/// The MTU that an IPv6 router reports, made plausible.
pub(in crate::stack) fn reported_v6(mtu: u32) -> u16 {
    // RFC 8201 4: never below the minimum link MTU.
    u16::try_from(mtu).unwrap_or(u16::MAX).max(ipv6::MIN_MTU)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(n: u16) -> IpAddr {
        IpAddr::from([10, 0, (n >> 8) as u8, n as u8])
    }

    /// RFC 1191 6.3, RFC 8201 5.3: what was learned is forgotten after a while.
    #[test]
    fn narrows_and_forgets() {
        let mut mtus = PathMtus::default();
        mtus.learn(Instant::ZERO, ip(1), 1400);
        mtus.learn(Instant::ZERO, ip(1), 1450);
        assert_eq!(mtus.get(ip(1)), Some(1400));
        assert!(mtus.expire(Instant::ZERO).is_empty());
        assert_eq!(mtus.expire(mtus.deadline().unwrap()), [ip(1)]);
        assert_eq!(mtus.get(ip(1)), None);
        for n in 0..2 * PATH_MTUS as u16 {
            mtus.learn(Instant::from_millis(u64::from(n)), ip(n), 1400);
        }
        assert_eq!(mtus.0.len(), PATH_MTUS);
    }

    /// RFC 1191 3 and 5, RFC 8201 4: no report makes packets absurdly small; old routers tell no
    /// size.
    #[test]
    fn reports_are_made_plausible() {
        assert_eq!(reported_v4(0, 1500), 1492);
        assert_eq!(reported_v4(0, 100), MIN_V4);
        assert_eq!(reported_v4(68, 1500), MIN_V4);
        assert_eq!(reported_v4(1400, 1500), 1400);
        assert_eq!(reported_v6(100), 1280);
        assert_eq!(reported_v6(100_000), 65_535);
    }
}
