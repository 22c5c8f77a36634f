//! Nets: what a virtual host is. `brief` is what a program under the preload must know of its net,
//! short enough for an environment variable; `config` is the whole TOML file.
pub mod brief;
pub mod link_spec;
