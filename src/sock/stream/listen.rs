//! listen(2) and accept(2).
use crate::base::addr::SocketAddr;
use crate::host::{Errno, fd::Owned, guard::guarded, identity, unix};
use crate::net::brief::{Brief, Loopback, Users, may_join};
use crate::protocol::name::Role;
use crate::sock::bind;
use crate::sock::descriptor::ends;
use crate::sock::descriptor::extra::SocketExtra;
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::kind::{self, FdKind};
use crate::sock::descriptor::socket::{Socket, is_connecting_end, role_of};
use crate::sock::descriptor::state::{Cause, StreamState};
use crate::sock::net;
use crate::sock::options::{fast_open_key, wire};
use crate::sock::replace;

/// The kernel's TCP lets a connect that finds the backlog full try again for minutes; a unix socket
/// refuses it at once if it is non-blocking. So backlogs are never tiny.
const BACKLOG_MIN: i32 = 128;

/// listen(2).
pub fn listen(mut sock: Socket, backlog: i32) -> Result<(), Errno> {
    if sock.is_datagram() {
        return Err(Errno::OPNOTSUPP);
    }
    if sock.has_peer() {
        return Err(Errno::INVAL);
    }
    if !sock.has(SocketFlags::BOUND) {
        if sock.own_name().is_some() {
            sock = replace::unix_file(sock)?;
        }
        bind::autobind(&mut sock)?;
    }
    let kernel_backlog = if backlog < 0 { backlog } else { backlog.max(BACKLOG_MIN) };
    unix::listen(sock.fd, kernel_backlog)?;
    sock.advance(Cause::Listen);
    kind::set(sock.fd, FdKind::Stream);
    wire::announce_listener(&sock, Some(u32::try_from(backlog).unwrap_or(u32::MAX)));
    Ok(())
}

/// accept4(2): the new descriptor and the address of the peer, as the program is to see it. May
/// block: the thread may leave.
pub fn accept(sock: Socket, flags: i32) -> Result<(i32, SocketAddr), Errno> {
    if sock.is_datagram() {
        return Err(Errno::OPNOTSUPP);
    }
    if !sock.is_listening() {
        return Err(Errno::INVAL);
    }
    loop {
        let (accepted, peer) = unix::accept_cancellable(sock.fd, flags)?;
        if let Some(admitted) = guarded(|| admit(&sock, accepted, &peer))? {
            return Ok(admitted);
        }
    }
}

/// Makes the accepted socket one of ours. `None`: its peer is of no net, or may not be in this one;
/// it is closed.
fn admit(
    listener: &Socket,
    accepted: Owned,
    peer: &unix::Address,
) -> Result<Option<(i32, SocketAddr)>, Errno> {
    let fd = accepted.raw();
    let view = net::current();
    let Some(role) = role_of(peer).filter(is_connecting_end) else { return Ok(None) };
    if !is_welcome(view, listener, fd) {
        return Ok(None);
    }
    let (sock, remote) = adopt(view, listener, fd, &role)?;
    Ok(Some((accepted.into_raw(), sock.shown(remote))))
}

/// Whether the user that connected may be in this net.
fn is_welcome(view: &Brief, listener: &Socket, fd: i32) -> bool {
    if view.users == Users::Any {
        return true;
    }
    let own = identity::euid_at_least();
    if view.users == Users::SameOrRoot && own == 0 {
        return true;
    }
    let Ok(peer) = unix::peer_cred(fd) else { return false };
    if peer.uid == 0 || may_join(view, peer.uid, own) {
        return true;
    }
    let own = unix::peer_cred(listener.fd).map_or(u32::MAX, |cred| cred.uid);
    may_join(view, peer.uid, own)
}

/// What an accepted socket has from its listener, and what only it has.
fn adopt(
    view: &Brief,
    listener: &Socket,
    fd: i32,
    peer: &Role,
) -> Result<(Socket, SocketAddr), Errno> {
    const INHERITED: u64 = SocketFlags::IPV6
        | SocketFlags::V6ONLY
        | SocketFlags::NODELAY
        | SocketFlags::CORK
        | SocketFlags::REUSEADDR
        | SocketFlags::REUSEPORT
        | SocketFlags::KEEPALIVE
        | SocketFlags::KERNEL_OPTIONS;
    let inherited = listener.flags.to_kernel() & INHERITED;
    let open = SocketFlags::state_change(StreamState::Open).1 | SocketFlags::ACCEPTED;
    let mut sock = Socket::new(fd, SocketFlags::new(inherited | open));
    let remote = match *peer {
        Role::Endpoint { local, .. } | Role::Wire { local, .. } => local,
        _ => ends::of(&sock)?.1,
    };
    let wire = !view.is_own(remote.ip()) || view.loopback == Loopback::Tcp;
    if wire {
        sock.flags = sock.flags.changed(0, SocketFlags::WIRE);
    }
    sock.store_flags()?;
    if listener.has(SocketFlags::EXTRA) {
        // What is accepted has no keys of its own (Linux `inet_csk_clone_lock`).
        SocketExtra::copy(listener, &mut sock, fast_open_key::key())?;
    }
    if listener.has(SocketFlags::KERNEL_OPTIONS) {
        replace::copy_options(listener.fd, fd);
    }
    kind::set(fd, FdKind::of_flags(sock.flags));
    if wire {
        wire::tell_inherited(&mut sock);
    }
    Ok((sock, remote))
}
