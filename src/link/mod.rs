//! Links: where a net's frames go. Each is opened by its own file; wrappers (`impair`, `capture`)
//! stand around any of them.
pub mod capture;
mod device;
pub mod finish;
pub mod impair;
mod info;
pub mod line;
mod mac;
pub mod memory;
pub mod open;
pub mod packet;
pub mod recorder;
pub mod stream;
pub mod tap;
mod vnet;

pub use crate::base::frame::{Medium, Offload, RxChecksum, TxFrame, TxOffload};
pub use device::{Link, RxFrame, Sent};
pub use info::LinkInfo;
use info::fail;
