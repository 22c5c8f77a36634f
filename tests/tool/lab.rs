//! `lab`: what is printed, what is written, and a recording of real programs.
use super::{Said, common, tool};
use std::path::Path;
use std::process::{Child, Command, Stdio};

#[test]
fn experiments_are_listed_and_explained() {
    tool(&["lab"]).check(0, &["handshake", "syn-flood", "pmtud", "lab record --help"]);
    let said = tool(&["lab", "reno", "--list"]);
    said.check(0, &["algorithms", "default: reno (", "default: 50 ms", "default: 10 Mb/s"]);
}

#[test]
fn wrong_wishes_are_named() {
    tool(&["lab", "warp"]).check(1, &["no experiment warp", "lab --list"]);
    tool(&["lab", "reno", "--set", "speed=3"]).check(1, &["no parameter speed", "reno --list"]);
    tool(&["lab", "reno", "--set", "rtt=fast"]).check(1, &["rtt: fast is not a number"]);
    tool(&["lab", "reno", "--absolute", "--relative"]).check(2, &["cannot be used with"]);
    tool(&["lab", "record", "--pcap", "/no/such"]).check(1, &["/no/such cannot be read"]);
    tool(&["lab", "record", "--", "true"]).check(1, &["no link", "--link SPEC"]);
}

/// Piped: no colours, and as wide as asked for.
#[test]
fn an_experiment_is_shown() {
    let mut command = Command::new(common::artifacts::tool());
    command.args(["lab", "transfer", "--absolute", "--set", "exchange=1000,-400,1000"]);
    let said = Said::from(command.env("COLUMNS", "90").output().unwrap());
    let acks = "acknowledgments that came to the client: 101 1101 2101";
    said.check(0, &["ACK seq 101 ack 501, 1000 bytes", "SYN-RECEIVED", acks, "What to see"]);
    assert!(!said.out.contains('\u{1b}'), "{said:?}");
    let ladder = said.out.lines().take_while(|line| !line.starts_with("Measured"));
    ladder.for_each(|line| assert!(line.chars().count() <= 90, "{line}"));
}

fn is_png(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|b| b.starts_with(b"\x89PNG\r\n\x1a\n") && b.len() > 5_000)
}

#[test]
fn pictures_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("new/pictures");
    let said = tool(&["lab", "slow-start", "--out", out.to_str().unwrap(), "--seed", "7"]);
    said.check(0, &["1, 2, 4, 8, 16, 32, 64", "wrote "]);
    for name in ["slow-start", "slow-start-ladder"] {
        let svg = std::fs::read_to_string(out.join(format!("{name}.svg"))).unwrap();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && svg.contains("<text"));
        assert!(is_png(&out.join(format!("{name}.png"))), "{name}");
    }
}

/// Ends its program with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.0),
            rustix::process::Signal::TERM,
        );
        let _ = self.0.wait();
    }
}

/// A page over a wire between two nets, fetched by curl: its ladder and its windows.
#[test]
fn a_real_connection_is_drawn() {
    crate::need!("python3", "curl");
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("page"), vec![b'x'; 300_000]).unwrap();
    let command = |args: &[&str]| {
        let mut command = Command::new(common::artifacts::tool());
        command.args(args).env("XDG_RUNTIME_DIR", dir.path()).current_dir(dir.path());
        command
    };
    let link = format!("stream-listen:{}", path("wire"));
    let serve = ["python3", "-u", "-m", "http.server", "8080"];
    let net = ["run", "--link", &link, "--addr", "10.0.0.1/24", "--"];
    let log = std::fs::File::create(path("log")).unwrap();
    let mut server = command(&[&net[..], &serve[..]].concat());
    let server = server.stdout(log).stderr(Stdio::null()).spawn().unwrap();
    let _server = Running(server);
    let said = || std::fs::read_to_string(path("log")).unwrap_or_default();
    common::wait_for("the server", || said().contains("Serving"));
    let link = format!("stream:{},delay=5ms", path("wire"));
    let out = path("pictures");
    let record = ["lab", "record", "--link", &link, "--addr", "10.0.0.2/24", "--out", &out, "--"];
    let fetch = ["curl", "-sS", "-o", "/dev/null", "http://10.0.0.1:8080/page"];
    let said = Said::from(command(&[&record[..], &fetch[..]].concat()).output().unwrap());
    let seen = ["10.0.0.2:", "10.0.0.1:8080", "ESTABLISHED", "SYN ACK seq 0 ack 1", "Connections"];
    said.check(0, &seen);
    said.check(0, &["to the client (kB)", "window (kB)", "round-trip time of the handshake: "]);
    for name in ["record-ladder", "record-time"] {
        assert!(is_png(&Path::new(&out).join(format!("{name}.png"))), "{name}");
    }
}
