//! A network of real [`crate::stack::Stack`]s in virtual time.
//!
//! A [`World`] holds places: hosts (a stack and its programs) and routers. Places are joined by
//! links; each direction of a link has its own rate, delay, queue and faults ([`LinkSpec`]). All
//! random choices come from one seed, so the same seed gives the same run, byte for byte.
//!
//! ```
//! use understudy::lab::sim::*;
//! use std::time::Duration;
//! let mut world = World::new(1, Medium::Ip);
//! let (a, b) = (world.add_host(HostSpec::named("a")), world.add_host(HostSpec::named("b")));
//! world.join(a, b, &LinkSpec { delay: Duration::from_millis(10), ..LinkSpec::default() });
//! world.serve(b, 80, Plan::closing());
//! let client = world.connect(a, b, 80, Duration::ZERO, Plan::sending(5_000));
//! world.run_for(Duration::from_secs(5));
//! let server = world.accepted(b, 80).expect("the connection came");
//! assert_eq!(world.progress(server).received, 5_000);
//! assert!(world.progress(client).eof);
//! ```
//!
//! | file | what |
//! |---|---|
//! | `place`, `world`, `run` | places and links; the loop |
//! | `host`, `program` | a stack with what runs on it |
//! | `link`, `loss` | rate, delay, queue, marks, faults |
//! | `packet`, `router` | what a router does to a packet; packets decoded |
//! | `record` | what happened: packets, states, samples |
mod host;
mod link;
mod loss;
mod packet;
mod place;
mod program;
mod record;
mod router;
mod run;
mod world;

pub use crate::stack::Medium;
pub use host::{Host, HostSpec, UdpPlan};
pub use link::{Fate, LinkSpec, Mark, QueueLimit};
pub use loss::Loss;
pub use packet::{View, What};
pub use place::Place;
pub use program::{End, Plan, Progress, Reader, When, Write};
pub use record::{Packet, QueueSample, Record, Sample, StateChange};
pub use world::{ProgramId, World};
