//! `MSG_MORE` and `MSG_EOR` on their way to the engine.
//!
//! A unix stream carries no flags. It carries descriptors, and a read ends behind the bytes that a
//! descriptor was sent with. So the library sends one to three descriptors of one event counter
//! along with the bytes: their number is the sum of the flags. The counter is never read, and the
//! engine closes the descriptors at once.

/// More bytes follow at once (`MSG_MORE`).
pub const MORE: usize = 1;
/// A record ends here (`MSG_EOR`).
pub const END_OF_RECORD: usize = 2;
