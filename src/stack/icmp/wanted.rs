//! Which ICMP messages the sockets of programs want to see.

/// Which ICMP packets become events; none at first, so that nobody pays for what nobody reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct IcmpWanted {
    /// Echo replies: [`Event::EchoArrived`].
    pub echo: bool,
    /// All: [`Event::IcmpArrived`].
    pub all: bool,
}
