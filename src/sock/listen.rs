//! listen(2) and accept(2).
use super::annex;
use super::ask;
use super::bind;
use super::class::{self, Class};
use super::fast_open_key;
use super::net_env;
use super::object::{Sock, role_of};
use super::options;
use super::replace;
use super::tag::Tag;
use crate::base::addr::SocketAddr;
use crate::host::{Errno, fd::Owned, unix};
use crate::net::brief::may_join;
use crate::net::brief::{Brief, Loopback, Users};
use crate::protocol::name::Role;
use crate::protocol::request::Request;

/// The kernel's TCP lets a connect that finds the backlog full try again for minutes; a unix socket
/// refuses it at once if it is non-blocking. So backlogs are never tiny.
const BACKLOG_MIN: i32 = 128;

/// listen(2).
pub fn listen(mut sock: Sock, backlog: i32) -> Result<(), Errno> {
    if sock.has(Tag::DGRAM) {
        return Err(Errno::OPNOTSUPP);
    }
    if sock.has(Tag::CONNECTED) {
        return Err(Errno::INVAL);
    }
    if !sock.has(Tag::BOUND) {
        if sock.own_name().is_some() {
            sock = replace::unix_file(sock)?;
        }
        bind::autobind(&mut sock)?;
    }
    let kernel_backlog = if backlog < 0 { backlog } else { backlog.max(BACKLOG_MIN) };
    unix::listen(sock.fd, kernel_backlog)?;
    sock.add(Tag::LISTENING);
    let backlog = u32::try_from(backlog).unwrap_or(u32::MAX);
    tell_engine(&sock, Some(backlog));
    Ok(())
}

/// The engine must know who listens before a SYN comes. No engine: it will read the kernel's list
/// when it starts.
fn tell_engine(sock: &Sock, backlog: Option<u32>) {
    let brief = net_env::current();
    if !brief.has_engine() {
        return;
    }
    if let Some(Role::Listener { local, dual, .. }) = sock.own_name().map(|n| n.role) {
        let (options, keys) = (options::wire_options(sock), fast_open_key::of(sock));
        let _ = ask::demand(&Request::Listen { local, dual, backlog, options, keys });
    }
}

/// An option of a listener was set: it counts for SYNs from now on.
pub fn options_changed(sock: &Sock) {
    tell_engine(sock, None);
}

/// accept4(2): the new descriptor and the address of the peer, as the program is to see it.
pub fn accept(sock: Sock, flags: i32) -> Result<(Owned, SocketAddr), Errno> {
    if sock.has(Tag::DGRAM) {
        return Err(Errno::OPNOTSUPP);
    }
    if !sock.has(Tag::LISTENING) {
        return Err(Errno::INVAL);
    }
    let brief = net_env::current();
    loop {
        let (fd, peer) = unix::accept(sock.fd, flags)?;
        let Some(Role::Endpoint { local, .. } | Role::Wire { local, .. }) = role_of(&peer) else {
            continue; // not a program of any net: its descriptor is closed here
        };
        if !welcome(brief, &sock, &fd) {
            continue;
        }
        let accepted = adopt(brief, &sock, fd.raw(), local)?;
        return Ok((fd, accepted.shown(local)));
    }
}

/// Whether who connected may be in this net.
fn welcome(brief: &Brief, listener: &Sock, accepted: &Owned) -> bool {
    if brief.users == Users::Any {
        return true;
    }
    let Ok(peer) = unix::peer_cred(accepted.raw()) else { return false };
    if peer.uid == 0 {
        return true;
    }
    let own = unix::peer_cred(listener.fd).map_or(u32::MAX, |cred| cred.uid);
    may_join(brief, peer.uid, own)
}

/// What an accepted socket has from its listener, and what only it has.
fn adopt(brief: &Brief, listener: &Sock, fd: i32, remote: SocketAddr) -> Result<Sock, Errno> {
    const INHERITED: u64 = Tag::IPV6
        | Tag::V6ONLY
        | Tag::NODELAY
        | Tag::CORK
        | Tag::QUICKACK
        | Tag::REUSEPORT
        | Tag::OPTIONS;
    let wire = !brief.is_own(remote.ip()) || brief.loopback == Loopback::Tcp;
    let inherited = listener.tag.to_kernel() & INHERITED;
    let own = Tag::ACCEPTED | Tag::CONNECTED | if wire { Tag::WIRE } else { 0 };
    let mut sock = Sock { fd, tag: Tag::new(inherited | own) };
    sock.store_tag()?;
    if listener.has(Tag::ANNEX) {
        annex::copy(listener, &mut sock)?;
        fast_open_key::forget(&mut sock)?;
    }
    if listener.has(Tag::OPTIONS) {
        replace::copy_options(listener.fd, fd);
    }
    class::set(fd, Class::Stream);
    if wire {
        options::tell_inherited(&mut sock);
    }
    Ok(sock)
}
