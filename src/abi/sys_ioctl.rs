//! `<sys/ioctl.h>`.
use super::guarded_int;
use crate::host::next::{self, checked};
use crate::host::usermem::UserSlice;
use crate::host::{Errno, sandbox, unix};
use crate::sock::descriptor::kind::{self, FdKind};
use crate::sock::descriptor::socket::Socket;
use crate::sock::stream::queues;
use core::ffi::{c_int, c_long, c_ulong};

/// ioctl(2). What is asked about interfaces (SIOCGIFADDR, ...) is answered by the host.
///
/// Errors: As the kernel. EINVAL: SIOCOUTQ of a listener.
///
/// # Safety
/// The pointers must lead to what the manual page says; where nothing is mapped, the answer is
/// EFAULT.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn us_ioctl(fd: c_int, request: c_ulong, argument: c_long) -> c_int {
    if let Some(unsent) = queue_question(request)
        && !sandbox::is_on()
        && kind::of(fd).is_stream()
        && let Some(sock) = Socket::of(fd)
    {
        return guarded_int(|| {
            let answer = queues::waiting_to_leave(&sock, unsent)?;
            // SAFETY: the caller promises an int there for these requests.
            let place = unsafe { UserSlice::new(argument as usize, size_of::<c_int>()) };
            place.write(&answer.to_ne_bytes()).map(|_| 0)
        });
    }
    // SAFETY: the caller's promise.
    let answer = unsafe { next::ioctl(fd, request, argument) };
    let unknown = matches!(checked(answer as isize), Err(Errno::NOTTY | Errno::INVAL));
    if unknown && is_interface_question(request) && kind::of(fd) != FdKind::Other {
        return guarded_int(|| {
            let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
            let kernel = unix::socket(libc::AF_INET, kind, 0)?;
            // SAFETY: the caller's promise.
            checked(unsafe { next::ioctl(kernel.raw(), request, argument) } as isize)
        });
    }
    answer
}

/// tcp(7), linux/sockios.h: `SIOCOUTQ` (false) and `SIOCOUTQNSD` (true).
fn queue_question(request: c_ulong) -> Option<bool> {
    const SIOCOUTQ: c_ulong = 0x5411;
    const SIOCOUTQNSD: c_ulong = 0x894b;
    match request {
        SIOCOUTQ => Some(false),
        SIOCOUTQNSD => Some(true),
        _ => None,
    }
}

/// netdevice(7): the requests that only read.
fn is_interface_question(request: c_ulong) -> bool {
    const SIOCGIFADDR: c_ulong = 0x8915;
    const SIOCGIFDSTADDR: c_ulong = 0x8917;
    const SIOCGIFBRDADDR: c_ulong = 0x8919;
    const SIOCGIFNETMASK: c_ulong = 0x891b;
    matches!(request, SIOCGIFADDR | SIOCGIFDSTADDR | SIOCGIFBRDADDR | SIOCGIFNETMASK)
}
