//! What happened in a run: packets, changes of state, samples of connections and queues.
use super::link::Fate;
use super::packet::View;
use super::place::Place;
use crate::base::{FourTuple, Instant};
use crate::stack::tcp::{State, TcpInfo};

/// A packet on one link.
#[derive(Clone, Debug, PartialEq)]
pub struct Packet {
    /// Where it set off.
    pub from: Place,
    /// Where the link ends.
    pub to: Place,
    /// When it was given to the link's queue.
    pub sent: Instant,
    /// When it came.
    pub arrived: Option<Instant>,
    /// What became of it.
    pub fate: Fate,
    /// What it was.
    pub view: View,
    /// The link made it a second time.
    pub duplicate: bool,
}

/// A connection went to another state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// When.
    pub at: Instant,
    /// Whose end.
    pub place: Place,
    /// Both ends, seen from `place`.
    pub tuple: FourTuple,
    /// The new state.
    pub state: State,
}

/// The sender's variables at one end of a connection.
#[derive(Clone, Debug)]
pub struct Sample {
    /// When.
    pub at: Instant,
    /// Whose end.
    pub place: Place,
    /// Both ends, seen from `place`.
    pub tuple: FourTuple,
    /// All of them.
    pub info: TcpInfo,
}

/// What waited in front of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSample {
    /// When.
    pub at: Instant,
    /// Where the link begins and ends.
    pub link: (Place, Place),
    /// Packets, the one on the wire included.
    pub packets: usize,
    /// Bytes of them.
    pub bytes: u64,
}

/// All of it, as far as it was asked for.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// In order of `sent`.
    pub packets: Vec<Packet>,
    /// In order.
    pub states: Vec<StateChange>,
    /// In order.
    pub samples: Vec<Sample>,
    /// In order.
    pub queues: Vec<QueueSample>,
    /// Whether packets and states are kept.
    pub(super) keep_packets: bool,
    /// Whether samples of connections and queues are kept.
    pub(super) keep_samples: bool,
}

impl Record {
    /// Packets that did not come, in order.
    pub fn losses(&self) -> impl Iterator<Item = &Packet> {
        self.packets.iter().filter(|p| p.fate.is_loss())
    }
}
