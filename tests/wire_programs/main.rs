//! Real programs across a wire: one side on our own TCP, UDP and IP, the other on the kernel's.
//!
//! Where a test asks for socket semantics it runs a second time with the kernel on both sides, so
//! that what it asks for is known to be what Linux does.
#[path = "../common/mod.rs"]
mod common;

use common::wire::{OURS4, OURS6, PEER4, PEER6, Wire};
use common::{Host, Task, artifacts};

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

mod addresses;
mod captures;
mod congestion;
mod crash;
mod data;
mod echo;
mod errors;
mod flow;
mod groups;
mod iperf;
mod messages;
mod opening;
mod peers;
mod streams;
mod tap;
mod urgent;
mod web;

/// Who listens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Listener {
    Ours,
    Peer,
}

/// The two ends of a script's run: what the listening and the connecting program wrote.
struct Said {
    listener: String,
    connector: String,
}

/// Runs a script of `tests/programs/` on both hosts, and waits for both ends.
fn both_ends(wire: &Wire, who: Listener, v6: bool, script: &str, args: &[&str]) -> Said {
    let (server, client) = match who {
        Listener::Ours => (&wire.ours, &wire.peer),
        Listener::Peer => (&wire.peer, &wire.ours),
    };
    let address = match (who, v6) {
        (Listener::Ours, false) => OURS4,
        (Listener::Ours, true) => OURS6,
        (Listener::Peer, false) => PEER4,
        (Listener::Peer, true) => PEER6,
    };
    let run = |host, role| py(host, script, &[&[role, address, "5000"], args].concat());
    let listening = server.tcp_server(run(server, "listen"), 5000);
    let connector = run(client, "connect").within(common::LIMIT * 8).ok();
    let listener = listening.finish_within(common::LIMIT).ok();
    Said { listener, connector }
}

/// A Python script of `tests/programs/`.
fn py(host: &Host, script: &str, args: &[&str]) -> Task {
    let path = artifacts::root().join("tests/programs").join(script);
    host.task(&[&["python3", "-u", path.to_str().unwrap()], args].concat())
}

/// Asserts that what each end of `transfer.py` sent is what the other got, and that it is this
/// much.
fn assert_whole(said: &Said, megabytes: usize) {
    let line = |text: &str, word: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(word));
        line.unwrap_or_else(|| panic!("no {word}in {text:?}")).to_owned()
    };
    assert_eq!(line(&said.listener, "sent "), line(&said.connector, "got "));
    assert_eq!(line(&said.connector, "sent "), line(&said.listener, "got "));
    let length = format!(" {}", megabytes << 20);
    assert!(said.connector.lines().all(|line| line.ends_with(&length)), "{}", said.connector);
}
