//! Datagram sockets: UDP's and ICMP's calls on a unix datagram socket.
//!
//! # How UDP is made of unix datagrams
//!
//! - A socket is a unix datagram socket with a name of the role
//!   [`crate::protocol::name::Role::Datagram`]; the first send or connect gives it one. The
//!   sender's name is the sender's address.
//! - The *logical* peer of a connected socket is in its extra state. If a socket has that address,
//!   it is the *kernel's* peer: plain `send` and `recv` go straight through, and the kernel refuses
//!   datagrams of others, as UDP does. When it is gone, the kernel says `ECONNREFUSED` or
//!   `ENOTCONN` at the next send, and the address is looked up anew.
//! - UDP tells a connected sender late that nothing was bound there: the send succeeds, the next
//!   call fails. [`raise`] makes the kernel say so, so that `poll` and a blocked `recv` see it too.
//! - A host on the wire is a peer socket of the engine ([`crate::protocol::name::Role::Proxy`]).
//!
//! | file | what |
//! |---|---|
//! | [`connect`] | `connect`, `shutdown` |
//! | [`send`] | what a program sends: checks, then [`outgoing`] or [`ping`] |
//! | [`outgoing`] | a datagram on its way, by its [`route`] |
//! | [`receive`] | what a program receives; [`origin`] says from where, [`received_control`] how |
//! | [`peer`] | the peer, and errors that it leaves |
//! | [`error_queue`] | `MSG_ERRQUEUE` |
//! | [`groups`] | memberships |
//! | [`options`], [`send_settings`], [`interest`] | options, how a datagram leaves, what the engine must know |
//!
//! Begin with [`send`] and [`receive`].
pub mod connect;
pub mod error_queue;
pub mod groups;
pub mod interest;
pub mod options;
pub mod origin;
pub mod outgoing;
pub mod peer;
pub mod ping;
pub mod raise;
pub mod receive;
pub mod received_control;
pub mod route;
pub mod send;
pub mod send_settings;

pub use peer::{local_name, peer_name};
