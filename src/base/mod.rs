//! Words that every room uses: time, addresses, errors, limits, seeded randomness.
pub(crate) mod addr;
pub mod congestion;
mod error;
mod fast_open;
pub(crate) mod frame;
pub mod limits;
pub(crate) mod rng;
pub(crate) mod tcp_modes;
pub(crate) mod time;

pub use addr::{Cidr, FourTuple, IpAddr, Ipv4Addr, Ipv6Addr, MacAddr, SocketAddr};
pub use error::NetError;
pub use fast_open::FastOpenKeys;
pub use frame::{Medium, Offload, RxChecksum, TxFrame, TxOffload};
pub use rng::{Rng, Secret};
pub use tcp_modes::{Ecn, MtuProbing, SynCookies};
pub use time::{Duration, Instant};
