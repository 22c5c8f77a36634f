//! What the library and the engine say to each other, as bytes.
//!
//! Both sides are input to the other: every `decode` checks all it reads and never panics. Nothing
//! here makes a system call or allocates, so that a signal handler may encode and decode.
//!
//! | file | what |
//! |---|---|
//! | [`name`] | abstract unix names: how a socket says what it is |
//! | [`request`] | questions on the control channel, and the replies |
//! | [`option`] | options of a wire connection, in both of these |
//! | [`connect`] | the first bytes on a stream to the gateway |
//! | [`datagram`] | how a datagram is to leave, and how it arrived |
//! | [`error_record`] | an entry of a datagram socket's error queue |
//! | [`write_flags`] | `MSG_MORE` and `MSG_EOR`, as a number of descriptors |
//! | [`errno`] | errors of the stack as errno values, and as one byte |
//! | [`codec`] | integers, addresses and bytes, written and read |
//!
//! Begin with [`name`].
pub mod codec;
pub mod connect;
pub mod datagram;
pub mod errno;
pub mod error_record;
pub mod name;
pub mod option;
pub mod request;
pub mod write_flags;
