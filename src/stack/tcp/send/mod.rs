//! What a connection keeps of its send side: the sequence space with the ring of bytes that are not
//! acknowledged, what programs said of them, and when the next segment may leave. Which segment
//! leaves is decided in `conn/transmit`. May use: `words`.
//!
//! | file | what it keeps |
//! |---|---|
//! | `side` | SND.UNA, SND.NXT, SND.WND, the ring. Begin here |
//! | `marks` | records and held-back bytes (`MSG_EOR`, `MSG_MORE`, `TCP_CORK`) |
//! | `pacer` | when the next segment may leave at a given rate |
//! | `mtu_search` | path-MTU discovery by probing |
//! | `chrono`, `stats` | what `TCP_INFO` shows of sending |
mod chrono;
mod marks;
mod mtu_search;
mod pacer;
mod side;
mod stats;

pub(crate) use chrono::{Chrono, Wait};
pub use marks::Mark;
pub(crate) use marks::Marks;
pub(crate) use mtu_search::MtuSearch;
pub(crate) use pacer::Pacer;
pub(crate) use side::SendSide;
pub(crate) use stats::Stats;
