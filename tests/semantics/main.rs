//! What socket calls mean: each script of this folder runs on the kernel's sockets, which shows
//! that it asserts what Linux does, and on ours, which must do the same.
#[path = "../common/mod.rs"]
mod common;

use common::{Host, Mode, host};

/// Runs one script; its output is in the failure.
fn script(name: &str, mode: Mode) {
    if !host::possible() {
        return;
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/semantics");
    let mut machine = Host::local(mode);
    machine.quiet = true;
    machine.task(&["python3", "-B", "-u", &format!("{folder}/{name}.py")]).finish().ok();
}

macro_rules! scripts {
    ($($name:ident),* $(,)?) => {
        mod kernel {
            $(#[test] fn $name() { super::script(stringify!($name), super::Mode::Kernel) })*
        }
        mod understudy {
            $(#[test] fn $name() { super::script(stringify!($name), super::Mode::Understudy) })*
        }
    };
}

scripts!(names, bind, connect, close, data, descriptors, udp, messages, options);
