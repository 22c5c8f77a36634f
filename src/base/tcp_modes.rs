//! Settings of TCP with more than two values, as a net's file gives them and the stack obeys them.

/// Path-MTU discovery without ICMP (RFC 4821; Linux `tcp_mtu_probing` 0, 1, 2).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum MtuProbing {
    /// Only ICMP tells.
    Off,
    /// Once a black hole is suspected.
    #[default]
    BlackHole,
    /// From the start: small segments first.
    Always,
}

/// Who may ask for explicit congestion notification (RFC 3168; Linux `tcp_ecn`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Ecn {
    /// Nobody (0).
    Off,
    /// The peer (2).
    #[default]
    Accept,
    /// Both: our SYNs offer it (1).
    On,
}

/// When SYN cookies (RFC 4987 3.6) are given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SynCookies {
    /// Never: a SYN that finds the queue full is dropped.
    Off,
    /// When the queue is full.
    Auto,
    /// To every SYN.
    Always,
}
