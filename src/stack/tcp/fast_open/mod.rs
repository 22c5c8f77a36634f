//! Fast open (RFC 7413): data in the SYN, for a peer that has shown before that it is where it
//! says. Here is what is remembered; the segments are handled in `conn/segments/fast_open.rs`,
//! listeners in `set/fast_open.rs`, clients in `set/fast_client.rs`. May use: `words`, `open`.
//!
//! | file | what it keeps |
//! |---|---|
//! | `part` | one connection's part in it |
//! | `hosts` | the cookies of hosts that we have connected to |
mod hosts;
mod part;

pub(crate) use hosts::{Failure, Form, HostNews, Hosts, Offer};
pub(crate) use part::Fast;
