//! TCP by RFC 9293, cut by the life of a connection: one file a concern. Sans-IO.
//!
//! `Tcp` is the set of all connections and listeners. Segments come in through `segment_arrives`,
//! leave through `poll_transmit`; bytes go through `send`/`receive`; time through `handle_timeout`.
pub mod api;
pub use api::*;
