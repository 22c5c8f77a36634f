//! The classic programs of a networking lecture: UDP on port 50000, TCP echo on port 50007. Each
//! way to write them meets each other way, on the kernel's sockets and on ours.
mod common;

use common::{Host, Mode, Task, artifacts};
use std::path::Path;
use std::process::Command;

/// How a program comes to its sockets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// Python, on the sockets of the host's mode.
    Python,
    /// C, not linked with us, on the sockets of the host's mode.
    C,
    /// The same C source, linked with `-lunderstudy`.
    Linked,
    /// Python that calls `us_socket`, ... through ctypes.
    Ctypes,
    /// Python that calls the library's `socket`, ... through ctypes.
    CtypesPlain,
}

/// The ways on the kernel's sockets, and those on ours.
const KERNEL: &[Way] = &[Way::Python, Way::C];
const OURS: &[Way] = &[Way::Python, Way::C, Way::Linked, Way::Ctypes, Way::CtypesPlain];

const ROLES: [&str; 4] = ["udp_server", "udp_client", "tcp_server", "tcp_client"];

/// Builds the C programs, without and with the library, with no change to the source.
fn build(host: &Host) {
    let sources = artifacts::root().join("c-examples");
    let library = artifacts::library();
    let folder = library.parent().unwrap().to_str().unwrap().to_owned();
    for role in ROLES {
        let source = sources.join(role).with_extension("c");
        let rpath = format!("-Wl,-rpath,{folder}");
        compile(&source, &host.path(role), &[]);
        let linked = host.path(&format!("{role}_linked"));
        compile(&source, &linked, &["-L", &folder, "-lunderstudy", &rpath]);
    }
}

fn compile(source: &Path, program: &Path, more: &[&str]) {
    let mut cc = Command::new("cc");
    cc.args(["-std=c99", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1"]);
    cc.arg(source).arg("-o").arg(program).args(more);
    assert!(cc.status().expect("cc runs").success(), "{} does not compile", source.display());
}

fn task(host: &Host, way: Way, role: &str) -> Task {
    let root = artifacts::root();
    let python = |path: String| host.task(&["python3", "-B", "-u", &path]);
    let library = artifacts::library().display().to_string();
    let script = root.join("tests/ctypes/sockets.py").display().to_string();
    let dashed = role.replace('_', "-");
    let ctypes = |names| {
        host.plain(&["python3", "-B", "-u", &script, &library, names, &dashed])
            .env("UNDERSTUDY_NET", "local")
    };
    match way {
        Way::Python => {
            python(root.join("tests/lecture").join(format!("{role}.py")).display().to_string())
        }
        Way::C => host.task(&[host.path(role).to_str().unwrap()]),
        Way::Linked => host.plain(&[host.path(&format!("{role}_linked")).to_str().unwrap()]),
        Way::Ctypes => ctypes("us"),
        Way::CtypesPlain => ctypes("plain"),
    }
}

fn every_pair(mode: Mode, test: fn(&Host, Way, Way)) {
    need!("cc", "python3");
    let host = Host::local(mode);
    build(&host);
    let ways = if mode == Mode::Kernel { KERNEL } else { OURS };
    for server in ways {
        for client in ways {
            test(&host, *server, *client);
        }
    }
}

fn udp(host: &Host, server: Way, client: Way) {
    let running = host.udp_server(task(host, server, "udp_server"), 50000);
    let answers = task(host, client, "udp_client").ok();
    let pair = format!("server {server:?}, client {client:?}");
    let expected = ["Hello", "world", "stop"]
        .map(|text| format!("Answer '{text}' from ('127.0.0.1', 50000)\n"));
    assert_eq!(answers, expected.concat(), "{pair}");
    let seen = running.finish().ok();
    let lines: Vec<_> = seen.lines().collect();
    assert_eq!(lines.len(), 3, "{pair}: {seen}");
    for (line, text) in lines.iter().zip(["Hello", "world", "stop"]) {
        let port = line.strip_prefix(&format!("Received '{text}' from ('127.0.0.1', "));
        let port = port.and_then(|rest| rest.strip_suffix(')')?.parse::<u16>().ok());
        assert!(port.is_some_and(|p| p >= 1024), "{pair}: {line}");
    }
}

fn tcp(host: &Host, server: Way, client: Way) {
    let running = host.tcp_server(task(host, server, "tcp_server"), 50007);
    let answer = task(host, client, "tcp_client").ok();
    let pair = format!("server {server:?}, client {client:?}");
    assert_eq!(answer, "Received 'Hello, world'\n", "{pair}");
    let seen = running.finish().ok();
    let port = seen.strip_prefix("Connected by ('127.0.0.1', ");
    let port = port.and_then(|rest| rest.strip_suffix(")\n")?.parse::<u16>().ok());
    assert!(port.is_some_and(|p| p >= 1024), "{pair}: {seen}");
}

#[test]
fn udp_on_the_kernel() {
    every_pair(Mode::Kernel, udp);
}

#[test]
fn udp_on_understudy() {
    every_pair(Mode::Understudy, udp);
}

#[test]
fn tcp_on_the_kernel() {
    every_pair(Mode::Kernel, tcp);
}

#[test]
fn tcp_on_understudy() {
    every_pair(Mode::Understudy, tcp);
}

/// Blocking and non-blocking, TCP and UDP, IPv4 and IPv6; the C library itself passes as well.
#[test]
fn all_calls_through_ctypes() {
    need!("python3");
    let script = artifacts::root().join("tests/ctypes/sockets.py").display().to_string();
    let calls = |mode, library: &str, names| {
        let host = Host::local(mode);
        let argv = ["python3", "-B", "-u", &script, library, names, "calls"];
        let task = host.plain(&argv).env("UNDERSTUDY_NET", "local");
        assert_eq!(task.ok(), "all calls behave\n");
    };
    let library = artifacts::library().display().to_string();
    calls(Mode::Understudy, &library, "us");
    calls(Mode::Understudy, &library, "plain");
    calls(Mode::Kernel, "libc.so.6", "plain");
}
