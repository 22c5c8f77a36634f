//! Private network namespaces, each held open by a process that ends with the test.
use super::wait::wait_for;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

/// A network namespace with `lo` up. It has no name in the file system, so nothing is left behind.
pub struct Netns {
    /// `cat`, reading a pipe of ours: when we are gone it ends, and the namespace with it.
    holder: Child,
}

/// How to make a namespace: one of users too, where we are not root.
pub fn unshare_flags() -> &'static [&'static str] {
    if super::need::root() { &["--net"] } else { &["--user", "--map-root-user", "--net"] }
}

impl Netns {
    /// A new one.
    pub fn new() -> Arc<Netns> {
        let mut command = Command::new("unshare");
        command.args(unshare_flags());
        Self::hold(command)
    }

    /// Another one in the same user namespace, so that a veth can join the two without privilege.
    pub fn beside(&self) -> Arc<Netns> {
        let argv = self.enter(&["unshare", "--net"]);
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]);
        Self::hold(command)
    }

    fn hold(mut command: Command) -> Arc<Netns> {
        command.args(["sh", "-c", "ip link set lo up && echo up && exec cat"]);
        let mut holder =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("unshare runs");
        let mut up = [0; 3];
        let out = holder.stdout.as_mut().unwrap();
        std::io::Read::read_exact(out, &mut up).expect("a network namespace with lo up");
        Arc::new(Netns { holder })
    }

    /// The process that holds it.
    pub fn pid(&self) -> u32 {
        self.holder.id()
    }

    /// `argv` to be run inside.
    pub fn enter(&self, argv: &[&str]) -> Vec<String> {
        let pid = self.pid().to_string();
        let mut all = vec!["nsenter", "--target", &pid, "--net"];
        if !super::need::root() {
            all.extend(["--user", "--preserve-credentials"]);
        }
        all.push("--");
        all.extend(argv);
        all.into_iter().map(str::to_owned).collect()
    }

    /// Runs `ip ARGS` inside.
    pub fn ip(&self, args: &str) {
        let argv = self.enter(&["ip"]);
        let status =
            Command::new(&argv[0]).args(&argv[1..]).args(args.split_whitespace()).status().unwrap();
        assert!(status.success(), "ip {args}: {status}");
    }

    /// Runs shell text inside, for what `ip` cannot do.
    pub fn sh(&self, text: &str) {
        let argv = self.enter(&["sh", "-c", text]);
        let status = Command::new(&argv[0]).args(&argv[1..]).status().unwrap();
        assert!(status.success(), "{text}: {status}");
    }

    /// Joins two namespaces by a veth pair: `name` here, `peer_name` there, both up.
    pub fn veth(&self, name: &str, peer: &Netns, peer_name: &str) {
        let netns = peer.pid();
        self.ip(&format!("link add {name} type veth peer name {peer_name} netns {netns}"));
        self.ip(&format!("link set {name} up"));
        peer.ip(&format!("link set {peer_name} up"));
    }

    /// The text of `/proc/net/FILE` inside.
    pub fn proc_net(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/net/{file}", self.pid())).unwrap_or_default()
    }

    /// One counter of the namespace's own TCP or UDP, from `/proc/net/snmp`.
    pub fn snmp(&self, protocol: &str, counter: &str) -> u64 {
        let text = self.proc_net("snmp");
        let prefix = format!("{protocol}: ");
        let mut rows = text.lines().filter_map(|line| line.strip_prefix(&prefix));
        let (names, values) = (rows.next().unwrap_or(""), rows.next().unwrap_or(""));
        let at = names.split(' ').position(|n| n == counter).expect("a counter of snmp");
        values.split(' ').nth(at).and_then(|v| v.parse().ok()).expect("its value")
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

/// Waits until the kernel side of a link has finished duplicate address detection.
pub fn wait_for_addresses(netns: &Netns) {
    wait_for("no tentative IPv6 address", || {
        // The fifth column has the flags; 0x40 is IFA_F_TENTATIVE.
        !netns.proc_net("if_inet6").lines().any(|line| {
            let flags = line.split_whitespace().nth(4).unwrap_or("0");
            u32::from_str_radix(flags, 16).unwrap_or(0) & 0x40 != 0
        })
    });
}
