//! An address that is not in use yet: see `dad.rs`.
use crate::base::{Cidr, Instant};

/// An address that is being asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::stack) struct Tentative {
    /// The address, with its prefix.
    pub address: Cidr,
    /// Questions sent.
    pub(super) sent: u8,
    /// When the next is due, or nobody has answered.
    pub at: Instant,
    /// By which we know our own question, should the link bring it back.
    pub(super) nonce: [u8; 6],
}
