//! What a connection counts as in the set of all connections: which of its queues it is in, and
//! what the program was told. `set` decides; each fact is kept here once.
use crate::base::Instant;
use crate::stack::tcp::open::ListenerKey;

/// See the top of the file.
#[derive(Debug)]
pub(crate) struct Membership {
    /// The listener that it came through, until it is announced.
    listener: Option<ListenerKey>,
    /// It came through a listener.
    passive: bool,
    /// The program has let go of it.
    released: bool,
    /// Queued among the orphans in TIME-WAIT.
    resting: bool,
    /// Counted among the orphans that are not in TIME-WAIT.
    orphan: bool,
    /// Counted among those in TIME-WAIT.
    in_time_wait: bool,
    /// Queued for `poll_event`.
    event_queued: bool,
    /// Queued for `poll_transmit`.
    queued: bool,
    /// The earliest entry in the heap of deadlines.
    armed: Instant,
}

impl Membership {
    pub fn new(listener: Option<ListenerKey>) -> Membership {
        Membership {
            listener,
            passive: listener.is_some(),
            released: false,
            resting: false,
            orphan: false,
            in_time_wait: false,
            event_queued: false,
            queued: false,
            armed: Instant::FAR_FUTURE,
        }
    }

    /// The program has let go of the connection.
    pub fn release(&mut self) {
        self.released = true;
    }
    /// Whether it has.
    pub fn is_released(&self) -> bool {
        self.released
    }
    /// It came through a listener.
    pub fn is_passive(&self) -> bool {
        self.passive
    }
    /// The listener that it came through, until [`Membership::announced`].
    pub fn listener(&self) -> Option<ListenerKey> {
        self.listener
    }
    /// The program was told of it.
    pub fn announced(&mut self) {
        self.listener = None;
    }

    /// Whether it counts as one in TIME-WAIT.
    pub fn is_in_time_wait(&self) -> bool {
        self.in_time_wait
    }
    /// It counts so from now on, or not. True: that is a change.
    pub fn count_time_wait(&mut self, waits: bool) -> bool {
        core::mem::replace(&mut self.in_time_wait, waits) != waits
    }
    /// It counts as an orphan from now on, or not. True: that is a change.
    pub fn count_orphan(&mut self, orphan: bool) -> bool {
        core::mem::replace(&mut self.orphan, orphan) != orphan
    }
    /// It is to be queued among the orphans in TIME-WAIT. False: it is there already.
    pub fn rest(&mut self) -> bool {
        !core::mem::replace(&mut self.resting, true)
    }

    /// It is to be queued for `poll_transmit`. False: it is there already.
    pub fn queue(&mut self) -> bool {
        !core::mem::replace(&mut self.queued, true)
    }
    /// It was taken out of that queue.
    pub fn unqueue(&mut self) {
        self.queued = false;
    }
    /// A change is to be queued for `poll_event`. False: one is there already.
    pub fn queue_event(&mut self) -> bool {
        !core::mem::replace(&mut self.event_queued, true)
    }
    /// The change was taken out of that queue.
    pub fn unqueue_event(&mut self) {
        self.event_queued = false;
    }

    /// A deadline is to be put into the heap. False: an earlier one is there.
    pub fn arm(&mut self, at: Instant) -> bool {
        let earlier = at < self.armed;
        if earlier {
            self.armed = at;
        }
        earlier
    }
    /// An entry of the heap has come. False: it is stale.
    pub fn disarm(&mut self, at: Instant) -> bool {
        let current = self.armed == at;
        if current {
            self.armed = Instant::FAR_FUTURE;
        }
        current
    }
}
