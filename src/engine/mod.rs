//! The engine: the loop that joins links, the stack and the programs' sockets.
//!
//! One thread, one epoll instance; it sleeps when there is nothing to do. Everything it waits for
//! is a descriptor or a deadline; it never blocks on any of them, and every queue has a limit.
//!
//! | file | what |
//! |---|---|
//! | `config` | what an engine is started with |
//! | `run` | the loop |
//! | `start` | doors, links and the stack at the beginning |
//! | `gateway`, `inbound`, `fast_open` | how connections begin, from either side |
//! | `session`, `relay` | a connection, and its bytes |
//! | `udp`, `parcels`, `datagram_errors` | datagrams, and ICMP's messages for programs |
//! | `listeners` | who listens |
//! | `addresses` | addresses that come and go |
//! | `control`, `options`, `info`, `snapshot`, `reasons` | what programs and the tool ask |
//! | `port` | a link |
//! | `embed` | an engine inside a program |
//! | `steps` | an engine that is driven step by step |
//! | `poller`, `timers`, `slab`, `unix`, `files` | tools |
mod addresses;
pub mod config;
mod control;
mod datagram_errors;
pub mod embed;
mod fast_open;
mod files;
mod gateway;
mod groups;
mod inbound;
mod info;
mod listeners;
mod options;
mod parcels;
mod poller;
mod port;
mod reasons;
mod relay;
mod run;
mod session;
mod slab;
pub mod snapshot;
mod start;
pub mod steps;
mod timers;
mod udp;
mod unix;

pub use addresses::Autonomy;
pub use config::{EngineConfig, EngineInterface, EngineRoute};
pub use start::{EngineError, Stop};

use crate::base::Instant;
use crate::base::frame::TxFrame;
use crate::base::rng::Secret;
use crate::net::brief::Brief;
use crate::protocol::name::NetId;
use crate::stack::Stack;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;

/// A net's engine, open and ready to [`run`](Engine::run).
pub struct Engine {
    /// Removed first when the engine ends, while the doors are still ours.
    brief_file: Option<files::BriefFile>,
    brief: Brief,
    /// The brief as it was configured; `brief` is what has become of it.
    given: Brief,
    /// [`Stack::changes`] when `brief` was made.
    changes: u64,
    runtime_dir: Option<String>,
    net: NetId,
    /// Our own user.
    uid: u32,
    secret: Secret,
    linger: crate::base::time::Duration,
    started: Instant,

    poller: poller::Poller,
    timers: timers::Timers,
    stop: Stop,
    /// Who takes the engine step by step, if somebody does.
    steps: Option<steps::Steps>,
    /// A stop was asked for: until when bytes already written may take to arrive.
    stopping: Option<Instant>,
    gateway: OwnedFd,
    /// The gateway of datagrams.
    parcels: OwnedFd,
    /// Tells sockets that are not connected of errors.
    alarm: OwnedFd,
    control: OwnedFd,
    accepting_paused: bool,

    stack: Stack,
    ports: Vec<port::Port>,
    /// The frame being sent; its buffer is reused.
    frame: TxFrame,

    sessions: session::Sessions,
    /// Sessions that have something to do.
    ready: VecDeque<slab::Key>,
    /// How many of them wait for room at their listeners.
    knocking: usize,
    listeners: listeners::Listeners,
    listeners_checked: Instant,
    listeners_check_set: bool,
    callers: slab::Slab<control::Caller>,
    proxies: udp::Proxies,
    groups: groups::Groups,
    reasons: reasons::Reasons,
    udp_errors: reasons::Reasons,
    wants: datagram_errors::DatagramWants,
    /// For bytes that are only passed through: requests, datagrams.
    scratch: Vec<u8>,
    /// How often the loop has turned.
    turns: u64,
}
