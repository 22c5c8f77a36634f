//! Socket objects: real unix sockets that say by their name and tag what they are.
//!
//! [`object`] is a descriptor that is known to be one; [`class`] guesses fast. A call of a program
//! comes in through `abi`, which hands it to the file here that has its name.
pub mod annex;
pub mod ask;
pub mod class;
pub mod conflict;
pub mod control;
pub mod datagram;
pub mod errno;
pub mod name;
pub mod net_env;
pub mod object;
pub mod options;
pub mod registry;
pub mod sockaddr;
pub mod tag;
