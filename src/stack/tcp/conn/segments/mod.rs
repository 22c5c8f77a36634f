//! SEGMENT ARRIVES (RFC 9293 3.10.7). `walk` is the numbered walk of 3.10.7.4; each step that is
//! longer than a few lines has a file of its own.
mod data;
mod fast_open;
mod icmp;
mod syn;
mod time_wait;
mod verdict;
mod walk;

pub(crate) use verdict::Verdict;
