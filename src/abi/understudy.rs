//! What only Understudy has.
use core::ffi::{c_char, c_int};

/// The library's version, like "0.1.0". Static: never to be freed.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn us_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// What an errno means here, in a sentence. Static: never to be freed. Thread-safe, unlike
/// strerror(3); for errors that Understudy never makes itself, "see errno(3)".
#[unsafe(no_mangle)]
pub extern "C-unwind" fn us_strerror(number: c_int) -> *const c_char {
    let text: &core::ffi::CStr = match number {
        0 => c"success",
        libc::EACCES => c"forbidden by the net's policy",
        libc::EADDRINUSE => c"the address and port are taken",
        libc::EADDRNOTAVAIL => c"the address is not one of this net's",
        libc::EAFNOSUPPORT => c"the address is of another family than the socket",
        libc::EAGAIN => c"nothing there yet, or no room: try again",
        libc::EALREADY => c"a connect is under way already",
        libc::EBADF => c"not an open descriptor",
        libc::ECONNABORTED => c"the connection was ended on this side",
        libc::ECONNREFUSED => c"nobody listens at that address and port",
        libc::ECONNRESET => c"the peer reset the connection",
        libc::EFAULT => c"a pointer leads to memory that is not there",
        libc::EHOSTUNREACH => c"the host does not answer to its address",
        libc::EINPROGRESS => c"the connect has begun and goes on",
        libc::EINTR => c"interrupted by a signal",
        libc::EINVAL => c"an argument, or the socket's state, does not allow this",
        libc::EIO => c"a defect of Understudy: please report it",
        libc::EISCONN => c"connected already",
        libc::EMSGSIZE => c"the message is too long",
        libc::ENETDOWN => c"the net that UNDERSTUDY_NET names does not run",
        libc::ENETUNREACH => c"no route to that network in this net",
        libc::ENOBUFS => c"a queue or table is full",
        libc::ENOPROTOOPT => c"an option that has no meaning here",
        libc::ENOTCONN => c"not connected",
        libc::ENOTSOCK => c"not a socket",
        libc::EOPNOTSUPP => c"this kind of socket cannot do that",
        libc::EPIPE => c"the connection is closed for writing",
        libc::EPROTONOSUPPORT => c"a protocol that is not spoken here",
        libc::ETIMEDOUT => c"the peer did not answer in time",
        _ => c"see errno(3)",
    };
    text.as_ptr()
}
