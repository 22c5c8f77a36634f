//! What socket calls mean: each script of this folder runs on the kernel's sockets, which shows
//! that it asserts what Linux does, and on ours, which must do the same. `through_tcp` runs in a
//! net whose local connections go through the engine.
#[path = "../common/mod.rs"]
mod common;

use common::{Host, Mode, host, wire};

/// Runs one script; its output is in the failure.
fn script(name: &str, mode: Mode) {
    if !host::possible() {
        return;
    }
    let mut machine = Host::local(mode);
    machine.quiet = true;
    run(&machine, name);
}

/// Runs one script in a net with `loopback = "tcp"`.
fn script_through_tcp(name: &str) {
    if !host::possible() {
        return;
    }
    let mut machine = Host::local(Mode::Understudy);
    machine.quiet = true;
    let net = wire::unique_name();
    let toml = machine.file("net.toml", format!("name = \"{net}\"\nloopback = \"tcp\"\n"));
    machine.net = Some(net);
    let _engine = wire::start_engine(&machine, &toml);
    run(&machine, name);
}

fn run(machine: &Host, name: &str) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/semantics");
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

#[test]
fn kernel_through_tcp() {
    script("through_tcp", Mode::Kernel);
}

#[test]
fn understudy_through_tcp() {
    script_through_tcp("through_tcp");
}
