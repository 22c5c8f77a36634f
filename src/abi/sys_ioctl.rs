//! `<sys/ioctl.h>`.
use super::finish_int;
use crate::host::raw::call;
use crate::host::usermem::UserSlice;
use crate::host::{Errno, unix};
use crate::sock::class::{self, Class};
use crate::sock::object::Sock;
use crate::sock::{queues, stream};
use core::ffi::{c_int, c_long, c_ulong};

/// ioctl(2). What a unix socket does not know but a TCP socket does is questions about interfaces
/// (`SIOCGIFADDR`, ...): they go to a socket of the kernel's that knows.
///
/// # Safety
/// `argument` must be what `request` wants.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn us_ioctl(fd: c_int, request: c_ulong, argument: c_long) -> c_int {
    finish_int(|| {
        if let Some(unsent) = queue_question(request) {
            if let Some(sock) = stream::is_stream(fd).then(|| Sock::of(fd)).flatten() {
                let answer = queues::waiting_to_leave(&sock, unsent)?;
                // SAFETY: the caller promises an int there for these requests.
                let place = unsafe { UserSlice::new(argument as usize, size_of::<c_int>()) };
                return place.write(&answer.to_ne_bytes()).map(|_| 0);
            }
        }
        // SAFETY: the kernel checks the program's pointer.
        let answer = unsafe { call!(libc::SYS_ioctl, fd, request, argument) };
        let unknown = matches!(answer, Err(Errno::NOTTY | Errno::INVAL));
        if unknown && is_interface_question(request) && class::of(fd) != Class::Other {
            let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
            let kernel = unix::socket(libc::AF_INET, kind, 0)?;
            // SAFETY: the kernel checks the program's pointer.
            return unsafe { call!(libc::SYS_ioctl, kernel.raw(), request, argument) };
        }
        answer
    })
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
