//! System calls by number, without libc. The one place with assembly.
use super::Errno;
use core::arch::asm;

/// Makes the system call `number`. Returns the kernel's answer: `-4095..0` are errors.
///
/// # Safety
/// The arguments must be what the call wants; pointers that the kernel writes through must be the
/// caller's to have written.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub unsafe fn syscall6(number: i64, args: [usize; 6]) -> isize {
    let answer: isize;
    // SAFETY: the kernel's convention on x86_64; it clobbers rcx and r11 alone.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => answer,
            in("rdi") args[0],
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") args[3],
            in("r8") args[4],
            in("r9") args[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    answer
}

/// Makes the system call `number`. Returns the kernel's answer: `-4095..0` are errors.
///
/// # Safety
/// The arguments must be what the call wants; pointers that the kernel writes through must be the
/// caller's to have written.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub unsafe fn syscall6(number: i64, args: [usize; 6]) -> isize {
    let answer: isize;
    // SAFETY: the kernel's convention on aarch64.
    unsafe {
        asm!(
            "svc 0",
            in("x8") number as usize,
            inlateout("x0") args[0] as isize => answer,
            in("x1") args[1],
            in("x2") args[2],
            in("x3") args[3],
            in("x4") args[4],
            in("x5") args[5],
            options(nostack),
        );
    }
    answer
}

/// The kernel's answer as a result.
#[inline(always)]
pub fn result(answer: isize) -> Result<usize, Errno> {
    if (-4095..0).contains(&answer) {
        Err(Errno::from_raw_os_error(-answer as i32))
    } else {
        Ok(answer as usize)
    }
}

/// A system call with its arguments, as a `Result<usize, Errno>`. For use inside `host` and `abi`.
macro_rules! call {
    ($number:expr $(, $arg:expr)* $(,)?) => {{
        let mut args = [0usize; 6];
        let given = [$($arg as usize),*];
        args[..given.len()].copy_from_slice(&given);
        $crate::host::raw::result($crate::host::raw::syscall6($number as i64, args))
    }};
}
pub(crate) use call;
