//! The words that every room of TCP uses: sequence numbers, states, segments, rings, timers. They
//! know nothing of connections. May use: the settings and options of `tcp/api.rs`, `base`, `wire`.
//!
//! | file | what is in it |
//! |---|---|
//! | `seq` | sequence numbers, compared on a circle |
//! | `state` | the state machine of RFC 9293 figure 5 as a table |
//! | `segment` | a segment that arrived |
//! | `context` | what a call may use besides its connection: the clock, settings, counters, replies |
//! | `reply` | segments that belong to no connection: resets |
//! | `counters` | what happened how often, with every reason to drop a segment |
//! | `ring` | the byte ring of both directions |
//! | `timers`, `stamps` | a connection's deadlines; its timestamps (RFC 7323) |
//! | `keyed` | the hash for tables whose keys come from the network |
mod context;
mod counters;
mod keyed;
mod reply;
mod ring;
mod segment;
mod seq;
mod stamps;
mod state;
mod timers;

pub(crate) use context::Cx;
pub(crate) use counters::{Count, Counters};
pub(crate) use keyed::Keyed;
pub(crate) use reply::{Replies, Reply};
pub(crate) use ring::Ring;
pub(crate) use segment::Segment;
pub(crate) use seq::Seq;
pub(crate) use stamps::Stamps;
pub(crate) use state::{Cause, next_state};
pub(crate) use timers::{Timer, Timers};
