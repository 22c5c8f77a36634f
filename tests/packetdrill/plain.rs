//! The plain names (`close`, `getsockopt`, ...), so that the same file given as `LD_PRELOAD` takes
//! the calls that packetdrill makes on our descriptors past its interface: one jump each, to the
//! function of the library, from the list in `src/abi/exports.txt` (see build.rs).

macro_rules! jump {
    ($plain:ident $ours:ident) => {
        /// Jumps to the library's function with the arguments as they are.
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        unsafe extern "C" fn $plain() {
            unsafe extern "C" {
                fn $ours();
            }
            #[cfg(target_arch = "x86_64")]
            core::arch::naked_asm!("jmp {}", sym $ours);
            #[cfg(target_arch = "aarch64")]
            core::arch::naked_asm!("b {}", sym $ours);
        }
    };
}

include!(concat!(env!("OUT_DIR"), "/plain.rs"));
