//! `up`, `down`, `status`, `ss`, `capture`: nets that stay, and what goes on in them.
//!
//! Names of nets have the test's process id in them: other tests run at the same time.
use super::{Said, common, tool};
use common::wait_for;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A net of its own for a test; down when this is dropped.
struct Net {
    name: String,
    dir: tempfile::TempDir,
}

impl Net {
    /// Up, with this text behind its name.
    fn up(role: &str, text: &str) -> Net {
        let dir = tempfile::tempdir().unwrap();
        let name = format!("t{}-{role}", std::process::id());
        let net = Net { name, dir };
        let file = net.write("net.toml", text);
        tool(&["up", &file]).check(0, &[&format!("net {} is up", net.name), "understudy run"]);
        net
    }

    fn write(&self, file: &str, text: &str) -> String {
        let path = self.dir.path().join(file);
        std::fs::write(&path, format!("name = \"{}\"\n{text}", self.name)).unwrap();
        path.to_str().unwrap().into()
    }

    fn status(&self) -> serde_json::Value {
        let said = tool(&["status", &self.name, "--json"]);
        said.check(0, &[]);
        serde_json::from_str(&said.out).unwrap()
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        tool(&["down", &self.name]);
    }
}

/// A child that is killed when this is dropped.
struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_is_not_there() {
    tool(&["up", "/no/such.toml"]).check(1, &["/no/such.toml cannot be read"]);
    tool(&["down", "no-such-net"]).check(1, &["no net named no-such-net", "understudy status"]);
    tool(&["status", "no-such-net"]).check(1, &["no net named no-such-net is up"]);
    tool(&["ss", "no-such-net"]).check(1, &["no net named no-such-net is up"]);
    tool(&["capture", "no-such-net"]).check(1, &["no net named no-such-net is up"]);
    tool(&["status", "local"]).check(1, &["the net local has no engine", "understudy ss"]);
    tool(&["ss", "-tuanpi"]).check(0, &[]);
    tool(&["ss", "-z"]).check(2, &["unexpected argument '-z'"]);
    let said = tool(&["ss", "local", "--json"]);
    said.check(0, &[]);
    assert!(serde_json::from_str::<serde_json::Value>(&said.out).unwrap().is_array());
}

#[test]
fn up_status_down() {
    let net = Net::up("life", "addresses = ['10.81.0.1/24']\nloopback = 'tcp'\n");
    let name = &net.name;
    tool(&["status"]).check(0, &[name, "10.81.0.1/24", "NET", "ENGINE"]);
    let status = net.status();
    assert_eq!(status["net"], name.as_str());
    tool(&["status", name]).check(0, &[&format!("net {name}: engine"), "10.81.0.1"]);
    // A second engine for the same net is refused, with the way out.
    let file = net.dir.path().join("net.toml");
    let again = tool(&["up", file.to_str().unwrap()]);
    again.check(1, &[&format!("net {name} already has an engine"), "understudy down"]);
    let joined = tool(&["run", "--net", name, "sh", "-c", "echo $UNDERSTUDY_NET"]);
    joined.check(0, &[&format!("v1;name={name};"), "addr=10.81.0.1/24", "loopback=tcp"]);
    tool(&["down", name]).check(0, &[&format!("net {name} is down")]);
    tool(&["down", name]).check(1, &["no net named"]);
    tool(&["run", "--net", name, "true"]).check(125, &["no net named", "understudy up FILE"]);
}

#[test]
fn a_killed_engine_is_noticed() {
    let net = Net::up("killed", "loopback = 'tcp'\n");
    let name = &net.name;
    let pid = net.status()["pid"].as_i64().unwrap() as i32;
    let id = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
    wait_for("the engine's end", || {
        let ended =
            |line: &str| line.starts_with(&format!("{name} ")) && line.contains("no engine");
        tool(&["status"]).out.lines().any(ended)
    });
    tool(&["status"]).check(0, &["start it again with `understudy up FILE`", name]);
    tool(&["run", "--net", name, "true"]).check(125, &["no engine is running for net"]);
    // It can simply be started again.
    let file = net.dir.path().join("net.toml");
    tool(&["up", file.to_str().unwrap()]).check(0, &["is up"]);
    let id = rustix::process::Pid::from_raw(net.status()["pid"].as_i64().unwrap() as i32);
    rustix::process::kill_process(id.unwrap(), rustix::process::Signal::KILL).unwrap();
    wait_for("the engine's end", || tool(&["run", "--net", name, "true"]).code == Some(125));
    tool(&["down", name]).check(0, &["had no engine any more"]);
}

/// The log of an engine lies on a disk that may be full.
#[test]
fn an_engine_outlives_a_log_that_cannot_be_written() {
    let name = format!("t{}-full", std::process::id());
    let mut engine = Command::new(common::artifacts::tool())
        .args(["engine", "--stay"])
        .env("UNDERSTUDY_LOG", "trace")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create("/dev/full").unwrap())
        .spawn()
        .unwrap();
    let text = format!("name = \"{name}\"\nloopback = \"tcp\"\n\0");
    std::io::Write::write_all(engine.stdin.as_mut().unwrap(), text.as_bytes()).unwrap();
    let mut said = String::new();
    BufReader::new(engine.stdout.take().unwrap()).read_line(&mut said).unwrap();
    let mut engine = Held(engine);
    assert_eq!(said, "ready\n");
    // It has said a lot by now; and answers.
    tool(&["status", &name]).check(0, &[&name]);
    assert!(engine.0.try_wait().unwrap().is_none(), "the engine has ended");
    tool(&["down", &name]).check(0, &[]);
}

#[test]
fn links_that_cannot_be_opened() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bad.toml");
    let text = "name = 'bad'\naddresses = ['10.81.0.1/24']\n[[link]]\ndevice = 'packet:us-none'\n";
    std::fs::write(&path, text).unwrap();
    tool(&["up", path.to_str().unwrap()]).check(1, &["us-none", "next: "]);
    let run = ["run", "--link", "packet:us-none", "--addr", "10.0.0.2/24", "--", "true"];
    tool(&run).check(125, &["us-none", "next: "]);
}

#[test]
fn run_ends_its_engine_and_has_the_commands_status() {
    let net = ["run", "--loopback", "tcp", "--"];
    let run = |script: &str| tool(&[&net[..], &["sh", "-c", script]].concat());
    run("exit 7").check(7, &[]);
    run("kill -9 $$").check(137, &[]);
    run("kill -TERM $$").check(143, &[]);
    let said = run("echo $UNDERSTUDY_NET");
    let name = said.out.split("name=").nth(1).and_then(|s| s.split(';').next()).unwrap().to_owned();
    assert!(name.starts_with("run-"), "{said:?}");
    tool(&["status", &name]).check(1, &["no net named"]);
    tool(&["run", "--loopback", "tcp", "/no/such/program"]).check(127, &["No such file"]);
}

#[test]
fn signals_reach_the_command() {
    let mut command = Command::new(common::artifacts::tool());
    // The shell says when its trap is set; `wait` lets it run at once.
    let script = "trap 'echo caught; kill $!; exit 9' TERM; sleep 60 & echo ready; wait; echo no";
    command.args(["run", "--loopback", "tcp", "--", "sh", "-c", script]);
    let mut child = Held(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    let id = rustix::process::Pid::from_child(&child.0);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "caught");
    let mut status = None;
    wait_for("the end of run", || {
        status = child.0.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(9));
}

/// A Python server and a client that stay connected, in this net.
fn conversation(net: &str, address: &str) -> (Held, Held) {
    let server = format!(
        "import socket, sys\ns = socket.create_server(('{address}', 8123))\n\
         print('on', flush=True)\nc, a = s.accept()\nc.sendall(b'hello')\nsys.stdin.read()"
    );
    let client = format!(
        "import socket, sys\ns = socket.create_connection(('{address}', 8123))\n\
         assert s.recv(5) == b'hello'\nprint('on', flush=True)\nsys.stdin.read()"
    );
    let start = |script: &str| {
        let mut command = Command::new(common::artifacts::tool());
        command.args(["run", "--net", net, "--", "python3", "-c", script]);
        let mut child = Held(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
        let mut line = String::new();
        BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "on\n");
        child
    };
    let server = start(&server);
    (server, start(&client))
}

fn rows(net: &str, more: &[&str]) -> Vec<serde_json::Value> {
    let said = tool(&[&["ss", net, "--json"], more].concat());
    said.check(0, &[]);
    serde_json::from_str(&said.out).unwrap()
}

#[test]
fn ss_shows_local_connections() {
    crate::need!("python3");
    let net = Net::up("ss", "addresses = ['10.81.1.1/24']\n");
    let (server, client) = conversation(&net.name, "10.81.1.1");
    let all = rows(&net.name, &[]);
    let state = |s: &str| all.iter().filter(|r| r["state"] == s).count();
    assert_eq!((state("LISTEN"), state("ESTAB"), all.len()), (1, 2, 3), "{all:#?}");
    for row in &all {
        assert_eq!((&row["net"], &row["protocol"]), (&net.name.as_str().into(), &"tcp".into()));
        assert_eq!(row["wire"], false);
        assert!(row["processes"][0]["name"].as_str().unwrap().starts_with("python"), "{row}");
    }
    let pids: Vec<u64> = [&server, &client].map(|h| u64::from(h.0.id())).to_vec();
    let client_row = all.iter().find(|r| r["remote"] == "10.81.1.1:8123").unwrap();
    assert_eq!(client_row["processes"][0]["pid"], pids[1]);
    assert_eq!(rows(&net.name, &["-l"]).len(), 1);
    assert_eq!(rows(&net.name, &["-t"]).len(), 3);
    assert_eq!(rows(&net.name, &["-u"]).len(), 0);
    let text = tool(&["ss", &net.name, "-tuanpi"]);
    text.check(0, &["LISTEN", "ESTAB", "10.81.1.1:8123", &format!("python3({},fd=", pids[1])]);
}

#[test]
fn ss_and_capture_show_wire_connections() {
    crate::need!("python3");
    let net = Net::up("wire", "addresses = ['10.81.2.1/24']\nloopback = 'tcp'\n");
    let (_server, _client) = conversation(&net.name, "10.81.2.1");
    let all = rows(&net.name, &[]);
    let established: Vec<_> = all.iter().filter(|r| r["state"] == "ESTAB").collect();
    assert_eq!(established.len(), 2, "{all:#?}");
    for row in established {
        assert_eq!(row["wire"], true);
        assert!(row["info"]["snd_cwnd"].as_u64().unwrap() > 0, "{row}");
        assert!(!row["processes"].as_array().unwrap().is_empty(), "{row}");
    }
    tool(&["ss", &net.name]).check(0, &["cwnd:", "rtt:", "retrans:0/0"]);
    tool(&["capture", &net.name]).check(1, &["has no link", "understudy ss"]);
}

#[test]
fn capture_shows_and_writes_frames() {
    crate::need!("python3");
    let dir = tempfile::tempdir().unwrap();
    let wire = dir.path().join("wire");
    let link = |kind: &str| format!("[[link]]\ndevice = \"{kind}:{}\"\n", wire.display());
    let one = Net::up("cap1", &format!("addresses=['10.81.3.1/24']\n{}", link("stream-listen")));
    let two = Net::up("cap2", &format!("addresses=['10.81.3.2/24']\n{}", link("stream")));
    let file = dir.path().join("frames.pcapng");
    let start = |args: &[&str]| {
        let mut command = Command::new(common::artifacts::tool());
        command.arg("capture").args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Held(command.spawn().unwrap());
        // From this line on nothing is missed.
        let mut said = BufReader::new(child.0.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert!(line.starts_with("capturing net "), "{line}");
        (child, said)
    };
    // The first of the frames that come may be those by which hosts begin on an IPv6 link.
    let (mut live, _said) = start(&["-c", "16", &one.name]);
    let (writing, _said2) = start(&["-w", file.to_str().unwrap(), &two.name]);
    let server = "import socket\ns = socket.create_server(('10.81.3.1', 80))\n\
                  print('on', flush=True)\nfor _ in range(4):\n c, a = s.accept()\n \
                  c.sendall(b'hello')\n c.recv(1)";
    let mut command = Command::new(common::artifacts::tool());
    command.args(["run", "--net", &one.name, "python3", "-c", server]).stdout(Stdio::piped());
    let mut server = Held(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let client = "import socket\nfor _ in range(4):\n \
                  with socket.create_connection(('10.81.3.1', 80)) as s:\n  \
                  assert s.recv(5) == b'hello'";
    tool(&["run", "--net", &two.name, "python3", "-c", client]).check(0, &[]);
    let mut text = String::new();
    std::io::Read::read_to_string(live.0.stdout.as_mut().unwrap(), &mut text).unwrap();
    assert_eq!(text.lines().count(), 16, "{text}");
    assert!(text.contains("arp who has 10.81.3.1?"), "{text}");
    assert!(text.contains("> 10.81.3.1:80 tcp SYN seq 0 "), "{text}");
    assert!(text.contains("tcp SYN,ACK seq 0 ack 1 "), "{text}");
    wait_for("frames in the file", || file.metadata().is_ok_and(|m| m.len() > 500));
    let id = rustix::process::Pid::from_child(&writing.0);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let mut writing = writing;
    wait_for("the end of capture", || writing.0.try_wait().unwrap().is_some());
    assert_eq!(writing.0.wait().unwrap().code(), Some(0));
    let bytes = std::fs::read(&file).unwrap();
    assert!(bytes.len() > 500 && bytes.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]), "{}", bytes.len());
}

#[test]
fn nets_of_a_command_are_seen_while_it_runs() {
    let mut command = Command::new(common::artifacts::tool());
    let script = "echo $UNDERSTUDY_NET; read x";
    command.args(["run", "--loopback", "tcp", "--", "sh", "-c", script]);
    let mut child = Held(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let name = line.split("name=").nth(1).and_then(|s| s.split(';').next()).unwrap();
    tool(&["status", name]).check(0, &[&format!("net {name}: engine")]);
    drop(child.0.stdin.take());
    child.0.wait().unwrap();
    let gone: Said = tool(&["status", name]);
    gone.check(1, &["no net named"]);
}

#[test]
fn a_net_in_another_namespace_is_left_alone() {
    let net = Net::up("apart", "loopback = 'tcp'\n");
    let apart = |args: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(common::netns::unshare_flags()).arg(common::artifacts::tool()).args(args);
        Said::from(command.output().unwrap())
    };
    if !common::need::root() {
        // In a user namespace of its own the runtime directory is another one.
        return;
    }
    apart(&["status"]).check(0, &[&net.name, "in another netns"]);
    let said = apart(&["down", &net.name]);
    said.check(1, &["is up, but in another network namespace", "nsenter"]);
    apart(&["run", "--net", &net.name, "true"]).check(125, &["in another network namespace"]);
    tool(&["status", &net.name]).check(0, &[]);
}
