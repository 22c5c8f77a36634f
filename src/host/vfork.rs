//! `vfork(2)`, and whether a child of it may be running.
//!
//! The child borrows the parent's memory, but has descriptors of its own. What it does to them must
//! not be remembered where the parent would read it; so while a thread is in `vfork`, nothing is.
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Threads that are in `vfork` just now.
#[unsafe(no_mangle)]
static understudy_vforks: AtomicU32 = AtomicU32::new(0);

/// Whether this may be the child of a `vfork`.
#[inline]
pub fn is_possible() -> bool {
    understudy_vforks.load(Relaxed) != 0
}

// The return address is kept in a register while the child uses the parent's stack.
#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(
    ".globl us_vfork",
    ".type us_vfork, @function",
    "us_vfork:",
    "endbr64",
    "mov rdx, qword ptr [rip + understudy_vforks@GOTPCREL]",
    "lock inc dword ptr [rdx]",
    "pop rsi",
    "mov eax, {vfork}",
    "syscall",
    "push rsi",
    "test rax, rax",
    "jz 2f",
    "lock dec dword ptr [rdx]",
    "cmp rax, -4095",
    "jb 2f",
    "mov edi, eax",
    "neg edi",
    "sub rsp, 8",
    "call {failed}",
    "add rsp, 8",
    "2:",
    "ret",
    ".size us_vfork, . - us_vfork",
    vfork = const libc::SYS_vfork,
    failed = sym failed,
);

#[cfg(target_arch = "aarch64")]
core::arch::global_asm!(
    ".globl us_vfork",
    ".type us_vfork, %function",
    "us_vfork:",
    "adrp x9, :got:understudy_vforks",
    "ldr x9, [x9, :got_lo12:understudy_vforks]",
    "3: ldaxr w10, [x9]",
    "add w10, w10, #1",
    "stlxr w11, w10, [x9]",
    "cbnz w11, 3b",
    "mov x0, #{flags}",
    "mov x1, #0",
    "mov x8, #{clone}",
    "svc #0",
    "cbz x0, 2f",
    "4: ldaxr w10, [x9]",
    "sub w10, w10, #1",
    "stlxr w11, w10, [x9]",
    "cbnz w11, 4b",
    "cmn x0, #4095",
    "b.cc 2f",
    "neg w0, w0",
    "b {failed}",
    "2: ret",
    ".size us_vfork, . - us_vfork",
    flags = const libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD,
    clone = const libc::SYS_clone,
    failed = sym failed,
);

/// Sets errno, and returns -1.
extern "C" fn failed(errno: i32) -> libc::pid_t {
    super::next::set_errno(super::Errno::from_raw_os_error(errno));
    -1
}

unsafe extern "C" {
    /// vfork(2).
    ///
    /// # Safety
    /// As for the C function: the child calls nothing but `exec` and `_exit` and their preparation.
    pub fn us_vfork() -> libc::pid_t;
}
