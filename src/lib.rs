//! Understudy: a TCP/UDP/IP stack in user space that stands in for the kernel's sockets.
//!
//! The crate is two things. The shared library `libunderstudy.so` replaces the sockets of programs
//! that are loaded with it; the command `understudy` starts programs and networks of that kind.
//! Both are built with the default features. With `default-features = false` the crate is the
//! protocol core alone, for a Rust program that moves the frames itself:
//!
//! ```toml
//! [dependencies]
//! understudy = { path = "../understudy", default-features = false }
//! ```
//!
//! # The protocol core
//!
//! [`stack::Stack`] is one host: its interfaces, addresses, routes and neighbours, and its TCP and
//! UDP. It makes no system call, reads no clock and starts no thread. Its caller does that:
//!
//! | what the caller does | with |
//! |---|---|
//! | hands over each frame that arrived | [`Stack::frame_arrives`](stack::Stack::frame_arrives) |
//! | opens, listens, sends, receives, closes | [`Stack::tcp_connect`](stack::Stack::tcp_connect), [`Stack::udp_send`](stack::Stack::udp_send), [`Stack::tcp_mut`](stack::Stack::tcp_mut) |
//! | then takes the frames to send, until there is none | [`Stack::poll_transmit`](stack::Stack::poll_transmit) |
//! | then takes the events, until there is none | [`Stack::poll_event`](stack::Stack::poll_event) |
//! | sleeps until a frame arrives or this time comes | [`Stack::poll_timeout`](stack::Stack::poll_timeout) |
//! | and calls, when the time has come | [`Stack::handle_timeout`](stack::Stack::handle_timeout) |
//!
//! Every call that depends on time is given the time as a [`base::Instant`], which counts from
//! where the caller likes. So the same code runs in an engine, a simulator or a fuzzer.
//!
//! Two hosts on a wire, a connection, and five bytes:
//!
//! ```
//! use understudy::base::{FourTuple, Instant, MacAddr, Secret};
//! use understudy::stack::tcp::{State, TcpConfig, TcpOptions};
//! use understudy::stack::*;
//!
//! /// A host with one Ethernet interface. Seed and secret come from the system's entropy in a
//! /// program; here they are fixed, so that every run is the same.
//! fn host(number: u8) -> (Stack, IfIndex) {
//!     let secret = Secret::new([number; 16]);
//!     let tcp = TcpConfig::default();
//!     let mut stack = Stack::new(StackConfig { seed: 1, secret, tcp, answer_echo: true });
//!     let interface = stack.add_interface(Instant::ZERO, InterfaceConfig {
//!         name: "eth0".into(),
//!         medium: Medium::Ethernet,
//!         mac: MacAddr([2, 0, 0, 0, 0, number]),
//!         mtu: 1500,
//!         addresses: vec![format!("10.0.0.{number}/24").parse().unwrap()],
//!         offload: Offload::default(),
//!     });
//!     (stack, interface)
//! }
//!
//! /// The wire: carries frames in both directions until neither host has one to send.
//! fn exchange(now: Instant, hosts: &mut [(Stack, IfIndex); 2]) {
//!     let mut frame = TxFrame::default();
//!     let mut moved = true;
//!     while std::mem::take(&mut moved) {
//!         for from in 0..2 {
//!             while hosts[from].0.poll_transmit(now, &mut frame).is_some() {
//!                 let (stack, interface) = &mut hosts[1 - from];
//!                 stack.frame_arrives(now, *interface, &frame.bytes, RxChecksum::Unknown);
//!                 moved = true;
//!             }
//!         }
//!     }
//! }
//!
//! let now = Instant::from_millis(1);
//! let mut hosts = [host(1), host(2)];
//! let tuple = FourTuple {
//!     local: "10.0.0.1:49152".parse().unwrap(),
//!     remote: "10.0.0.2:80".parse().unwrap(),
//! };
//! hosts[1].0.tcp_mut().listen(tuple.remote, false, 16).unwrap();
//! let client = hosts[0].0.tcp_connect(now, tuple, TcpOptions::default()).unwrap();
//! // ARP, then SYN, SYN-ACK and ACK.
//! exchange(now, &mut hosts);
//! let Some(Event::TcpAccepted { conn: server, .. }) = hosts[1].0.poll_event() else { panic!() };
//! assert_eq!(hosts[0].0.tcp().status(client).unwrap().state, State::Established);
//!
//! assert_eq!(hosts[0].0.tcp_mut().send(now, client, b"hello"), Ok(5));
//! exchange(now, &mut hosts);
//! let mut buffer = [0; 16];
//! assert_eq!(hosts[1].0.tcp_mut().receive(now, server, &mut buffer), Ok(5));
//! assert_eq!(&buffer[..5], b"hello");
//! ```
//!
//! # The layers
//!
//! The crate is divided into rooms: modules that may use those below them only. A test,
//! `tests/tidy.rs`, keeps it so.
//!
//! | room | what is in it | may use | feature |
//! |---|---|---|---|
//! | [`base`] | times, addresses, errors, limits, seeded random numbers | nothing | |
//! | [`wire`] | bytes to typed headers and back; no input makes it panic | `base` | |
//! | [`stack`] | the protocol core: IPv4, IPv6, ARP, ND, ICMP, UDP, TCP | `base`, `wire` | |
//! | `host` | the system calls; nothing else in the library makes any | `base` | `library` |
//! | `net` | what a network is: the TOML file, addresses, routes, policies | `base` | `library` |
//! | `link` | where frames go: interface, TAP, unix socket, memory; faults; captures | `base`, `wire`, `host`, `net` | `library` |
//! | `protocol` | what library and engine say to each other: names, requests, headers | `base` | `library` |
//! | `sock` | what stands behind a program's descriptor | `base`, `host`, `net`, `protocol` | `library` |
//! | `abi` | the C functions, one file for each header | `base`, `host`, `net`, `sock` | `library` |
//! | `engine` | the loop that joins links, stack and sockets | all of these but `abi` | `library` |
//! | `lab` | the simulator, its experiments and pictures | `base`, `wire`, `stack`, `link` | `lab` |
//!
//! What a room offers to other crates is the list of `pub use` in its `mod.rs`, and the modules
//! that are public there.
//!
//! The command is behind the feature `tool`, which includes the other two. All three are on by
//! default.
#![deny(unsafe_code)]
#![warn(unreachable_pub)]
// Rooms that say `#[allow(unreachable_pub)]` have no such list yet.

#[cfg(feature = "library")]
#[allow(unreachable_pub)]
pub mod abi;
pub mod base;
#[cfg(feature = "library")]
#[allow(unreachable_pub)]
pub mod engine;
#[cfg(feature = "library")]
#[allow(unreachable_pub)]
pub mod host;
#[cfg(feature = "lab")]
pub mod lab;
#[cfg(feature = "library")]
pub mod link;
#[cfg(feature = "library")]
pub mod net;
#[cfg(feature = "library")]
#[allow(unreachable_pub)]
pub mod protocol;
#[cfg(feature = "library")]
#[allow(unreachable_pub)]
pub mod sock;
#[allow(unreachable_pub)]
pub mod stack;
pub mod wire;
