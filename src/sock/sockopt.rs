//! getsockopt(2) and setsockopt(2). Errors and lengths as Linux 6.18.
//!
//! [`super::options::table`] says of every option where its value is kept; those that it calls
//! their own are answered here.
use super::client;
use super::control_data::Writer;
use super::datagram;
use super::descriptor::flags::SocketFlags;
use super::descriptor::socket::Socket;
use super::descriptor::state::StreamState;
use super::options::names::{
    SHOWN_SEND_BUFFER, SO_NO_CHECK, SO_PASSPIDFD, SO_PASSRIGHTS, SO_PEERPIDFD, SO_TIMESTAMPING_NEW,
    TCP_INQ,
};
use super::options::rate::{congestion_name, get_pacing_rate, set_congestion, set_pacing_rate};
use super::options::table::{self, Kept, Rule, SocketOption};
use super::options::{fast_open_key, keep, kept, wire};
use super::stream::{connect_wire, error, fast_open, queues, tcp_info};
use crate::host::message::Received;
use crate::host::{Errno, option, poll, unix, usermem::UserSlice};
use crate::protocol::option::OptionKind;
use libc::{IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, IPPROTO_UDP, SOL_SOCKET};

/// `SOF_TIMESTAMPING_TX_*` (linux/net_tstamp.h): hardware, software, sched, ack, completion.
const TRANSMIT_STAMPS: i32 = 1 | 1 << 1 | 1 << 8 | 1 << 9 | 1 << 18;
/// The MTU of `lo`: IPv4 cannot use all of its 65536.
const LOOPBACK_MTU: i32 = 65_536;
/// What a wire is taken to have; each link has its own, which only the engine knows.
const WIRE_MTU: i32 = 1_500;

/// getsockopt(2): writes to `value` (as long as the program's `optlen`); the new `optlen`.
pub fn get(sock: Socket, level: i32, name: i32, value: UserSlice) -> Result<usize, Errno> {
    let int = match level {
        SOL_SOCKET => return get_socket(sock, name, value),
        IPPROTO_TCP if !sock.is_datagram() => match name {
            libc::TCP_INFO => return tcp_info::get(&sock, value),
            libc::TCP_CC_INFO => return tcp_info::congestion(&sock, value),
            libc::TCP_CONGESTION => return value.write(&congestion_name(&sock)),
            libc::TCP_FASTOPEN_KEY => return fast_open_key::get(&sock, value),
            // Nothing loaded, nothing to tell.
            libc::TCP_ULP => return Ok(0),
            libc::TCP_MAXSEG => segment_size(&sock),
            libc::TCP_QUICKACK if sock.has(SocketFlags::WIRE) => {
                match wire::ask(&sock, OptionKind::QuickAck) {
                    Some(value) => value as i32,
                    None => get_int(&sock, level, name)?,
                }
            }
            _ => get_int(&sock, level, name)?,
        },
        IPPROTO_IP => match name {
            libc::IP_MTU => mtu(&sock)?,
            libc::IP_OPTIONS => return Ok(0),
            libc::IP_MULTICAST_IF => {
                let address = kept(&sock, level, name).unwrap_or(0);
                return value.write(&address.to_ne_bytes());
            }
            _ => get_int(&sock, level, name)?,
        },
        IPPROTO_IPV6 if sock.has(SocketFlags::IPV6) => match name {
            libc::IPV6_MTU => mtu(&sock)?,
            _ => get_int(&sock, level, name)?,
        },
        IPPROTO_UDP | libc::SOL_RAW | libc::IPPROTO_ICMPV6 if sock.is_datagram() => {
            return datagram::options::get(&sock, level, name, value);
        }
        // The level of another protocol.
        _ if sock.has(SocketFlags::IPV6) => return Err(Errno::NOPROTOOPT),
        _ => return Err(Errno::OPNOTSUPP),
    };
    // ip(7): a byte is enough for a value that fits (ip_getsockopt).
    if level == IPPROTO_IP && (1..4).contains(&value.len()) && (0..=255).contains(&int) {
        return value.first(1).write(&[int as u8]);
    }
    value.write(&int.to_ne_bytes())
}

/// setsockopt(2).
pub fn set(sock: Socket, level: i32, name: i32, value: UserSlice) -> Result<(), Errno> {
    if level != IPPROTO_IPV6 || sock.has(SocketFlags::IPV6) {
        if let Some(answer) = datagram::groups::set(sock, level, name, value) {
            return answer;
        }
    }
    let stream = !sock.is_datagram();
    match (level, name) {
        (SOL_SOCKET, _) => set_socket(sock, name, value),
        (IPPROTO_TCP, _) if stream => set_tcp(sock, name, value),
        (IPPROTO_IP, libc::IP_MULTICAST_IF) => datagram::groups::set_interface(sock, value),
        (IPPROTO_IP, libc::IP_TRANSPARENT) => Err(Errno::PERM),
        (IPPROTO_IP, _) => {
            let int = match value.len() {
                0 if name == libc::IP_TOS => 0,
                0 => return Err(Errno::INVAL),
                // A byte will do (ip_setsockopt).
                1..4 => i32::from(value.read_array::<1>()?[0]),
                _ => int_of(value)?,
            };
            set_int(sock, level, name, int)
        }
        (IPPROTO_IPV6, _) if !sock.has(SocketFlags::IPV6) => Err(Errno::NOPROTOOPT),
        (IPPROTO_IPV6, _) => set_int(sock, level, name, int_of(value)?),
        _ if !stream => datagram::options::set(sock, level, name, value),
        _ => Err(Errno::NOPROTOOPT),
    }
}

fn set_tcp(mut sock: Socket, name: i32, value: UserSlice) -> Result<(), Errno> {
    match name {
        libc::TCP_CONGESTION => set_congestion(sock, value),
        libc::TCP_FASTOPEN_KEY => {
            fast_open_key::set(&mut sock, value)?;
            if sock.is_listening() {
                wire::announce_listener(&sock, None);
            }
            Ok(())
        }
        libc::TCP_ULP => Err(Errno::NOENT),
        libc::TCP_REPAIR => Err(Errno::PERM),
        libc::TCP_QUICKACK if sock.has(SocketFlags::WIRE) => {
            // Not a state to be kept: what follows may change it.
            wire::tell(&sock, OptionKind::QuickAck, int_of(value)? as u32)
        }
        libc::TCP_WINDOW_CLAMP if sock.state() != StreamState::Closed && int_of(value)? == 0 => {
            Err(Errno::INVAL)
        }
        libc::TCP_FASTOPEN_CONNECT => match int_of(value)? {
            0 | 1 if !fast_open::is_allowed() => Err(Errno::OPNOTSUPP),
            value @ (0 | 1) if sock.state() == StreamState::Closed => {
                set_int(sock, IPPROTO_TCP, name, value)
            }
            _ => Err(Errno::INVAL),
        },
        _ => set_int(sock, IPPROTO_TCP, name, int_of(value)?),
    }
}

fn int_of(value: UserSlice) -> Result<i32, Errno> {
    value.read_array().map(i32::from_ne_bytes)
}

fn entry(sock: &Socket, level: i32, name: i32) -> Result<&'static SocketOption, Errno> {
    table::find(sock, level, name).ok_or(Errno::NOPROTOOPT)
}

fn get_int(sock: &Socket, level: i32, name: i32) -> Result<i32, Errno> {
    let option = entry(sock, level, name)?;
    match option.kept {
        Kept::Flag(flag) => Ok(i32::from(sock.has(flag))),
        Kept::Extra => Ok(kept(sock, level, name).unwrap_or(option.default)),
        Kept::Kernel | Kept::Own => Err(Errno::NOPROTOOPT),
    }
}

fn set_int(mut sock: Socket, level: i32, name: i32, value: i32) -> Result<(), Errno> {
    let option = entry(&sock, level, name)?;
    let value = match option.kept {
        Kept::Flag(flag) => {
            let bound = sock.has(SocketFlags::BOUND) || sock.has_peer();
            if flag == SocketFlags::V6ONLY && bound {
                return Err(Errno::INVAL);
            }
            match value {
                0 => sock.remove(flag),
                _ => sock.add(flag),
            }
            i32::from(value != 0)
        }
        Kept::Extra => {
            let mut checked = option.check(value)?;
            if is_tos(option) && !sock.is_datagram() {
                checked &= !3; // ECN is TCP's own (RFC 3168 6.1)
            }
            keep(&mut sock, level, name, checked)?;
            checked
        }
        Kept::Kernel | Kept::Own => return Err(Errno::NOPROTOOPT),
    };
    if sock.is_datagram() {
        datagram::options::changed(&mut sock, level, name, value);
    }
    if name == libc::TCP_NOTSENT_LOWAT && level == IPPROTO_TCP && sock.has(SocketFlags::WIRE) {
        wire::apply_lowat(&mut sock);
    }
    match option.wire {
        Some((kind, factor)) => wire::tell(&sock, kind, (value as u32).saturating_mul(factor)),
        None => Ok(()),
    }
}

fn is_tos(option: &SocketOption) -> bool {
    option.rule == Rule::Tos || (option.level == IPPROTO_IPV6 && option.name == libc::IPV6_TCLASS)
}

fn get_socket(sock: Socket, name: i32, value: UserSlice) -> Result<usize, Errno> {
    let datagram = sock.is_datagram();
    let (icmp, ipv6) = (sock.has(SocketFlags::ICMP), sock.has(SocketFlags::IPV6));
    let int = match name {
        libc::SO_ERROR if datagram => datagram::peer::take_error(&sock),
        libc::SO_ERROR => take_error(sock),
        libc::SO_REUSEADDR | libc::SO_REUSEPORT | libc::SO_KEEPALIVE => {
            get_int(&sock, SOL_SOCKET, name)?
        }
        libc::SO_DOMAIN if ipv6 => libc::AF_INET6,
        libc::SO_DOMAIN => libc::AF_INET,
        libc::SO_PROTOCOL if icmp && ipv6 => libc::IPPROTO_ICMPV6,
        libc::SO_PROTOCOL if icmp => libc::IPPROTO_ICMP,
        libc::SO_PROTOCOL if datagram => IPPROTO_UDP,
        libc::SO_PROTOCOL => IPPROTO_TCP,
        libc::SO_TYPE if sock.has(SocketFlags::RAW) => libc::SOCK_RAW,
        libc::SO_MAX_PACING_RATE => return get_pacing_rate(&sock, value),
        // Smaller while a connect is under way.
        libc::SO_SNDBUF
            if sock.has(SocketFlags::WIRE) && sock.state() == StreamState::Connecting =>
        {
            connect_wire::full_buffer(&sock)
        }
        libc::SO_SNDBUF if sock.has(SocketFlags::EXTRA) => {
            match kept(&sock, SOL_SOCKET, SHOWN_SEND_BUFFER) {
                Some(shown) => shown,
                None => return option::get_user(sock.fd, SOL_SOCKET, name, value),
            }
        }
        libc::SO_ACCEPTCONN => i32::from(sock.is_listening()),
        libc::SO_MEMINFO if !datagram => return queues::memory(&sock, value),
        // No process is at the other end of a network.
        libc::SO_PEERCRED => {
            let nobody = [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
            return value.write(&nobody);
        }
        libc::SO_PEERGROUPS | SO_PEERPIDFD => return Err(Errno::NODATA),
        libc::SO_PEERSEC => return Err(Errno::NOPROTOOPT),
        libc::SO_PASSCRED | libc::SO_PASSSEC | SO_PASSPIDFD | SO_PASSRIGHTS => {
            return Err(Errno::OPNOTSUPP);
        }
        // The program attached none: the extra state is not its business.
        libc::SO_ATTACH_FILTER => return Ok(0),
        _ => return option::get_user(sock.fd, SOL_SOCKET, name, value),
    };
    value.write(&int.to_ne_bytes())
}

fn set_socket(mut sock: Socket, name: i32, value: UserSlice) -> Result<(), Errno> {
    match name {
        libc::SO_REUSEADDR | libc::SO_REUSEPORT | libc::SO_KEEPALIVE => {
            return set_int(sock, SOL_SOCKET, name, int_of(value)?);
        }
        libc::SO_MAX_PACING_RATE => return set_pacing_rate(sock, value),
        libc::SO_PASSCRED | libc::SO_PASSSEC | SO_PASSPIDFD | SO_PASSRIGHTS => {
            return Err(Errno::OPNOTSUPP);
        }
        libc::SO_DETACH_FILTER => return Err(Errno::NOENT),
        // A program that is told when its packets leave would wait for it in vain.
        libc::SO_TIMESTAMPING | SO_TIMESTAMPING_NEW if int_of(value)? & TRANSMIT_STAMPS != 0 => {
            return Err(Errno::INVAL);
        }
        // It would see what a unix socket carries, not packets; and our own marks.
        libc::SO_ATTACH_FILTER
        | libc::SO_ATTACH_BPF
        | libc::SO_ATTACH_REUSEPORT_CBPF
        | libc::SO_ATTACH_REUSEPORT_EBPF
        | libc::SO_LOCK_FILTER => return Err(Errno::NOPROTOOPT),
        _ => {}
    }
    if name == libc::SO_SNDBUF && sock.state() == StreamState::Connecting {
        connect_wire::is_pending(&mut sock);
    }
    option::set_user(sock.fd, SOL_SOCKET, name, value)?;
    sock.add(SocketFlags::KERNEL_OPTIONS);
    match name {
        SO_NO_CHECK if sock.is_datagram() => {
            datagram::options::set_no_check(&mut sock, int_of(value)? != 0)
        }
        libc::SO_SNDBUF | libc::SO_RCVBUF | libc::SO_RCVLOWAT => {
            keep_size(sock, name)?;
            connect_wire::keep_shrunk(&sock);
            Ok(())
        }
        libc::SO_LINGER => {
            wire::tell(&sock, OptionKind::LingerZero, u32::from(wire::lingers_zero(&sock)))
        }
        _ => Ok(()),
    }
}

/// `SO_ERROR` of a stream: the pending error, which is then no longer pending: that of a connect
/// that failed, the engine's reason why a wire connection ended, or the kernel's. 0: none.
fn take_error(mut sock: Socket) -> i32 {
    let kernel = error::take_kernel(&sock);
    if let Some(errno) = error::take_failure(&mut sock) {
        return errno.raw_os_error();
    }
    if let Some(errno) = error::end_reason(&mut sock, kernel != 0) {
        return errno.raw_os_error();
    }
    // A program that asks this after a non-blocking connect wants to know whether it is done.
    connect_wire::is_pending(&mut sock);
    kernel
}

/// One of [`wire::SIZES`] was set: keeps what the kernel made of it.
fn keep_size(mut sock: Socket, name: i32) -> Result<(), Errno> {
    let Some((_, kind)) = wire::SIZES.into_iter().find(|size| size.0 == name) else {
        return Ok(());
    };
    if sock.is_datagram() {
        return Ok(());
    }
    let value = option::get_int(sock.fd, SOL_SOCKET, name)?;
    keep(&mut sock, SOL_SOCKET, name, value)?;
    wire::tell(&sock, kind, value as u32)
}

/// `TCP_MAXSEG`: what was asked for; of a connection, what it sends.
fn segment_size(sock: &Socket) -> i32 {
    match sock.state() {
        StreamState::Closed
        | StreamState::Listening
        | StreamState::Connecting
        | StreamState::Failed => kept(sock, IPPROTO_TCP, libc::TCP_MAXSEG).unwrap_or(536),
        _ => tcp_info::segment_size(sock),
    }
}

/// `IP_MTU` and `IPV6_MTU`: of the path of a connected socket.
fn mtu(sock: &Socket) -> Result<i32, Errno> {
    if !sock.has_peer() {
        return Err(Errno::NOTCONN);
    }
    if sock.has(SocketFlags::WIRE) && sock.is_datagram() {
        let known = datagram::peer::peer(sock).and_then(|remote| client::path_mtu(remote.ip()));
        return Ok(known.map_or(WIRE_MTU, i32::from));
    }
    if sock.has(SocketFlags::WIRE) {
        let known = wire::ask(sock, OptionKind::PathMtu);
        return Ok(known.and_then(|mtu| i32::try_from(mtu).ok()).unwrap_or(WIRE_MTU));
    }
    Ok(if sock.has(SocketFlags::IPV6) { LOOPBACK_MTU } else { LOOPBACK_MTU - 1 })
}

/// The control data of recvmsg(2) on a stream: `TCP_CM_INQ`, if the program has asked for it.
pub fn stream_control(
    sock: &Socket,
    control: UserSlice,
    received: &mut Received,
) -> Result<(), Errno> {
    if control.is_empty() || kept(sock, IPPROTO_TCP, TCP_INQ) != Some(1) {
        return Ok(());
    }
    let waiting = match unix::waiting(sock.fd) {
        // tcp_inq_hint: something to be read, if only the end.
        0 => usize::from(poll::now(sock.fd) & libc::POLLRDHUP != 0),
        waiting => waiting,
    };
    let value = i32::try_from(waiting).unwrap_or(i32::MAX).to_ne_bytes();
    let mut writer = Writer::new(control);
    writer.add(IPPROTO_TCP, TCP_INQ, &value)?;
    writer.finish(received);
    Ok(())
}
