//! Listeners, and SYNs that were answered and not yet acknowledged. None of it is a connection: a
//! flood of SYNs must not cost memory (RFC 4987). What happens to a segment for a listener is
//! decided in `set/listen.rs` and `set/half_open.rs`. May use: `words`.
//!
//! | file | what it keeps |
//! |---|---|
//! | `listeners` | who listens where, and with which limits. Begin here |
//! | `request` | what is remembered of one SYN |
//! | `syn_queue` | all of those, and when each SYN-ACK is repeated |
//! | `cookie` | SYN cookies: nothing is remembered at all |
pub(crate) mod cookie;
mod listeners;
mod request;
mod syn_queue;

pub(crate) use listeners::Listeners;
pub(crate) use request::{FIRST_TIMEOUT, ListenerKey, Request, syn};
pub(crate) use syn_queue::SynQueue;
