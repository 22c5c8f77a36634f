//! Better first hops by destination, as routers have told them: see `redirect.rs`.
use crate::base::Instant;
use crate::base::addr::IpAddr;
use crate::base::limits::REDIRECTS;
use crate::base::time::Duration;
use crate::stack::route::Hop;
use std::collections::BTreeMap;

/// Linux forgets one after five minutes without use (ip_rt_gc_timeout); we after ten in all.
const LIFE: Duration = Duration::from_secs(600);

/// Better hops by destination.
#[derive(Clone, Debug, Default)]
pub(in crate::stack) struct Redirects(BTreeMap<IpAddr, (Hop, Instant)>);

impl Redirects {
    /// The better hop to `dst`.
    pub fn get(&self, dst: IpAddr) -> Option<Hop> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&dst).map(|(hop, _)| *hop)
    }
    pub(super) fn set(&mut self, now: Instant, dst: IpAddr, hop: Hop) {
        if self.0.len() >= REDIRECTS && !self.0.contains_key(&dst) {
            let oldest = self.0.iter().min_by_key(|(_, (_, until))| *until).map(|(ip, _)| *ip);
            oldest.and_then(|ip| self.0.remove(&ip));
        }
        self.0.insert(dst, (hop, now + LIFE));
    }
    /// When something is to be forgotten.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.values().map(|(_, until)| *until).min()
    }
    /// Forgets what is too old.
    pub fn expire(&mut self, now: Instant) {
        self.0.retain(|_, (_, until)| *until > now);
    }
    /// A hop does not answer: back to the routers (RFC 4861 7.3.3, RFC 1122 3.3.1.4).
    pub fn forget_hop(&mut self, next: IpAddr) {
        self.0.retain(|_, (hop, _)| hop.next != next);
    }
    /// `next` is no router: what others are reached by goes back to the routers (RFC 4861 7.2.5).
    pub fn forget_router(&mut self, next: IpAddr) {
        self.0.retain(|dst, (hop, _)| hop.next != next || *dst == next);
    }
}
