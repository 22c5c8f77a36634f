//! One record of what is outstanding, and the sums over all of them.
use super::snapshot::Snapshot;
use crate::base::Instant;
use crate::stack::tcp::congestion::Lost;
use crate::stack::tcp::words::Seq;

/// One piece of what is outstanding.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    pub start: Seq,
    pub end: Seq,
    /// When it was last sent.
    pub sent_at: Instant,
    pub snapshot: Snapshot,
    /// Segments on the wire.
    pub segs: u32,
    /// Payload of a full segment when it was last sent.
    pub mss: u32,
    /// The peer says that it has it.
    pub sacked: bool,
    /// Taken for lost (and stays so while it is sent again).
    pub lost: bool,
    /// Sent again, and that is in flight.
    pub resent: bool,
    /// Sent more than once (for Karn's rule).
    pub again: bool,
    /// Its last byte was pushed (PSH).
    pub push: bool,
    /// What follows never goes into one segment with it (`MSG_EOR`).
    pub ends_record: bool,
    /// Neighbours in the list by time, see `links`.
    pub(super) older: u32,
    pub(super) newer: u32,
}

impl Record {
    /// Sequence numbers.
    pub fn len(&self) -> u32 {
        self.end.past(self.start)
    }

    /// What congestion control is told when it is found lost, with which `total` bytes have been.
    pub fn lost(&self, total: u64) -> Lost {
        let then = &self.snapshot;
        Lost {
            bytes: self.len(),
            tx_in_flight: then.in_flight,
            lost_since: total.saturating_sub(then.lost),
            app_limited: then.app_limited,
        }
    }

    /// Lost and not sent again.
    pub fn waits(&self) -> bool {
        self.lost && !self.resent
    }
}

/// Bytes and segments.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Tally {
    pub bytes: u32,
    pub segs: u32,
}

impl Tally {
    pub fn add(&mut self, record: &Record) {
        self.bytes += record.len();
        self.segs += record.segs;
    }
    fn sub(&mut self, record: &Record) {
        self.bytes -= record.len();
        self.segs -= record.segs;
    }
}

/// Sums over all records.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Sums {
    /// Outstanding.
    pub out: Tally,
    pub sacked: Tally,
    pub lost: Tally,
    pub resent: Tally,
    /// Lost and not sent again.
    pub waiting: Tally,
}

impl Sums {
    pub fn add(&mut self, r: &Record) {
        self.out.add(r);
        for (is, sum) in self.marks(r) {
            if is {
                sum.add(r);
            }
        }
    }
    pub fn sub(&mut self, r: &Record) {
        self.out.sub(r);
        for (is, sum) in self.marks(r) {
            if is {
                sum.sub(r);
            }
        }
    }
    fn marks(&mut self, r: &Record) -> [(bool, &mut Tally); 4] {
        [
            (r.sacked, &mut self.sacked),
            (r.lost, &mut self.lost),
            (r.resent, &mut self.resent),
            (r.waits(), &mut self.waiting),
        ]
    }
}

/// What [`Flight::judge_oldest`](super::Flight::judge_oldest) is told of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judgement {
    /// It and all that left later are not to be judged.
    Stop,
    /// Not lost yet.
    Keep,
    /// Lost.
    Lost,
}
