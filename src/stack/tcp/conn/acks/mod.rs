//! Acknowledgments, in the order of Linux's `tcp_ack`: the window, SACK blocks, what is
//! acknowledged, how long it took, what is lost, the congestion window. Begin at `ack`; what one
//! ACK says is gathered in `news`, and `alert` moves the states of loss recovery by it.
mod ack;
mod alert;
mod ecn;
mod news;
mod probe;
mod rack;
mod sack;
mod undo;
