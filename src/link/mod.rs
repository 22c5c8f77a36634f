//! Links: where a net's frames go. Each is opened by its own file; wrappers (`impair`, `capture`)
//! stand around any of them.
mod capture;
mod device;
pub mod finish;
mod impair;
mod info;
mod line;
mod mac;
pub mod memory;
pub(crate) mod open;
mod packet;
mod recorder;
mod stream;
mod tap;
mod vnet;

pub use crate::base::frame::{Medium, Offload, RxChecksum, TxFrame, TxOffload};
pub use capture::Capture;
pub use device::{Link, RxFrame, Sent};
pub use impair::Impair;
pub use info::LinkInfo;
use info::fail;
pub use open::open;
pub use packet::PacketLink;
pub use recorder::{Recorder, SinkId};
pub use stream::StreamLink;
pub use tap::TapLink;
