//! The engine: the loop that joins links, the stack and the programs' sockets.
pub mod config;

pub use config::{EngineConfig, EngineInterface, EngineRoute};
