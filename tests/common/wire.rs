//! Two hosts joined by a wire: ours, whose programs are in a net of Understudy (or on the kernel's
//! sockets, to see that a test asks for what Linux does), and a peer that is the kernel.
use super::host::{Host, Mode};
use super::netns::{Netns, wait_for_addresses};
use super::task::Program;
use super::{LIMIT, artifacts, need};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// Addresses of the two ends.
pub const OURS4: &str = "10.77.0.2";
/// See [`OURS4`].
pub const OURS6: &str = "fd77::2";
/// See [`OURS4`].
pub const PEER4: &str = "10.77.0.1";
/// See [`OURS4`].
pub const PEER6: &str = "fd77::1";

/// What a wire is made of.
pub struct Plan {
    /// Whose sockets the programs on our side use.
    pub mode: Mode,
    /// `packet` (a veth pair) or `tap`.
    pub device: Device,
    /// More lines for `[[link]]`: `delay = "5ms"`.
    pub link: String,
    /// More lines for the net: `loopback = "tcp"`.
    pub net: String,
    /// Lines for `[tcp]`.
    pub tcp: String,
}

/// How our side reaches the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Device {
    /// AF_PACKET on one end of a veth pair.
    Packet,
    /// A tap device; the kernel has its other side.
    Tap,
}

/// The two hosts.
pub struct Wire {
    /// Our side.
    pub ours: Host,
    /// The kernel.
    pub peer: Host,
    /// The engine of our side's net.
    pub engine: Option<Program>,
    toml: String,
}

impl Plan {
    /// A veth pair and nothing special.
    pub fn new(mode: Mode) -> Plan {
        let [link, net, tcp] = [const { String::new() }; 3];
        Plan { mode, device: Device::Packet, link, net, tcp }
    }

    /// Builds it.
    pub fn build(self) -> Wire {
        let (near, far) = match self.mode {
            Mode::Kernel => plain_pair(),
            Mode::Understudy => (Netns::new(), None),
        };
        let far = far.unwrap_or_else(|| near.beside());
        let (mut ours, mut peer) = (Host::on(near, self.mode), Host::on(far, Mode::Kernel));
        peer.quiet = true;
        ours.quiet = true;
        if self.mode == Mode::Kernel {
            return Wire { ours, peer, engine: None, toml: String::new() };
        }
        let name = unique_name();
        // An AF_PACKET link has a filter.
        let kind = if need::filters() { self.device } else { Device::Tap };
        let device = match kind {
            Device::Packet => {
                // The kernel must not speak on our end: no address of its own there.
                ours.netns.sh("echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6");
                ours.netns.sh("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
                ours.netns.veth("wire0", &peer.netns, "peer0");
                "packet:wire0"
            }
            Device::Tap => "tap:peer0",
        };
        let capture = ours.path("wire.pcapng");
        let toml = ours.file(
            "net.toml",
            format!(
                "name = \"{name}\"\naddresses = [\"{OURS4}/24\", \"{OURS6}/64\"]\n\
                 gateways = [\"{PEER4}\", \"{PEER6}\"]\n{net}\n\
                 [[link]]\ndevice = \"{device}\"\n{link}\n[ip]\ndad = false\n[tcp]\n{tcp}\n",
                net = self.net,
                link = self.link.replace("CAPTURE", capture.to_str().unwrap()),
                tcp = self.tcp,
            ),
        );
        ours.net = Some(name);
        let mut wire = Wire { ours, peer, engine: None, toml };
        wire.start_engine();
        if kind == Device::Tap {
            let far = wire.peer.netns.pid();
            wire.ours.netns.ip(&format!("link set peer0 netns {far}"));
            wire.peer.netns.ip("link set peer0 up");
        }
        address(&wire.peer.netns, "peer0", PEER4, PEER6);
        wire
    }
}

/// A net's name that no other test has.
pub fn unique_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

fn address(netns: &Netns, device: &str, v4: &str, v6: &str) {
    netns.ip(&format!("address add {v4}/24 dev {device}"));
    netns.ip(&format!("address add {v6}/64 dev {device} nodad"));
    wait_for_addresses(netns);
}

/// Two hosts of the kernel.
fn plain_pair() -> (std::sync::Arc<Netns>, Option<std::sync::Arc<Netns>>) {
    let near = Netns::new();
    let far = near.beside();
    near.veth("wire0", &far, "peer0");
    address(&near, "wire0", OURS4, OURS6);
    address(&far, "peer0", PEER4, PEER6);
    (near, Some(far))
}

impl Wire {
    /// A veth pair and nothing special.
    pub fn new(mode: Mode) -> Wire {
        Plan::new(mode).build()
    }

    /// Starts the engine of our side (again).
    pub fn start_engine(&mut self) {
        self.engine = Some(start_engine(&self.ours, &self.toml));
    }

    /// Kills the engine with -9.
    pub fn kill_engine(&mut self) {
        if let Some(mut engine) = self.engine.take() {
            engine.kill_group();
        }
    }

    /// Ends the engine in an orderly way, so that its capture is complete; where that is.
    pub fn end_engine(&mut self) -> PathBuf {
        let name = self.ours.net.clone().unwrap();
        let tool = artifacts::tool();
        self.ours.plain(&[tool.to_str().unwrap(), "down", &name]).ok();
        if let Some(engine) = self.engine.take() {
            engine.finish_within(LIMIT).ok();
        }
        self.ours.path("wire.pcapng")
    }
}

/// Starts the engine of the net in `toml` on `host` and waits until programs can reach it. It is
/// the process that `understudy up` starts, as a child of ours.
pub fn start_engine(host: &Host, toml: &str) -> Program {
    let tool = artifacts::tool();
    let mut text = std::fs::read(toml).unwrap();
    text.push(0);
    let engine = host.plain(&[tool.to_str().unwrap(), "engine", "--file", toml, "--stay"]);
    let mut engine = engine.input(text).start();
    engine.wait_until_it_says("ready\n");
    engine
}
