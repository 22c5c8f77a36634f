//! Links that need no privilege: two nets joined by a unix stream, and passt.
use crate::common::netns::Netns;
use crate::common::wire::{start_engine, unique_name};
use crate::common::{Host, LIMIT, Mode, Program, wait_for};
use crate::{Said, assert_whole, need, need_filters, py};
use std::sync::Arc;

/// A host of ours in a net with one `stream` link; its engine.
fn net(netns: &Arc<Netns>, link: &str, address: &str, gateway: &str) -> (Host, Program) {
    let mut host = Host::on(netns.clone(), Mode::Understudy);
    host.quiet = true;
    let name = unique_name();
    let gateways =
        if gateway.is_empty() { String::new() } else { format!("gateways = [\"{gateway}\"]") };
    let toml = host.file(
        "net.toml",
        format!("name = \"{name}\"\naddresses = [\"{address}\"]\n{gateways}\n[[link]]\n{link}\n"),
    );
    host.net = Some(name);
    let engine = start_engine(&host, &toml);
    (host, engine)
}

#[test]
fn two_nets_over_a_bad_wire() {
    need!("python3");
    let netns = Netns::new();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("wire");
    let bad = "delay = \"20ms\"\nloss = \"2%\"\nreorder = \"1%\"\nduplicate = \"0.5%\"\n\
               corrupt = \"0.5%\"\nseed = 7";
    let left = format!("device = \"stream-listen:{}\"\n{bad}", socket.display());
    let right = format!("device = \"stream:{}\"", socket.display());
    let (left, _left_engine) = net(&netns, &left, "10.88.0.1/24", "");
    let (right, _right_engine) = net(&netns, &right, "10.88.0.2/24", "");
    let run = |host, role| py(host, "transfer.py", &[role, "10.88.0.1", "5000", "20"]);
    let listening = left.tcp_server(run(&left, "listen"), 5000);
    let connector = run(&right, "connect").within(LIMIT * 6).ok();
    let listener = listening.finish_within(LIMIT).ok();
    assert_whole(&Said { listener, connector }, 20);
}

#[test]
fn passt_reaches_the_host() {
    need!("passt", "curl", "python3");
    // passt puts itself under seccomp.
    need_filters!();
    let netns = Netns::new();
    let folder = tempfile::tempdir().unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder.path(), mode).unwrap();
    let socket = folder.path().join("passt");
    // The host: a web server on its own loopback, and passt in front of it.
    let mut outside = Host::on(netns.clone(), Mode::Kernel);
    outside.quiet = true;
    // passt wants an interface with a default route, even if all that it reaches is the loopback.
    netns.ip("link add out0 type veth peer name out1");
    netns.ip("link set out1 up");
    netns.ip("address add 192.0.2.2/24 dev out0");
    netns.ip("link set out0 up");
    netns.ip("route add default via 192.0.2.1");
    outside.file("page", "from the host's loopback\n");
    let _server =
        outside.tcp_server(outside.line("python3 -m http.server 8000 --bind 127.0.0.1"), 8000);
    let passt = format!(
        "passt --foreground --quiet --socket {} --ipv4-only --interface out0 --address 10.99.0.2 \
         --netmask 24 --gateway 10.99.0.1 --mtu 1500",
        socket.display()
    );
    let _passt = outside.line(&passt).start();
    wait_for("passt's socket", || socket.exists());
    let link = format!("device = \"stream:{}\"", socket.display());
    let (mut inside, _engine) = net(&netns, &link, "10.99.0.2/24", "10.99.0.1");
    let page = inside.line("curl -sS --fail http://10.99.0.1:8000/page").ok();
    assert_eq!(page, "from the host's loopback\n");
    // passt itself speaks through the kernel here: our own traffic is not to be told apart.
    inside.mode = Mode::Kernel;
}
