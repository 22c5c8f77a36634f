//! What leaves and when. Begin at `send`: it cuts the next segment from the send ring; the other
//! files say how much may go at once and what has to wait.
mod burst;
mod mtu_probe;
mod nagle;
mod pacing;
mod send;
mod urgent;
