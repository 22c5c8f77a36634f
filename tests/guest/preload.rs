//! Other libraries that stand in for the same functions, before and behind us in `LD_PRELOAD`, and
//! programs that are built with the sanitizers of the compiler.
use crate::common::{Host, Mode, artifacts, host, need};
use crate::machine;
use crate::programs::{program, run, try_program};
use std::collections::BTreeMap;
use std::path::Path;

/// What an interposer has counted: calls of each function.
type Counts = BTreeMap<String, u64>;

/// Runs a program with these libraries preloaded, in this order.
fn preloaded(machine: &Host, libraries: &[&str], program: &str) -> crate::common::task::Finished {
    let preload = format!("LD_PRELOAD={}", libraries.join(":"));
    run(machine.plain(&["env", &preload, "UNDERSTUDY_NET=local", program]))
}

fn ours() -> String {
    artifacts::library().to_str().unwrap().into()
}

/// What `tests/guest/interpose.c` has counted in a run of `tests/guest/round.c`.
fn counts(before: &[&str], behind: &[&str], mode: Mode) -> Counts {
    let machine = machine(mode);
    let interposer = program(&machine, "interpose", &["-shared", "-fPIC"]);
    let round = program(&machine, "round", &[]);
    let all = [before, &[interposer.as_str()], behind].concat();
    let finished = preloaded(&machine, &all, &round);
    let said = finished.errors();
    assert!(finished.ok().contains("WORKS"));
    let lines = said.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(name, count)| (name.into(), count.parse().unwrap())).collect()
}

#[test]
fn an_interposer_before_us_sees_what_it_sees_on_the_kernel() {
    if !host::possible() {
        return;
    }
    let alone = counts(&[], &[], Mode::Kernel);
    assert!(alone["connect"] > 100 && alone.len() > 25, "{alone:?}");
    let mut seen = counts(&[], &[&ours()], Mode::Understudy);
    // The loader and libc close files of their own.
    for counts in [&mut seen, &mut alone.clone()] {
        counts.remove("close");
    }
    let differ: Vec<_> = seen.iter().filter(|(name, count)| alone[*name] != **count).collect();
    assert!(differ.is_empty(), "{differ:?} instead of {alone:?}");
}

#[test]
fn an_interposer_behind_us_sees_what_blocks_and_what_is_not_ours() {
    if !host::possible() {
        return;
    }
    let alone = counts(&[], &[], Mode::Kernel);
    let seen = counts(&[&ours()], &[], Mode::Understudy);
    println!("{seen:?}");
    // The calls that may block, however they are made.
    let sum = |counts: &Counts, names: &[&str]| names.iter().map(|n| counts[*n]).sum::<u64>();
    let accepts = ["accept", "accept4"];
    assert!(sum(&seen, &accepts) >= sum(&alone, &accepts), "{seen:?}");
    let receives = ["recv", "recvfrom", "recvmsg", "recvmmsg", "read", "readv"];
    assert!(sum(&seen, &receives) >= sum(&alone, &receives), "{seen:?}");
    assert!(seen["connect"] >= alone["connect"], "{seen:?}");
    // A send to a stream blocks, one of a datagram does not.
    assert!(seen["send"] >= 15 && seen["sendmsg"] >= 2, "{seen:?}");
    // On a pipe or a file, and of a unix socket.
    for name in ["write", "socket", "getsockname", "fcntl", "ioctl", "dup", "dup2", "dup3"] {
        assert!(seen[name] >= 1, "{name}: {seen:?}");
    }
    assert!(seen["close"] >= alone["close"] / 2, "{seen:?}");
}

/// A library of another project on either side.
fn beside(library: &str) {
    if !host::possible() {
        return;
    }
    if !Path::new(library).exists() {
        need::skip(library);
        return;
    }
    let machine = machine(Mode::Understudy);
    let round = program(&machine, "round", &[]);
    for libraries in [[library, &ours()], [&ours(), library]] {
        let said = preloaded(&machine, &libraries, &round).ok();
        assert!(said.contains("WORKS"), "{libraries:?}: {said}");
    }
}

#[test]
fn jemalloc() {
    beside("/usr/lib/x86_64-linux-gnu/libjemalloc.so.2");
}

#[test]
fn libfaketime() {
    beside("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1");
}

/// A program that is built with a sanitizer.
fn sanitized(kind: &str) {
    if !host::possible() {
        return;
    }
    for mode in [Mode::Kernel, Mode::Understudy] {
        let machine = machine(mode);
        let flag = format!("-fsanitize={kind}");
        let Ok(round) = try_program(&machine, "round", &[&flag]) else {
            need::skip(&format!("cc {flag}"));
            return;
        };
        let finished = run(machine.task(&[&round]));
        assert!(!finished.errors().contains("Sanitizer"), "{}", finished.errors());
        assert!(finished.ok().contains("WORKS"));
    }
}

#[test]
fn address_sanitizer() {
    sanitized("address");
}

#[test]
fn thread_sanitizer() {
    sanitized("thread");
}

#[test]
fn undefined_behaviour_sanitizer() {
    sanitized("undefined");
}

#[test]
fn leak_sanitizer() {
    sanitized("leak");
}
