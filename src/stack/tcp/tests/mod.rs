//! Tests of TCP as a whole: packet scripts that read like traces, and two stacks joined by an
//! unreliable network under a virtual clock.
mod answers;
mod close;
mod congestion;
mod delack;
mod dsack;
mod ecn;
mod events_calls;
mod events_segments;
mod fast_client;
mod fast_open;
mod flow;
mod fuzz;
mod half_open;
mod marks;
mod mtu;
mod open;
mod rack;
mod receiving;
mod recovery;
mod script;
mod sending;
mod sim;
mod syn_cache;
mod timeouts;
mod urgent;
mod variables;
