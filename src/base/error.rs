//! What can go wrong on the network. Rooms of the core speak of these; they become an errno in one
//! file, `sock/errno.rs`.

/// Why a connection, a datagram or a request failed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NetError {
    /// A reset answered our SYN, or ICMP port unreachable a datagram (`ECONNREFUSED`).
    Refused,
    /// The peer reset an established connection (`ECONNRESET`).
    Reset,
    /// The peer did not answer in time (`ETIMEDOUT`).
    TimedOut,
    /// No neighbour answered, or ICMP said so (`EHOSTUNREACH`).
    HostUnreachable,
    /// No route (`ENETUNREACH`).
    NetUnreachable,
    /// The local side aborted (`ECONNABORTED`).
    Aborted,
    /// The address is not one of ours (`EADDRNOTAVAIL`).
    AddressNotAvailable,
    /// The address and port are taken (`EADDRINUSE`).
    AddressInUse,
    /// The datagram does not fit (`EMSGSIZE`).
    MessageTooLong,
    /// A table or queue is full (`ENOBUFS`).
    NoBuffers,
    /// No such connection (`ENOTCONN`).
    NotConnected,
    /// Forbidden by the net's policy or by an ICMP "administratively prohibited" (`EACCES`).
    Prohibited,
    /// The protocol is not spoken there: ICMP protocol unreachable (`ENOPROTOOPT`).
    ProtocolUnreachable,
    /// ICMP destination host unknown (`EHOSTDOWN`).
    HostDown,
    /// ICMP source host isolated (`ENONET`).
    NoNetwork,
    /// ICMP parameter problem (`EPROTO`).
    Protocol,
    /// ICMP source route failed (`EOPNOTSUPP`).
    NotSupported,
}

impl core::fmt::Display for NetError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Refused => "connection refused",
            Self::Reset => "connection reset by peer",
            Self::TimedOut => "connection timed out",
            Self::HostUnreachable => "no route to host",
            Self::NetUnreachable => "network is unreachable",
            Self::Aborted => "connection aborted",
            Self::AddressNotAvailable => "address not available",
            Self::AddressInUse => "address already in use",
            Self::MessageTooLong => "message too long",
            Self::NoBuffers => "no buffer space available",
            Self::NotConnected => "not connected",
            Self::Prohibited => "administratively prohibited",
            Self::ProtocolUnreachable => "protocol not available",
            Self::HostDown => "host is down",
            Self::NoNetwork => "machine is not on the network",
            Self::Protocol => "protocol error",
            Self::NotSupported => "operation not supported",
        })
    }
}

impl core::error::Error for NetError {}
