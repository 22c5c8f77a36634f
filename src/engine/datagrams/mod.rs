//! Datagrams between programs and the wire, and ICMP's messages about them.
//!
//! A program's datagram goes to the peer socket of its destination (`state/peer_sockets`), or, if
//! it is to leave otherwise than usual, to the gateway with a send header in front. A datagram of
//! the wire goes from the peer socket of its sender to the program's socket that it is for.
//!
//! | file | what |
//! |---|---|
//! | `send` | from programs to the wire |
//! | `deliver` | from the wire to programs |
//! | `groups` | memberships in groups; datagrams to groups and broadcast addresses |
//! | `errors` | what could not be delivered, to the programs that sent it |
mod deliver;
mod errors;
mod groups;
mod send;
