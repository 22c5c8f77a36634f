//! Words that every room uses: time, addresses, errors, limits, seeded randomness.
pub mod addr;
pub mod congestion;
pub mod error;
pub mod fast_open;
pub mod frame;
pub mod limits;
pub mod rng;
pub mod tcp_modes;
pub mod time;

pub use addr::{Cidr, FourTuple, MacAddr};
pub use error::NetError;
pub use fast_open::FastOpenKeys;
pub use rng::Rng;
pub use time::Instant;
