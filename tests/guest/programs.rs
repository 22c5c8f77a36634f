//! Compiling and running the programs of this folder.
use crate::common::task::Finished;
use crate::common::{Host, Task};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long a program may take. Some are stopped after each of their instructions.
const LIMIT: Duration = Duration::from_secs(300);

/// This folder.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guest")
}

/// Compiles a program of this folder into that of a machine; its path.
pub fn program(machine: &Host, name: &str, flags: &[&str]) -> String {
    try_program(machine, name, flags).unwrap_or_else(|said| panic!("{name}.c: {said}"))
}

/// The same; what the compiler said if it failed.
pub fn try_program(machine: &Host, name: &str, flags: &[&str]) -> Result<String, String> {
    let path = machine.path(name);
    let done = Command::new("cc")
        .args(["-O1", "-g", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-pthread"])
        // Functions are looked up when the program starts: not in its small stacks.
        .args(["-Wl,-z,now", "-o"])
        .args([&path, &folder().join(name).with_extension("c")])
        .args(flags)
        .output()
        .expect("cc runs");
    match done.status.success() {
        true => Ok(path.to_str().unwrap().into()),
        false => Err(String::from_utf8_lossy(&done.stderr).into()),
    }
}

/// Runs it to its end.
pub fn run(task: Task) -> Finished {
    task.within(LIMIT).finish()
}
