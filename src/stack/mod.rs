//! The protocol core, sans-IO: frames, calls and `now` in; frames, events and the next deadline out.
//!
//! Four kinds of method (after quinn-proto): getters; `*_arrives(now, ..)` for what comes from
//! outside; commands (`tcp_connect`, `udp_send`, ...); and `poll_*` to be called until they return
//! `None` after any of the others. No system call, no clock, no thread, no allocation per segment.
pub mod api;
pub mod core;
pub mod ip;
pub mod tcp;
pub mod udp;
pub use self::core::{NeighborInfo, Stack};
pub use api::*;
