//! BBR version 3 (draft-ietf-ccwg-bbr): it measures how fast the path delivers and how long a round
//! trip takes when nothing waits, and sends at that rate, with about that product in flight,
//! instead of filling queues until something is lost. The draft's names are kept, without its
//! `BBR.` in front.
//!
//! | file | what | draft |
//! |---|---|---|
//! | `mod` | what TCP tells and asks; pacing rate and window | 5.2, 5.6 |
//! | `model` | bandwidth, round trips, aggregation; what losses say | 5.5 |
//! | `machine` | Startup, Drain, ProbeBW, ProbeRTT | 5.3 |
//!
//! A mark of the network (RFC 3168), which the draft leaves open, is taken as too much loss while
//! the bandwidth is probed, and as a loss otherwise: not more often than once in a round trip.
mod bbr_state;
mod estimate;
mod machine;
mod model;
#[cfg(test)]
mod tests;

pub(crate) use bbr_state::Bbr;
