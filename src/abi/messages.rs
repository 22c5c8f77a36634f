//! `<sys/socket.h>`: the calls with a `struct msghdr`.
use super::sys_socket::{destination, messages_send};
use super::{finish, finish_int, slice, value_of};
use crate::base::addr::SocketAddr;
use crate::host::message::{Payload, Received};
use crate::host::raw::call;
use crate::host::usermem::UserSlice;
use crate::host::{Errno, clock, fd::Raw};
use crate::sock::class::{self, Class};
use crate::sock::datagram_receive::{self, Want};
use crate::sock::object::Sock;
use crate::sock::sockaddr::encode;
use crate::sock::stream;
use core::ffi::{c_int, c_uint};
use core::mem::offset_of;
use core::time::Duration;
use libc::{mmsghdr, msghdr, ssize_t, timespec};

const HEADER: usize = core::mem::size_of::<msghdr>();

/// A copy of the program's `struct msghdr`.
struct Header {
    name: usize,
    name_len: usize,
    payload: Payload,
    control: UserSlice,
}

fn word(bytes: &[u8; HEADER], at: usize) -> usize {
    let field = bytes.get(at..at + 8).and_then(|b| b.try_into().ok());
    usize::from_ne_bytes(field.unwrap_or_default())
}

impl Header {
    /// # Safety
    /// The program passed the header, with all it points to, to a call that reads or writes it.
    unsafe fn read(message: *const msghdr) -> Result<Header, Errno> {
        // SAFETY: the caller's promise.
        let bytes: [u8; HEADER] = unsafe { value_of(message) }.read_array()?;
        let name_len = word(&bytes, offset_of!(msghdr, msg_namelen)) as u32;
        let count = word(&bytes, offset_of!(msghdr, msg_iovlen));
        let control_len = word(&bytes, offset_of!(msghdr, msg_controllen));
        Ok(Header {
            name: word(&bytes, offset_of!(msghdr, msg_name)),
            name_len: name_len as usize,
            // SAFETY: the caller's promise.
            payload: unsafe { Payload::vector(word(&bytes, offset_of!(msghdr, msg_iov)), count) }?,
            control: unsafe {
                // SAFETY: the caller's promise.
                UserSlice::new(word(&bytes, offset_of!(msghdr, msg_control)), control_len)
            },
        })
    }
}

/// sendmsg(2).
///
/// # Safety
/// `message` and all it points to must be readable (if it is not, the answer is `EFAULT`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn us_sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t {
    // SAFETY: the caller's promise.
    finish(|| unsafe { send_message(fd, message, flags) })
}

/// # Safety
/// As [`us_sendmsg`].
unsafe fn send_message(fd: Raw, message: *const msghdr, flags: c_int) -> Result<usize, Errno> {
    let class = class::of(fd);
    if class == Class::Other {
        // SAFETY: the kernel checks the program's pointers.
        return unsafe { call!(libc::SYS_sendmsg, fd, message, flags) };
    }
    // SAFETY: the caller's promise.
    let header = unsafe { Header::read(message) }?;
    if class == Class::Stream && flags & libc::MSG_FASTOPEN == 0 {
        // A wrong hint would lose descriptors that are being passed, or the address.
        let harmless = header.control.is_empty() && header.name == 0;
        if !harmless && class::certain(fd) != Class::Stream {
            // SAFETY: the caller's promise.
            return unsafe { send_message(fd, message, flags) };
        }
        // Control data means other things to a unix socket than to TCP (which takes timestamps and
        // zero-copy marks): none of it goes to the kernel.
        return stream::send(fd, header.payload, UserSlice::EMPTY, flags);
    }
    // SAFETY: the caller's promise.
    let to = unsafe { destination(header.name as *const libc::sockaddr, header.name_len as u32) }?;
    match messages_send(fd, header.payload, to.as_ref(), header.control, flags) {
        // The hint was wrong; it is right now.
        // SAFETY: the caller's promise.
        Err(Errno::NOTSOCK) => unsafe { send_message(fd, message, flags) },
        sent => sent,
    }
}

/// recvmsg(2).
///
/// # Safety
/// `message` and all it points to must be writable (if it is not, the answer is `EFAULT`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn us_recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t {
    // SAFETY: the caller's promise.
    finish(|| unsafe { receive_message(fd, message, flags) })
}

/// # Safety
/// As [`us_recvmsg`].
unsafe fn receive_message(fd: Raw, message: *mut msghdr, flags: c_int) -> Result<usize, Errno> {
    let class = class::of(fd);
    if class == Class::Other {
        // SAFETY: the kernel checks the program's pointers.
        let len = unsafe { call!(libc::SYS_recvmsg, fd, message, flags) }?;
        // SAFETY: the caller's promise; the kernel has just written there.
        unsafe { forget_passed(message) };
        return Ok(len);
    }
    // SAFETY: the caller's promise.
    let header = unsafe { Header::read(message) }?;
    if class == Class::Datagram {
        let (payload, control) = (header.payload, header.control);
        let want = Want::Header;
        let (received, sender) = match datagram_receive::receive(fd, payload, control, flags, want)
        {
            // The hint was wrong; it is right now.
            Err(Errno::NOTSOCK) if class::of(fd) != Class::Datagram => {
                // SAFETY: the caller's promise.
                return unsafe { receive_message(fd, message, flags) };
            }
            got => got?,
        };
        // SAFETY: the caller's promise.
        unsafe { give_back(message, &header, &received, sender) }?;
        return Ok(received.len);
    }
    let (received, sender) = match Sock::of(fd) {
        Some(sock) => {
            let mut received = stream::receive(fd, header.payload, UserSlice::EMPTY, flags)?;
            crate::sock::options::stream_control(&sock, header.control, &mut received)?;
            (received, None)
        }
        None => {
            class::set(fd, Class::Other);
            // SAFETY: the caller's promise.
            return unsafe { receive_message(fd, message, flags) };
        }
    };
    // SAFETY: the caller's promise.
    unsafe { give_back(message, &header, &received, sender) }?;
    Ok(received.len)
}

/// Writes what recvmsg(2) writes besides the data.
///
/// # Safety
/// As [`us_recvmsg`].
unsafe fn give_back(
    message: *mut msghdr,
    header: &Header,
    received: &Received,
    sender: Option<SocketAddr>,
) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    let whole = unsafe { value_of(message.cast_const()) };
    let encoded = sender.map(encode);
    let name = encoded.as_ref().map_or(&[][..], |e| e.as_bytes());
    if header.name != 0 {
        // SAFETY: the caller's promise.
        unsafe { UserSlice::new(header.name, header.name_len) }.write(name)?;
        let len = (name.len() as u32).to_ne_bytes();
        whole.skip(offset_of!(msghdr, msg_namelen)).write(&len)?;
    }
    let control_len = received.control_len.to_ne_bytes();
    whole.skip(offset_of!(msghdr, msg_controllen)).write(&control_len)?;
    whole.skip(offset_of!(msghdr, msg_flags)).write(&received.flags.to_ne_bytes())?;
    Ok(())
}

/// Descriptors that came in a message (SCM_RIGHTS) are new: nothing is known of them.
///
/// # Safety
/// As [`us_recvmsg`].
unsafe fn forget_passed(message: *const msghdr) {
    // SAFETY: the caller's promise.
    let Ok(header) = (unsafe { Header::read(message) }) else { return };
    const CMSG: usize = core::mem::size_of::<libc::cmsghdr>();
    let mut rest = header.control;
    while rest.len() >= CMSG {
        let Ok(bytes) = rest.read_array::<CMSG>() else { return };
        let len = usize::from_ne_bytes(bytes[..8].try_into().unwrap_or_default());
        let int = |at: usize| i32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap_or_default());
        if len < CMSG {
            return;
        }
        if int(8) == libc::SOL_SOCKET && int(12) == libc::SCM_RIGHTS {
            let mut numbers = rest.first(len).skip(CMSG);
            while let Ok(number) = numbers.read_array::<4>() {
                class::forget(i32::from_ne_bytes(number));
                numbers = numbers.skip(4);
            }
        }
        rest = rest.skip(len.next_multiple_of(8));
    }
}

/// sendmmsg(2).
///
/// # Safety
/// As [`us_sendmsg`], for each of `count` messages.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn us_sendmmsg(
    fd: c_int,
    messages: *mut mmsghdr,
    count: c_uint,
    flags: c_int,
) -> c_int {
    finish_int(|| {
        if class::of(fd) == Class::Other {
            // SAFETY: the kernel checks the program's pointers.
            return unsafe { call!(libc::SYS_sendmmsg, fd, messages, count, flags) };
        }
        let count = count.min(libc::UIO_MAXIOV as c_uint) as usize;
        // SAFETY: the caller's promise.
        each(messages, count, |message| unsafe { send_message(fd, message, flags) })
    })
}

/// recvmmsg(2).
///
/// # Safety
/// As [`us_recvmsg`], for each of `count` messages; `timeout` is NULL or readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn us_recvmmsg(
    fd: c_int,
    messages: *mut mmsghdr,
    count: c_uint,
    flags: c_int,
    timeout: *mut timespec,
) -> c_int {
    finish_int(|| {
        if class::of(fd) == Class::Other {
            // SAFETY: the kernel checks the program's pointers.
            return unsafe { call!(libc::SYS_recvmmsg, fd, messages, count, flags, timeout) };
        }
        // SAFETY: the caller's promise.
        let deadline = unsafe { deadline(timeout) }?;
        let count = count.min(libc::UIO_MAXIOV as c_uint) as usize;
        let (mut flags, wait_for_one) =
            (flags & !libc::MSG_WAITFORONE, flags & libc::MSG_WAITFORONE != 0);
        let mut first = true;
        each(messages, count, |message| {
            // recvmmsg(2): the timeout is looked at after each datagram only.
            if !first && deadline.is_some_and(|at| clock::now() >= at) {
                return Err(Errno::AGAIN);
            }
            // SAFETY: the caller's promise.
            let len = unsafe { receive_message(fd, message, flags) }?;
            first = false;
            if wait_for_one {
                flags |= libc::MSG_DONTWAIT;
            }
            Ok(len)
        })
    })
}

/// # Safety
/// `timeout` is NULL or the program's to be read.
unsafe fn deadline(timeout: *const timespec) -> Result<Option<crate::base::Instant>, Errno> {
    if timeout.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    let bytes: [u8; 16] = unsafe { value_of(timeout) }.read_array()?;
    let (seconds, nanos) = bytes.split_at(8);
    let number = |b: &[u8]| b.try_into().map_or(-1, i64::from_ne_bytes);
    match (u64::try_from(number(seconds)), number(nanos)) {
        (Ok(seconds), nanos @ 0..1_000_000_000) => {
            Ok(Some(clock::now() + Duration::new(seconds, nanos as u32)))
        }
        _ => Err(Errno::INVAL),
    }
}

/// Makes `call` for each message until one fails; how many succeeded, or the first one's error.
fn each(
    messages: *mut mmsghdr,
    count: usize,
    mut call: impl FnMut(*mut msghdr) -> Result<usize, Errno>,
) -> Result<usize, Errno> {
    let mut done = 0;
    while done < count {
        let message = messages.wrapping_add(done);
        match call(message.cast()) {
            Ok(len) => {
                // SAFETY: the program gave the vector to be written.
                let entry = unsafe { value_of(message.cast_const()) };
                entry.skip(offset_of!(mmsghdr, msg_len)).write(&(len as u32).to_ne_bytes())?;
            }
            Err(errno) if done == 0 => return Err(errno),
            Err(_) => break,
        }
        done += 1;
    }
    Ok(done)
}

/// Buffers of readv(2) and writev(2).
///
/// # Safety
/// As [`us_recvmsg`].
pub(super) unsafe fn vector(iov: *const libc::iovec, count: c_int) -> Result<Payload, Errno> {
    let count = usize::try_from(count).map_err(|_| Errno::INVAL)?;
    // SAFETY: the caller's promise.
    unsafe { Payload::vector(iov as usize, count) }.map_err(|_| Errno::INVAL)
}

/// A single buffer.
///
/// # Safety
/// As [`us_recvmsg`].
pub(super) unsafe fn flat<T>(buffer: *const T, len: usize) -> Payload {
    // SAFETY: the caller's promise.
    Payload::Flat(unsafe { slice(buffer, len) })
}
