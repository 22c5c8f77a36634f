//! What is outstanding, piece by piece: one record for each segment or super-segment that left,
//! cut where selective acknowledgments and losses ask for it.
//!
//! Records lie in a slab and are in two orders: by sequence number (`order`, for ACKs and SACK
//! blocks) and, those of them that are in flight, by when they last left (a linked list, for RACK,
//! RFC 8985). Neighbours that have arrived are one record, so that the number of records follows
//! the number of holes. Every change of a record goes through `take` and `give`, which keep the
//! sums.
//!
//! A record is cut only at its segments' edges, as Linux does: a peer that reports single bytes
//! cannot make us keep one record for each.
mod links;
mod record;
mod snapshot;
#[cfg(test)]
mod tests;

use crate::base::{Instant, limits::TCP_FLIGHT_RECORDS};
use crate::stack::tcp::words::Seq;
pub(crate) use record::{Judgement, Record, Sums};
pub(crate) use snapshot::Snapshot;
use std::collections::VecDeque;

const NONE: u32 = u32::MAX;
/// A slab larger than this is given back when nothing is outstanding.
const KEPT: usize = 1024;

/// See the top of the file.
#[derive(Debug)]
pub(crate) struct Flight {
    slab: Vec<Record>,
    /// First free record; the others follow in `newer`.
    free: u32,
    order: VecDeque<u32>,
    /// Ends of the list by time.
    oldest: u32,
    newest: u32,
    pub sums: Sums,
    /// No record that waits to be sent again ends at or before this.
    hint: Seq,
    /// End of the last record that has arrived, if any has.
    highest: Seq,
}

impl Default for Flight {
    fn default() -> Self {
        Flight {
            slab: Vec::new(),
            free: NONE,
            order: VecDeque::new(),
            oldest: NONE,
            newest: NONE,
            sums: Sums::default(),
            hint: Seq(0),
            highest: Seq(0),
        }
    }
}

impl Flight {
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Records kept.
    pub fn records(&self) -> usize {
        self.order.len()
    }

    /// The first in sequence.
    pub fn head(&self) -> Option<&Record> {
        self.order.front().map(|&i| &self.slab[i as usize])
    }

    /// The last in sequence.
    pub fn tail(&self) -> Option<&Record> {
        self.order.back().map(|&i| &self.slab[i as usize])
    }

    /// By place in sequence.
    pub fn at(&self, place: usize) -> Option<&Record> {
        self.order.get(place).map(|&i| &self.slab[i as usize])
    }

    /// Bytes thought to be in the network (Linux `tcp_packets_in_flight`, RFC 6675 pipe).
    pub fn pipe(&self) -> u32 {
        let s = &self.sums;
        (s.out.bytes + s.resent.bytes).saturating_sub(s.sacked.bytes + s.lost.bytes)
    }

    /// End of what was selectively acknowledged last in sequence.
    pub fn highest_sacked(&self) -> Option<Seq> {
        (self.sums.sacked.segs > 0).then_some(self.highest)
    }

    /// Something lost waits to be sent again.
    pub fn any_waits(&self) -> bool {
        self.sums.waiting.segs > 0
    }

    /// Everything is forgotten.
    pub fn clear(&mut self) {
        *self = Flight::default();
    }

    /// New data left: `start..end`, in `segs` segments of at most `mss` bytes.
    pub fn push(&mut self, start: Seq, end: Seq, now: Instant, mss: u32, snapshot: Snapshot) {
        if !start.before(end) {
            return;
        }
        let segs = end.past(start).div_ceil(mss.max(1)).max(1);
        if self.order.len() >= TCP_FLIGHT_RECORDS {
            // Full: the last record grows. It is then judged as if all of it had left now.
            if let Some(&last) = self.order.back() {
                let mut record = self.take(last);
                if !record.sacked && !record.lost && record.end == start {
                    (record.end, record.sent_at, record.mss) = (end, now, mss.max(1));
                    record.segs += segs;
                    record.snapshot = snapshot;
                    self.give(last, record);
                    self.unlink(last);
                    self.link_newest(last);
                    return;
                }
                self.give(last, record);
            }
        }
        if self.order.is_empty() {
            self.hint = start;
        }
        let record = Record {
            start,
            end,
            sent_at: now,
            snapshot,
            segs,
            mss: mss.max(1),
            sacked: false,
            lost: false,
            resent: false,
            again: false,
            push: false,
            ends_record: false,
            older: NONE,
            newer: NONE,
        };
        let index = self.allocate(record);
        self.order.push_back(index);
        self.link_newest(index);
    }

    /// What holds of the last byte of what left last.
    pub fn mark_tail(&mut self, push: bool, ends_record: bool) {
        if let Some(&last) = self.order.back() {
            let record = &mut self.slab[last as usize];
            (record.push, record.ends_record) = (push, ends_record);
        }
    }

    /// Takes the next piece that lies before `una`; its end is cut to that.
    pub fn pop_acknowledged(&mut self, una: Seq) -> Option<Record> {
        let &index = self.order.front()?;
        let whole = self.slab[index as usize];
        if whole.end.at_or_before(una) {
            self.order.pop_front();
            self.unlink(index);
            self.release(index);
            if self.order.is_empty() && self.slab.len() > KEPT {
                self.clear();
            }
            return Some(whole);
        }
        if whole.start.at_or_after(una) {
            return None;
        }
        let mut rest = self.take(index);
        rest.start = una;
        rest.segs = rest.len().div_ceil(rest.mss).clamp(1, whole.segs);
        self.give(index, rest);
        let segs = whole.segs - rest.segs;
        Some(Record { end: una, segs, ..whole })
    }

    /// The peer has `left..right`: `tell` hears of each piece that was not known to have arrived,
    /// as it was before, with the highest known until then.
    pub fn sack(&mut self, left: Seq, right: Seq, mut tell: impl FnMut(&Record, Option<Seq>)) {
        if !left.before(right) {
            return;
        }
        let mut place = self.place(left);
        let first = place;
        while let Some(&index) = self.order.get(place) {
            let record = self.slab[index as usize];
            if record.start.at_or_after(right) {
                break;
            }
            if record.sacked {
                place += 1;
            } else if record.start.before(left) {
                // Only whole segments count: the part from the next edge on is looked at next.
                let skip = left.past(record.start).div_ceil(record.mss) * record.mss;
                if skip < record.len() {
                    self.split(place, record.start + skip);
                }
                place += 1;
            } else if record.end.after(right) {
                let whole = right.past(record.start) / record.mss * record.mss;
                if whole == 0 || !self.split(place, record.start + whole) {
                    break;
                }
            } else {
                tell(&record, self.highest_sacked());
                self.mark_sacked(index);
                place += 1;
            }
        }
        self.merge_sacked(first.saturating_sub(1), place);
    }

    fn mark_sacked(&mut self, index: u32) {
        let mut record = self.take(index);
        self.highest = match self.highest_sacked() {
            Some(highest) => highest.later(record.end),
            None => record.end,
        };
        (record.sacked, record.lost, record.resent) = (true, false, false);
        self.give(index, record);
        self.unlink(index);
    }

    /// Joins neighbours that have arrived, from place `from` to place `to`.
    fn merge_sacked(&mut self, from: usize, to: usize) {
        let mut keep = from;
        let mut next = from + 1;
        while next < self.order.len() && next <= to {
            let (a, b) = (self.order[keep], self.order[next]);
            let both = self.slab[a as usize].sacked && self.slab[b as usize].sacked;
            if both {
                self.absorb(a, b);
            } else {
                keep += 1;
                self.order[keep] = b;
            }
            next += 1;
        }
        if next > keep + 1 {
            self.order.drain(keep + 1..next.min(self.order.len()));
        }
    }

    /// `b`, which follows `a`, becomes part of it. `b` is still in `order`.
    fn absorb(&mut self, a: u32, b: u32) {
        let (mut left, right) = (self.take(a), self.slab[b as usize]);
        self.unlink(b);
        self.release(b);
        left.end = right.end;
        left.segs += right.segs;
        left.again |= right.again;
        (left.push, left.ends_record) = (right.push, right.ends_record);
        self.give(a, left);
    }

    /// Cuts the record at `place` in two; false if there is no room for one more.
    pub fn split(&mut self, place: usize, at: Seq) -> bool {
        let Some(&index) = self.order.get(place) else { return false };
        let whole = self.slab[index as usize];
        if !whole.start.before(at) || !at.before(whole.end) {
            return false;
        }
        if self.order.len() >= 2 * TCP_FLIGHT_RECORDS {
            return false;
        }
        let mut left = self.take(index);
        left.end = at;
        left.segs = left.len().div_ceil(left.mss).clamp(1, whole.segs);
        (left.push, left.ends_record) = (false, false);
        self.give(index, left);
        let segs = (whole.segs - left.segs).max(1);
        let right = self.allocate(Record { start: at, segs, older: NONE, newer: NONE, ..whole });
        self.order.insert(place + 1, right);
        if self.is_linked(index) {
            self.link_after(index, right);
        }
        true
    }

    /// The record at `place` is lost; how many bytes are so newly.
    pub fn lose(&mut self, place: usize) -> u32 {
        self.order.get(place).copied().map_or(0, |index| self.lose_index(index))
    }

    fn lose_index(&mut self, index: u32) -> u32 {
        let mut record = self.slab[index as usize];
        if record.sacked || record.waits() {
            return 0;
        }
        self.unlink(index);
        record = self.take(index);
        (record.lost, record.resent) = (true, false);
        self.give(index, record);
        self.hint = self.hint.earlier(record.start);
        record.len()
    }

    /// Goes through what is in flight, the longest ago sent first, while `judge` says so; what it
    /// calls lost becomes so. Returns the bytes newly lost.
    pub fn judge_oldest(&mut self, mut judge: impl FnMut(&Record) -> Judgement) -> u32 {
        let (mut index, mut bytes) = (self.oldest, 0);
        while index != NONE {
            let record = &self.slab[index as usize];
            let newer = record.newer;
            match judge(record) {
                Judgement::Stop => break,
                Judgement::Keep => {}
                Judgement::Lost => bytes += self.lose_index(index),
            }
            index = newer;
        }
        bytes
    }

    /// Place of the first record that waits to be sent again.
    pub fn next_lost(&mut self) -> Option<usize> {
        if !self.any_waits() {
            return None;
        }
        let mut place = self.place(self.hint);
        while let Some(record) = self.at(place) {
            if record.waits() {
                return Some(place);
            }
            self.hint = record.end;
            place += 1;
        }
        None
    }

    /// Joins what waits behind the record at `place`, until it has `bytes` bytes or more.
    pub fn gather(&mut self, place: usize, bytes: u32) {
        let mut next = place + 1;
        while let (Some(&a), Some(&b)) = (self.order.get(place), self.order.get(next)) {
            let first = &self.slab[a as usize];
            let full = first.len() >= bytes || first.ends_record;
            if full || !self.slab[b as usize].waits() {
                break;
            }
            self.absorb(a, b);
            next += 1;
        }
        if next > place + 1 {
            self.order.drain(place + 1..next);
        }
    }

    /// The record at `place` was sent again. `counts`: as a retransmission in flight (Linux does
    /// not count a tail loss probe so).
    pub fn sent_again(
        &mut self,
        place: usize,
        now: Instant,
        mss: u32,
        snapshot: Snapshot,
        counts: bool,
    ) {
        let Some(&index) = self.order.get(place) else { return };
        self.unlink(index);
        let mut record = self.take(index);
        record.sent_at = now;
        record.snapshot = snapshot;
        record.mss = mss.max(1);
        record.segs = record.len().div_ceil(record.mss).max(1);
        record.again = true;
        record.resent |= counts;
        self.give(index, record);
        self.link_newest(index);
    }

    /// Nothing is lost after all.
    pub fn unmark_lost(&mut self) {
        if self.sums.lost.segs == 0 {
            return;
        }
        for place in 0..self.order.len() {
            let index = self.order[place];
            let mut record = self.take(index);
            record.lost = false;
            self.give(index, record);
        }
        self.relink();
    }

    /// The peer has dropped what it had reported: nothing has arrived but what is acknowledged.
    pub fn forget_sacked(&mut self) {
        for place in 0..self.order.len() {
            let index = self.order[place];
            let mut record = self.take(index);
            record.sacked = false;
            self.give(index, record);
        }
        self.relink();
    }

    /// Place of the first record that ends after `seq`.
    pub fn place(&self, seq: Seq) -> usize {
        self.order.partition_point(|&i| self.slab[i as usize].end.at_or_before(seq))
    }
}
