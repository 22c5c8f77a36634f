//! Neighbours on an Ethernet link: a table for ARP and one for ND, with the states of RFC 4861
//! 7.3.2.
//!
//! | state | means | packets to it |
//! |---|---|---|
//! | incomplete | asked for, by multicast or broadcast, 3 times at 1 s | wait, bounded |
//! | reachable | it answered within the last 30 s | go |
//! | stale | it was there once, or somebody said so | go, and it becomes delay |
//! | delay | used again; it has 5 s to show itself | go |
//! | probe | being asked directly, 3 times at 1 s | go |
//!
//! A neighbour that does not answer is forgotten; what waited for it has failed. The tables are
//! pure: they say what to send (`Solicit`), `arp.rs` and `nd.rs` send it. Hints from TCP that a
//! neighbour is reachable are not used: a busy one is asked once in 35 s.
//!
//! Each table is bounded (RFC 6583). What makes room for a new neighbour, in this order: one that
//! has not answered; one to which nothing was ever sent; one to which nothing was sent for
//! a minute. So packets from forged addresses, however many, push out only each other.
mod advertised;
mod arp;
mod autoconf;
mod dad;
mod io;
mod nd;
mod neighbors;
mod redirect;
mod redirects;
mod table;
mod tentative;

pub(in crate::stack) use advertised::Autoconf;
pub(in crate::stack) use neighbors::Neighbors;
pub(in crate::stack) use redirects::Redirects;
pub(in crate::stack) use table::{Claim, Due, Outcome};
pub(in crate::stack) use tentative::Tentative;
