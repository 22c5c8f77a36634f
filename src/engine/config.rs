//! What an engine is started with.
use crate::base::{Cidr, MacAddr, addr::IpAddr, time::Duration};
use crate::link::{self, Link};
use crate::net::brief::Brief;
use crate::net::config::{NetConfig, TcpDefaults};
use crate::stack::InterfaceSettings;
use crate::stack::tcp::{FastOpenBits, TcpConfig};

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

/// What an interface does by itself; by default nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Autonomy {
    /// Of the stack.
    pub settings: InterfaceSettings,
    /// Lease an IPv4 address.
    pub dhcp: bool,
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
    /// What the links do by themselves, in their order; those that are not here do nothing.
    pub autonomy: Vec<Autonomy>,
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
            autonomy: Vec::new(),
            routes: Vec::new(),
            tcp: TcpConfig::default(),
            answer_echo: true,
            runtime_dir: None,
            raise_file_limit: false,
            linger: Duration::from_secs(10),
        }
    }
    /// The engine of `net` when `uid` starts it: opens its links.
    ///
    /// # Errors
    /// A link cannot be opened; the sentence says why.
    pub fn from_net(net: &NetConfig, uid: u32) -> std::io::Result<EngineConfig> {
        let mut config = EngineConfig::new(net.brief(uid));
        for (index, wanted) in net.links.iter().enumerate() {
            let link = link::open::open(&wanted.spec, &net.name, super::system::poller::now())?;
            config.interfaces.push(EngineInterface {
                name: format!("eth{index}"),
                link,
                addresses: wanted.addresses.clone(),
                mac: wanted.spec.mac,
                mtu: wanted.spec.mtu,
            });
            let host = InterfaceSettings::host();
            config.autonomy.push(Autonomy {
                settings: InterfaceSettings {
                    dad: net.ip.dad,
                    redirects: net.ip.redirects,
                    autoconf: wanted.slaac,
                    ..host
                },
                dhcp: wanted.dhcp,
            });
            config.routes.extend(wanted.routes.iter().map(|route| EngineRoute {
                prefix: route.to,
                via: route.via,
                interface: index,
                metric: 0,
            }));
        }
        config.tcp = tcp_config(&net.tcp);
        Ok(config)
    }
}

fn tcp_config(given: &TcpDefaults) -> TcpConfig {
    let own = TcpConfig::default();
    TcpConfig {
        send_buffer: given.send_buffer.unwrap_or(own.send_buffer),
        receive_buffer: given.receive_buffer.unwrap_or(own.receive_buffer),
        syn_retries: given.syn_retries.unwrap_or(own.syn_retries),
        retries: given.retries.unwrap_or(own.retries),
        rto_min: given.rto_min.unwrap_or(own.rto_min),
        rto_max: given.rto_max.unwrap_or(own.rto_max),
        time_wait: given.time_wait.unwrap_or(own.time_wait),
        fin_wait2: given.fin_wait2.unwrap_or(own.fin_wait2),
        window_scaling: given.window_scaling.unwrap_or(own.window_scaling),
        timestamps: given.timestamps.unwrap_or(own.timestamps),
        sack: given.sack.unwrap_or(own.sack),
        congestion: given.congestion.clone().unwrap_or(own.congestion),
        pacing: given.pacing.unwrap_or(own.pacing),
        ecn: given.ecn.unwrap_or(own.ecn),
        synack_retries: given.synack_retries.unwrap_or(own.synack_retries),
        syn_cookies: given.syn_cookies.unwrap_or(own.syn_cookies),
        abort_on_overflow: given.abort_on_overflow.unwrap_or(own.abort_on_overflow),
        fast_open: given.fast_open.map_or(own.fast_open, FastOpenBits),
        orphans: given.max_orphans.map_or(own.orphans, |n| n as usize),
        time_wait_max: given.max_time_wait.map_or(own.time_wait_max, |n| n as usize),
        mtu_probing: given.mtu_probing.unwrap_or(own.mtu_probing),
        initial_window: given.initial_window.unwrap_or(own.initial_window),
        initial_ssthresh: given.initial_ssthresh.unwrap_or(own.initial_ssthresh),
        ..own
    }
}
