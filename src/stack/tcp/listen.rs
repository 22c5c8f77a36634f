//! Listeners, and SEGMENT ARRIVES in LISTEN (RFC 9293 3.10.7.2).
use super::counters::Count;
use super::table::Keyed;
use crate::base::{addr::*, limits::TCP_SYN_QUEUE};
use std::collections::HashMap;

/// Fewest half-open connections that a listener may have: a backlog is about accepted ones, and
/// several clients that connect at once must not wait for a lost SYN's timeout.
const SYN_QUEUE_MIN: usize = 128;

/// Which listener: its address, and whether an IPv6 wildcard takes IPv4 as well.
pub(super) type ListenerKey = (SocketAddr, bool);

#[derive(Debug)]
struct Listener {
    /// Most half-open connections.
    limit: usize,
    half_open: usize,
}

/// All listeners.
#[derive(Debug)]
pub(super) struct Listeners(HashMap<ListenerKey, Listener, Keyed>);

impl Listeners {
    pub fn new(keyed: Keyed) -> Listeners {
        Listeners(HashMap::with_hasher(keyed))
    }

    pub fn insert(&mut self, key: ListenerKey, backlog: usize) {
        let limit = backlog.clamp(SYN_QUEUE_MIN, TCP_SYN_QUEUE);
        self.0.entry(key).or_insert(Listener { limit, half_open: 0 }).limit = limit;
    }

    pub fn remove(&mut self, key: &ListenerKey) -> bool {
        self.0.remove(key).is_some()
    }

    pub fn keys(&self) -> impl Iterator<Item = ListenerKey> {
        self.0.keys().copied()
    }

    /// Who listens there: the specific address before the wildcard, IPv6's dual wildcard last.
    pub fn find(&self, local: SocketAddr) -> Option<ListenerKey> {
        let port = local.port();
        let any4 = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
        let any6 = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port);
        let mapped = match local.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        let mapped = SocketAddr::new(IpAddr::V6(mapped), port);
        let specific = [(local, false), (local, true), (mapped, false), (mapped, true)];
        let wildcard = if local.is_ipv4() {
            [(any4, false), (any6, true)]
        } else {
            [(any6, false), (any6, true)]
        };
        let mut candidates = specific.into_iter().chain(wildcard);
        candidates.find(|key| self.0.contains_key(key))
    }

    /// Room in the SYN queue; counts the new one.
    pub fn admit(&mut self, key: &ListenerKey) -> Result<(), Count> {
        let listener = self.0.get_mut(key).ok_or(Count::NoConnection)?;
        if listener.half_open >= listener.limit {
            return Err(Count::SynQueueFull);
        }
        listener.half_open += 1;
        Ok(())
    }

    /// One is no longer half-open.
    pub fn leave(&mut self, key: &ListenerKey) {
        if let Some(listener) = self.0.get_mut(key) {
            listener.half_open = listener.half_open.saturating_sub(1);
        }
    }
}
