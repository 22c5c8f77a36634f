//! The next library's functions: what a call of the program would have reached without us.
//!
//! A call that may block, and every call on a descriptor that is not ours, goes through here and
//! not straight to the kernel. So it stays a cancellation point, and other libraries that stand in
//! for the same functions (sanitizers, libfaketime, a user's own) still see it.
//!
//! The addresses are looked up once, when the library is loaded: `dlsym` takes locks, which a
//! signal handler must not. A call that comes before that (from the constructor of another library)
//! goes to the kernel.
//!
//! A thread may leave any of these functions and never come back: by `pthread_cancel`, or by
//! `pthread_exit` or `siglongjmp` from a signal handler. No frame above one of them may hold a lock
//! or catch what unwinds.
use super::Errno;
use super::raw::{result, syscall6};
use core::ffi::{CStr, c_char, c_int, c_long, c_uint, c_ulong, c_void};
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};
use libc::{iovec, mmsghdr, msghdr, pollfd, size_t, sockaddr, socklen_t, ssize_t, timespec};

/// The errno of the calling thread.
pub fn errno() -> Errno {
    // SAFETY: libc gives the address of the calling thread's errno, always valid.
    Errno::from_raw_os_error(unsafe { *libc::__errno_location() })
}

/// Sets the errno of the calling thread.
pub fn set_errno(errno: Errno) {
    // SAFETY: libc gives the address of the calling thread's errno, always valid.
    unsafe { *libc::__errno_location() = errno.raw_os_error() };
}

/// The answer of a function here as a result.
#[inline(always)]
pub fn checked(answer: isize) -> Result<usize, Errno> {
    if answer < 0 { Err(errno()) } else { Ok(answer as usize) }
}

/// The kernel's answer as a function of libc would give it.
#[cold]
fn by_kernel(number: c_long, args: [usize; 6]) -> isize {
    // SAFETY: the arguments are those of the caller's call, which has the same contract.
    match result(unsafe { syscall6(number, args) }) {
        Ok(value) => value as isize,
        Err(errno) => {
            set_errno(errno);
            -1
        }
    }
}

macro_rules! functions {
    ($(
        $name:ident ($($arg:ident: $kind:ty),*) -> $answer:ty = $number:expr;
    )*) => {
        /// Where each function is; null until [`look_up`] has run.
        mod places {
            use super::*;
            $(
                #[allow(non_upper_case_globals)]
                pub(super) static $name: AtomicPtr<c_void> =
                    AtomicPtr::new(core::ptr::null_mut());
            )*
        }
        $(
            /// As the manual page of this function says.
            ///
            /// # Safety
            /// As for the C function.
            #[inline]
            pub unsafe fn $name($($arg: $kind),*) -> $answer {
                type Function = unsafe extern "C-unwind" fn($($kind),*) -> $answer;
                let place = places::$name.load(Relaxed);
                if place.is_null() {
                    let mut args = [0usize; 6];
                    let given: &[usize] = &[$($arg as usize),*];
                    args[..given.len()].copy_from_slice(given);
                    return by_kernel($number, args) as $answer;
                }
                // SAFETY: the address of the function of this name; the caller keeps its contract.
                unsafe { core::mem::transmute::<*mut c_void, Function>(place)($($arg),*) }
            }
        )*
        fn look_up_calls() {
            $( places::$name.store(find(concat!(stringify!($name), "\0")), Relaxed); )*
        }
    };
}

functions! {
    read(fd: c_int, buffer: *mut c_void, len: size_t) -> ssize_t = libc::SYS_read;
    write(fd: c_int, buffer: *const c_void, len: size_t) -> ssize_t = libc::SYS_write;
    readv(fd: c_int, iov: *const iovec, count: c_int) -> ssize_t = libc::SYS_readv;
    writev(fd: c_int, iov: *const iovec, count: c_int) -> ssize_t = libc::SYS_writev;
    close(fd: c_int) -> c_int = libc::SYS_close;
    close_range(first: c_uint, last: c_uint, flags: c_int) -> c_int = libc::SYS_close_range;
    dup(fd: c_int) -> c_int = libc::SYS_dup;
    dup2(old: c_int, new: c_int) -> c_int = SYS_DUP2;
    dup3(old: c_int, new: c_int, flags: c_int) -> c_int = libc::SYS_dup3;
    fcntl(fd: c_int, command: c_int, argument: c_long) -> c_int = libc::SYS_fcntl;
    ioctl(fd: c_int, request: c_ulong, argument: c_long) -> c_int = libc::SYS_ioctl;
    socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int = libc::SYS_socket;
    bind(fd: c_int, address: *const sockaddr, len: socklen_t) -> c_int = libc::SYS_bind;
    connect(fd: c_int, address: *const sockaddr, len: socklen_t) -> c_int = libc::SYS_connect;
    listen(fd: c_int, backlog: c_int) -> c_int = libc::SYS_listen;
    accept(fd: c_int, address: *mut sockaddr, len: *mut socklen_t) -> c_int = SYS_ACCEPT;
    accept4(fd: c_int, address: *mut sockaddr, len: *mut socklen_t, flags: c_int) -> c_int
        = libc::SYS_accept4;
    getsockname(fd: c_int, address: *mut sockaddr, len: *mut socklen_t) -> c_int
        = libc::SYS_getsockname;
    getpeername(fd: c_int, address: *mut sockaddr, len: *mut socklen_t) -> c_int
        = libc::SYS_getpeername;
    getsockopt(fd: c_int, level: c_int, name: c_int, value: *mut c_void, len: *mut socklen_t)
        -> c_int = libc::SYS_getsockopt;
    setsockopt(fd: c_int, level: c_int, name: c_int, value: *const c_void, len: socklen_t)
        -> c_int = libc::SYS_setsockopt;
    shutdown(fd: c_int, how: c_int) -> c_int = libc::SYS_shutdown;
    send(fd: c_int, buffer: *const c_void, len: size_t, flags: c_int) -> ssize_t
        = libc::SYS_sendto;
    sendto(fd: c_int, buffer: *const c_void, len: size_t, flags: c_int,
        address: *const sockaddr, address_len: socklen_t) -> ssize_t = libc::SYS_sendto;
    sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t = libc::SYS_sendmsg;
    sendmmsg(fd: c_int, messages: *mut mmsghdr, count: c_uint, flags: c_int) -> c_int
        = libc::SYS_sendmmsg;
    recv(fd: c_int, buffer: *mut c_void, len: size_t, flags: c_int) -> ssize_t
        = libc::SYS_recvfrom;
    recvfrom(fd: c_int, buffer: *mut c_void, len: size_t, flags: c_int,
        address: *mut sockaddr, address_len: *mut socklen_t) -> ssize_t = libc::SYS_recvfrom;
    recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t = libc::SYS_recvmsg;
    recvmmsg(fd: c_int, messages: *mut mmsghdr, count: c_uint, flags: c_int,
        timeout: *mut timespec) -> c_int = libc::SYS_recvmmsg;
    ppoll(fds: *mut pollfd, count: c_ulong, timeout: *const timespec, mask: *const c_void)
        -> c_int = libc::SYS_ppoll;
    prctl(option: c_int, a: c_ulong, b: c_ulong, c: c_ulong, d: c_ulong) -> c_int
        = libc::SYS_prctl;
}

/// As [`dl_iterate_phdr`] takes it.
pub type PhdrCallback =
    unsafe extern "C-unwind" fn(*mut libc::dl_phdr_info, size_t, *mut c_void) -> c_int;

/// dl_iterate_phdr(3), which is no system call: before [`look_up`] has run (a sanitizer's runtime
/// starts earlier) it is looked up at once.
///
/// # Safety
/// As for the C function.
pub unsafe fn dl_iterate_phdr(callback: PhdrCallback, data: *mut c_void) -> c_int {
    type Function = unsafe extern "C-unwind" fn(PhdrCallback, *mut c_void) -> c_int;
    let mut place = DL_ITERATE_PHDR.load(Relaxed);
    if place.is_null() {
        place = find("dl_iterate_phdr\0");
        DL_ITERATE_PHDR.store(place, Relaxed);
    }
    if place.is_null() {
        return 0;
    }
    // SAFETY: the address of the function of this name; the caller keeps its contract.
    unsafe { core::mem::transmute::<*mut c_void, Function>(place)(callback, data) }
}

static DL_ITERATE_PHDR: AtomicPtr<c_void> = AtomicPtr::new(core::ptr::null_mut());
static SYSCALL: AtomicPtr<c_void> = AtomicPtr::new(core::ptr::null_mut());

/// syscall(2).
///
/// # Safety
/// As for the C function.
pub unsafe fn syscall(number: c_long, args: [c_long; 6]) -> c_long {
    type Function = unsafe extern "C-unwind" fn(
        c_long,
        c_long,
        c_long,
        c_long,
        c_long,
        c_long,
        c_long,
    ) -> c_long;
    let place = SYSCALL.load(Relaxed);
    if place.is_null() {
        return by_kernel(number, args.map(|arg| arg as usize)) as c_long;
    }
    let [a, b, c, d, e, f] = args;
    // SAFETY: the address of the function of this name; the caller keeps its contract.
    unsafe { core::mem::transmute::<*mut c_void, Function>(place)(number, a, b, c, d, e, f) }
}

/// Looks all functions up. To be called when the library is loaded, before `main`.
pub fn look_up() {
    look_up_calls();
    DL_ITERATE_PHDR.store(find("dl_iterate_phdr\0"), Relaxed);
    SYSCALL.store(find("syscall\0"), Relaxed);
}

#[cfg(target_arch = "x86_64")]
const SYS_DUP2: c_long = libc::SYS_dup2;
/// Never reached: `dup2` is looked up before any program code runs.
#[cfg(not(target_arch = "x86_64"))]
const SYS_DUP2: c_long = libc::SYS_dup3;
const SYS_ACCEPT: c_long = libc::SYS_accept;

/// The address of the next library's function of a name that ends with NUL; null: there is none.
fn find(name: &str) -> *mut c_void {
    let Ok(name) = CStr::from_bytes_with_nul(name.as_bytes()) else {
        return core::ptr::null_mut();
    };
    let name: *const c_char = name.as_ptr();
    // SAFETY: a C string; RTLD_NEXT searches behind the object that this code is in.
    unsafe { libc::dlsym(libc::RTLD_NEXT, name) }
}
