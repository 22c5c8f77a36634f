//! What a sender keeps to find losses and to repair them: estimators and the states of recovery,
//! each with its own arithmetic. The decisions that need the whole connection are in `conn/acks`.
//! May use: `words`, `flight`, `congestion`.
//!
//! | file | what it keeps |
//! |---|---|
//! | `rtt` | round-trip time and retransmission timeout (RFC 6298). Begin here |
//! | `rate` | how fast data arrives at the peer |
//! | `recovery` | the sender's mode and how far the window was used |
//! | `rack`, `probe` | RACK and tail loss probes (RFC 8985) |
//! | `prr`, `undo`, `ecn` | the reduction of the window, its undoing, marks instead of losses |
mod ecn;
mod probe;
mod prr;
mod rack;
mod rate;
mod recovery;
mod rtt;
mod undo;

pub(crate) use ecn::{ECN_FIELD, Ecn};
pub(crate) use probe::Probe;
pub(crate) use prr::Prr;
pub(crate) use rack::{PERSIST, TIMEOUT_MIN};
pub(crate) use rate::Rate;
pub(crate) use recovery::{Mode, Pending, REORDERING, REORDERING_MAX, Recovery};
pub(crate) use rtt::Rtt;
pub(crate) use undo::Undo;
