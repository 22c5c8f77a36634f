//! All connections and listeners of one stack. [`Tcp`] finds the connection that a segment, a call
//! or a deadline is for, runs the event on it, and looks at what it left behind.
//!
//! | file | what it does |
//! |---|---|
//! | `tcp` | the set, and `settle`. Begin here |
//! | `table`, `deadlines` | where connections live, and which is due next |
//! | `arrivals` | segments, ICMP errors and time in; segments and events out |
//! | `commands`, `quickack` | the program's calls, by handle |
//! | `arrival`, `listen`, `half_open` | a SYN for a listener, until it is a connection |
//! | `fast_open`, `fast_client`, `sequence` | the rest of opening |
//!
//! May use all other rooms of TCP; none uses it.
mod arrival;
mod arrivals;
mod commands;
mod deadlines;
mod fast_client;
mod fast_open;
mod half_open;
mod listen;
mod quickack;
mod sequence;
mod table;
mod tcp;

pub use tcp::Tcp;
