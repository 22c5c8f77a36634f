//! Socket objects: real unix sockets that say by their name and tag what they are.
//!
//! [`object`] is a descriptor that is known to be one; [`class`] guesses fast. A call of a program
//! comes in through `abi`, which hands it to the file here that has its name.
pub mod annex;
pub mod ask;
pub mod bind;
pub mod class;
pub mod conflict;
pub mod connect;
pub mod connect_local;
pub mod connect_wire;
pub mod create;
pub mod datagram;
mod datagram_bind;
mod datagram_options;
pub mod datagram_receive;
mod datagram_route;
pub mod datagram_send;
mod datagram_wants;
pub mod endpoint;
pub mod error_receive;
pub mod fast_open;
mod fast_open_key;
pub mod groups;
mod late;
pub mod listen;
pub mod marks;
pub mod names;
pub mod net_env;
pub mod object;
pub mod options;
mod options_rate;
mod options_table;
mod ping;
mod pktinfo;
pub mod queues;
pub mod registry;
pub mod replace;
mod send_options;
pub mod sockaddr;
pub mod stream;
pub mod stream_error;
pub mod tag;
mod tcp_info;
