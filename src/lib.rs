//! Understudy: a user-space TCP/UDP/IP stack that stands in for the kernel's sockets.
//!
//! # The map
//!
//! | room | what is in it | may use |
//! |---|---|---|
//! | [`base`] | words everyone uses: time, seeded randomness, addresses, errors, limits | nothing |
//! | [`wire`] | bytes to typed headers and back; pure; never panics on input | `base` |
//! | [`stack`] | the protocol core, sans-IO: no system call, clock, thread | `base`, `wire` |
//! | [`host`] | the only door to the real kernel (raw system calls) | `base` |
//! | [`net`] | what a net is: its TOML file, addresses, routes, policy | `base` |
//! | [`link`] | where frames go: packet, tap, stream, memory; impair, capture | `base`, `wire`, `host` |
//! | [`protocol`] | the bytes between library and engine: names, requests, headers | `base` |
//! | [`sock`] | socket objects: connect, accept, datagrams, options | `base`, `host`, `net`, `protocol` |
//! | [`abi`] | `extern "C"`: one file per C header | `base`, `host`, `sock` (`net`, `engine` to embed it) |
//! | [`engine`] | the loop that joins links, stack and socket objects | all but `abi` |
//! | [`lab`] | the simulator, its experiments and pictures | `base`, `wire`, `stack`, `link` |
//!
//! Start reading at [`protocol::name`] (how a descriptor describes itself), then [`stack`].
#![deny(unsafe_code)]

pub mod abi;
pub mod base;
pub mod engine;
pub mod host;
pub mod lab;
pub mod link;
pub mod net;
pub mod protocol;
pub mod sock;
pub mod stack;
pub mod wire;
