//! The functions that packetdrill calls. Those of sockets are Understudy's own; what it does not
//! touch, as files of the kernel (poll, epoll, pipes), is the kernel's.
//!
//! Each ends when its effect is complete: see [`super::host`].
use super::host::Host;
use super::interface::{Interface, User};
use core::ffi::{c_int, c_long, c_longlong, c_uint, c_ulong, c_void};
use libc::{
    epoll_event, iovec, loff_t, msghdr, nfds_t, pollfd, size_t, sockaddr, socklen_t, ssize_t,
    timeval,
};
use std::time::Duration;
use understudy::abi::{fcntl, messages, sys_ioctl, sys_socket, sys_uio, unistd};
use understudy::host::clock;

/// How long a script may wait for a packet that does not come. Then packetdrill is told that there
/// was a packet of no bytes, which is the one way to make it end with a message.
const PACKET_PATIENCE: Duration = Duration::from_secs(60);

/// The interface of `host`, a `Box<Host>`.
pub fn table(host: User) -> Interface {
    Interface {
        userdata: host,
        free,
        socket,
        bind,
        listen,
        accept,
        connect,
        read,
        readv,
        recv,
        recvfrom,
        recvmsg,
        write,
        writev,
        send,
        sendto,
        sendmsg,
        fcntl,
        ioctl,
        close,
        shutdown,
        getsockopt,
        setsockopt,
        poll,
        netdev_send,
        netdev_receive,
        usleep,
        gettimeofday,
        epoll_create,
        epoll_ctl,
        epoll_wait,
        pipe,
        splice,
    }
}

/// # Safety
/// `user` is what [`table`] was given.
unsafe fn host<'a>(user: User) -> &'a Host {
    // SAFETY: the caller's promise; it lives until `free`.
    unsafe { &*user.cast::<Host>() }
}

/// A call that waits for its effect; errno is the call's.
unsafe fn settled<T>(user: User, call: impl FnOnce() -> T) -> T {
    let answer = call();
    // SAFETY: errno's address is the thread's own, always valid.
    let errno = unsafe { *libc::__errno_location() };
    // SAFETY: the caller's promise.
    unsafe { host(user) }.settle();
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
    answer
}

unsafe extern "C" fn free(user: User) {
    // SAFETY: the last call; it was a box.
    drop(unsafe { Box::from_raw(user.cast::<Host>()) });
}

unsafe extern "C" fn socket(user: User, domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    // SAFETY: packetdrill's own pointer.
    unsafe { host(user) }.read_sysctls();
    sys_socket::us_socket(domain, kind, protocol)
}

unsafe extern "C" fn setsockopt(
    user: User,
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *const c_void,
    len: socklen_t,
) -> c_int {
    // SAFETY: packetdrill's own pointer.
    unsafe { host(user) }.read_sysctls();
    // SAFETY: packetdrill's pointers, good for the call that it makes.
    unsafe { settled(user, || sys_socket::us_setsockopt(fd, level, name, value, len)) }
}

unsafe extern "C" fn sendto(
    user: User,
    fd: c_int,
    bytes: *const c_void,
    len: size_t,
    flags: c_int,
    to: *const sockaddr,
    to_len: socklen_t,
) -> ssize_t {
    if flags & libc::MSG_FASTOPEN != 0 {
        // SAFETY: packetdrill's own pointer.
        unsafe { host(user) }.read_sysctls();
    }
    // SAFETY: packetdrill's pointers, good for the call that it makes.
    unsafe { settled(user, || sys_socket::us_sendto(fd, bytes, len, flags, to, to_len)) }
}

unsafe extern "C" fn usleep(_: User, micros: c_uint) -> c_int {
    // SAFETY: no pointers.
    unsafe { libc::usleep(micros) }
}

unsafe extern "C" fn gettimeofday(user: User, time: *mut timeval, _zone: *mut c_void) -> c_int {
    // SAFETY: packetdrill's own pointer.
    let now = unsafe { host(user) }.time_us(clock::now());
    // SAFETY: packetdrill's buffer.
    unsafe { time.write(timeval { tv_sec: now / 1_000_000, tv_usec: now % 1_000_000 }) };
    0
}

unsafe extern "C" fn netdev_send(user: User, packet: *const c_void, len: size_t) -> c_int {
    // SAFETY: packetdrill's own pointer.
    let host = unsafe { host(user) };
    // SAFETY: packetdrill's buffer of this length.
    let packet = unsafe { core::slice::from_raw_parts(packet.cast::<u8>(), len) };
    let sent = host.wire.send(packet);
    host.settle();
    if sent.is_ok() { 0 } else { -1 }
}

unsafe extern "C" fn netdev_receive(
    user: User,
    buffer: *mut c_void,
    len: *mut size_t,
    time: *mut c_longlong,
) -> c_int {
    // SAFETY: packetdrill's own pointer.
    let host = unsafe { host(user) };
    let packet = host.wire.receive(PACKET_PATIENCE);
    let bytes = packet.as_ref().map_or(&[][..], |p| &p.bytes);
    // SAFETY: packetdrill's count, readable and writable.
    let room = unsafe { *len };
    let count = bytes.len().min(room);
    // SAFETY: the buffer has `room` bytes.
    unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.cast::<u8>(), count) };
    // SAFETY: packetdrill's variables.
    unsafe {
        *len = count;
        *time = packet.as_ref().map_or(0, |p| host.time_us(p.at));
    }
    0
}

/// Calls that only pass their arguments on, and wait for the effect.
macro_rules! pass {
    ($($name:ident($($arg:ident: $kind:ty),*) -> $answer:ty = $call:expr;)*) => {$(
        unsafe extern "C" fn $name(user: User, $($arg: $kind),*) -> $answer {
            // SAFETY: the pointers are packetdrill's, good for the call that it makes.
            unsafe { settled(user, || $call) }
        }
    )*};
}

pass! {
    bind(fd: c_int, to: *const sockaddr, len: socklen_t) -> c_int =
        sys_socket::us_bind(fd, to, len);
    listen(fd: c_int, backlog: c_int) -> c_int = sys_socket::us_listen(fd, backlog);
    accept(fd: c_int, from: *mut sockaddr, len: *mut socklen_t) -> c_int =
        sys_socket::us_accept(fd, from, len);
    connect(fd: c_int, to: *const sockaddr, len: socklen_t) -> c_int =
        sys_socket::us_connect(fd, to, len);
    read(fd: c_int, buffer: *mut c_void, len: size_t) -> ssize_t =
        unistd::us_read(fd, buffer, len);
    readv(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t =
        sys_uio::us_readv(fd, parts, count);
    recv(fd: c_int, buffer: *mut c_void, len: size_t, flags: c_int) -> ssize_t =
        sys_socket::us_recv(fd, buffer, len, flags);
    recvfrom(
        fd: c_int, buffer: *mut c_void, len: size_t, flags: c_int,
        from: *mut sockaddr, from_len: *mut socklen_t
    ) -> ssize_t = sys_socket::us_recvfrom(fd, buffer, len, flags, from, from_len);
    recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t =
        messages::us_recvmsg(fd, message, flags);
    write(fd: c_int, bytes: *const c_void, len: size_t) -> ssize_t =
        unistd::us_write(fd, bytes, len);
    writev(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t =
        sys_uio::us_writev(fd, parts, count);
    send(fd: c_int, bytes: *const c_void, len: size_t, flags: c_int) -> ssize_t =
        sys_socket::us_send(fd, bytes, len, flags);
    sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t =
        messages::us_sendmsg(fd, message, flags);
    fcntl(fd: c_int, command: c_int, argument: c_long) -> c_int =
        fcntl::us_fcntl(fd, command, argument);
    ioctl(fd: c_int, request: c_ulong, argument: c_long) -> c_int =
        sys_ioctl::us_ioctl(fd, request, argument);
    close(fd: c_int) -> c_int = unistd::us_close(fd);
    shutdown(fd: c_int, how: c_int) -> c_int = sys_socket::us_shutdown(fd, how);
    getsockopt(
        fd: c_int, level: c_int, name: c_int, value: *mut c_void, len: *mut socklen_t
    ) -> c_int = sys_socket::us_getsockopt(fd, level, name, value, len);
    poll(fds: *mut pollfd, count: nfds_t, timeout: c_int) -> c_int =
        libc::poll(fds, count, timeout);
    epoll_create(size: c_int) -> c_int = libc::epoll_create(size);
    epoll_ctl(epoll: c_int, op: c_int, fd: c_int, event: *mut epoll_event) -> c_int =
        libc::epoll_ctl(epoll, op, fd, event);
    epoll_wait(epoll: c_int, events: *mut epoll_event, max: c_int, timeout: c_int) -> c_int =
        libc::epoll_wait(epoll, events, max, timeout);
    pipe(ends: *mut c_int) -> c_int = libc::pipe(ends);
    splice(
        from: c_int, from_at: *mut loff_t, to: c_int, to_at: *mut loff_t,
        len: size_t, flags: c_uint
    ) -> ssize_t = libc::splice(from, offset(from_at), to, offset(to_at), len, flags);
}

/// An offset of 0 means none: pipes and sockets have no other.
///
/// # Safety
/// `at` is NULL or readable.
unsafe fn offset(at: *mut loff_t) -> *mut loff_t {
    // SAFETY: the caller's promise.
    if at.is_null() || unsafe { *at } == 0 { core::ptr::null_mut() } else { at }
}
