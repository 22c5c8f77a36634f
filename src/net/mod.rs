//! Nets: what a virtual host is. `brief` is what a program under the preload must know of its net,
//! short enough for an environment variable; `config` is the whole net, `file` reads it from TOML.
pub mod brief;
pub mod config;
pub mod file;
mod given;
pub mod link_spec;
mod tcp_table;
pub mod units;
mod users;
mod wrong;
