//! The tag: 64 bits that the kernel keeps with a socket object, so that a descriptor can be
//! recognised and its state read after `fork`, `exec`, `dup` or SCM_RIGHTS, with one system call.
//!
//! They live in `SO_MAX_PACING_RATE`, which every kernel socket stores, needs no privilege to set,
//! and which means nothing to an AF_UNIX socket. (A program's own use of that option on a socket
//! object is kept from reaching the kernel.)
use core::fmt;

/// Bits 48..64 of every tag. Chosen so that no plausible pacing rate has it.
const MAGIC: u64 = 0xa5d7;

/// A socket object's flags, as stored in the kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tag(u64);

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $bit:literal;)*) => {
        $( $(#[$doc])* pub const $name: u64 = 1 << $bit; )*
    };
}

#[allow(missing_docs)]
impl Tag {
    flags! {
        /// `AF_INET6` (else `AF_INET`).
        IPV6 = 0;
        /// `SOCK_DGRAM` (else `SOCK_STREAM`).
        DGRAM = 1;
        /// `IPV6_V6ONLY`.
        V6ONLY = 2;
        /// The program called `bind` (or an automatic bind took place).
        BOUND = 3;
        /// `listen` was called.
        LISTENING = 4;
        /// Connected, or a connect is under way (`CONNECTING`) or has failed (`FAILED`).
        CONNECTED = 5;
        /// The other end is the engine: a wire connection.
        WIRE = 6;
        /// A non-blocking connect was answered `EINPROGRESS` and its end has not been reported yet.
        CONNECTING = 7;
        /// The connect failed; the reason is in the error byte until it is fetched.
        FAILED = 8;
        /// This side called `shutdown(SHUT_WR)`.
        WRITE_SHUT = 9;
        /// This side called `shutdown(SHUT_RD)`.
        READ_SHUT = 10;
        /// A write after the peer had closed was swallowed, as TCP would: the next one is `EPIPE`.
        WROTE_AFTER_CLOSE = 11;
        /// `TCP_NODELAY`.
        NODELAY = 12;
        /// `TCP_CORK`.
        CORK = 13;
        /// `SO_REUSEPORT`.
        REUSEPORT = 14;
        /// Made by `accept`.
        ACCEPTED = 15;
        /// The socket has an annex (see `annex`): more state in its classic filter.
        ANNEX = 16;
        /// `TCP_QUICKACK` asked for.
        QUICKACK = 17;
        /// The end of a wire connection has been reported (its error was returned once).
        END_REPORTED = 18;
        /// An option that accepted sockets inherit was set in the kernel (`SO_KEEPALIVE`,
        /// `SO_LINGER`,
        /// `SO_RCVTIMEO`, `SO_SNDBUF`, ...).
        OPTIONS = 19;
        /// The engine knows that urgent data may come (`MSG_OOB`).
        URGENT = 20;
        /// `connect` was answered, and its SYN waits for the first data (`TCP_FASTOPEN_CONNECT`).
        DEFERRED = 21;
        /// ICMP: an echo socket (datagram) or, with `RAW`, a raw one.
        ICMP = 24;
        /// `SOCK_RAW`.
        RAW = 25;
        /// `IP_RECVERR` or `IPV6_RECVERR`.
        RECVERR = 26;
        /// An option that changes how datagrams leave is in the annex.
        SEND_OPTIONS = 27;
        /// An option that adds control data to received datagrams is in the annex.
        RECV_OPTIONS = 28;
    }

    const ERROR_SHIFT: u32 = 32;

    /// A new socket object's tag.
    pub const fn new(flags: u64) -> Tag {
        Tag((MAGIC << 48) | flags)
    }
    /// `None`: not one of ours.
    pub const fn from_kernel(bits: u64) -> Option<Tag> {
        if bits >> 48 == MAGIC { Some(Tag(bits)) } else { None }
    }
    /// What to store in the kernel.
    pub const fn to_kernel(self) -> u64 {
        self.0
    }
    pub const fn has(self, flag: u64) -> bool {
        self.0 & flag != 0
    }
    #[must_use]
    pub const fn with(self, flag: u64) -> Tag {
        Tag(self.0 | flag)
    }
    #[must_use]
    pub const fn without(self, flag: u64) -> Tag {
        Tag(self.0 & !flag)
    }
    /// The pending socket error (errno, 0 for none).
    pub const fn error(self) -> u8 {
        (self.0 >> Self::ERROR_SHIFT) as u8
    }
    #[must_use]
    pub const fn with_error(self, errno: u8) -> Tag {
        Tag((self.0 & !(0xff << Self::ERROR_SHIFT)) | ((errno as u64) << Self::ERROR_SHIFT))
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({:#018x})", self.0)
    }
}
