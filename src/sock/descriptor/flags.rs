//! The flags of a socket: 64 bits that the kernel keeps with the file, so that a descriptor can be
//! recognised and its state read after `fork`, `exec`, `dup` or SCM_RIGHTS, with one system call.
//!
//! They live in `SO_MAX_PACING_RATE`, which every kernel socket stores, needs no privilege to set,
//! and which means nothing to a unix socket. (A program's own use of that option on a socket of
//! ours is kept from reaching the kernel.)
//!
//! | bits | what |
//! |---|---|
//! | 0..32 | the constants below |
//! | 4..8 | of a stream, its [`StreamState`]; of a datagram socket [`SocketFlags::PEER`] and its kin |
//! | 32..40 | the pending error (errno, 0 for none) |
//! | 48..64 | a constant by which flags are recognised |
use super::state::StreamState;
use core::fmt;

/// Bits 48..64 of all flags. Chosen so that no plausible pacing rate has it.
const MAGIC: u64 = 0xa5d7;

/// A socket's flags, as stored in the kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SocketFlags(u64);

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $bit:literal;)*) => {
        $( $(#[$doc])* pub const $name: u64 = 1 << $bit; )*
    };
}

impl SocketFlags {
    flags! {
        /// `AF_INET6` (else `AF_INET`).
        IPV6 = 0;
        /// `SOCK_DGRAM` (else `SOCK_STREAM`).
        DGRAM = 1;
        /// `IPV6_V6ONLY`.
        V6ONLY = 2;
        /// The program called `bind` (or an automatic bind took place).
        BOUND = 3;
        /// Of a datagram socket: it is connected; the peer's address is in the extra state.
        PEER = 4;
        /// Of a datagram socket: this side called `shutdown(SHUT_RD)`.
        READ_SHUT = 5;
        /// Of a datagram socket: this side called `shutdown(SHUT_WR)`.
        WRITE_SHUT = 6;
        /// The other end is the engine: a wire connection, or a datagram peer on the wire.
        WIRE = 9;
        /// `TCP_NODELAY`.
        NODELAY = 12;
        /// `TCP_CORK`.
        CORK = 13;
        /// `SO_REUSEPORT`.
        REUSEPORT = 14;
        /// Made by `accept`.
        ACCEPTED = 15;
        /// The socket has extra state ([`super::extra`]).
        EXTRA = 16;
        /// The remote end of a stream is in the extra state, since its name does not say it.
        REMOTE_KEPT = 17;
        /// An option that accepted sockets inherit was set in the kernel's file (`SO_LINGER`,
        /// `SO_RCVTIMEO`, `SO_SNDBUF`, ...).
        KERNEL_OPTIONS = 19;
        /// The engine knows that urgent data may come (`MSG_OOB`).
        URGENT = 20;
        /// `SO_REUSEADDR`, as inherited by `accept`.
        REUSEADDR = 21;
        /// `SO_KEEPALIVE`, likewise.
        KEEPALIVE = 22;
        /// ICMP: an echo socket (datagram) or, with `RAW`, a raw one.
        ICMP = 24;
        /// `SOCK_RAW`.
        RAW = 25;
        /// `IP_RECVERR` or `IPV6_RECVERR`.
        RECVERR = 26;
        /// An option that changes how datagrams leave is in the extra state.
        SEND_OPTIONS = 27;
        /// An option that adds control data to received datagrams is in the extra state.
        RECV_OPTIONS = 28;
    }

    const STATE_SHIFT: u32 = 4;
    const STATE_MASK: u64 = 0xf << Self::STATE_SHIFT;
    const ERROR_SHIFT: u32 = 32;
    const ERROR_MASK: u64 = 0xff << Self::ERROR_SHIFT;

    /// The flags of a new socket.
    pub const fn new(flags: u64) -> SocketFlags {
        SocketFlags((MAGIC << 48) | flags)
    }
    /// `None`: the socket is not one of ours.
    pub const fn from_kernel(bits: u64) -> Option<SocketFlags> {
        if bits >> 48 == MAGIC { Some(SocketFlags(bits)) } else { None }
    }
    /// What to store in the kernel.
    pub const fn to_kernel(self) -> u64 {
        self.0
    }
    /// Whether any of these flags is set.
    pub const fn has(self, flag: u64) -> bool {
        self.0 & flag != 0
    }
    /// The flags with some cleared, then some set.
    #[must_use]
    pub const fn changed(self, clear: u64, set: u64) -> SocketFlags {
        SocketFlags((self.0 & !clear) | set)
    }
    /// The state of a stream.
    pub const fn state(self) -> StreamState {
        if self.has(Self::DGRAM) {
            return StreamState::Closed;
        }
        StreamState::from_bits((self.0 & Self::STATE_MASK) >> Self::STATE_SHIFT)
    }
    /// What to clear and set so that a stream is in this state.
    pub const fn state_change(state: StreamState) -> (u64, u64) {
        (Self::STATE_MASK, (state as u64) << Self::STATE_SHIFT)
    }
    /// The pending socket error (errno, 0 for none).
    pub const fn error(self) -> u8 {
        (self.0 >> Self::ERROR_SHIFT) as u8
    }
    /// What to clear and set so that this error is pending.
    pub const fn error_change(errno: u8) -> (u64, u64) {
        (Self::ERROR_MASK, (errno as u64) << Self::ERROR_SHIFT)
    }
}

impl fmt::Debug for SocketFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SocketFlags({:#018x}, {:?})", self.0, self.state())
    }
}
