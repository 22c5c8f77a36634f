//! What an engine is started with.
use crate::base::{Cidr, MacAddr, addr::IpAddr, time::Duration};
use crate::link::Link;
use crate::net::brief::Brief;
use crate::stack::tcp::TcpConfig;

/// One link of the net and its place in the stack.
pub struct EngineInterface {
    /// A name for messages, e.g. `eth0`.
    pub name: String,
    /// Where its frames go. Already open.
    pub link: Box<dyn Link>,
    /// Our addresses on it; each makes an on-link route to its prefix.
    pub addresses: Vec<Cidr>,
    /// Our Ethernet address; `None`: the link's, or else a random one (locally administered).
    pub mac: Option<MacAddr>,
    /// Largest IP packet, bytes; `None`: the link's.
    pub mtu: Option<u16>,
}

/// A route of the net beyond those that the addresses make.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EngineRoute {
    /// Destinations.
    pub prefix: Cidr,
    /// The gateway, or `None` when the destination is on the link.
    pub via: Option<IpAddr>,
    /// Index in [`EngineConfig::interfaces`].
    pub interface: usize,
    /// Lower is better.
    pub metric: u32,
}

/// Everything an engine needs. Nothing is read from files or the environment later.
pub struct EngineConfig {
    /// What programs are told of the net: name, id, addresses, routes, policy, users.
    pub brief: Brief,
    /// The links.
    pub interfaces: Vec<EngineInterface>,
    /// Further routes.
    pub routes: Vec<EngineRoute>,
    /// Defaults for new connections.
    pub tcp: TcpConfig,
    /// Answer ICMP echo requests.
    pub answer_echo: bool,
    /// Directory for `<name>.net` (`net::brief::runtime_dir`), made if it is not there; `None`:
    /// write none.
    pub runtime_dir: Option<String>,
    /// Raise the soft limit of open files to the hard one. For a process of its own only: a program
    /// that embeds an engine may use `select`.
    pub raise_file_limit: bool,
    /// How long bytes that were already written may take to arrive after a stop was asked for.
    pub linger: Duration,
}

impl EngineConfig {
    /// A net without links, with the defaults.
    pub fn new(brief: Brief) -> EngineConfig {
        EngineConfig {
            brief,
            interfaces: Vec::new(),
            routes: Vec::new(),
            tcp: TcpConfig::default(),
            answer_echo: true,
            runtime_dir: None,
            raise_file_limit: false,
            linger: Duration::from_secs(10),
        }
    }
}
