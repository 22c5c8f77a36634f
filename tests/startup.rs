//! What a program pays for the library before its first line: system calls, counted.
#[path = "common/mod.rs"]
mod common;

use std::path::Path;
use std::process::Command;

/// System calls that a program makes at most because it is loaded with the library: `openat`,
/// `read`, `fstat`, three `mmap`, `mprotect`, `close`.
const BUDGET: i64 = 8;
/// The same for one that allocates no memory: the library does at its start, and the allocator's
/// first use is three calls.
const BUDGET_WITHOUT_MEMORY: i64 = BUDGET + 3;

/// How many calls a program makes with `library` loaded in front; `None`: they cannot be counted
/// here.
fn calls(counter: &Path, library: &str, program: &[&str]) -> Option<i64> {
    let mut command = Command::new(counter);
    // Cargo's folders would all be searched for the C library.
    command.arg(library).args(program).env_remove("LD_LIBRARY_PATH");
    let output = command.output().unwrap();
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
    let library = common::artifacts::library();
    let programs: [(&[&str], i64); 2] =
        [(&["sh", "-c", ":"], BUDGET), (&["true"], BUDGET_WITHOUT_MEMORY)];
    for (program, budget) in programs {
        let Some(without) = calls(&counter, "", program) else {
            return common::need::skip("ptrace");
        };
        let with = calls(&counter, library.to_str().unwrap(), program).unwrap();
        let said = format!("{program:?}: {without} calls without the library, {with} with it");
        assert!(without > 10, "too few for a program of its own: {said}");
        assert!(with > without, "the library was not loaded: {said}");
        assert!(with - without <= budget, "{said}, {budget} more are allowed");
    }
}
