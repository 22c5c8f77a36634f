//! syscall(2): some programs make socket calls by number (libuv closes so).
use super::fcntl::us_fcntl;
use super::messages::{us_recvmmsg, us_recvmsg, us_sendmmsg, us_sendmsg};
use super::sys_ioctl::us_ioctl;
use super::sys_socket::{
    us_accept, us_accept4, us_bind, us_connect, us_getpeername, us_getsockname, us_getsockopt,
    us_listen, us_recvfrom, us_sendto, us_setsockopt, us_shutdown, us_socket,
};
use super::sys_uio::{us_readv, us_writev};
use super::unistd::{us_close, us_close_range, us_dup, us_dup2, us_dup3, us_read, us_write};
use crate::host::{next, sandbox};
use core::ffi::c_long;

const SET_SECCOMP: c_long = libc::PR_SET_SECCOMP as c_long;

/// syscall(2): the calls that have a function here go to it, all others to the kernel.
///
/// # Safety
/// The arguments must be what the call wants.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn us_syscall(
    number: c_long,
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    let (fd, int) = (a as i32, |v: c_long| v as i32);
    // SAFETY: the caller's promise.
    unsafe {
        match number {
            libc::SYS_socket => us_socket(int(a), int(b), int(c)).into(),
            libc::SYS_bind => us_bind(fd, b as _, c as _).into(),
            libc::SYS_connect => us_connect(fd, b as _, c as _).into(),
            libc::SYS_listen => us_listen(fd, int(b)).into(),
            libc::SYS_accept => us_accept(fd, b as _, c as _).into(),
            libc::SYS_accept4 => us_accept4(fd, b as _, c as _, int(d)).into(),
            libc::SYS_getsockname => us_getsockname(fd, b as _, c as _).into(),
            libc::SYS_getpeername => us_getpeername(fd, b as _, c as _).into(),
            libc::SYS_getsockopt => us_getsockopt(fd, int(b), int(c), d as _, e as _).into(),
            libc::SYS_setsockopt => us_setsockopt(fd, int(b), int(c), d as _, e as _).into(),
            libc::SYS_shutdown => us_shutdown(fd, int(b)).into(),
            libc::SYS_sendto => us_sendto(fd, b as _, c as _, int(d), e as _, f as _) as c_long,
            libc::SYS_recvfrom => us_recvfrom(fd, b as _, c as _, int(d), e as _, f as _) as c_long,
            libc::SYS_sendmsg => us_sendmsg(fd, b as _, int(c)) as c_long,
            libc::SYS_recvmsg => us_recvmsg(fd, b as _, int(c)) as c_long,
            libc::SYS_sendmmsg => us_sendmmsg(fd, b as _, c as _, int(d)).into(),
            libc::SYS_recvmmsg => us_recvmmsg(fd, b as _, c as _, int(d), e as _).into(),
            libc::SYS_read => us_read(fd, b as _, c as _) as c_long,
            libc::SYS_write => us_write(fd, b as _, c as _) as c_long,
            libc::SYS_readv => us_readv(fd, b as _, int(c)) as c_long,
            libc::SYS_writev => us_writev(fd, b as _, int(c)) as c_long,
            libc::SYS_close => us_close(fd).into(),
            libc::SYS_close_range => us_close_range(a as _, b as _, int(c)).into(),
            libc::SYS_dup => us_dup(fd).into(),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_dup2 => us_dup2(fd, int(b)).into(),
            libc::SYS_dup3 => us_dup3(fd, int(b), int(c)).into(),
            libc::SYS_fcntl => us_fcntl(fd, int(b), c).into(),
            libc::SYS_ioctl => us_ioctl(fd, b as _, c).into(),
            _ => {
                if number == libc::SYS_seccomp || number == libc::SYS_prctl && a == SET_SECCOMP {
                    sandbox::entered();
                }
                next::syscall(number, [a, b, c, d, e, f])
            }
        }
    }
}
