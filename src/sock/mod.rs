//! Sockets of ours: real unix sockets that say by their names and flags what they are.
//!
//! | module | what | may use |
//! |---|---|---|
//! | [`descriptor`] | what a descriptor is: name, flags, state, extra state, hints | nothing here |
//! | [`net`] | the net that this process is in | nothing here |
//! | [`client`] | questions to the engine | the above |
//! | [`control_data`] | control messages | nothing here |
//! | [`replace`] | another file under the same number | the above |
//! | [`options`] | values of options, and what the engine is told of them | the above |
//! | [`bind`] | addresses and ports as names | the above |
//! | [`stream`] | TCP's calls | the above |
//! | [`datagram`] | UDP's and ICMP's calls | the above but `stream` |
//! | [`create`], [`names`], [`sockopt`], [`transfer`] | calls of every socket: `socket`, names, options, bytes | all |
//!
//! No module uses one further down (`tests/tidy.rs` forbids cycles). A call of a program comes in
//! through `abi`, which hands it to the module here that has its name; read [`descriptor`] first.
pub mod bind;
pub mod client;
pub mod control_data;
pub mod create;
pub mod datagram;
pub mod descriptor;
pub mod names;
pub mod net;
pub mod options;
pub mod replace;
pub mod sockopt;
pub mod stream;
pub mod transfer;
