//! Socket objects: real unix sockets that say by their name and tag what they are.
pub mod control;
pub mod name;
pub mod tag;
