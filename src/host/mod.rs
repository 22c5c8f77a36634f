//! The only door to the real kernel: raw system calls that never pass through libc.
//!
//! Under `LD_PRELOAD` the C library's `socket`, `close`, `read`, ... lead back into our own
//! exports, so nothing here (or behind it) may use them. What `rustix` offers goes through its raw
//! backend; the few calls that need a program's own unchecked pointers or descriptors are in
//! [`raw`]. Functions are safe: a bad descriptor or pointer comes back as an [`Errno`].
#![allow(unsafe_code)]

pub mod clock;
pub mod env;
pub mod epoll;
pub mod event;
pub mod fd;
pub mod file;
pub mod guard;
pub mod identity;
pub mod interface;
pub mod log;
pub mod memory_file;
pub mod message;
pub mod next;
pub mod numbered_locks;
pub mod option;
pub mod packet;
pub mod payload;
pub mod poll;
pub mod private_table;
pub mod raw;
pub mod sandbox;
pub mod scratch;
pub mod signal;
pub mod thread;
pub mod tun;
pub mod unix;
pub mod unix_diag;
pub mod usermem;
pub mod vfork;

pub use rustix::io::Errno;
