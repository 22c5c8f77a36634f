//! Why the walk through an arriving segment ends early.
use crate::stack::tcp::words::Count;

/// Why the walk ends early.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// Nothing happens.
    Drop(Count),
    /// The segment is dropped and the peer told where we are.
    Ack(Count),
    /// The same, as RFC 5961 asks for: limited in number.
    Challenge(Count),
    /// The segment is answered by a reset, the connection stays.
    Refuse(Count),
    /// The peer reset the connection.
    Reset,
}
