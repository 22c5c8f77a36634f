//! The program's calls on one connection (RFC 9293 3.9.1).
mod close;
mod data;
mod info;
