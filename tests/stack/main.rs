//! The protocol core in virtual time: two stacks on a wire, a stack against smoltcp, a stack
//! against frames made by hand or at random. Every frame that a stack sends is taken apart by
//! `etherparse` and its checksums are verified.
mod addresses;
mod any_frames;
mod by_hand;
mod datagrams;
mod dhcp;
mod errors_of_others;
mod frames;
mod groups;
mod host;
mod ip_fields;
mod lone;
mod replay;
mod routers;
mod routes;
mod smoltcp_peer;
mod tcp;
mod two_hosts;
mod world;
