//! The engine's own deadlines: few (retries, idle control connections), so a heap is enough. They
//! are not cancelled; what is called checks whether it is still wanted.
use crate::base::Instant;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::slab::Key;

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    /// Try again to hand an incoming connection to its listener, or end a bounded wait.
    Session(Key),
    /// Close a control connection that has been idle.
    Caller(Key),
    /// Accept again after descriptors ran out.
    Accept,
    /// Try again to deliver datagrams that waited for room.
    Datagrams,
    /// Read the kernel's list of listeners again.
    Listeners,
    /// Give back pairs that are not in use any more.
    Pairs,
    /// Ask the kernel whether sockets that joined groups are still there.
    Groups,
}

struct Entry {
    at: Instant,
    /// Equal deadlines are served in the order in which they were set.
    number: u64,
    due: Due,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// All of them.
#[derive(Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<Entry>>,
    set: u64,
}

impl Timers {
    /// Adds one.
    pub fn set(&mut self, at: Instant, due: Due) {
        self.set += 1;
        self.heap.push(Reverse(Entry { at, number: self.set, due }));
    }
    /// When the next is due.
    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(e)| e.at)
    }
    /// Takes one that is due.
    pub fn pop(&mut self, now: Instant) -> Option<Due> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(e)| e.due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_in_order_and_not_before() {
        let mut timers = Timers::default();
        timers.set(Instant::from_millis(2), Due::Accept);
        timers.set(Instant::from_millis(1), Due::Datagrams);
        timers.set(Instant::from_millis(1), Due::Listeners);
        assert_eq!(timers.next(), Some(Instant::from_millis(1)));
        assert_eq!(timers.pop(Instant::ZERO), None);
        let now = Instant::from_millis(2);
        let order: Vec<_> = std::iter::from_fn(|| timers.pop(now)).collect();
        assert_eq!(order, [Due::Datagrams, Due::Listeners, Due::Accept]);
    }
}
