//! What is done when the library is loaded, before the program's `main`: all that must not be done
//! for the first time in a signal handler.
use crate::host::{guard, next};
use crate::sock::descriptor::{lock, private};
use crate::sock::net;

/// Runs once, in a process that has one thread so far (as a rule).
extern "C" fn at_load() {
    next::look_up();
    guard::silence::install();
    net::at_load();
    // SAFETY: the handlers take no arguments and only store a number.
    unsafe { libc::pthread_atfork(Some(before_fork), None, Some(after_fork)) };
}

unsafe extern "C" fn before_fork() {
    private::forking();
}

unsafe extern "C" fn after_fork() {
    lock::forked();
}

#[used]
#[unsafe(link_section = ".init_array")]
static AT_LOAD: extern "C" fn() = at_load;
