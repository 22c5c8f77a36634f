//! Timers that expire. Begin at `retransmit`, which also dispatches the others.
mod keepalive;
mod retransmit;
