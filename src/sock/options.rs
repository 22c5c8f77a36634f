//! getsockopt and setsockopt on socket objects.
//!
//! | options | where they are |
//! |---|---|
//! | of `SOL_SOCKET` | in the kernel's file, but for those that a unix socket has otherwise |
//! | `TCP_NODELAY`, `TCP_CORK`, `IPV6_V6ONLY`, `SO_REUSEPORT` | in the tag |
//! | the rest of [`super::options_table`], `TCP_CONGESTION` | in the annex |
//!
//! Those of a wire connection go to the engine too. Errors and lengths as Linux 6.18.
use super::annex::{Annex, Key};
use super::ask;
use super::connect_wire;
use super::datagram;
use super::datagram_options;
use super::fast_open;
use super::fast_open_key;
use super::groups;
use super::listen;
use super::names;
use super::object::Sock;
use super::options_rate::{congestion_name, get_pacing_rate, set_congestion, set_pacing_rate};
use super::options_table::{self, IntOption, Rule};
use super::queues;
use super::stream_error;
use super::tag::Tag;
use super::tcp_info;
use crate::base::FourTuple;
use crate::host::{Errno, option, usermem::UserSlice};
use crate::protocol::option::{OptionKind, OptionList, WireOption};
use crate::protocol::request::Request;
use libc::{IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, IPPROTO_UDP, SOL_SOCKET};

/// Names that `libc` lacks.
const SO_PASSPIDFD: i32 = 76;
const SO_PEERPIDFD: i32 = 77;
const SO_PASSRIGHTS: i32 = 83;
const SO_TIMESTAMPING_NEW: i32 = 65;
/// `SOF_TIMESTAMPING_TX_*` (linux/net_tstamp.h): hardware, software, sched, ack, completion.
const TRANSMIT_STAMPS: i32 = 1 | 1 << 1 | 1 << 8 | 1 << 9 | 1 << 18;
/// The MTU of `lo`: IPv4 cannot use all of its 65536.
const LOOPBACK_MTU: i32 = 65_536;
/// What a wire is taken to have; each link has its own, which only the engine knows.
const WIRE_MTU: i32 = 1_500;

/// getsockopt(2): writes to `value` (as long as the program's `optlen`); the new `optlen`.
pub fn get(sock: Sock, level: i32, name: i32, value: UserSlice) -> Result<usize, Errno> {
    let int = match level {
        SOL_SOCKET => return get_socket(sock, name, value),
        IPPROTO_TCP if !sock.has(Tag::DGRAM) => match name {
            libc::TCP_INFO => return tcp_info::get(&sock, value),
            libc::TCP_CONGESTION => return value.write(&congestion_name(&sock)),
            libc::TCP_MAXSEG => segment_size(&sock),
            libc::TCP_QUICKACK if sock.has(Tag::WIRE) => {
                match ask_engine(&sock, OptionKind::QuickAck) {
                    Some(value) => value as i32,
                    None => get_int(&sock, level, name)?,
                }
            }
            // Nothing loaded, nothing to tell.
            libc::TCP_ULP => return Ok(0),
            libc::TCP_FASTOPEN_KEY => return fast_open_key::get(&sock, value),
            libc::TCP_CC_INFO => return tcp_info::congestion(&sock, value),
            _ => get_int(&sock, level, name)?,
        },
        IPPROTO_IP => match name {
            libc::IP_MTU => mtu(&sock)?,
            libc::IP_OPTIONS => return Ok(0),
            libc::IP_MULTICAST_IF => {
                let address = annex_int(&sock, level, name).unwrap_or(0);
                return value.write(&address.to_ne_bytes());
            }
            _ => get_int(&sock, level, name)?,
        },
        IPPROTO_IPV6 if sock.has(Tag::IPV6) => match name {
            libc::IPV6_MTU => mtu(&sock)?,
            _ => get_int(&sock, level, name)?,
        },
        IPPROTO_UDP | libc::SOL_RAW | libc::IPPROTO_ICMPV6 if sock.has(Tag::DGRAM) => {
            return value.write(&datagram_options::get(&sock, level, name)?);
        }
        // The level of another protocol.
        _ if sock.has(Tag::IPV6) => return Err(Errno::NOPROTOOPT),
        _ => return Err(Errno::OPNOTSUPP),
    };
    // ip(7): a byte is enough for a value that fits (ip_getsockopt).
    if level == IPPROTO_IP && (1..4).contains(&value.len()) && (0..=255).contains(&int) {
        return value.first(1).write(&[int as u8]);
    }
    value.write(&int.to_ne_bytes())
}

/// setsockopt(2).
pub fn set(sock: Sock, level: i32, name: i32, value: UserSlice) -> Result<(), Errno> {
    if level != IPPROTO_IPV6 || sock.has(Tag::IPV6) {
        if let Some(answer) = groups::set(sock, level, name, value) {
            return answer;
        }
    }
    let stream = !sock.has(Tag::DGRAM);
    match (level, name) {
        (SOL_SOCKET, _) => set_socket(sock, name, value),
        (IPPROTO_TCP, libc::TCP_CONGESTION) if stream => set_congestion(sock, value),
        (IPPROTO_TCP, libc::TCP_FASTOPEN_KEY) if stream => fast_open_key::set(sock, value),
        (IPPROTO_TCP, libc::TCP_ULP) if stream => Err(Errno::NOENT),
        (IPPROTO_TCP, libc::TCP_REPAIR) if stream => Err(Errno::PERM),
        (IPPROTO_TCP, libc::TCP_QUICKACK) if stream && sock.has(Tag::WIRE) => {
            // Not a state to be kept: what follows may change it.
            tell_engine(&sock, OptionKind::QuickAck, int_of(value)? as u32)
        }
        (IPPROTO_TCP, libc::TCP_WINDOW_CLAMP)
            if stream && sock.has(Tag::CONNECTED | Tag::LISTENING) && int_of(value)? == 0 =>
        {
            Err(Errno::INVAL)
        }
        (IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT) if stream => {
            let value = int_of(value)?;
            let fresh = !sock.has(Tag::CONNECTED | Tag::LISTENING);
            match value {
                0 | 1 if !fast_open::is_allowed() => Err(Errno::OPNOTSUPP),
                0 | 1 if fresh => set_int(sock, level, name, value),
                _ => Err(Errno::INVAL),
            }
        }
        (IPPROTO_TCP, _) if stream => set_int(sock, level, name, int_of(value)?),
        (IPPROTO_IP, libc::IP_MULTICAST_IF) => groups::set_interface(sock, value),
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
        (IPPROTO_IPV6, _) if !sock.has(Tag::IPV6) => Err(Errno::NOPROTOOPT),
        (IPPROTO_IPV6, _) => set_int(sock, level, name, int_of(value)?),
        _ if !stream => datagram_options::set(sock, level, name, value),
        _ => Err(Errno::NOPROTOOPT),
    }
}

fn int_of(value: UserSlice) -> Result<i32, Errno> {
    value.read_array().map(i32::from_ne_bytes)
}

/// Where a flag of the tag is an option.
fn flag_of(sock: &Sock, level: i32, name: i32) -> Option<u64> {
    match (level, name) {
        (SOL_SOCKET, libc::SO_REUSEPORT) => Some(Tag::REUSEPORT),
        (IPPROTO_TCP, libc::TCP_NODELAY) => Some(Tag::NODELAY),
        (IPPROTO_TCP, libc::TCP_CORK) => Some(Tag::CORK),
        (IPPROTO_IPV6, libc::IPV6_V6ONLY) if sock.has(Tag::IPV6) => Some(Tag::V6ONLY),
        _ => None,
    }
}

/// An option as the program has set it.
pub fn annex_int(sock: &Sock, level: i32, name: i32) -> Option<i32> {
    if !sock.has(Tag::ANNEX) {
        return None;
    }
    Annex::of(sock).int(Key::option(level, name)?)
}

/// The control data of recvmsg(2) on a stream: `TCP_CM_INQ`, if the program has asked for it.
pub fn stream_control(
    sock: &Sock,
    control: UserSlice,
    received: &mut crate::host::message::Received,
) -> Result<(), Errno> {
    if control.is_empty() || annex_int(sock, IPPROTO_TCP, options_table::TCP_INQ) != Some(1) {
        return Ok(());
    }
    let waiting = match crate::host::unix::waiting(sock.fd) {
        // tcp_inq_hint: something to be read, if only the end.
        0 => usize::from(crate::host::poll::now(sock.fd) & libc::POLLRDHUP != 0),
        waiting => waiting,
    };
    let value = i32::try_from(waiting).unwrap_or(i32::MAX).to_ne_bytes();
    let mut writer = super::pktinfo::Writer::new(control);
    writer.add(IPPROTO_TCP, options_table::TCP_INQ, &value)?;
    writer.finish(received);
    Ok(())
}

fn entry(sock: &Sock, level: i32, name: i32) -> Result<&'static IntOption, Errno> {
    options_table::find(level, name, sock.has(Tag::DGRAM), sock.has(Tag::IPV6))
        .ok_or(Errno::NOPROTOOPT)
}

fn get_int(sock: &Sock, level: i32, name: i32) -> Result<i32, Errno> {
    if let Some(flag) = flag_of(sock, level, name) {
        return Ok(i32::from(sock.has(flag)));
    }
    let option = entry(sock, level, name)?;
    Ok(annex_int(sock, level, name).unwrap_or(option.default))
}

fn set_int(mut sock: Sock, level: i32, name: i32, value: i32) -> Result<(), Errno> {
    if let Some(flag) = flag_of(&sock, level, name) {
        if flag == Tag::V6ONLY && sock.has(Tag::BOUND | Tag::CONNECTED) {
            return Err(Errno::INVAL);
        }
        if value == 0 {
            sock.remove(flag)
        } else {
            sock.add(flag)
        }
        let kind = match flag {
            Tag::NODELAY => OptionKind::NoDelay,
            Tag::CORK => OptionKind::Cork,
            _ => return Ok(()),
        };
        return tell_engine(&sock, kind, u32::from(value != 0));
    }
    let option = entry(&sock, level, name)?;
    let mut kept = option.check(value)?;
    if name_is_tos(option) && !sock.has(Tag::DGRAM) {
        kept &= !3; // ECN is TCP's own (RFC 3168 6.1)
    }
    keep(&mut sock, level, name, &[kept as u32])?;
    if sock.has(Tag::DGRAM) {
        datagram_options::changed(&mut sock, level, name, kept);
    }
    if name == libc::TCP_NOTSENT_LOWAT && level == IPPROTO_TCP && sock.has(Tag::WIRE) {
        apply_lowat(&mut sock);
    }
    match option.wire {
        Some((kind, factor)) => tell_engine(&sock, kind, (kept as u32).saturating_mul(factor)),
        None => Ok(()),
    }
}

fn name_is_tos(option: &IntOption) -> bool {
    option.rule == Rule::Tos || (option.level == IPPROTO_IPV6 && option.name == libc::IPV6_TCLASS)
}

/// Keeps the value of an option in the annex.
pub fn keep(sock: &mut Sock, level: i32, name: i32, words: &[u32]) -> Result<(), Errno> {
    let mut annex = Annex::of(sock);
    annex.set(Key::option(level, name).ok_or(Errno::NOPROTOOPT)?, words)?;
    annex.store(sock)
}

/// Asks the engine for the present value of something of a wire connection.
pub fn ask_engine(sock: &Sock, kind: OptionKind) -> Option<u32> {
    ask::value_of(&Request::GetOption(tuple(sock).ok()?, kind)).ok()?
}

/// What `SO_SNDBUF` is to show where `TCP_NOTSENT_LOWAT` has made it smaller. (That option only
/// root can set, and none of ours has it.)
const SHOWN_SEND_BUFFER: i32 = libc::SO_SNDBUFFORCE;

/// `TCP_NOTSENT_LOWAT` of a wire connection: what lies in the program's socket has not been sent,
/// so it may hold no more. It is shown as writable below half of that.
pub fn apply_lowat(sock: &mut Sock) {
    let Some(lowat) = annex_int(sock, IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT) else { return };
    let Ok(size) = option::get_int(sock.fd, SOL_SOCKET, libc::SO_SNDBUF) else { return };
    let unbounded = lowat <= 0 || lowat >= size / 2;
    if unbounded || keep(sock, SOL_SOCKET, SHOWN_SEND_BUFFER, &[size as u32]).is_err() {
        return;
    }
    let _ = option::set_int(sock.fd, SOL_SOCKET, libc::SO_SNDBUF, lowat);
}

/// Tells the engine of something that is no option of the program's.
pub fn announce(sock: &Sock, kind: OptionKind) {
    let _ = tell_engine(sock, kind, 1);
}

/// Tells the engine, if it holds the other end. An engine that has gone ends the connection anyway.
pub fn tell_engine(sock: &Sock, kind: OptionKind, value: u32) -> Result<(), Errno> {
    if sock.has(Tag::LISTENING) {
        listen::options_changed(sock);
        return Ok(());
    }
    if sock.has(Tag::DGRAM) || !sock.has(Tag::WIRE) {
        return Ok(());
    }
    match tuple(sock).map(|tuple| connect_wire::set_option(tuple, kind, value)) {
        Ok(Err(Errno::NETDOWN | Errno::NOTCONN)) | Err(_) => Ok(()),
        Ok(answer) => answer,
    }
}

fn tuple(sock: &Sock) -> Result<FourTuple, Errno> {
    Ok(FourTuple { local: names::local(sock)?, remote: names::remote(sock)? })
}

/// Options that were set before connect and that the engine must know.
pub fn wire_options(sock: &Sock) -> OptionList {
    let mut list = OptionList::new();
    let mut add = |kind, value| list.push(WireOption { kind, value });
    if sock.has(Tag::NODELAY) {
        add(OptionKind::NoDelay, 1);
    }
    if sock.has(Tag::CORK) {
        add(OptionKind::Cork, 1);
    }
    if sock.has(Tag::OPTIONS) {
        if option::get_int(sock.fd, SOL_SOCKET, libc::SO_KEEPALIVE) == Ok(1) {
            add(OptionKind::KeepAlive, 1);
        }
        if lingers_zero(sock) {
            add(OptionKind::LingerZero, 1);
        }
    }
    if sock.has(Tag::ANNEX) {
        let annex = Annex::of(sock);
        for (name, kind) in SIZES {
            if let Some(value) = Key::option(SOL_SOCKET, name).and_then(|key| annex.int(key)) {
                add(kind, value as u32);
            }
        }
        for (option, kind, factor) in options_table::of_the_wire() {
            let key = Key::option(option.level, option.name);
            if let Some(value) = key.and_then(|key| annex.int(key)) {
                add(kind, (value as u32).saturating_mul(factor));
            }
        }
        let key = Key::option(SOL_SOCKET, libc::SO_MAX_PACING_RATE);
        if let Some([low, high]) = key.and_then(|key| annex.get(key)) {
            add(OptionKind::MaxPacingRate, if *high == 0 { *low } else { u32::MAX });
        }
        let key = Key::option(IPPROTO_TCP, libc::TCP_CONGESTION);
        if let Some(code) = key.and_then(|key| annex.int(key)) {
            add(OptionKind::Congestion, code as u32);
        }
    }
    list
}

/// What an accepted wire connection has from its listener, told to the engine.
pub fn tell_inherited(sock: &mut Sock) {
    for WireOption { kind, value } in wire_options(sock).iter().copied() {
        let _ = tell_engine(sock, kind, value);
    }
    apply_lowat(sock);
}

fn lingers_zero(sock: &Sock) -> bool {
    let mut linger = [0; 8];
    // struct linger: l_onoff, l_linger.
    option::get(sock.fd, SOL_SOCKET, libc::SO_LINGER, &mut linger).is_ok()
        && linger[..4] != [0; 4]
        && linger[4..] == [0; 4]
}

fn get_socket(sock: Sock, name: i32, value: UserSlice) -> Result<usize, Errno> {
    let datagram = sock.has(Tag::DGRAM);
    let int = match name {
        libc::SO_ERROR if datagram => datagram::take_error(&sock),
        libc::SO_ERROR => stream_error::take(sock),
        libc::SO_REUSEPORT => i32::from(sock.has(Tag::REUSEPORT)),
        libc::SO_DOMAIN if sock.has(Tag::IPV6) => libc::AF_INET6,
        libc::SO_DOMAIN => libc::AF_INET,
        libc::SO_PROTOCOL if sock.has(Tag::ICMP) && sock.has(Tag::IPV6) => libc::IPPROTO_ICMPV6,
        libc::SO_PROTOCOL if sock.has(Tag::ICMP) => libc::IPPROTO_ICMP,
        libc::SO_TYPE if sock.has(Tag::RAW) => libc::SOCK_RAW,
        libc::SO_PROTOCOL if datagram => IPPROTO_UDP,
        libc::SO_PROTOCOL => IPPROTO_TCP,
        libc::SO_MAX_PACING_RATE => return get_pacing_rate(&sock, value),
        libc::SO_SNDBUF if annex_int(&sock, SOL_SOCKET, SHOWN_SEND_BUFFER).is_some() => {
            annex_int(&sock, SOL_SOCKET, SHOWN_SEND_BUFFER).unwrap_or_default()
        }
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
        // The program attached none: the annex is not its business.
        libc::SO_ATTACH_FILTER => return Ok(0),
        _ => return option::get_user(sock.fd, SOL_SOCKET, name, value),
    };
    value.write(&int.to_ne_bytes())
}

fn set_socket(mut sock: Sock, name: i32, value: UserSlice) -> Result<(), Errno> {
    match name {
        libc::SO_REUSEPORT => return set_int(sock, SOL_SOCKET, name, int_of(value)?),
        libc::SO_MAX_PACING_RATE => return set_pacing_rate(sock, value),
        libc::SO_PASSCRED | libc::SO_PASSSEC | SO_PASSPIDFD | SO_PASSRIGHTS => {
            return Err(Errno::OPNOTSUPP);
        }
        libc::SO_DETACH_FILTER => return Err(Errno::NOENT),
        // A program that is told when its packets leave would wait for it in vain.
        libc::SO_TIMESTAMPING | SO_TIMESTAMPING_NEW if int_of(value)? & TRANSMIT_STAMPS != 0 => {
            return Err(Errno::INVAL);
        }
        // The filter is the annex's place.
        libc::SO_ATTACH_FILTER
        | libc::SO_ATTACH_BPF
        | libc::SO_ATTACH_REUSEPORT_CBPF
        | libc::SO_ATTACH_REUSEPORT_EBPF
        | libc::SO_LOCK_FILTER => return Err(Errno::NOPROTOOPT),
        _ => {}
    }
    option::set_user(sock.fd, SOL_SOCKET, name, value)?;
    sock.add(Tag::OPTIONS);
    match name {
        libc::SO_NO_CHECK if sock.has(Tag::DGRAM) => {
            datagram_options::set_no_check(&mut sock, int_of(value)? != 0)
        }
        libc::SO_SNDBUF | libc::SO_RCVBUF | libc::SO_RCVLOWAT => keep_size(sock, name),
        libc::SO_KEEPALIVE => {
            tell_engine(&sock, OptionKind::KeepAlive, u32::from(int_of(value)? != 0))
        }
        libc::SO_LINGER => {
            tell_engine(&sock, OptionKind::LingerZero, u32::from(lingers_zero(&sock)))
        }
        _ => Ok(()),
    }
}

/// Buffers that the program has set are the engine's business too, and stay as large as they are.
const SIZES: [(i32, OptionKind); 3] = [
    (libc::SO_SNDBUF, OptionKind::SendBuffer),
    (libc::SO_RCVBUF, OptionKind::ReceiveBuffer),
    (libc::SO_RCVLOWAT, OptionKind::ReceiveLowat),
];

/// One of [`SIZES`] was set: what the kernel made of it.
fn keep_size(mut sock: Sock, name: i32) -> Result<(), Errno> {
    let Some((_, kind)) = SIZES.into_iter().find(|size| size.0 == name) else { return Ok(()) };
    if sock.has(Tag::DGRAM) {
        return Ok(());
    }
    let value = option::get_int(sock.fd, SOL_SOCKET, name)? as u32;
    keep(&mut sock, SOL_SOCKET, name, &[value])?;
    tell_engine(&sock, kind, value)
}

/// `TCP_MAXSEG`: what was asked for; of a connection, what it sends.
fn segment_size(sock: &Sock) -> i32 {
    let asked = || annex_int(sock, IPPROTO_TCP, libc::TCP_MAXSEG);
    if sock.has(Tag::CONNECTED) && !sock.has(Tag::CONNECTING | Tag::FAILED) {
        return tcp_info::segment_size(sock);
    }
    asked().unwrap_or(536)
}

fn path_mtu(sock: &Sock) -> i32 {
    let known = if sock.has(Tag::DGRAM) { None } else { ask_engine(sock, OptionKind::PathMtu) };
    known.and_then(|mtu| i32::try_from(mtu).ok()).unwrap_or(WIRE_MTU)
}

/// `IP_MTU` and `IPV6_MTU`: of the path of a connected socket.
fn mtu(sock: &Sock) -> Result<i32, Errno> {
    if !sock.has(Tag::CONNECTED) {
        return Err(Errno::NOTCONN);
    }
    if sock.has(Tag::WIRE) && sock.has(Tag::DGRAM) {
        let known = datagram::peer(sock).and_then(|remote| ask::path_mtu(remote.ip()));
        return Ok(known.map_or(WIRE_MTU, i32::from));
    }
    if sock.has(Tag::WIRE) {
        return Ok(path_mtu(sock));
    }
    Ok(if sock.has(Tag::IPV6) { LOOPBACK_MTU } else { LOOPBACK_MTU - 1 })
}
