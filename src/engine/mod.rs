//! The engine: the loop that joins links, the stack and the programs' sockets.
//!
//! One thread, one epoll instance; it sleeps when there is nothing to do. Everything it waits for
//! is a descriptor or a deadline; it never blocks on any of them, and every queue has a limit.
//!
//! | room | what | may use |
//! |---|---|---|
//! | `config`, `error` | what an engine is started with, and why it does not start | |
//! | `system` | epoll, timers, unix sockets, tables | |
//! | `state` | what an engine consists of: [`Engine`], and its parts with their invariants | `system` |
//! | `connections` | wire connections, from their beginning to their end | `state` |
//! | `datagrams` | datagrams both ways, groups, and ICMP's messages for programs | `state` |
//! | `control` | what programs and the tool ask | all of these |
//! | `life` | start, loop, stop; an engine inside a program | all of these |
//!
//! Begin at `life/run`: what it calls leads to everything else.
pub mod config;
mod connections;
mod control;
mod datagrams;
mod error;
mod life;
mod state;
mod system;

pub use config::{Autonomy, EngineConfig, EngineInterface, EngineRoute};
pub use control::snapshot;
pub use error::EngineError;
pub use life::embed;
pub use state::Engine;
pub use state::lifetime::Stop;
pub use state::steps;
