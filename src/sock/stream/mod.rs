//! Streams: TCP's calls on a unix stream socket.
//!
//! The kernel moves the bytes. Here is what remains: whom a stream connects to, what an answer
//! means that TCP would not have given, and what the two ends are called.
//!
//! | file | what |
//! |---|---|
//! | [`connect`] | `connect`: where to, and the steps of both ways |
//! | [`connect_local`] | straight to a listener of this machine |
//! | [`connect_wire`] | through the engine |
//! | [`listen`] | `listen` and `accept` |
//! | [`send`], [`receive`] | bytes, and their ends |
//! | [`error`] | the pending error: `SO_ERROR`, and what `read` and `write` report |
//! | [`shutdown`] | `shutdown` |
//! | [`fast_open`], [`first_data`] | data that goes with the SYN |
//! | [`write_flags`] | `MSG_MORE` and `MSG_EOR` on the wire |
//! | [`read_after_shutdown`] | bytes that come after `SHUT_RD` |
//! | [`names`] | `getpeername` |
//! | [`tcp_info`], [`queues`] | what the program can ask about a connection |
//!
//! A call that blocks does so in a frame that a thread may leave ([`crate::host::next`]); what
//! comes before and after runs under [`crate::host::guard`]. Begin with [`connect`].
pub mod connect;
pub mod connect_local;
pub mod connect_wire;
pub mod error;
pub mod fast_open;
pub mod first_data;
pub mod listen;
pub mod names;
pub mod queues;
pub mod read_after_shutdown;
pub mod receive;
pub mod send;
pub mod shutdown;
pub mod tcp_info;
pub mod write_flags;
