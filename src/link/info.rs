//! What is known of a link, and how its errors are made.
use crate::base::MacAddr;
use crate::base::frame::{Medium, Offload};

/// What a link is, once it is open.
#[derive(Clone, Debug)]
pub struct LinkInfo {
    /// For messages: `packet:eth0`.
    pub name: String,
    /// What its frames are.
    pub medium: Medium,
    /// The address that the link wants us to use, if it has an opinion.
    pub mac: Option<MacAddr>,
    /// Largest IP packet, bytes.
    pub mtu: u16,
    /// What it does for us.
    pub offload: Offload,
}

/// An error of this kind with a sentence for the user.
pub(super) fn fail(kind: std::io::ErrorKind, why: impl Into<String>) -> std::io::Error {
    std::io::Error::new(kind, why.into())
}
