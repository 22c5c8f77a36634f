//! The slab of records, the list by time, and what must hold of both.
use super::record::{Record, Sums};
use super::{Flight, NONE};
use crate::base::Instant;
use crate::base::limits::TCP_FLIGHT_RECORDS;
use crate::stack::tcp::words::Seq;

impl Flight {
    /// The list by time, made anew. Only after rare events.
    pub(super) fn relink(&mut self) {
        let mut flying: Vec<u32> = self.order.iter().copied().collect();
        flying.retain(|&i| {
            let record = &mut self.slab[i as usize];
            (record.older, record.newer) = (NONE, NONE);
            !record.sacked && !record.waits()
        });
        flying.sort_by_key(|&i| self.slab[i as usize].sent_at);
        (self.oldest, self.newest) = (NONE, NONE);
        for index in flying {
            self.link_newest(index);
        }
    }

    pub(super) fn allocate(&mut self, record: Record) -> u32 {
        self.sums.add(&record);
        if self.free == NONE {
            self.slab.push(record);
            return self.slab.len() as u32 - 1;
        }
        let index = self.free;
        self.free = self.slab[index as usize].newer;
        self.slab[index as usize] = record;
        index
    }

    /// The record is in no list any more.
    pub(super) fn release(&mut self, index: u32) {
        self.take(index);
        self.slab[index as usize].newer = self.free;
        self.free = index;
    }

    pub(super) fn take(&mut self, index: u32) -> Record {
        let record = self.slab[index as usize];
        self.sums.sub(&record);
        record
    }

    /// The links are not changed.
    pub(super) fn give(&mut self, index: u32, record: Record) {
        self.sums.add(&record);
        let old = &mut self.slab[index as usize];
        *old = Record { older: old.older, newer: old.newer, ..record };
    }

    pub(super) fn is_linked(&self, index: u32) -> bool {
        self.oldest == index || self.slab[index as usize].older != NONE
    }

    pub(super) fn link_newest(&mut self, index: u32) {
        let last = self.newest;
        self.slab[index as usize].older = last;
        self.slab[index as usize].newer = NONE;
        if last == NONE {
            self.oldest = index;
        } else {
            self.slab[last as usize].newer = index;
        }
        self.newest = index;
    }

    pub(super) fn link_after(&mut self, index: u32, new: u32) {
        let newer = self.slab[index as usize].newer;
        (self.slab[new as usize].older, self.slab[new as usize].newer) = (index, newer);
        self.slab[index as usize].newer = new;
        if newer == NONE {
            self.newest = new;
        } else {
            self.slab[newer as usize].older = new;
        }
    }

    pub(super) fn unlink(&mut self, index: u32) {
        if !self.is_linked(index) {
            return;
        }
        let Record { older, newer, .. } = self.slab[index as usize];
        if older == NONE {
            self.oldest = newer;
        } else {
            self.slab[older as usize].newer = newer;
        }
        if newer == NONE {
            self.newest = older;
        } else {
            self.slab[newer as usize].older = older;
        }
        (self.slab[index as usize].older, self.slab[index as usize].newer) = (NONE, NONE);
    }

    /// What must hold; the first that does not. Goes through everything.
    pub fn broken_invariant(&self, una: Seq, nxt: Seq) -> Option<&'static str> {
        let (mut sums, mut at, mut flying) = (Sums::default(), una, 0);
        for &index in &self.order {
            let r = &self.slab[index as usize];
            sums.add(r);
            if r.start != at || !r.start.before(r.end) {
                return Some("records are contiguous and not empty");
            }
            at = r.end;
            if r.sacked && (r.lost || r.resent) {
                return Some("what has arrived is not lost");
            }
            if r.waits() && r.start.before(self.hint) && r.end.at_or_before(self.hint) {
                return Some("the hint is before all that waits");
            }
            let flies = !r.sacked && !r.waits();
            flying += usize::from(flies);
            if flies != self.is_linked(index) {
                return Some("what is in flight is in the list by time");
            }
        }
        let (mut index, mut last, mut linked) = (self.oldest, Instant::ZERO, 0);
        while index != NONE && linked <= flying {
            let r = &self.slab[index as usize];
            if r.sent_at < last {
                return Some("the list by time is in order");
            }
            (index, last, linked) = (r.newer, r.sent_at, linked + 1);
        }
        let checks = [
            (sums == self.sums, "the sums are those of the records"),
            (linked == flying, "the list by time has what is in flight"),
            (self.order.is_empty() || at == nxt, "records end at snd_nxt"),
            (self.order.len() <= 2 * TCP_FLIGHT_RECORDS, "records are bounded"),
        ];
        checks.into_iter().find(|check| !check.0).map(|check| check.1)
    }
}
