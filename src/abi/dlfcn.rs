//! `<link.h>`: in which order loaded objects are shown.
use crate::host::next::{self, PhdrCallback as Callback};
use core::ffi::{c_int, c_void};
use libc::{dl_phdr_info, size_t};

/// What the caller asked for, while all objects but ours are shown.
struct Wanted {
    callback: Callback,
    data: *mut c_void,
    /// The header of our own object, for the second round.
    own: *const c_void,
    second_round: bool,
}

/// dl_iterate_phdr(3), our own object last.
///
/// The runtime of AddressSanitizer ends a program at its start if it is not the first library of
/// the list. It need not be: its functions are the next ones after ours. A preloaded library is
/// always before it, though; the order of the list is not promised to anyone.
///
/// # Safety
/// As for the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn us_dl_iterate_phdr(
    callback: Option<Callback>,
    data: *mut c_void,
) -> c_int {
    let Some(callback) = callback else { return 0 };
    let own = core::ptr::from_ref(&OWN).cast();
    let mut wanted = Wanted { callback, data, own, second_round: false };
    let at = core::ptr::from_mut(&mut wanted).cast();
    // SAFETY: `wanted` outlives the calls; the caller's callback gets what it would have got.
    unsafe {
        let answer = next::dl_iterate_phdr(each, at);
        if answer != 0 {
            return answer;
        }
        wanted.second_round = true;
        next::dl_iterate_phdr(each, core::ptr::from_mut(&mut wanted).cast())
    }
}

/// An address inside our own object.
static OWN: u8 = 0;

unsafe extern "C-unwind" fn each(
    info: *mut dl_phdr_info,
    size: size_t,
    wanted: *mut c_void,
) -> c_int {
    // SAFETY: what [`us_dl_iterate_phdr`] has passed, which is still there.
    let wanted = unsafe { &*wanted.cast::<Wanted>() };
    // SAFETY: the loader's own description of an object.
    if unsafe { holds(&*info, wanted.own as usize) } != wanted.second_round {
        return 0;
    }
    // SAFETY: the caller's callback, with its own data.
    unsafe { (wanted.callback)(info, size, wanted.data) }
}

/// Whether an object holds an address.
///
/// # Safety
/// The loader's own description of an object.
unsafe fn holds(info: &dl_phdr_info, address: usize) -> bool {
    (0..usize::from(info.dlpi_phnum)).any(|i| {
        // SAFETY: `dlpi_phnum` headers are there.
        let header = unsafe { &*info.dlpi_phdr.add(i) };
        let start = (info.dlpi_addr as usize).wrapping_add(header.p_vaddr as usize);
        header.p_type == libc::PT_LOAD
            && (start..start.wrapping_add(header.p_memsz as usize)).contains(&address)
    })
}
