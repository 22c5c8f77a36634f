//! The protocol core, sans-IO: frames, calls and `now` in; frames, events and the next deadline
//! out.
//!
//! Four kinds of method (after quinn-proto): getters; `*_arrives(now, ..)` for what comes from
//! outside; commands (`tcp_connect`, `udp_send`, ...); and `poll_*` to be called until they return
//! `None` after any of the others. No system call, no clock, no thread, no allocation per segment.
//!
//! | file | what |
//! |---|---|
//! | `api` | the words in which it is spoken to |
//! | `core` | the struct, frames in and out, time |
//! | `interface`, `route`, `routing` | links, and where packets go |
//! | `neighbor` | what is on a link (ARP, ND), and what routers say |
//! | `multicast`, `dhcp` | groups (IGMP, MLD); leased addresses |
//! | `ip` | input, output, fragments, path MTU |
//! | `icmp`, `udp` | the small protocols |
//! | `tcp`, `segments` | TCP, and how its segments become packets |
//! | `counters` | what happened how often; every drop has its reason |
pub mod api;
pub mod core;
mod counters;
mod dhcp;
mod icmp;
mod interface;
mod ip;
mod multicast;
mod neighbor;
mod route;
mod routing;
mod segments;
pub mod tcp;
mod udp;
pub use self::core::{NeighborInfo, Stack};
pub use api::*;
pub use dhcp::Lease;
pub use icmp::IcmpWanted;
