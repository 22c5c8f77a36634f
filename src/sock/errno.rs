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
    fn bytes_and_errnos() {
        assert_eq!(from_byte(0), None);
        assert_eq!(from_byte(to_byte(Errno::CONNREFUSED)), Some(Errno::CONNREFUSED));
        assert_eq!(from_net(NetError::Refused).raw_os_error(), 111);
    }
}
