//! Nets: what a virtual host is. `brief` is what a program under the preload must know of its net,
//! short enough for an environment variable; `config` is the whole net, `file` reads it from TOML.
pub(crate) mod brief;
pub(crate) mod config;
pub mod file;
mod given;
pub(crate) mod link_spec;
mod tcp_table;
mod units;
mod users;
mod wrong;

pub use brief::{
    Brief, BriefError, BriefRoute, Destination, LOCAL, Loopback, Outside, Users, brief_paths,
    is_net_name, net_id, runtime_dir,
};
pub use config::{IpDefaults, LinkConfig, NetConfig, RouteConfig, TcpDefaults};
pub use link_spec::{DEVICES, Device, Direction, ImpairSpec, KEYS, LinkSpec};
