//! What a call on a connection may use besides the connection.
use super::counters::Counters;
use super::reply::Replies;
use crate::base::Instant;
use crate::stack::tcp::TcpConfig;

/// What a connection may use of its surroundings during one call.
pub(crate) struct Cx<'a> {
    pub now: Instant,
    pub config: &'a TcpConfig,
    pub counters: &'a mut Counters,
    pub replies: &'a mut Replies,
}
