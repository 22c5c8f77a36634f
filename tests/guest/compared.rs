//! Programs that print a line for each call: what it has shown on the kernel and on us is compared.
use crate::common::{Mode, host};
use crate::machine;
use crate::programs::{program, run};
use std::collections::BTreeMap;

/// What a program says of each call, by its title.
fn lines(mode: Mode, name: &str, arguments: &[&str]) -> BTreeMap<String, String> {
    let machine = machine(mode);
    let program = program(&machine, name, &[]);
    let text = run(machine.task(&[&[program.as_str()], arguments].concat())).ok();
    let line = |line: &str| {
        let (title, said) = line.split_once(' ').unwrap_or_else(|| panic!("{line}"));
        (title.to_owned(), said.to_owned())
    };
    let lines: BTreeMap<_, _> = text.lines().map(line).collect();
    assert!(lines.len() > 80, "{} calls", lines.len());
    lines
}

fn both(name: &str, arguments: &[&str]) -> [BTreeMap<String, String>; 2] {
    [Mode::Kernel, Mode::Understudy].map(|mode| lines(mode, name, arguments))
}

fn number(said: &str) -> i64 {
    said.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{said}"))
}

/// Bytes of stack that a call of ours takes beyond the kernel's, at most.
const STACK: i64 = 4096;

#[test]
fn every_call_fits_a_small_stack() {
    if !host::possible() {
        return;
    }
    let [kernel, ours] = both("stack", &[]);
    let mut table: Vec<(i64, &String)> =
        ours.iter().map(|(title, said)| (number(said) - number(&kernel[title]), title)).collect();
    table.sort_unstable();
    table.iter().rev().for_each(|(bytes, title)| println!("{bytes:6} {title}"));
    let deep: Vec<_> = table.iter().filter(|(bytes, _)| *bytes > STACK).collect();
    assert!(deep.is_empty(), "bytes of stack beyond the kernel's: {deep:?}");
}

/// What each call answers at a limit must be what Linux answers; but for the titles in `but`.
fn at_a_limit(limit: &str, but: &[&str]) {
    if !host::possible() {
        return;
    }
    let [kernel, ours] = both("limits", &[limit]);
    let differ: Vec<_> = kernel
        .iter()
        .filter(|(title, said)| ours.get(*title) != Some(said))
        .filter(|(title, _)| !but.contains(&title.as_str()))
        .map(|(title, said)| format!("{title}: {said}, on us {:?}", ours.get(title)))
        .collect();
    assert!(differ.is_empty(), "{differ:#?}");
}

#[test]
fn no_descriptor_is_left() {
    // Only a socket of the kernel's knows the host's interfaces, and none can be made.
    at_a_limit("none-left", &["ioctl_interface"]);
}

#[test]
fn one_descriptor_is_left() {
    at_a_limit("one-left", &[]);
}

#[test]
fn files_may_not_grow() {
    at_a_limit("no-growing-files", &[]);
}

/// System calls beyond the program's own, at most, with buffers on the stack; what is not here has
/// none. The first call on a descriptor asks what it is.
const BUDGETS: &[(&str, i64)] = &[
    ("socket_stream", 1),
    ("socket_datagram", 1),
    ("syscall_socket", 1),
    ("bind_stream", 2),
    ("bind_datagram", 2),
    // Those that have the port are looked for in the kernel's list.
    ("bind_stream_given", 9),
    ("bind_datagram_given", 9),
    ("bind_taken", 7),
    ("listen", 3),
    ("listen_unbound", 6),
    ("getsockname", 1),
    ("getsockname_datagram", 2),
    ("getpeername", 3),
    ("getpeername_datagram", 1),
    ("connect", 5),
    ("__connect", 5),
    ("connect_nonblocking", 5),
    ("connect_bound", 6),
    // The name says what was dialled first: what is dialled now is kept in the extra state.
    ("connect_again", 10),
    // Every name that may listen there is tried.
    ("connect_refused", 53),
    ("connect_nonblocking_refused", 67),
    ("connect_datagram", 6),
    ("accept", 3),
    ("accept_plain", 3),
    ("accept4", 3),
    ("sendto_first", 2),
    // What a datagram socket is connected to, and its options, are asked each time.
    ("send_datagram", 1),
    ("sendto_bound", 1),
    ("sendmsg_datagram", 1),
    ("sendmmsg_datagram", 1),
    ("write_datagram", 1),
    ("writev_datagram", 1),
    // The sender's address is the socket's business.
    ("recvfrom", 1),
    ("recvfrom_datagram", 1),
    ("__recvfrom_chk", 1),
    ("recvmsg", 1),
    ("recvmsg_datagram", 1),
    ("recvmmsg", 1),
    // One for each option that asks for some.
    ("recvmsg_control", 4),
    ("set_nodelay", 1),
    ("set_reuseaddr", 1),
    ("set_keepidle", 4),
    ("set_ttl", 4),
    ("set_pktinfo", 5),
    ("set_sndbuf", 7),
    ("get_error", 1),
    ("get_ttl", 1),
    ("get_info", 2),
    ("shutdown", 4),
    // What waits in the queue is ended.
    ("shutdown_listener", 3),
    // Not ours, and nothing is known of them yet.
    ("getsockname_unix", 2),
    ("send_unix", 2),
    ("sendmsg_unix", 2),
    ("recv_unix", 2),
    ("write_pipe", 1),
    ("write_file", 1),
    ("read_pipe", 1),
    ("read_file", 1),
    ("ioctl_interface", 3),
];

#[test]
fn system_calls_have_a_budget() {
    if !host::possible() {
        return;
    }
    let [kernel, ours] = both("economy", &[]);
    let mut over = Vec::new();
    for (title, said) in &ours {
        let beyond = number(said) - number(&kernel[title]);
        let budget = BUDGETS.iter().find(|(name, _)| name == title).map_or(0, |(_, n)| *n);
        println!("{title:28} beyond {beyond:3}, budget {budget:3}: {said}");
        if beyond > budget {
            over.push(format!("{title}: {beyond} beyond, {budget} allowed ({said})"));
        }
    }
    let unknown: Vec<_> = BUDGETS.iter().filter(|(name, _)| !ours.contains_key(*name)).collect();
    assert!(unknown.is_empty(), "budgets of no call: {unknown:?}");
    assert!(over.is_empty(), "{over:#?}");
}
