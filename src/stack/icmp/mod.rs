//! ICMP and ICMPv6: echo answered here, errors sent here; `errors.rs` takes in the errors of
//! others.
//!
//! Errors are sent by the rules of RFC 1122 3.2.2 and RFC 4443 2.4: never about an error, a
//! multicast or broadcast packet (but for the parameter problems and sizes that RFC 4443 excepts),
//! a fragment that is not the first, or a source that is not one host; and not too many in a
//! second.
mod echo;
mod errors;
mod limit;
mod messages;
mod quote;
mod wanted;

pub(in crate::stack) use errors::Report;
pub(in crate::stack) use limit::{Problem, RateLimit};
pub use wanted::IcmpWanted;
