//! The harness of the tests that run real programs.
//!
//! A test makes one or more [`Host`]s. A host is a private network namespace, so that neither ports
//! nor abstract unix names of tests that run at the same time meet; it goes away with the test,
//! even if the test is killed. Programs on a host run on the kernel's sockets or on ours
//! ([`Mode`]); when the host is dropped it proves which of the two carried the traffic.
#![allow(dead_code, unused_imports)]

pub mod artifacts;
pub mod host;
pub mod need;
pub mod netns;
pub mod task;
pub mod wait;
pub mod wire;

pub use host::{Host, Mode};
pub use task::{Program, Task};
pub use wait::{LIMIT, wait_for};
