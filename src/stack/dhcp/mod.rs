//! A DHCP client (RFC 2131): an interface that asks a server for its IPv4 address.
//!
//! | state (RFC 2131 4.4) | what it waits for | what it says meanwhile |
//! |---|---|---|
//! | Selecting | an offer | DISCOVER, at 4, 8, 16, 32, 64 s |
//! | Requesting | the server's word | REQUEST, four times, then again from the start |
//! | Bound | T1 | nothing |
//! | Renewing | the server's word | REQUEST to the server, until T2 |
//! | Rebinding | any server's word | REQUEST to all, until the lease ends |
//!
//! The first offer is taken. An address that somebody has already is declined (4.4.1), and the
//! client waits ten seconds before it asks again. There is no INIT-REBOOT: nothing is remembered
//! from one engine to the next.
mod client;
mod requests;

pub(in crate::stack) use client::Client;
pub use client::Lease;
