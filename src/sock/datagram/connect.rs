//! connect(2) and shutdown(2) of datagram sockets.
use super::interest;
use super::peer::link;
use super::route::{self, Route};
use crate::base::addr::SocketAddr;
use crate::host::{Errno, unix};
use crate::sock::bind;
use crate::sock::descriptor::extra::{Key, SocketExtra};
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::sockaddr::{self, Given};
use crate::sock::descriptor::socket::Socket;
use crate::sock::replace;

/// connect(2) with the address that the program gave.
pub fn connect_given(sock: Socket, given: &[u8]) -> Result<(), Errno> {
    match address(&sock, given)? {
        Given::Inet(address) => connect(sock, Some(address)),
        Given::Unspec(_) => connect(sock, None),
    }
}

/// The address in a call on a datagram socket: an `AF_INET6` one takes an IPv4 address too.
pub fn address(sock: &Socket, given: &[u8]) -> Result<Given, Errno> {
    let ipv6 = sock.has(SocketFlags::IPV6);
    let v4 = (libc::AF_INET as u16).to_ne_bytes();
    match given {
        [a, b, ..] if ipv6 && [*a, *b] == v4 && !sock.has(SocketFlags::V6ONLY) => {
            sockaddr::inet(given).map(Given::Inet)
        }
        _ => sockaddr::decode(given, ipv6),
    }
}

/// connect(2); `None` for `AF_UNSPEC`.
fn connect(mut sock: Socket, to: Option<SocketAddr>) -> Result<(), Errno> {
    let Some(mut to) = to else { return disconnect(sock) };
    if sock.has(SocketFlags::ICMP) {
        // It means nothing there.
        to.set_port(0);
    }
    let mut to_route = route::find(&sock, to, None)?;
    if to_route == Route::Outside {
        replace::kernel_file(sock)?;
        return unix::connect_raw(sock.fd, sockaddr::encode(to).as_bytes());
    }
    if !sock.has(SocketFlags::BOUND) {
        // The engine is told of special interests below, once.
        bind::autobind(&mut sock)?;
        // A route on the wire says the local port.
        to_route = route::find(&sock, to, None)?;
    }
    let remote = to_route.remote().ok_or(Errno::NETUNREACH)?;
    if !link(&sock, &to_route)? && sock.has(SocketFlags::PEER) {
        // The old peer must not be sent to any more.
        unix::disconnect(sock.fd)?;
    }
    SocketExtra::edit(&mut sock, |extra| extra.set_peer(Some(remote)))?;
    sock.add(SocketFlags::PEER);
    match to_route {
        Route::Wire(_) => sock.add(SocketFlags::WIRE),
        // There is no single peer: every datagram goes by its address.
        Route::Group(_) => {
            sock.remove(SocketFlags::WIRE);
            sock.add(SocketFlags::SEND_OPTIONS);
        }
        _ => sock.remove(SocketFlags::WIRE),
    }
    interest::tell_if_special(&sock);
    Ok(())
}

fn disconnect(mut sock: Socket) -> Result<(), Errno> {
    if !sock.has(SocketFlags::PEER) {
        return Ok(());
    }
    unix::disconnect(sock.fd)?;
    SocketExtra::edit(&mut sock, |extra| {
        extra.remove(Key::PEER);
        Ok(())
    })?;
    sock.remove(SocketFlags::PEER | SocketFlags::WIRE);
    interest::tell_if_special(&sock);
    Ok(())
}

/// shutdown(2). On a socket that is not connected Linux shuts it down as well (which wakes its
/// readers), and then says that it is not connected (inet_shutdown).
pub fn shutdown(mut sock: Socket, how: i32) -> Result<(), Errno> {
    unix::shutdown(sock.fd, how)?;
    let flags = match how {
        libc::SHUT_RD => SocketFlags::READ_SHUT,
        libc::SHUT_WR => SocketFlags::WRITE_SHUT,
        _ => SocketFlags::READ_SHUT | SocketFlags::WRITE_SHUT,
    };
    sock.add(flags);
    if sock.has(SocketFlags::PEER) { Ok(()) } else { Err(Errno::NOTCONN) }
}
