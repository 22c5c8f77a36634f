//! `doctor` on real binaries, and that `run` refuses what it refuses.
use super::{common, tool};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles C text; its path as text.
fn cc(folder: &Path, name: &str, text: &str, flags: &[&str]) -> String {
    let source = folder.join(format!("{name}.c"));
    std::fs::write(&source, text).unwrap();
    let program = folder.join(name);
    let status = Command::new("cc").arg("-o").arg(&program).arg(&source).args(flags).status();
    assert!(status.expect("cc runs").success());
    program.to_str().unwrap().into()
}

fn file(path: PathBuf, content: &[u8], mode: u32) -> String {
    std::fs::write(&path, content).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path.to_str().unwrap().into()
}

/// `doctor` says `parts` of this program and that it cannot work; `run` refuses with `code`.
#[track_caller]
fn refused(program: &str, code: i32, parts: &[&str]) {
    let said = tool(&["doctor", program]);
    said.check(1, parts);
    said.check(1, &["next: ", "cannot run on Understudy"]);
    tool(&["run", "--", program]).check(code, parts);
}

const MAIN: &str = "int main(void) { return 7; }";

#[test]
fn ordinary_programs_can_run() {
    let said = tool(&["doctor", "sh", "-c", "true"]);
    said.check(0, &["is a dynamically linked 64-bit", "net local", "sh can run"]);
}

#[test]
fn static_programs_cannot() {
    let dir = tempfile::tempdir().unwrap();
    let program = cc(dir.path(), "still", MAIN, &["-static"]);
    refused(&program, 126, &["statically linked", "without -static"]);
    let pie = cc(dir.path(), "pie", MAIN, &["-static-pie"]);
    refused(&pie, 126, &["statically linked"]);
    // Whoever wants it all the same gets it.
    assert_eq!(tool(&["run", "--anyway", "--", &program]).code, Some(7));
}

#[test]
fn other_machines_and_libraries_cannot() {
    let dir = tempfile::tempdir().unwrap();
    let program = cc(dir.path(), "plain", MAIN, &[]);
    let mut bytes = std::fs::read(&program).unwrap();
    // e_machine: RISC-V.
    bytes[18..20].copy_from_slice(&243u16.to_le_bytes());
    let riscv = file(dir.path().join("riscv"), &bytes, 0o755);
    refused(&riscv, 126, &["64-bit riscv64 program", "library's architecture"]);

    let loader = "-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1";
    let musl = cc(dir.path(), "musl", MAIN, &[loader]);
    refused(&musl, 126, &["another C library (/lib/ld-musl-x86_64.so.1)", "musl"]);

    let section = "__attribute__((section(\".go.buildinfo\"))) int build = 1;";
    let go = cc(dir.path(), "gopher", &format!("{section}\n{MAIN}"), &[]);
    refused(&go, 126, &["is a Go program", "makes system calls itself"]);
}

#[test]
fn scripts_are_followed() {
    let dir = tempfile::tempdir().unwrap();
    let still = cc(dir.path(), "still", MAIN, &["-static"]);
    let good = file(dir.path().join("good"), b"#!/usr/bin/env sh\nexit 3\n", 0o755);
    tool(&["doctor", &good]).check(0, &["is a script of sh", "dynamically linked"]);
    assert_eq!(tool(&["run", &good]).code, Some(3));
    let bad = file(dir.path().join("bad"), format!("#!{still}\n").as_bytes(), 0o755);
    refused(&bad, 126, &["statically linked"]);
    let gone = file(dir.path().join("gone"), b"#!/no/such/shell -x\n", 0o755);
    refused(&gone, 127, &["/no/such/shell: No such file"]);
    let plain = file(dir.path().join("plain"), b"echo hello\n", 0o755);
    refused(&plain, 126, &["neither an ELF program nor a script"]);
    let empty = file(dir.path().join("empty"), b"", 0o755);
    refused(&empty, 126, &["neither an ELF program nor a script"]);
    let own = dir.path().join("own");
    let own = file(own.clone(), format!("#!{}\n", own.display()).as_bytes(), 0o755);
    refused(&own, 126, &["too many scripts"]);
}

#[test]
fn what_cannot_be_executed() {
    let dir = tempfile::tempdir().unwrap();
    let text = file(dir.path().join("text"), b"hello", 0o644);
    refused(&text, 126, &["is not executable", "chmod +x"]);
    refused(dir.path().to_str().unwrap(), 126, &["is a directory"]);
    refused("no-such-program-at-all", 127, &["there is no program no-such-program-at-all in PATH"]);
    refused("/no/such/program", 127, &["/no/such/program: No such file"]);
}

#[test]
fn setuid_programs_cannot() {
    if !common::need::root() {
        common::need::skip("root");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let program = cc(dir.path(), "risen", MAIN, &[]);
    std::os::unix::fs::chown(&program, Some(65534), Some(65534)).unwrap();
    let mode = |mode| std::fs::set_permissions(&program, PermissionsExt::from_mode(mode)).unwrap();
    mode(0o4755);
    refused(&program, 126, &["is setuid: the loader ignores LD_PRELOAD", "run a copy"]);
    mode(0o2755);
    refused(&program, 126, &["is setgid"]);
    mode(0o755);
    tool(&["doctor", &program]).check(0, &["can run"]);
}

#[test]
fn nets_that_cannot_be() {
    let at = ["--addr", "10.0.0.2/24"];
    let doctor = |link: &str| tool(&["doctor", "--link", link, at[0], at[1], "sh"]);
    doctor("packet:us-none").check(1, &["no network interface us-none", "`ip link` lists them"]);
    doctor("stream:/no/such/socket").check(0, &["nobody has made the socket /no/such/socket"]);
    doctor("wifi:x").check(1, &["packet:IFNAME, tap:NAME"]);
    let said = tool(&["doctor", "--net", "no-such-net", "sh"]);
    said.check(1, &["no net named no-such-net is up", "understudy up FILE"]);
    tool(&["doctor", "--net", "/no/file.toml", "sh"]).check(1, &["/no/file.toml cannot be read"]);
}

#[test]
fn the_library_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let alone = dir.path().join("understudy");
    std::fs::copy(common::artifacts::tool(), &alone).unwrap();
    // A program that another thread is just starting may hold the new file open until its exec.
    let idle = || Command::new(&alone).arg("--version").output().is_ok();
    common::wait_for("the copy to be closed", idle);
    let run = |args: &[&str]| super::Said::from(Command::new(&alone).args(args).output().unwrap());
    let parts = ["is neither in", "cargo build --release"];
    run(&["doctor", "sh"]).check(1, &parts);
    run(&["run", "sh"]).check(125, &parts);
}
