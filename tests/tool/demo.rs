//! `demo`, as an ordinary user on a machine without a network.
use super::{Said, common, tool};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

#[test]
fn wrong_wishes() {
    tool(&["demo", "--size", "0"]).check(2, &["0 is not in 1..=1024"]);
    tool(&["demo", "--wire", "loss=200%"]).check(1, &["0% to 100%", "--wire delay=10ms"]);
    tool(&["demo", "--wire", "colour=red"]).check(1, &["no option \"colour\"", "delay, jitter"]);
    let mut bare = Command::new(common::artifacts::tool());
    let said = Said::from(bare.arg("demo").env("PATH", "/no/such/folder").output().unwrap());
    // Where nginx lies in /usr/sbin it is found all the same.
    said.check(1, &["the demo needs a web ", "apt install "]);
}

/// Copies tool and library to where everybody may read them.
fn copy_to(folder: &Path) -> std::path::PathBuf {
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
    let tool = folder.join("understudy");
    std::fs::copy(common::artifacts::tool(), &tool).unwrap();
    std::fs::copy(common::artifacts::library(), folder.join("libunderstudy.so")).unwrap();
    tool
}

fn demo(argv: &[&str], runtime: &Path) {
    let mut command = Command::new(argv[0]);
    command.args(&argv[1..]).env("XDG_RUNTIME_DIR", runtime);
    let said = Said::from(command.output().unwrap());
    let parts = ["Two hosts", "every byte as sent", "sent again", "congestion window"];
    said.check(0, &parts);
    said.check(0, &["to the client ", " frames, ", "the client's side  now in "]);
}

#[test]
fn real_programs_over_a_bad_wire() {
    crate::need!("nginx", "curl");
    let dir = tempfile::tempdir().unwrap();
    let tool = copy_to(dir.path());
    let tool = tool.to_str().unwrap();
    let wishes = ["demo", "--size", "1", "--wire", "delay=2ms,loss=1%,reorder=1%,duplicate=1%"];
    let unshare: Vec<&str> = if common::need::root() {
        let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        [&["unshare", "--net"], &nobody[..]].concat()
    } else {
        [&["unshare"], common::netns::unshare_flags()].concat()
    };
    let runtime = dir.path().join("run");
    std::fs::create_dir(&runtime).unwrap();
    if common::need::root() {
        std::os::unix::fs::chown(&runtime, Some(65534), Some(65534)).unwrap();
    }
    // Not even `lo` is up in there.
    demo(&[&unshare[..], &[tool], &wishes[..]].concat(), &runtime);
    let left = std::fs::read_dir(runtime.join("understudy")).into_iter().flatten().count();
    assert_eq!(left, 0, "the engines have left files behind");
}

#[test]
fn the_files_of_the_demo_go_away() {
    crate::need!("python3", "wget");
    for client in ["wget", "python3"] {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new(common::artifacts::tool());
        command.args(["demo", "--size", "1", "--wire", "delay=0ms", "--server", "python3"]);
        command.args(["--client", client]).env("TMPDIR", dir.path());
        let said = Said::from(command.output().unwrap());
        said.check(0, &[client, "python3 -m http.server", "every byte as sent"]);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
