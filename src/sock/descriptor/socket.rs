//! A descriptor that is known to be a socket of ours.
use super::flags::SocketFlags;
use super::lock::{self, Change};
use super::private;
use super::state::{Cause, StreamState};
use crate::base::addr::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use crate::host::{Errno, fd::Raw, option, unix};
use crate::protocol::name::{Name, NameBuf, Role, Transport};

/// A socket of ours: the program's descriptor, and its flags as last read from the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Socket {
    /// The program's descriptor.
    pub fd: Raw,
    /// Its flags; methods that change them keep the kernel's copy equal.
    pub flags: SocketFlags,
    /// When they were read ([`lock::generation`]).
    read_at: u64,
}

/// The flags of a descriptor; `None`: it is no socket of ours (or no socket at all).
pub fn flags_of(fd: Raw) -> Option<SocketFlags> {
    let bits = option::get_u64(fd, libc::SOL_SOCKET, libc::SO_MAX_PACING_RATE).ok()?;
    SocketFlags::from_kernel(bits).or_else(|| recognise(fd))
}

/// A connection that was accepted past us (io_uring, a program without the preload that passed it
/// on) has no flags, but its names say what it is. It gets flags then.
#[cold]
fn recognise(fd: Raw) -> Option<SocketFlags> {
    let own = role_of(&unix::local_address(fd).ok()?)?;
    let peer = role_of(&unix::peer_address(fd).ok()?)?;
    let (Role::Listener { local, .. }, true) = (own, is_connecting_end(&peer)) else {
        return None;
    };
    let family = if local.is_ipv6() { SocketFlags::IPV6 } else { 0 };
    let wire = if matches!(peer, Role::Wire { .. }) { SocketFlags::WIRE } else { 0 };
    let open = SocketFlags::state_change(StreamState::Open).1;
    let flags = SocketFlags::new(SocketFlags::ACCEPTED | open | family | wire);
    let sock = Socket::new(fd, flags);
    sock.store_flags().ok()?;
    Some(sock.flags)
}

/// Whether an accepted socket's peer may have this name.
pub fn is_connecting_end(peer: &Role) -> bool {
    matches!(peer, Role::Endpoint { .. } | Role::Wire { .. } | Role::Listener { .. })
}

/// Clears and sets flags in the kernel; what they are then. `ENOTSOCK`: the descriptor is no socket
/// of ours (any more).
pub(super) fn change_flags(fd: Raw, clear: u64, set: u64) -> Result<SocketFlags, Errno> {
    let bits = option::get_u64(fd, libc::SOL_SOCKET, libc::SO_MAX_PACING_RATE)?;
    let old = SocketFlags::from_kernel(bits).ok_or(Errno::NOTSOCK)?;
    let new = old.changed(clear, set);
    if new != old {
        Socket::new(fd, new).store_flags()?;
    }
    Ok(new)
}

impl Socket {
    /// A descriptor with flags that are in the kernel, or are about to be stored there.
    pub fn new(fd: Raw, flags: SocketFlags) -> Socket {
        Socket { fd, flags, read_at: lock::generation() }
    }
    /// `None`: not a socket of ours. One system call.
    pub fn of(fd: Raw) -> Option<Socket> {
        let read_at = lock::generation();
        flags_of(fd).map(|flags| Socket { fd, flags, read_at })
    }
    /// The same for the calls that send and receive: no system call for a socket that only this
    /// process has.
    pub fn of_data_call(fd: Raw) -> Option<Socket> {
        match private::get(fd) {
            Some(flags) => Some(Socket::new(fd, flags)),
            None => Socket::of(fd),
        }
    }
    /// Writes the flags: of a socket that has just been made.
    pub fn store_flags(&self) -> Result<(), Errno> {
        let bits = self.flags.to_kernel();
        option::set_u64(self.fd, libc::SOL_SOCKET, libc::SO_MAX_PACING_RATE, bits)
    }
    /// Clears and sets flags, here and in the kernel. What other threads have changed meanwhile
    /// stays, and is seen here from now on.
    pub fn change(&mut self, clear: u64, set: u64) {
        if self.flags.changed(clear, set) == self.flags {
            return;
        }
        let read = *self;
        self.flags = self.flags.changed(clear, set);
        let own = Change::Flags(self.fd, clear, set);
        let changed = lock::change(own, |change| match change {
            // Nothing has changed since the flags were read: they need not be read again.
            Change::Flags(..) if change == own && lock::generation() == read.read_at => {
                let new = Socket::new(read.fd, read.flags.changed(clear, set));
                new.store_flags().map(|()| new.flags)
            }
            Change::Flags(fd, clear, set) => change_flags(fd, clear, set),
            Change::Word(..) => Err(Errno::INVAL),
        });
        if let Ok(flags) = changed {
            self.flags = flags;
        }
        self.read_at = lock::generation();
        private::update(self.fd, self.flags);
    }
    /// Sets flags.
    pub fn add(&mut self, flags: u64) {
        self.change(0, flags);
    }
    /// Clears flags.
    pub fn remove(&mut self, flags: u64) {
        self.change(flags, 0);
    }
    /// Whether any of `flags` is set.
    pub fn has(&self, flags: u64) -> bool {
        self.flags.has(flags)
    }
    /// Whether it is a datagram socket.
    pub fn is_datagram(&self) -> bool {
        self.has(SocketFlags::DGRAM)
    }
    /// The state of a stream.
    pub fn state(&self) -> StreamState {
        self.flags.state()
    }
    /// Whether a stream has a peer ([`StreamState::has_peer`]), or a datagram socket is connected.
    pub fn has_peer(&self) -> bool {
        if self.is_datagram() { self.has(SocketFlags::PEER) } else { self.state().has_peer() }
    }
    /// Whether it is a stream that listens.
    pub fn is_listening(&self) -> bool {
        self.state() == StreamState::Listening
    }
    /// Lets a stream go to its next state, and changes other flags with it.
    pub fn advance_and(&mut self, cause: Cause, clear: u64, set: u64) {
        match self.state().next(cause) {
            Some(state) => {
                let (mask, bits) = SocketFlags::state_change(state);
                self.change(mask | clear, bits | set);
            }
            None => self.change(clear, set),
        }
    }
    /// Lets a stream go to its next state.
    pub fn advance(&mut self, cause: Cause) {
        self.advance_and(cause, 0, 0);
    }
    /// Sets the pending error (errno, 0 for none).
    pub fn set_error(&mut self, errno: u8) {
        let (clear, set) = SocketFlags::error_change(errno);
        self.change(clear, set);
    }
    /// Its own name, if it is bound to one of ours.
    pub fn own_name(&self) -> Option<Name> {
        Name::decode(unix::local_address(self.fd).ok()?.as_abstract()?)
    }
    /// The name of the other end, if it is connected to one of ours.
    pub fn peer_name(&self) -> Option<Name> {
        Name::decode(unix::peer_address(self.fd).ok()?.as_abstract()?)
    }
    /// What it speaks.
    pub fn transport(&self) -> Transport {
        match (self.is_datagram(), self.has(SocketFlags::ICMP), self.has(SocketFlags::RAW)) {
            (false, _, _) => Transport::Tcp,
            (true, false, _) => Transport::Udp,
            (true, true, false) => Transport::Echo,
            (true, true, true) => Transport::Raw,
        }
    }
    /// The wildcard of its family.
    pub fn wildcard(&self) -> IpAddr {
        match self.has(SocketFlags::IPV6) {
            true => Ipv6Addr::UNSPECIFIED.into(),
            false => Ipv4Addr::UNSPECIFIED.into(),
        }
    }
    /// An address as this socket's program sees it: v4 as v4-mapped on an `AF_INET6` socket.
    pub fn shown(&self, address: SocketAddr) -> SocketAddr {
        match address {
            SocketAddr::V4(v4) if self.has(SocketFlags::IPV6) => {
                SocketAddr::new(IpAddr::V6(v4.ip().to_ipv6_mapped()), v4.port())
            }
            other => other,
        }
    }

    /// The address that it is bound to, v4 as v4; the wildcard and port 0 if it is not.
    pub fn bound_address(&self) -> SocketAddr {
        match self.own_name().map(|n| n.role) {
            Some(
                Role::Endpoint { local, .. }
                | Role::Listener { local, .. }
                | Role::Datagram { local, .. },
            ) => local,
            _ => SocketAddr::new(self.wildcard(), 0),
        }
    }
}

/// An address as names have it: v4-mapped as v4, no flow label or scope.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The unix address of a name.
pub fn address_of(name: &Name) -> unix::Address {
    let bytes: NameBuf = name.encode();
    unix::Address::abstract_name(bytes.as_bytes())
}

/// The role that a unix address says, if it is a name of ours.
pub fn role_of(address: &unix::Address) -> Option<Role> {
    Name::decode(address.as_abstract()?).map(|name| name.role)
}
