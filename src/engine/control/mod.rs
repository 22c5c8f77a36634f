//! The control channel: what programs and the tool ask of the engine.
//!
//! | file | what |
//! |---|---|
//! | `requests` | which user may make which request, and the answers |
//! | `connection` | questions about wire connections, and their options |
//! | `snapshot` | everything that `understudy ss` and `status` show |
mod connection;
mod requests;
pub mod snapshot;
