//! One connection: its control block, and the events of RFC 9293 3.10 on it. [`Conn`] is made of
//! the parts of the rooms beside this one (`send`, `receive`, `loss`, `flight`, `congestion`,
//! `fast_open`). Its fields are private to this room: `set` speaks to it by methods only.
//!
//! | folder | what happens there |
//! |---|---|
//! | `block` | the control block and its invariants. Begin here |
//! | `membership` | what a connection counts as in the set of all |
//! | `segments` | SEGMENT ARRIVES (3.10.7) as a numbered walk; ICMP errors |
//! | `acks` | what an ACK says: what arrived, what is lost, how the window answers |
//! | `transmit` | which segment leaves next, and how large it is |
//! | `timeouts` | timers that expire |
//! | `calls` | the program's calls: options, CLOSE, ABORT, STATUS |
//!
//! A file here may use `block` and the rooms of parts. It calls methods of [`Conn`] that stand in
//! the other folders, and names nothing else of them.
mod acks;
mod block;
mod calls;
mod membership;
mod segments;
mod timeouts;
mod transmit;

pub(crate) use block::Conn;
