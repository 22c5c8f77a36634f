//! A descriptor that is known to be a socket object.
use super::tag::Tag;
use crate::base::addr::{IpAddr, SocketAddr};
use crate::host::{Errno, fd::Raw, option, unix};
use crate::protocol::name::{Name, NameBuf, Role};

/// A socket object: the program's descriptor and its tag as last read from the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Sock {
    /// The program's descriptor.
    pub fd: Raw,
    /// Its tag; [`Sock::set_tag`] keeps the kernel's copy equal.
    pub tag: Tag,
}

/// The tag of a descriptor; `None`: not a socket object (or no socket at all).
pub fn tag_of(fd: Raw) -> Option<Tag> {
    let bits = option::get_u64(fd, libc::SOL_SOCKET, libc::SO_MAX_PACING_RATE).ok()?;
    Tag::from_kernel(bits).or_else(|| recognise(fd))
}

/// A connection that was accepted past us (io_uring, a program without the preload that passed it
/// on) has no tag, but its names say what it is. It is tagged then.
#[cold]
fn recognise(fd: Raw) -> Option<Tag> {
    let own = role_of(&unix::local_address(fd).ok()?)?;
    let peer = role_of(&unix::peer_address(fd).ok()?)?;
    let (Role::Listener { local, .. }, Role::Endpoint { .. } | Role::Wire { .. }) = (own, peer)
    else {
        return None;
    };
    let family = if local.is_ipv6() { Tag::IPV6 } else { 0 };
    let wire = if matches!(peer, Role::Wire { .. }) { Tag::WIRE } else { 0 };
    let sock = Sock { fd, tag: Tag::new(Tag::ACCEPTED | Tag::CONNECTED | family | wire) };
    sock.store_tag().ok()?;
    Some(sock.tag)
}

impl Sock {
    /// `None`: not a socket object. One system call.
    pub fn of(fd: Raw) -> Option<Sock> {
        tag_of(fd).map(|tag| Sock { fd, tag })
    }
    /// Stores a tag, here and in the kernel.
    pub fn set_tag(&mut self, tag: Tag) {
        if tag != self.tag {
            self.tag = tag;
            let bits = tag.to_kernel();
            let _ = option::set_u64(self.fd, libc::SOL_SOCKET, libc::SO_MAX_PACING_RATE, bits);
        }
    }
    /// Writes the tag even if it is the one that we believe to be there.
    pub fn store_tag(&self) -> Result<(), Errno> {
        let bits = self.tag.to_kernel();
        option::set_u64(self.fd, libc::SOL_SOCKET, libc::SO_MAX_PACING_RATE, bits)
    }
    /// Sets flags of the tag.
    pub fn add(&mut self, flags: u64) {
        self.set_tag(self.tag.with(flags));
    }
    /// Clears flags of the tag.
    pub fn remove(&mut self, flags: u64) {
        self.set_tag(self.tag.without(flags));
    }
    /// Whether the tag has any of `flags`.
    pub fn has(&self, flags: u64) -> bool {
        self.tag.has(flags)
    }
    /// Its own name, if it is bound to one of ours.
    pub fn own_name(&self) -> Option<Name> {
        Name::decode(unix::local_address(self.fd).ok()?.as_abstract()?)
    }
    /// The name of the other end, if it is connected to one of ours.
    pub fn peer_name(&self) -> Option<Name> {
        Name::decode(unix::peer_address(self.fd).ok()?.as_abstract()?)
    }
    /// An address as this socket's program sees it: v4 as v4-mapped on an `AF_INET6` socket.
    pub fn shown(&self, address: SocketAddr) -> SocketAddr {
        shown(self.tag, address)
    }
}

/// An address as a program sees it through a socket with `tag`: v4-mapped if that is `AF_INET6`.
pub fn shown(tag: Tag, address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if tag.has(Tag::IPV6) => {
            SocketAddr::new(IpAddr::V6(v4.ip().to_ipv6_mapped()), v4.port())
        }
        other => other,
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
