//! What a packet can be at: a host, a router or a switch.

/// A host or a router, by number in order of adding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place(pub usize);
