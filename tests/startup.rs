//! What a program pays for the library before its first line: system calls, counted.
#[path = "common/mod.rs"]
mod common;

use std::path::Path;
use std::process::Command;

/// System calls that a program makes at most because it is loaded with the library: `openat`,
/// `read`, `fstat`, three `mmap`, `mprotect`, `close`.
const BUDGET: i64 = 8;

/// How many calls `true` makes with `library` loaded in front; `None`: they cannot be counted here.
fn calls(counter: &Path, library: &str) -> Option<i64> {
    let output = Command::new(counter).args([library, "true"]).output().unwrap();
    if output.status.code() == Some(77) {
        return None;
    }
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8_lossy(&output.stdout).trim().parse().unwrap())
}

#[test]
fn the_library_costs_few_system_calls() {
    need!("cc");
    let dir = tempfile::tempdir().unwrap();
    let counter = common::artifacts::c_program("count_calls", dir.path());
    let Some(without) = calls(&counter, "") else {
        return common::need::skip("ptrace");
    };
    let library = common::artifacts::library();
    let with = calls(&counter, library.to_str().unwrap()).unwrap();
    assert!(without > 10, "{without} system calls are too few for a program of their own");
    assert!(with > without, "the library was not loaded: {without} calls without, {with} with it");
    assert!(with - without <= BUDGET, "{without} calls without the library, {with} with it");
}
