//! Real programs, unmodified, on the net `local`: no engine, no configuration, no privileges.
//!
//! Each test runs twice, on the kernel's sockets and on ours, so that what it asks for is known to
//! be what Linux does.
#[path = "../common/mod.rs"]
mod common;

/// Makes two tests of each function of one [`common::Mode`].
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod kernel {
            $(#[test] fn $name() { super::$name($crate::common::Mode::Kernel) })*
        }
        mod understudy {
            $(#[test] fn $name() { super::$name($crate::common::Mode::Understudy) })*
        }
    };
}

mod groups;
mod iperf;
mod life;
mod pipes;
mod redis;
mod web;
