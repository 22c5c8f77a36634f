//! A whole net, as its TOML file describes it, and what its programs must know of it (the brief).
//!
//! Reading the file is `file`'s work; this is what comes out: checked, with every address, gateway
//! and route at the link that it belongs to.
use super::brief::{Brief, BriefRoute, Loopback, Outside, Users, net_id};
use super::link_spec::LinkSpec;
use crate::base::addr::{IpAddr, Ipv4Addr, Ipv6Addr};
use crate::base::congestion;
pub(crate) use crate::base::tcp_modes::{Ecn, MtuProbing, SynCookies};
use crate::base::{Cidr, time::Duration};

/// A net.
#[derive(Clone, PartialEq, Debug)]
pub struct NetConfig {
    /// Its name: 1 to 32 of `A-Z a-z 0-9 _ -`.
    pub name: String,
    /// Addresses that belong to no link (only in a net without links).
    pub addresses: Vec<Cidr>,
    /// Where its frames go.
    pub links: Vec<LinkConfig>,
    /// Destinations that are neither local nor routed.
    pub outside: Outside,
    /// How its programs reach each other.
    pub loopback: Loopback,
    /// Who may be in it; `None`: root's nets are open to all, others to their owner and root.
    pub users: Option<Users>,
    /// Defaults of its TCP connections.
    pub tcp: TcpDefaults,
    /// What its links do by themselves.
    pub ip: IpDefaults,
}

/// A link, with the addresses that the net has on it.
#[derive(Clone, PartialEq, Debug)]
pub struct LinkConfig {
    /// What it is.
    pub spec: LinkSpec,
    /// The net's addresses there; each makes an on-link route to its prefix.
    pub addresses: Vec<Cidr>,
    /// Routes through it.
    pub routes: Vec<RouteConfig>,
    /// Lease an IPv4 address (DHCP).
    pub dhcp: bool,
    /// Make IPv6 addresses and routes of what routers advertise (SLAAC).
    pub slaac: bool,
}

/// The `[ip]` table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IpDefaults {
    /// Find out whether somebody has an address already before it is used.
    pub dad: bool,
    /// Follow ICMP redirects.
    pub redirects: bool,
}

impl Default for IpDefaults {
    fn default() -> IpDefaults {
        IpDefaults { dad: true, redirects: true }
    }
}

/// A route through a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RouteConfig {
    /// Destinations.
    pub to: Cidr,
    /// The router; `None`: the destinations are on the link.
    pub via: Option<IpAddr>,
}

/// The `[tcp]` table: what is not given is the stack's own default.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct TcpDefaults {
    /// Bytes that a connection holds until they are acknowledged.
    pub send_buffer: Option<usize>,
    /// Bytes that a connection holds until they are read.
    pub receive_buffer: Option<usize>,
    /// Repetitions of a SYN before `connect` gives up.
    pub syn_retries: Option<u8>,
    /// Repetitions of data before a connection gives up.
    pub retries: Option<u8>,
    /// Lower bound of the retransmission timeout.
    pub rto_min: Option<Duration>,
    /// Upper bound of the retransmission timeout.
    pub rto_max: Option<Duration>,
    /// Length of TIME-WAIT.
    pub time_wait: Option<Duration>,
    /// Longest wait in FIN-WAIT-2 for a peer that does not close.
    pub fin_wait2: Option<Duration>,
    /// Offer window scaling (RFC 7323).
    pub window_scaling: Option<bool>,
    /// Offer timestamps (RFC 7323).
    pub timestamps: Option<bool>,
    /// Offer selective acknowledgments (RFC 2018).
    pub sack: Option<bool>,
    /// Congestion control, by name.
    pub congestion: Option<String>,
    /// Pace every connection.
    pub pacing: Option<bool>,
    /// Who may ask for explicit congestion notification.
    pub ecn: Option<Ecn>,
    /// Repetitions of a SYN-ACK before a half-open connection is forgotten.
    pub synack_retries: Option<u8>,
    /// When SYN cookies are given.
    pub syn_cookies: Option<SynCookies>,
    /// Reset who connects to a program whose queue is full.
    pub abort_on_overflow: Option<bool>,
    /// Who may use fast open: the bits of Linux's `tcp_fastopen`.
    pub fast_open: Option<u32>,
    /// Connections without a program, at most.
    pub max_orphans: Option<u32>,
    /// Connections in TIME-WAIT, at most.
    pub max_time_wait: Option<u32>,
    /// Whether larger segments are tried without waiting for ICMP to speak.
    pub mtu_probing: Option<MtuProbing>,
    /// The initial congestion window, segments.
    pub initial_window: Option<u32>,
    /// The initial slow start threshold, bytes.
    pub initial_ssthresh: Option<u32>,
}

impl RouteConfig {
    /// The default route of the gateway's family.
    pub fn default_via(gateway: IpAddr) -> RouteConfig {
        let any: IpAddr = match gateway {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        RouteConfig { to: Cidr { address: any, prefix_len: 0 }, via: Some(gateway) }
    }
}

impl LinkConfig {
    /// Our address when we speak first by a route: the one in the router's prefix, else the first
    /// of the family (RFC 6724 rule 5 in spirit: the interface's own). `None`: none of the family.
    pub fn source_for(&self, route: &RouteConfig) -> Option<IpAddr> {
        let near = route.via.unwrap_or(route.to.address);
        let mine = || self.addresses.iter().filter(|a| a.address.is_ipv4() == near.is_ipv4());
        mine().find(|a| a.contains(near)).or_else(|| mine().next()).map(|a| a.address)
    }
}

impl NetConfig {
    /// A net of this name with nothing in it.
    pub fn new(name: &str) -> NetConfig {
        NetConfig {
            name: name.into(),
            addresses: Vec::new(),
            links: Vec::new(),
            outside: Outside::default(),
            loopback: Loopback::default(),
            users: None,
            tcp: TcpDefaults::default(),
            ip: IpDefaults::default(),
        }
    }

    /// Whether an engine must run for it; without one, its programs reach each other all the same.
    pub fn needs_engine(&self) -> bool {
        !self.links.is_empty() || self.loopback == Loopback::Tcp
    }

    /// What programs must know of the net when `uid` starts it.
    pub fn brief(&self, uid: u32) -> Brief {
        let mut addresses = self.addresses.clone();
        let mut routes = Vec::new();
        for link in &self.links {
            addresses.extend(&link.addresses);
            // The first link that routes a prefix is the one: equal prefixes keep their order.
            let on_link = link
                .addresses
                .iter()
                .map(|a| BriefRoute { prefix: a.network(), source: a.address });
            let routed = link.routes.iter().filter_map(|r| {
                Some(BriefRoute { prefix: r.to.network(), source: link.source_for(r)? })
            });
            routes.extend(on_link.chain(routed));
        }
        // Stable: longest prefix first, then the order of the file.
        routes.sort_by_key(|r| core::cmp::Reverse(r.prefix.prefix_len));
        let default_users = if uid == 0 { Users::Any } else { Users::Only(vec![uid]) };
        Brief {
            name: self.name.clone().into(),
            id: net_id(&self.name, uid),
            addresses,
            routes,
            outside: self.outside,
            loopback: self.loopback,
            users: self.users.clone().unwrap_or(default_users),
            congestion: self.tcp.congestion.as_deref().and_then(congestion::find),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::file::parse;
    use super::*;

    #[test]
    fn a_brief_says_what_a_program_needs() {
        let text = "name = 'web'\noutside = 'host'\naddresses = ['10.0.0.2/24', 'fd00::2/64']\n\
                    gateways = ['10.0.0.1', 'fd00::1']\n[[link]]\ndevice = 'packet:eth0'\n\
                    [[route]]\nto = '192.168.0.0/16'\nvia = '10.0.0.9'\n";
        let net = parse(text, "web.toml").unwrap();
        assert!(net.needs_engine());
        let brief = net.brief(1000);
        let id = net_id("web", 1000);
        assert_eq!(
            brief.to_string(),
            format!(
                "v1;name=web;id={id:08x};addr=10.0.0.2/24;addr=fd00::2/64;route=fd00::/64@fd00::2;\
                 route=10.0.0.0/24@10.0.0.2;route=192.168.0.0/16@10.0.0.2;route=0.0.0.0/0@10.0.0.2;\
                 route=::/0@fd00::2;outside=host;loopback=direct;users=1000"
            )
        );
        assert_eq!(brief.to_string().parse(), Ok(brief));
        assert_eq!(net.brief(0).users, Users::Any);
    }

    #[test]
    fn sources_are_in_the_routers_prefix() {
        let text = "name = 'two'\ngateways = ['10.2.0.1']\n[[link]]\ndevice = 'tap:a'\n\
                    addresses = ['10.1.0.2/24']\n[[link]]\ndevice = 'tap:b'\n\
                    addresses = ['10.9.0.1/24', '10.2.0.2/24']\n";
        let net = parse(text, "two.toml").unwrap();
        let default = RouteConfig::default_via("10.2.0.1".parse().unwrap());
        assert_eq!(net.links[1].routes, [default]);
        assert_eq!(net.links[1].source_for(&default), Some("10.2.0.2".parse().unwrap()));
        assert!(net.links[0].routes.is_empty());
    }

    #[test]
    fn a_net_without_links_needs_no_engine() {
        let net = parse("name = 'a'\naddresses = ['10.0.0.2/24']", "a.toml").unwrap();
        assert!(!net.needs_engine());
        assert_eq!(net.brief(5).addresses.len(), 1);
        assert!(net.brief(5).routes.is_empty());
        assert!(parse("name = 'a'\nloopback = 'tcp'", "a.toml").unwrap().needs_engine());
    }
}
