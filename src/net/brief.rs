//! What a program must know of its net, as one line of text: the value of `UNDERSTUDY_NET`.
//!
//! ```text
//! v1;name=web;id=1a2b3c4d;addr=10.0.0.2/24;addr=fd00::2/64;route=0.0.0.0/0@10.0.0.2;outside=unreachable;loopback=direct;users=any
//! ```
//!
//! An unset variable, or `local`, is the net `local`: loopback only, id 0. Any other word is the name
//! of a running net; its brief is read from `<runtime dir>/<name>.net` (see [`runtime_dir`]).
use crate::base::{Cidr, addr::IpAddr};

/// What happens to destinations that are neither local nor routed through a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outside {
    /// `ENETUNREACH`.
    #[default]
    Unreachable,
    /// The host's own network: the descriptor becomes a kernel socket.
    Host,
}

/// How programs of one net reach each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Loopback {
    /// Unix sockets connected to each other.
    #[default]
    Direct,
    /// Through the engine and its own TCP.
    Tcp,
}

/// Who may be in the net.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Users {
    /// Everyone (the default of a net that root started).
    Any,
    /// These uids, and root.
    Only(Vec<u32>),
    /// The net `local`: two sides may talk if they have one uid, or if the listening side or the
    /// connecting side is root.
    SameOrRoot,
}

/// A route as a program sees it: which destinations leave by a link, and with which source address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BriefRoute {
    /// Destinations.
    pub prefix: Cidr,
    /// Our address when we speak to them first.
    pub source: IpAddr,
}

/// What a program must know of its net.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Brief {
    /// The net's name.
    pub name: String,
    /// The net's id in socket names; 0 for `local`.
    pub id: u32,
    /// The net's own addresses (loopback excluded: always there).
    pub addresses: Vec<Cidr>,
    /// Destinations that go to the engine, longest prefix first.
    pub routes: Vec<BriefRoute>,
    /// All others.
    pub outside: Outside,
    /// Local destinations.
    pub loopback: Loopback,
    /// Who may be in it.
    pub users: Users,
}

impl Brief {
    /// The net that is there when none is named.
    pub fn local() -> Brief {
        Brief {
            name: "local".into(),
            id: 0,
            addresses: Vec::new(),
            routes: Vec::new(),
            outside: Outside::Unreachable,
            loopback: Loopback::Direct,
            users: Users::SameOrRoot,
        }
    }
}
