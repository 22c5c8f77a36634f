//! What a descriptor is.
//!
//! A socket of ours is a unix socket that the kernel keeps. All that the library knows of it is
//! kept with the file, so that any process that holds it can go on:
//!
//! - its abstract name ([`crate::protocol::name`]),
//! - 64 bits of flags, in which a stream's state is packed ([`flags`], [`state`]),
//! - rarely, extra state ([`extra`]).
//!
//! [`socket::Socket`] is a descriptor that is known to be one of ours; begin there. [`kind`] is the
//! hint for the calls that must be fast, and [`private`] has the flags that they need not ask for.
//! [`lock`] keeps changes of two threads from getting lost.
//! [`ends`] tells the two ends of a stream. [`sockaddr`] reads and writes the addresses of C
//! programs.
//!
//! These files know the kernel (`host`) and the names (`protocol`), nothing of the net, the engine
//! or of what a call means.
pub mod ends;
pub mod extra;
pub mod flags;
pub mod kind;
pub mod lock;
pub mod private;
pub mod reuse;
pub mod sockaddr;
pub mod socket;
pub mod state;
