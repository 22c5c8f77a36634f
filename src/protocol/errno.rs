//! The one place where errors of the core become errno values, and back.
use crate::base::NetError;
use rustix::io::Errno;

/// What a program is told.
pub fn from_net(error: NetError) -> Errno {
    match error {
        NetError::Refused => Errno::CONNREFUSED,
        NetError::Reset => Errno::CONNRESET,
        NetError::TimedOut => Errno::TIMEDOUT,
        NetError::HostUnreachable => Errno::HOSTUNREACH,
        NetError::NetUnreachable => Errno::NETUNREACH,
        NetError::Aborted => Errno::CONNABORTED,
        NetError::AddressNotAvailable => Errno::ADDRNOTAVAIL,
        NetError::AddressInUse => Errno::ADDRINUSE,
        NetError::MessageTooLong => Errno::MSGSIZE,
        NetError::NoBuffers => Errno::NOBUFS,
        NetError::NotConnected => Errno::NOTCONN,
        NetError::Prohibited => Errno::ACCESS,
        NetError::ProtocolUnreachable => Errno::NOPROTOOPT,
        NetError::HostDown => Errno::HOSTDOWN,
        NetError::NoNetwork => Errno::NONET,
        NetError::Protocol => Errno::PROTO,
        NetError::NotSupported => Errno::OPNOTSUPP,
    }
}

/// The errno of a connection that has failed; `ended`: the peer's FIN had come before.
pub fn of_stream(error: NetError, ended: bool) -> Errno {
    match error {
        // Linux, tcp_reset: a reset in CLOSE-WAIT is a broken pipe.
        NetError::Reset if ended => Errno::PIPE,
        other => from_net(other),
    }
}

/// What an ICMP error about a datagram means, and whether a socket that is connected, but did not
/// ask for all errors (`IP_RECVERR`), is told of it. As Linux' icmp_err_convert, __udp4_lib_err and
/// icmpv6_err_convert.
pub fn of_icmp(v4: bool, kind: u8, code: u8) -> (Errno, bool) {
    match (v4, kind, code) {
        (true, 3, 0 | 11) => (Errno::NETUNREACH, false),
        (true, 3, 1 | 12) => (Errno::HOSTUNREACH, false),
        (true, 3, 2) => (Errno::NOPROTOOPT, true),
        (true, 3, 3) => (Errno::CONNREFUSED, true),
        (true, 3, 4) => (Errno::MSGSIZE, true),
        (true, 3, 5) => (Errno::OPNOTSUPP, false),
        (true, 3, 6 | 9) => (Errno::NETUNREACH, true),
        (true, 3, 7) => (Errno::HOSTDOWN, true),
        (true, 3, 8) => (Errno::NONET, true),
        (true, 3, 10 | 13..=15) => (Errno::HOSTUNREACH, true),
        (true, 12, _) => (Errno::PROTO, true),
        (true, ..) => (Errno::HOSTUNREACH, false),
        (false, 1, 0) => (Errno::NETUNREACH, false),
        (false, 1, 1 | 5 | 6) => (Errno::ACCESS, true),
        (false, 1, 2 | 3) => (Errno::HOSTUNREACH, false),
        (false, 1, 4) => (Errno::CONNREFUSED, true),
        (false, 2, _) => (Errno::MSGSIZE, false),
        (false, 3, _) => (Errno::HOSTUNREACH, false),
        (false, ..) => (Errno::PROTO, true),
    }
}

/// The byte that the control channel and tags carry; every errno of Linux fits (the largest: 133).
pub fn to_byte(errno: Errno) -> u8 {
    u8::try_from(errno.raw_os_error()).unwrap_or(u8::MAX)
}

/// `None` for 0.
pub fn from_byte(byte: u8) -> Option<Errno> {
    (byte != 0).then(|| Errno::from_raw_os_error(i32::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn icmp_as_linux_reads_it() {
        assert_eq!(of_icmp(true, 3, 3), (Errno::CONNREFUSED, true));
        assert_eq!(of_icmp(true, 3, 1), (Errno::HOSTUNREACH, false));
        assert_eq!(of_icmp(true, 11, 0), (Errno::HOSTUNREACH, false));
        assert_eq!(of_icmp(false, 1, 4), (Errno::CONNREFUSED, true));
        assert_eq!(of_icmp(false, 1, 3), (Errno::HOSTUNREACH, false));
    }

    #[test]
    fn bytes_and_errnos() {
        assert_eq!(from_byte(0), None);
        assert_eq!(from_byte(to_byte(Errno::CONNREFUSED)), Some(Errno::CONNREFUSED));
        assert_eq!(from_net(NetError::Refused).raw_os_error(), 111);
    }
}
