//! Connections between programs and the wire, from their first packet to their end. A connection is
//! a session (`state/session`): the stack's connection on one hand, the unix socket to the program
//! on the other.
//!
//! | file | what |
//! |---|---|
//! | `outgoing` | a program connects: its request, the handshake, success or failure |
//! | `fast_open` | a program's connect that waits for its first data |
//! | `incoming` | the stack has accepted a connection: it goes to the program's listener |
//! | `listening` | what the stack is told of listeners |
//! | `serve` | which of these a session needs when something has happened to it |
//! | `relay` | bytes and ends, both ways |
//! | `ending` | the end of a session |
//! | `options` | options of connections in the stack's words |
//! | `tcp_info` | `TCP_INFO` |
mod ending;
mod fast_open;
mod incoming;
mod listening;
pub mod options;
mod outgoing;
mod relay;
mod serve;
pub mod tcp_info;
