//! Work that needs a descriptor where the process has none left.
//!
//! At `RLIMIT_NOFILE` a question to the kernel or to the engine could not be asked. So it is asked
//! by a short-lived process that shares this one's memory, as after `vfork`, but has a copy of the
//! table of descriptors: there it closes a few and goes on. The program's own descriptors stay as
//! they are, and it is told nothing: the process sends no signal when it ends, and an ordinary
//! `wait` does not see it.
use super::{Errno, raw::call};

/// Descriptors that are closed in the copy.
const ROOM: usize = 4;
/// The kernel's signal set: 64 signals.
const SIGNAL_SET: usize = 8;

struct Work<'a> {
    keep: i32,
    call: &'a mut dyn FnMut(),
}

/// Runs `call` with some free descriptors. `keep` is one that it needs. What `call` opens is gone
/// when it returns. `EAGAIN`, `ENOMEM`, `EPERM`: no process could be made.
pub fn run<T: Copy>(keep: i32, mut call: impl FnMut() -> T) -> Result<T, Errno> {
    let mut result = None;
    let mut work = Work { keep, call: &mut || result = Some(call()) };
    let (all, mut before) = (u64::MAX, 0u64);
    let set = libc::SIG_SETMASK;
    // No handler of the program runs in the other process.
    // SAFETY: the kernel reads 8 bytes of `all` and writes 8 to `before`.
    unsafe {
        call!(libc::SYS_rt_sigprocmask, set, &raw const all, &raw mut before, SIGNAL_SET)?;
    }
    // SAFETY: `work` lives until the other process has ended.
    let child = unsafe { make_process(&mut work) };
    if let Ok(pid) = child {
        // SAFETY: no status or usage is asked for; `__WALL` also waits for one that sends no
        // signal.
        while let Err(Errno::INTR) = unsafe { call!(libc::SYS_wait4, pid, 0, libc::__WALL, 0) } {}
    }
    // SAFETY: the kernel reads 8 bytes of `before`.
    let _ = unsafe { call!(libc::SYS_rt_sigprocmask, set, &raw const before, 0, SIGNAL_SET) };
    child?;
    result.ok_or(Errno::IO)
}

/// What the other process does.
unsafe extern "C" fn work_there(work: *mut Work<'_>) {
    // SAFETY: what [`run`] has passed, which waits.
    let work = unsafe { &mut *work };
    let mut limit = [0u64; 2];
    // SAFETY: the kernel writes a `struct rlimit64`.
    let known =
        unsafe { call!(libc::SYS_prlimit64, 0, libc::RLIMIT_NOFILE, 0, limit.as_mut_ptr()) };
    let end = if known.is_ok() { i32::try_from(limit[0]).unwrap_or(i32::MAX) } else { 0 };
    let (mut fd, mut closed) = (end, 0);
    while fd > 0 && closed < ROOM {
        fd -= 1;
        if fd != work.keep {
            let _ = super::fd::close(fd);
            closed += 1;
        }
    }
    (work.call)();
}

/// Makes the process and runs [`work_there`] in it, on a part of this stack that is below all that
/// is in use: its caller sleeps until the process has ended.
///
/// # Safety
/// `work` must outlive the process.
#[cfg(target_arch = "x86_64")]
unsafe fn make_process(work: &mut Work<'_>) -> Result<usize, Errno> {
    let flags = (libc::CLONE_VM | libc::CLONE_VFORK) as usize;
    let answer: isize;
    // SAFETY: the child gets a stack of its own below the red zone, calls one function and ends;
    // the parent finds its registers and its stack as they were.
    unsafe {
        core::arch::asm!(
            "lea rsi, [rsp - 256]",
            "and rsi, -16",
            "xor edx, edx",
            "xor r10d, r10d",
            "xor r8d, r8d",
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "xor edi, edi",
            "mov eax, {exit}",
            "syscall",
            "2:",
            exit = const libc::SYS_exit,
            inlateout("rax") libc::SYS_clone as isize => answer,
            inlateout("rdi") flags => _,
            in("r12") core::ptr::from_mut(work),
            in("r13") work_there as unsafe extern "C" fn(*mut Work<'_>),
            out("rsi") _,
            out("rdx") _,
            out("r10") _,
            out("r8") _,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    super::raw::result(answer)
}

/// Not on this machine.
///
/// # Safety
/// None.
#[cfg(not(target_arch = "x86_64"))]
unsafe fn make_process(_work: &mut Work<'_>) -> Result<usize, Errno> {
    Err(Errno::NOSYS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::unix;

    #[test]
    fn what_is_opened_there_is_gone_afterwards() {
        let kept = unix::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0).unwrap();
        let number = run(kept.raw(), || {
            let fd = unix::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0).unwrap().into_raw();
            // The kept one is the same file there.
            (fd, super::super::option::get_int(kept.raw(), libc::SOL_SOCKET, libc::SO_TYPE))
        });
        let (fd, kind) = number.unwrap();
        assert_eq!(kind, Ok(libc::SOCK_STREAM));
        assert_eq!(super::super::fd::status_flags(fd), Err(Errno::BADF));
    }

    #[test]
    fn nothing_of_it_is_left_to_wait_for() {
        assert_eq!(run(-1, || 7), Ok(7));
        let options = rustix::process::WaitOptions::NOHANG;
        let left = rustix::process::wait(options);
        assert!(matches!(left, Err(Errno::CHILD) | Ok(None)), "{left:?}");
    }
}
