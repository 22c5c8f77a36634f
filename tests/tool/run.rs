//! `run`: wrong arguments, the environment it makes, and the status it ends with.
use super::{common, tool};
use std::process::Command;

#[test]
fn wrong_arguments_are_named() {
    tool(&[]).check(2, &["Usage: understudy <COMMAND>"]);
    tool(&["frobnicate"]).check(2, &["unrecognized subcommand 'frobnicate'"]);
    tool(&["run"]).check(2, &["<CMD>..."]);
    tool(&["run", "--link", "tap:t", "--", "true"]).check(2, &["--addr <CIDR>"]);
    tool(&["run", "--outside", "moon", "--", "true"]).check(2, &["unreachable, host"]);
    tool(&["run", "--net", "x", "--addr", "10.0.0.2/8", "true"]).check(2, &["cannot be used with"]);
    tool(&["run", "--addr", "10.0.0.2", "--gateway", "10.0.0.1", "true"]).check(2, &["--link"]);
    tool(&["run", "--addr", "ten", "true"]).check(125, &["\"ten\" is not valid", "10.0.0.2/24"]);
    let link = ["run", "--link", "tap:t,loss=200%", "--addr", "10.0.0.2/24", "true"];
    tool(&link).check(125, &["0% to 100%", "next: "]);
    let lost = ["run", "--link", "tap:t", "--addr", "10.0.0.2/24", "--gateway", "10.1.0.1", "true"];
    tool(&lost).check(125, &["10.1.0.1 is not in the prefix", "10.0.0.2/24"]);
}

#[test]
fn a_wrong_file_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("web.toml");
    std::fs::write(&path, "name = \"web\"\noutsid = \"host\"\n").unwrap();
    let path = path.to_str().unwrap();
    let said = tool(&["run", "--net", path, "--", "true"]);
    said.check(125, &[&format!("{path}:2: unknown field `outsid`"), "`outside`", "^^^^^^"]);
}

#[test]
fn the_status_is_the_commands() {
    for status in [0, 1, 42, 255] {
        let script = format!("exit {status}");
        assert_eq!(tool(&["run", "--", "sh", "-c", &script]).code, Some(status));
    }
    use std::os::unix::process::ExitStatusExt;
    let mut killed = Command::new(common::artifacts::tool());
    killed.args(["run", "--", "sh", "-c", "kill -9 $$"]);
    assert_eq!(killed.status().unwrap().signal(), Some(9));
}

#[test]
fn the_command_gets_its_environment() {
    let show = "echo \"$LD_PRELOAD|$UNDERSTUDY_NET\"";
    let said = tool(&["run", "--", "sh", "-c", show]);
    said.check(0, &["libunderstudy.so|v1;name=local;id=00000000;"]);
    let mut more = Command::new(common::artifacts::tool());
    // `libc.so.6` is there already, so that preloading it changes nothing.
    let library = common::artifacts::library().canonicalize().unwrap();
    let before = format!("{}:libc.so.6", library.display());
    more.args(["run", "--", "sh", "-c", show]).env("LD_PRELOAD", before);
    let said = super::Said::from(more.output().unwrap());
    said.check(0, &["libunderstudy.so:libc.so.6|"]);
    assert_eq!(said.out.matches("libunderstudy.so").count(), 1, "{said:?}");
    // A net without links needs no engine; its addresses are known.
    let said = tool(&["run", "--addr", "10.0.0.2/24", "--outside", "host", "sh", "-c", show]);
    said.check(0, &["addr=10.0.0.2/24;outside=host"]);
}

#[test]
fn the_tool_runs_under_itself() {
    let me = common::artifacts::tool();
    let me = me.to_str().unwrap();
    let script = format!("'{me}' ss local --json && echo $LD_PRELOAD");
    let said = tool(&["run", "--", me, "run", "--loopback", "tcp", "--", "sh", "-c", &script]);
    said.check(0, &["libunderstudy.so\n"]);
    assert_eq!(said.out.matches("libunderstudy.so").count(), 1, "{said:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let me = common::artifacts::tool();
    let script = format!("'{}' doctor sh | true", me.display());
    let said = super::Said::from(Command::new("sh").args(["-c", &script]).output().unwrap());
    said.check(0, &[]);
    assert_eq!(said.err, "", "{said:?}");
}
