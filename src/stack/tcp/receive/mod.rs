//! The receive side of a connection: the bytes that came, the window that is offered for more, and
//! when they are acknowledged (RFC 9293 figure 4, 3.8.6).
//!
//! [`ReceiveSide`] is the whole of it. Its fields are private to this room; a connection gives it
//! segments that are trimmed to the window, asks it whether an ACK is due and what the window
//! field says, and takes bytes out. The room knows sequence numbers, segments and rings; it does
//! not know connections, the send side, or programs. What it needs of the rest (the clock, the
//! settings, timestamps, the round-trip time, the timers) comes with each call as [`Around`].
//!
//! | file | what it keeps |
//! |---|---|
//! | `side` | the sequence space: RCV.NXT, the FIN, the ring of unread bytes. Begin here |
//! | `reassembly` | which bytes beyond RCV.NXT have arrived |
//! | `window` | the right edge: how much is offered, and when the peer is told |
//! | `buffer` | how large the receive buffer is, and how it grows |
//! | `delack` | whether an ACK leaves now or waits |
//! | `dsack` | what arrived twice |
//! | `urgent` | where the peer's urgent byte stands |
//! | `ack_delay`, `tuning`, `ack_points`, `duplicates` | what `delack`, `buffer`, `side`, `dsack` keep |
mod ack_delay;
mod ack_points;
mod buffer;
mod delack;
mod dsack;
mod duplicates;
mod reassembly;
mod side;
mod tuning;
mod urgent;
mod window;

pub(crate) use side::{Around, CHALLENGE_INTERVAL, ReceiveSide, Taken};
