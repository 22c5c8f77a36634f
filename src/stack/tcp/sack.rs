//! The sender's scoreboard: which bytes beyond `snd_una` the peer holds already (RFC 2018, 6675).
use super::seq::Seq;

/// Ranges remembered. A peer that reports more at once is answered with retransmissions that it
/// did not need.
const RANGES: usize = 256;
/// RFC 6675 2: DupThresh.
pub(super) const DUP_THRESH: u32 = 3;

/// Disjoint ranges in order.
#[derive(Default, Debug)]
pub(super) struct Scoreboard {
    ranges: Vec<(Seq, Seq)>,
    bytes: u32,
}

impl Scoreboard {
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Bytes selectively acknowledged.
    pub fn bytes(&self) -> u32 {
        self.bytes
    }

    /// End of the last range.
    pub fn highest(&self) -> Option<Seq> {
        self.ranges.last().map(|r| r.1)
    }

    /// The first byte of all is reported as held, though the peer did not acknowledge it: it has
    /// dropped it again (RFC 2018 8).
    pub fn reneged(&self, una: Seq) -> bool {
        self.ranges.first().is_some_and(|r| r.0.at_or_before(una))
    }

    /// Adds a block from the wire; false if it says nothing new or is not within `una..nxt`.
    pub fn insert(&mut self, left: Seq, right: Seq, una: Seq, nxt: Seq) -> bool {
        if !left.before(right) || right.after(nxt) || left.before(una) {
            // RFC 2883 uses blocks below `una` for duplicates: nothing new for the scoreboard.
            return false;
        }
        let first = self.ranges.partition_point(|r| r.1.before(left));
        let beyond = self.ranges.partition_point(|r| r.0.at_or_before(right));
        if first == beyond && self.ranges.len() >= RANGES {
            return false;
        }
        let (mut l, mut r, mut old) = (left, right, 0);
        for range in &self.ranges[first..beyond] {
            l = l.earlier(range.0);
            r = r.later(range.1);
            old += range.1.past(range.0);
        }
        let new = r.past(l);
        self.ranges.splice(first..beyond, [(l, r)]);
        self.bytes = self.bytes + new - old;
        new > old
    }

    /// Everything before `una` is acknowledged.
    pub fn acknowledge(&mut self, una: Seq) {
        let gone = self.ranges.partition_point(|r| r.1.at_or_before(una));
        for (left, right) in self.ranges.drain(..gone) {
            self.bytes -= right.past(left);
        }
        if let Some(first) = self.ranges.first_mut() {
            if first.0.before(una) {
                self.bytes -= una.past(first.0);
                first.0 = una;
            }
        }
    }

    pub fn clear(&mut self) {
        self.ranges.clear();
        self.bytes = 0;
    }

    /// The first stretch in `from..until` that is not reported.
    pub fn hole(&self, from: Seq, until: Seq) -> Option<(Seq, Seq)> {
        let mut left = from;
        let start = self.ranges.partition_point(|r| r.1.at_or_before(from));
        for range in &self.ranges[start..] {
            if left.before(range.0) {
                return left.before(until).then(|| (left, range.0.earlier(until)));
            }
            left = left.later(range.1);
        }
        left.before(until).then_some((left, until))
    }

    /// Bytes in `from..until` that are not reported.
    pub fn missing(&self, from: Seq, until: Seq) -> u32 {
        let mut total = until.past(from);
        let start = self.ranges.partition_point(|r| r.1.at_or_before(from));
        for range in &self.ranges[start..] {
            if range.0.at_or_after(until) {
                break;
            }
            total -= range.1.earlier(until).past(range.0.later(from));
        }
        total
    }

    /// RFC 6675 4, IsLost: what lies before this and is not reported is lost, since three ranges or
    /// more than two segments beyond it have arrived.
    pub fn lost_before(&self, mss: u32) -> Option<Seq> {
        let (mut ranges, mut bytes) = (0, 0);
        for range in self.ranges.iter().rev() {
            ranges += 1;
            bytes += range.1.past(range.0);
            if ranges >= DUP_THRESH || bytes > (DUP_THRESH - 1) * mss {
                return Some(range.0);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_merge_and_holes_are_found() {
        let mut s = Scoreboard::default();
        let (una, nxt) = (Seq(0), Seq(10_000));
        assert!(s.insert(Seq(1000), Seq(2000), una, nxt));
        assert!(!s.insert(Seq(1000), Seq(2000), una, nxt));
        assert!(s.insert(Seq(3000), Seq(4000), una, nxt));
        assert!(!s.insert(Seq(9000), Seq(11_000), una, nxt));
        assert_eq!(s.bytes(), 2000);
        assert_eq!(s.hole(Seq(0), nxt), Some((Seq(0), Seq(1000))));
        assert_eq!(s.hole(Seq(1500), nxt), Some((Seq(2000), Seq(3000))));
        assert_eq!(s.hole(Seq(3500), nxt), Some((Seq(4000), nxt)));
        assert_eq!(s.hole(Seq(3500), Seq(4000)), None);
        assert_eq!(s.missing(Seq(500), Seq(3500)), 1500);
        assert_eq!(s.lost_before(1000), None);
        assert!(s.insert(Seq(4000), Seq(6000), una, nxt));
        assert_eq!(s.lost_before(1000), Some(Seq(3000)));
        s.acknowledge(Seq(3500));
        assert_eq!(s.bytes(), 2500);
        assert!(s.reneged(Seq(3500)));
        assert_eq!(s.highest(), Some(Seq(6000)));
    }
}
