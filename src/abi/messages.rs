//! `<sys/socket.h>`: the calls with a `struct msghdr`.
use super::header::{Header, each_passed};
use super::sys_socket::destination;
use super::{answer, answer_int, value_of};
use crate::host::guard::guarded;
use crate::host::next::{self, checked};
use crate::host::{Errno, clock, fd::Raw, usermem::UserSlice};
use crate::sock::descriptor::kind::{self, FdKind};
use crate::sock::descriptor::private;
use crate::sock::stream::send;
use crate::sock::transfer;
use core::ffi::{c_int, c_uint};
use core::mem::offset_of;
use core::time::Duration;
use libc::{mmsghdr, msghdr, ssize_t, timespec};

/// sendmsg(2). On a stream, control data is not sent.
///
/// Errors: As us_sendto(). EMSGSIZE: more than UIO_MAXIOV buffers.
///
/// # Safety
/// The pointers must lead to what the manual page says; where nothing is mapped, the answer is
/// EFAULT.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn us_sendmsg(
    fd: c_int,
    message: *const msghdr,
    flags: c_int,
) -> ssize_t {
    // SAFETY: the caller's promise.
    answer(unsafe { send_message(fd, message, flags) })
}

/// # Safety
/// As [`us_sendmsg`].
unsafe fn send_message(fd: Raw, message: *const msghdr, flags: c_int) -> Result<usize, Errno> {
    let mut kind = kind::of(fd);
    if kind == FdKind::Other {
        // SAFETY: the caller's promise.
        return unsafe { send_others(fd, message, flags) };
    }
    // SAFETY: the caller's promise.
    let header = guarded(|| unsafe { Header::read(message) })?;
    if kind.is_stream() && !(header.control.is_empty() && header.name == 0) {
        // A wrong hint would lose descriptors that are being passed, or the address.
        kind = kind::certain(fd);
    }
    match kind {
        FdKind::Local | FdKind::Stream if flags & libc::MSG_FASTOPEN == 0 => {
            // Control data means other things to a unix socket than to TCP (which takes timestamps
            // and zero-copy marks): none of it goes to the kernel.
            send::send(fd, header.payload, flags)
        }
        // SAFETY: the caller's promise.
        FdKind::Other => unsafe { send_others(fd, message, flags) },
        _ => {
            let (name, len) = (header.name as *const libc::sockaddr, header.name_len as u32);
            // SAFETY: the caller's promise.
            let to = guarded(|| unsafe { destination(name, len) })?;
            let to = to.as_ref().map(|to| to.as_bytes());
            match transfer::send_looked_at(fd, header.payload, to, header.control, flags) {
                // The hint was wrong; it is right now.
                // SAFETY: the caller's promise.
                Err(Errno::NOTSOCK) => unsafe { send_others(fd, message, flags) },
                sent => sent,
            }
        }
    }
}

/// On a descriptor that is not ours.
///
/// # Safety
/// As [`us_sendmsg`].
unsafe fn send_others(fd: Raw, message: *const msghdr, flags: c_int) -> Result<usize, Errno> {
    // SAFETY: the caller's promise.
    let sent = checked(unsafe { next::sendmsg(fd, message, flags) })?;
    // SAFETY: the kernel has just read it.
    unsafe { each_passed(message, private::forget) };
    Ok(sent)
}

/// recvmsg(2).
///
/// Errors: As us_recvfrom(). EMSGSIZE: more than UIO_MAXIOV buffers.
///
/// # Safety
/// The pointers must lead to what the manual page says; where nothing is mapped, the answer is
/// EFAULT.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn us_recvmsg(
    fd: c_int,
    message: *mut msghdr,
    flags: c_int,
) -> ssize_t {
    // SAFETY: the caller's promise.
    answer(unsafe { receive_message(fd, message, flags) })
}

/// # Safety
/// As [`us_recvmsg`].
unsafe fn receive_message(fd: Raw, message: *mut msghdr, flags: c_int) -> Result<usize, Errno> {
    if kind::of(fd) == FdKind::Other {
        // SAFETY: the caller's promise.
        return unsafe { receive_others(fd, message, flags) };
    }
    // SAFETY: the caller's promise.
    let header = guarded(|| unsafe { Header::read(message) })?;
    match transfer::receive_message(fd, header.payload, header.control, flags) {
        Ok((received, sender)) => {
            // SAFETY: the caller's promise.
            guarded(|| unsafe { header.give_back(message, &received, sender) })?;
            Ok(received.len)
        }
        // The hint was wrong.
        // SAFETY: the caller's promise.
        Err(Errno::NOTSOCK) => unsafe { receive_others(fd, message, flags) },
        Err(errno) => Err(errno),
    }
}

/// On a descriptor that is not ours.
///
/// # Safety
/// As [`us_recvmsg`].
unsafe fn receive_others(fd: Raw, message: *mut msghdr, flags: c_int) -> Result<usize, Errno> {
    // SAFETY: the caller's promise.
    let len = checked(unsafe { next::recvmsg(fd, message, flags) })?;
    // SAFETY: the kernel has just written it.
    unsafe { each_passed(message, kind::forget) };
    Ok(len)
}

/// sendmmsg(2).
///
/// Errors: As us_sendmsg(), for the first message.
///
/// # Safety
/// The pointers must lead to what the manual page says; where nothing is mapped, the answer is
/// EFAULT.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn us_sendmmsg(
    fd: c_int,
    messages: *mut mmsghdr,
    count: c_uint,
    flags: c_int,
) -> c_int {
    if kind::of(fd) == FdKind::Other {
        // SAFETY: the caller's promise.
        let sent = unsafe { next::sendmmsg(fd, messages, count, flags) };
        for index in 0..usize::try_from(sent).unwrap_or(0) {
            // SAFETY: the kernel has just read it.
            unsafe {
                each_passed(messages.wrapping_add(index).cast_const().cast(), private::forget)
            };
        }
        return sent;
    }
    let count = count.min(libc::UIO_MAXIOV as c_uint) as usize;
    // SAFETY: the caller's promise.
    answer_int(each(messages, count, |message| unsafe { send_message(fd, message, flags) }))
}

/// recvmmsg(2). timeout may be NULL.
///
/// Errors: As us_recvmsg(), for the first message.
///
/// # Safety
/// The pointers must lead to what the manual page says; where nothing is mapped, the answer is
/// EFAULT.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn us_recvmmsg(
    fd: c_int,
    messages: *mut mmsghdr,
    count: c_uint,
    flags: c_int,
    timeout: *mut timespec,
) -> c_int {
    if kind::of(fd) == FdKind::Other {
        // SAFETY: the caller's promise.
        let received = unsafe { next::recvmmsg(fd, messages, count, flags, timeout) };
        for index in 0..usize::try_from(received).unwrap_or(0) {
            // SAFETY: the kernel has just written it.
            unsafe { each_passed(messages.wrapping_add(index).cast_const().cast(), kind::forget) };
        }
        return received;
    }
    // SAFETY: the caller's promise.
    let deadline = match guarded(|| unsafe { deadline(timeout) }) {
        Ok(deadline) => deadline,
        Err(errno) => return answer_int(Err(errno)),
    };
    let count = count.min(libc::UIO_MAXIOV as c_uint) as usize;
    let wait_for_one = flags & libc::MSG_WAITFORONE != 0;
    let mut flags = flags & !libc::MSG_WAITFORONE;
    let mut first = true;
    answer_int(each(messages, count, |message| {
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
    }))
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
            Ok(len) => guarded(|| {
                // SAFETY: the program gave the vector to be written.
                let entry: UserSlice = unsafe { value_of(message.cast_const()) };
                entry.skip(offset_of!(mmsghdr, msg_len)).write(&(len as u32).to_ne_bytes())
            })?,
            Err(errno) if done == 0 => return Err(errno),
            Err(_) => break,
        };
        done += 1;
    }
    Ok(done)
}
