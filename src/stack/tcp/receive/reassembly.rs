//! Which bytes beyond `rcv_nxt` have arrived: disjoint ranges in order, at most
//! [`TCP_OUT_OF_ORDER_RANGES`] of them. The bytes themselves lie in the receive ring already.
use crate::base::limits::TCP_OUT_OF_ORDER_RANGES;
use crate::stack::tcp::words::Seq;
use crate::wire::tcp::Options;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Range {
    left: Seq,
    right: Seq,
    /// When it last grew, for the order of SACK blocks.
    stamp: u32,
}

/// Ranges received out of order.
#[derive(Default, Debug)]
pub(crate) struct Reassembly {
    ranges: Vec<Range>,
    clock: u32,
}

impl Reassembly {
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The first part of `left..right` that has arrived already.
    pub fn overlap(&self, left: Seq, right: Seq) -> Option<(Seq, Seq)> {
        let at = self.ranges.partition_point(|r| r.right.at_or_before(left));
        let range = self.ranges.get(at).filter(|r| r.left.before(right))?;
        Some((left.later(range.left), right.earlier(range.right)))
    }

    /// Remembers `left..right`; false if there is no room for one more range.
    pub fn insert(&mut self, left: Seq, right: Seq) -> bool {
        let first = self.ranges.partition_point(|r| r.right.before(left));
        let beyond = self.ranges.partition_point(|r| r.left.at_or_before(right));
        if first == beyond && self.ranges.len() >= TCP_OUT_OF_ORDER_RANGES {
            return false;
        }
        self.clock = self.clock.wrapping_add(1);
        let mut merged = Range { left, right, stamp: self.clock };
        for range in &self.ranges[first..beyond] {
            merged.left = merged.left.earlier(range.left);
            merged.right = merged.right.later(range.right);
        }
        self.ranges.splice(first..beyond, [merged]);
        true
    }

    /// Behind the last byte that has arrived.
    pub fn end(&self) -> Option<Seq> {
        self.ranges.last().map(|range| range.right)
    }

    /// Everything before `nxt` has arrived in order: returns where the contiguous part now ends.
    pub fn advance(&mut self, nxt: Seq) -> Seq {
        let touched = self.ranges.partition_point(|r| r.left.at_or_before(nxt));
        let end = self.ranges[..touched].iter().fold(nxt, |end, r| end.later(r.right));
        self.ranges.drain(..touched);
        end
    }

    /// RFC 2018 4: the block with the most recent segment first, then by how recently they were
    /// reported.
    pub fn sack_blocks(&self, options: &mut Options) {
        let mut below = None;
        for _ in 0..crate::wire::tcp::SACK_BLOCKS {
            // Stamps are compared by age, so they may wrap.
            let age = |r: &Range| self.clock.wrapping_sub(r.stamp);
            let next = self.ranges.iter().filter(|r| below.is_none_or(|b| age(r) > b));
            let Some(range) = next.min_by_key(|r| age(r)) else { break };
            below = Some(age(range));
            options.push_sack(range.left.0, range.right.0);
        }
    }

    pub fn clear(&mut self) {
        self.ranges = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(r: &Reassembly) -> Vec<(u32, u32)> {
        let mut options = Options::default();
        r.sack_blocks(&mut options);
        options.sack_blocks().to_vec()
    }

    /// RFC 2018 3 and 4: the first block has the latest segment.
    #[test]
    fn ranges_merge_and_the_latest_is_reported_first() {
        let mut r = Reassembly::default();
        assert!(r.insert(Seq(100), Seq(200)));
        assert!(r.insert(Seq(400), Seq(500)));
        assert!(r.insert(Seq(600), Seq(700)));
        assert_eq!(blocks(&r), [(600, 700), (400, 500), (100, 200)]);
        assert!(r.insert(Seq(200), Seq(300)));
        assert_eq!(blocks(&r), [(100, 300), (600, 700), (400, 500)]);
        assert!(r.insert(Seq(250), Seq(650)));
        assert_eq!(blocks(&r), [(100, 700)]);
        assert_eq!(r.advance(Seq(50)), Seq(50));
        assert_eq!(r.advance(Seq(100)), Seq(700));
        assert!(r.is_empty());
    }

    #[test]
    fn the_number_of_ranges_is_limited() {
        let mut r = Reassembly::default();
        for i in 0..TCP_OUT_OF_ORDER_RANGES as u32 {
            assert!(r.insert(Seq(i * 10), Seq(i * 10 + 1)));
        }
        assert!(!r.insert(Seq(100_000), Seq(100_001)));
        assert!(r.insert(Seq(1), Seq(2)));
    }
}
