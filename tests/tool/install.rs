//! `install`, and then what a C programmer does.
use super::tool;
use std::path::Path;
use std::process::Command;

const PROGRAM: &str = "
#include <understudy.h>
#include <stdio.h>
#include <netinet/in.h>
#include <sys/socket.h>
int main(void) {
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || us_bind(fd, (struct sockaddr *)&a, len) || listen(fd, 1)) return 1;
    if (getsockname(fd, (struct sockaddr *)&a, &len)) return 2;
    printf(\"%s %d\\n\", us_version(), ntohs(a.sin_port) != 0);
    return 0;
}
";

fn compile(folder: &Path, pkg_config_path: &Path, sysroot: Option<&Path>) -> std::path::PathBuf {
    let source = folder.join("prog.c");
    std::fs::write(&source, PROGRAM).unwrap();
    let mut pkg_config = Command::new("pkg-config");
    pkg_config.args(["--cflags", "--libs", "understudy"]);
    pkg_config.env("PKG_CONFIG_PATH", pkg_config_path);
    if let Some(sysroot) = sysroot {
        pkg_config.env("PKG_CONFIG_SYSROOT_DIR", sysroot);
    }
    let flags = pkg_config.output().expect("pkg-config runs");
    assert!(flags.status.success(), "{flags:?}");
    let flags = String::from_utf8(flags.stdout).unwrap();
    let program = folder.join("prog");
    let mut cc = Command::new("cc");
    cc.args(["-std=c99", "-Wall", "-Werror", "-o"]).arg(&program).arg(&source);
    assert!(cc.args(flags.split_whitespace()).status().unwrap().success());
    program
}

#[test]
fn a_c_program_finds_everything() {
    crate::need!("cc", "pkg-config");
    let dir = tempfile::tempdir().unwrap();
    let prefix = dir.path().join("usr");
    let said = tool(&["install", "--prefix", prefix.to_str().unwrap()]);
    said.check(0, &["include/understudy.h", "lib/libunderstudy.so.0 ->", "pkg-config --cflags"]);
    let program = compile(dir.path(), &prefix.join("lib/pkgconfig"), None);
    let mut linked = Command::new(&program);
    // Cargo's would come before the program's own path.
    let ran = linked.env_remove("LD_LIBRARY_PATH").output().unwrap();
    let version = concat!(env!("CARGO_PKG_VERSION"), " 1\n");
    assert_eq!(String::from_utf8_lossy(&ran.stdout), version, "{ran:?}");
    // The soname is what was linked, so that a later version of the file is found.
    let readelf = Command::new("readelf").arg("-d").arg(&program).output().unwrap();
    assert!(String::from_utf8_lossy(&readelf.stdout).contains("[libunderstudy.so.0]"));
    // The installed tool finds the installed library.
    let mut run = Command::new(prefix.join("bin/understudy"));
    let show = ["run", "--", "sh", "-c", "echo $LD_PRELOAD"];
    let shown = super::Said::from(run.args(show).output().unwrap());
    shown.check(0, &["usr/lib/libunderstudy.so"]);
    // Again, over what is there.
    tool(&["install", "--prefix", prefix.to_str().unwrap()]).check(0, &["installed in"]);
}

/// Whether `part` is somewhere in `bytes`.
fn contains(bytes: &[u8], part: &str) -> bool {
    bytes.windows(part.len()).any(|window| window == part.as_bytes())
}

#[test]
fn symbols_are_beside_what_is_installed() {
    crate::need!("objcopy", "readelf");
    let dir = tempfile::tempdir().unwrap();
    let said = tool(&["install", "--prefix", dir.path().to_str().unwrap()]);
    said.check(0, &[".debug/understudy.debug"]);
    let library = concat!("libunderstudy.so.", env!("CARGO_PKG_VERSION"));
    // Sources of other crates, our own, and what both were built into.
    let home = std::env::var("HOME").unwrap_or("/root".into());
    let cargo = std::env::var("CARGO_HOME").unwrap_or(format!("{home}/.cargo"));
    let traces = [&format!("{cargo}/registry"), env!("CARGO_MANIFEST_DIR")];
    let sections = |path: &Path| {
        let output = Command::new("readelf").args(["--wide", "--sections"]).arg(path).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let engine = "libunderstudy_engine.so";
    let all = [("lib", library), ("lib/understudy", engine), ("bin", "understudy")];
    for (folder, name) in all {
        let path = dir.path().join(folder).join(name);
        let stripped = sections(&path);
        assert!(!stripped.contains(".symtab") && !stripped.contains(".debug_info"), "{stripped}");
        assert!(stripped.contains(".gnu_debuglink"), "{stripped}");
        let bytes = std::fs::read(&path).unwrap();
        for trace in traces {
            assert!(!contains(&bytes, trace), "{} names {trace}", path.display());
        }
        assert!(contains(&bytes, &format!("{name}.debug")), "the link names another file");
        let beside = dir.path().join(folder).join(".debug").join(format!("{name}.debug"));
        let symbols = sections(&beside);
        assert!(symbols.contains(".debug_line") && symbols.contains(".symtab"), "{symbols}");
    }
}

#[test]
fn packages_have_a_destdir() {
    crate::need!("cc", "pkg-config");
    let dir = tempfile::tempdir().unwrap();
    let dest = dir.path().join("dest");
    tool(&["install", "--prefix", "/opt/us", "--destdir", dest.to_str().unwrap()]).check(0, &[]);
    let pc = std::fs::read_to_string(dest.join("opt/us/lib/pkgconfig/understudy.pc")).unwrap();
    assert!(pc.starts_with("prefix=/opt/us\n"), "{pc}");
    let program = compile(dir.path(), &dest.join("opt/us/lib/pkgconfig"), Some(&dest));
    let mut ran = Command::new(program);
    ran.env("LD_LIBRARY_PATH", dest.join("opt/us/lib"));
    assert!(ran.output().unwrap().status.success());
}

#[test]
fn where_it_cannot_go() {
    tool(&["install", "--prefix", "usr"]).check(1, &["not an absolute path", "/usr/local"]);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("lib"), "in the way").unwrap();
    let said = tool(&["install", "--prefix", dir.path().to_str().unwrap()]);
    said.check(1, &["cannot be written"]);
}
