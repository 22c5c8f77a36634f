//! TCP by RFC 9293. Sans-IO.
//!
//! [`Tcp`] is the set of all connections and listeners. Segments come in through
//! [`Tcp::segment_arrives`], leave through [`Tcp::poll_transmit`]; bytes go through
//! [`Tcp::send`] and [`Tcp::receive`]; time through [`Tcp::handle_timeout`]. After any of them:
//! poll `poll_transmit` and `poll_event` until they have no more, and come back at `poll_timeout`.
//!
//! The rooms, from the bottom to the top. Each uses only those above it in this table:
//!
//! | room | what is in it |
//! |---|---|
//! | `api` | settings, options and results: the words shared with IP, the engine and `ss` |
//! | `words` | sequence numbers, states, segments, rings, timers |
//! | `congestion/` | how much may be in flight: one trait, one file an algorithm |
//! | `flight/` | what is outstanding, piece by piece |
//! | `loss/` | estimators and the states of loss recovery |
//! | `receive/` | the receive side: bytes in, the window, when ACKs are due |
//! | `send/` | the send side: bytes out, what programs said of them, pacing |
//! | `open/` | listeners, SYN queue, SYN cookies |
//! | `fast_open/` | what fast open remembers |
//! | `conn/` | one connection: the parts above put together, and the events of RFC 9293 3.10 |
//! | `set/` | all connections: which one an event is for, and what it left behind |
//!
//! Begin at `conn/segments/walk.rs` for what a segment does, at `conn/transmit/send.rs` for what
//! leaves, at `set/tcp.rs` for how both are driven. Every call on a connection ends in `settle`
//! there, which looks at what it left behind: something to send, something to tell, an earlier
//! deadline, the end.
pub mod api;
pub mod congestion;
mod conn;
mod fast_open;
mod flight;
mod loss;
mod open;
mod receive;
mod send;
mod set;
#[cfg(test)]
mod tests;
mod words;

pub use api::*;
pub use send::Mark;
pub use set::Tcp;
