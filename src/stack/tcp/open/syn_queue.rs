//! The SYN queue: what is remembered of a SYN that was answered and not yet acknowledged. A small
//! record each, not a connection: no buffers, and bounded in number (RFC 4987 3.2, 3.3).
use super::request::{ListenerKey, Request};
use crate::base::limits::{TCP_HALF_OPEN, TCP_SYN_ACKS};
use crate::base::{FourTuple, Instant};
use crate::stack::tcp::words::Keyed;
use core::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

#[derive(Debug)]
struct Slot {
    request: Request,
    due: Instant,
    /// Tells entries of the heap apart that are of another time, or of another request.
    number: u64,
}

/// All half-open connections that came through listeners.
#[derive(Debug)]
pub(crate) struct SynQueue {
    map: HashMap<FourTuple, Slot, Keyed>,
    /// When the next SYN-ACK is due; entries whose number is not the slot's mean nothing.
    heap: BinaryHeap<Reverse<(Instant, u64, Ends)>>,
    number: u64,
    /// SYN-ACKs on their way out. A flood fills this, and is then not answered.
    answers: VecDeque<Request>,
}

/// A 4-tuple in the heap, where its order does not count.
#[derive(Clone, Copy, Debug)]
struct Ends(FourTuple);

impl PartialEq for Ends {
    fn eq(&self, _: &Ends) -> bool {
        true
    }
}

impl Eq for Ends {}

impl PartialOrd for Ends {
    fn partial_cmp(&self, other: &Ends) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ends {
    fn cmp(&self, _: &Ends) -> core::cmp::Ordering {
        core::cmp::Ordering::Equal
    }
}

impl SynQueue {
    pub fn new(keyed: Keyed) -> SynQueue {
        SynQueue {
            map: HashMap::with_hasher(keyed),
            heap: BinaryHeap::new(),
            number: 0,
            answers: VecDeque::new(),
        }
    }

    /// No more, whatever listener they are for.
    pub fn is_full(&self) -> bool {
        self.map.len() >= TCP_HALF_OPEN
    }

    pub fn get(&self, tuple: &FourTuple) -> Option<&Request> {
        self.map.get(tuple).map(|slot| &slot.request)
    }

    pub fn get_mut(&mut self, tuple: &FourTuple) -> Option<&mut Request> {
        self.map.get_mut(tuple).map(|slot| &mut slot.request)
    }

    pub fn insert(&mut self, request: Request, due: Instant) {
        let tuple = request.tuple;
        self.map.insert(tuple, Slot { request, due, number: 0 });
        self.set_due(&tuple, due);
    }

    pub fn remove(&mut self, tuple: &FourTuple) -> Option<Request> {
        self.map.remove(tuple).map(|slot| slot.request)
    }

    /// When its SYN-ACK is to be looked at next.
    pub fn set_due(&mut self, tuple: &FourTuple, due: Instant) {
        self.number += 1;
        let Some(slot) = self.map.get_mut(tuple) else { return };
        (slot.due, slot.number) = (due, self.number);
        self.heap.push(Reverse((due, self.number, Ends(*tuple))));
        // Requests that end early leave their entries behind: not too many of them.
        if self.heap.len() > 2 * self.map.len() + 1024 {
            let live = self.map.iter();
            self.heap = live.map(|(t, s)| Reverse((s.due, s.number, Ends(*t)))).collect();
        }
    }

    /// When the next is due, or earlier.
    pub fn next_due(&self) -> Option<Instant> {
        self.heap.peek().map(|entry| entry.0.0)
    }

    /// Takes one that is due; it then has no deadline until it is given one.
    pub fn pop_due(&mut self, now: Instant) -> Option<FourTuple> {
        while self.next_due()? <= now {
            let Reverse((_, number, Ends(tuple))) = self.heap.pop()?;
            if self.map.get(&tuple).is_some_and(|slot| slot.number == number) {
                return Some(tuple);
            }
        }
        None
    }

    pub fn iter(&self) -> impl Iterator<Item = &Request> {
        self.map.values().map(|slot| &slot.request)
    }

    /// A SYN-ACK for this request is to leave. False: too many are to leave already.
    pub fn answer(&mut self, request: Request) -> bool {
        let room = self.answers.len() < TCP_SYN_ACKS;
        if room {
            self.answers.push_back(request);
        }
        room
    }

    /// Takes out those whose SYN-ACK was still to leave for this listener.
    pub fn take_answers(&mut self, key: &ListenerKey) -> Vec<Request> {
        let answers = core::mem::take(&mut self.answers).into_iter();
        let (out, left): (Vec<_>, Vec<_>) = answers.partition(|answer| answer.listener == *key);
        self.answers = left.into();
        out
    }

    /// Whose SYN-ACK leaves next.
    pub fn next_answer(&mut self) -> Option<Request> {
        self.answers.pop_front()
    }
}
