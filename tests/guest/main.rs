//! What the library may not do to the program that it is loaded into. Each program of this folder
//! runs on the kernel's sockets, which shows that Linux does what it asserts, and on ours. They end
//! with 0 when all is right, and print what was wrong.
#[path = "../common/mod.rs"]
mod common;

mod compared;
mod preload;
mod programs;

use common::{Host, Mode, host, need};
use programs::{folder, program, run};

/// A C program of this folder with its arguments.
fn c(mode: Mode, name: &str, arguments: &[&str]) {
    if !host::possible() {
        return;
    }
    let machine = machine(mode);
    let program = program(&machine, name, &[]);
    run(machine.task(&[&[program.as_str()], arguments].concat())).ok();
}

/// A Python script of this folder with its arguments.
fn python(mode: Mode, name: &str, arguments: &[&str]) {
    if !host::possible() {
        return;
    }
    let script = format!("{}/{name}.py", folder().display());
    run(machine(mode).task(&[&["python3", "-B", "-u", &script], arguments].concat())).ok();
}

fn machine(mode: Mode) -> Host {
    let mut machine = Host::local(mode);
    machine.quiet = true;
    machine
}

macro_rules! on_both {
    ($($(#[$attribute:meta])*
       $name:ident: $run:ident($program:literal $(, $argument:literal)*);)*) => {
        mod kernel {
            $(#[test] fn $name() {
                super::$run(super::Mode::Kernel, $program, &[$($argument),*])
            })*
        }
        mod understudy {
            $($(#[$attribute])* #[test] fn $name() {
                super::$run(super::Mode::Understudy, $program, &[$($argument),*])
            })*
        }
    };
}

on_both! {
    a_thread_leaves_a_call_that_blocks: c("leave");
    a_handler_leaves_a_call_at_any_instruction: c("jump");
    a_handler_makes_the_call_that_it_interrupts: c("reenter", "calls");
    options_in_the_middle_of_options: c("reenter", "options");
    options_in_the_middle_of_connect: c("reenter", "connect");
    a_number_that_another_thread_reuses: c("numbers");
    two_threads_change_one_socket: c("updates");
    children_that_share_descriptors_or_memory: c("children");
    programs_under_seccomp: filtered("sandbox");
    chroot_without_proc: chroot("no_proc");
    // An allow-list of TCP ports means nothing to unix sockets.
    #[ignore = "docs/COMPATIBILITY.md: Landlock's rules for TCP ports are not applied"]
    landlock_allows_a_port: landlock("ports");
    // The other end is an abstract unix name of a process outside.
    #[ignore = "docs/COMPATIBILITY.md: Landlock's scope of abstract names cuts connections off"]
    landlock_scopes_unix_names: landlock("scope");
    same_file_copied: python("same_file", "a_copy_by_dup", "new");
    same_file_copied_bound: python("same_file", "a_copy_by_dup", "bound");
    same_file_copied_refused: python("same_file", "a_copy_by_dup", "refused");
    same_file_connected_by_a_child: python("same_file", "a_child_connects", "new");
    same_file_bound_connected_by_a_child: python("same_file", "a_child_connects", "bound");
    same_file_refused_connected_by_a_child: python("same_file", "a_child_connects", "refused");
    same_file_in_a_child: python("same_file", "a_child_holds_it", "new");
    same_file_bound_in_a_child: python("same_file", "a_child_holds_it", "bound");
    same_file_refused_in_a_child: python("same_file", "a_child_holds_it", "refused");
    same_file_sent: python("same_file", "a_copy_that_was_sent", "new");
    same_file_bound_sent: python("same_file", "a_copy_that_was_sent", "bound");
    same_file_refused_sent: python("same_file", "a_copy_that_was_sent", "refused");
    same_file_in_epoll: python("same_file", "epoll_in_another_process", "new");
    same_file_bound_in_epoll: python("same_file", "epoll_in_another_process", "bound");
    same_file_refused_in_epoll: python("same_file", "epoll_in_another_process", "refused");
    signals_of_a_socket: python("same_file", "signals_of_a_socket", "new");
    signals_of_a_bound_socket: python("same_file", "signals_of_a_socket", "bound");
    signals_of_a_refused_socket: python("same_file", "signals_of_a_socket", "refused");
    signals_of_a_socket_that_failed_late:
        python("same_file", "signals_of_a_socket", "refused without blocking");
    // A non-blocking connect that failed has connected its file to a dead end, to show POLLERR.
    #[ignore = "docs/COMPATIBILITY.md: a second attempt gets another file"]
    same_file_failed_late_copied:
        python("same_file", "a_copy_by_dup", "refused without blocking");
    #[ignore = "docs/COMPATIBILITY.md: a second attempt gets another file"]
    same_file_failed_late_connected_by_a_child:
        python("same_file", "a_child_connects", "refused without blocking");
    #[ignore = "docs/COMPATIBILITY.md: a second attempt gets another file"]
    same_file_failed_late_in_a_child:
        python("same_file", "a_child_holds_it", "refused without blocking");
    #[ignore = "docs/COMPATIBILITY.md: a second attempt gets another file"]
    same_file_failed_late_sent:
        python("same_file", "a_copy_that_was_sent", "refused without blocking");
    #[ignore = "docs/COMPATIBILITY.md: a second attempt gets another file"]
    same_file_failed_late_in_epoll:
        python("same_file", "epoll_in_another_process", "refused without blocking");
}

/// A C program that puts itself under filters.
fn filtered(mode: Mode, name: &str, arguments: &[&str]) {
    need_filters!();
    c(mode, name, arguments);
}

/// A script that needs root for chroot(2).
fn chroot(mode: Mode, name: &str, arguments: &[&str]) {
    if !need::root() {
        need::skip("root");
        return;
    }
    python(mode, name, arguments);
}

/// Where this kernel has Landlock.
fn landlock(mode: Mode, which: &str, _: &[&str]) {
    if !host::possible() {
        return;
    }
    let machine = machine(mode);
    let program = program(&machine, "landlock", &[]);
    let finished = run(machine.task(&[&program, which]));
    match finished.status.code() {
        Some(77) => need::skip("a kernel with Landlock, ABI 6"),
        _ => drop(finished.ok()),
    }
}

/// An engine inside a process that forks: there is none on the kernel.
fn embedded(which: &str) {
    c(Mode::Understudy, "embed_fork", &[which]);
}

#[test]
fn a_child_leaves_its_parents_engine_alone() {
    embedded("stop");
}

#[test]
fn a_child_starts_an_engine_when_its_parent_has_died() {
    embedded("orphan");
}
