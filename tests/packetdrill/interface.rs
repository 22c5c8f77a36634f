//! packetdrill's interface to a network stack in a shared object: a pointer that comes back in each
//! call, and 32 functions. Of those with a pointer to a variadic argument, every ABI that we run on
//! passes it in the register of a plain one.
use core::ffi::{c_int, c_long, c_longlong, c_uint, c_ulong, c_void};
use libc::{
    epoll_event, iovec, loff_t, msghdr, nfds_t, pollfd, size_t, sockaddr, socklen_t, ssize_t,
    timeval,
};

/// The host, as packetdrill carries it around.
pub type User = *mut c_void;
type Address = *const sockaddr;
type AddressOut = *mut sockaddr;
type LengthOut = *mut socklen_t;

/// The calls, in packetdrill's order.
#[repr(C)]
pub struct Interface {
    /// Given to each call.
    pub userdata: User,
    /// The end: nothing is called afterwards.
    pub free: unsafe extern "C" fn(User),
    /// socket(2).
    pub socket: unsafe extern "C" fn(User, c_int, c_int, c_int) -> c_int,
    /// bind(2).
    pub bind: unsafe extern "C" fn(User, c_int, Address, socklen_t) -> c_int,
    /// listen(2).
    pub listen: unsafe extern "C" fn(User, c_int, c_int) -> c_int,
    /// accept(2).
    pub accept: unsafe extern "C" fn(User, c_int, AddressOut, LengthOut) -> c_int,
    /// connect(2).
    pub connect: unsafe extern "C" fn(User, c_int, Address, socklen_t) -> c_int,
    /// read(2).
    pub read: unsafe extern "C" fn(User, c_int, *mut c_void, size_t) -> ssize_t,
    /// readv(2).
    pub readv: unsafe extern "C" fn(User, c_int, *const iovec, c_int) -> ssize_t,
    /// recv(2).
    pub recv: unsafe extern "C" fn(User, c_int, *mut c_void, size_t, c_int) -> ssize_t,
    /// recvfrom(2).
    pub recvfrom: unsafe extern "C" fn(
        User,
        c_int,
        *mut c_void,
        size_t,
        c_int,
        AddressOut,
        LengthOut,
    ) -> ssize_t,
    /// recvmsg(2).
    pub recvmsg: unsafe extern "C" fn(User, c_int, *mut msghdr, c_int) -> ssize_t,
    /// write(2).
    pub write: unsafe extern "C" fn(User, c_int, *const c_void, size_t) -> ssize_t,
    /// writev(2).
    pub writev: unsafe extern "C" fn(User, c_int, *const iovec, c_int) -> ssize_t,
    /// send(2).
    pub send: unsafe extern "C" fn(User, c_int, *const c_void, size_t, c_int) -> ssize_t,
    /// sendto(2).
    pub sendto: unsafe extern "C" fn(
        User,
        c_int,
        *const c_void,
        size_t,
        c_int,
        Address,
        socklen_t,
    ) -> ssize_t,
    /// sendmsg(2).
    pub sendmsg: unsafe extern "C" fn(User, c_int, *const msghdr, c_int) -> ssize_t,
    /// fcntl(2).
    pub fcntl: unsafe extern "C" fn(User, c_int, c_int, c_long) -> c_int,
    /// ioctl(2).
    pub ioctl: unsafe extern "C" fn(User, c_int, c_ulong, c_long) -> c_int,
    /// close(2).
    pub close: unsafe extern "C" fn(User, c_int) -> c_int,
    /// shutdown(2).
    pub shutdown: unsafe extern "C" fn(User, c_int, c_int) -> c_int,
    /// getsockopt(2).
    pub getsockopt:
        unsafe extern "C" fn(User, c_int, c_int, c_int, *mut c_void, LengthOut) -> c_int,
    /// setsockopt(2).
    pub setsockopt:
        unsafe extern "C" fn(User, c_int, c_int, c_int, *const c_void, socklen_t) -> c_int,
    /// poll(2).
    pub poll: unsafe extern "C" fn(User, *mut pollfd, nfds_t, c_int) -> c_int,
    /// A packet for the stack; 0, or -1.
    pub netdev_send: unsafe extern "C" fn(User, *const c_void, size_t) -> c_int,
    /// The next packet from the stack: into the buffer, whose size and then the packet's length is
    /// in the count, and the time when it left, microseconds. 0, or -1.
    pub netdev_receive:
        unsafe extern "C" fn(User, *mut c_void, *mut size_t, *mut c_longlong) -> c_int,
    /// usleep(3).
    pub usleep: unsafe extern "C" fn(User, c_uint) -> c_int,
    /// gettimeofday(2); the zone is not asked for.
    pub gettimeofday: unsafe extern "C" fn(User, *mut timeval, *mut c_void) -> c_int,
    /// epoll_create(2).
    pub epoll_create: unsafe extern "C" fn(User, c_int) -> c_int,
    /// epoll_ctl(2).
    pub epoll_ctl: unsafe extern "C" fn(User, c_int, c_int, c_int, *mut epoll_event) -> c_int,
    /// epoll_wait(2).
    pub epoll_wait: unsafe extern "C" fn(User, c_int, *mut epoll_event, c_int, c_int) -> c_int,
    /// pipe(2).
    pub pipe: unsafe extern "C" fn(User, *mut c_int) -> c_int,
    /// splice(2); packetdrill passes the addresses of its offsets even where the script says NULL.
    pub splice: unsafe extern "C" fn(
        User,
        c_int,
        *mut loff_t,
        c_int,
        *mut loff_t,
        size_t,
        c_uint,
    ) -> ssize_t,
}
