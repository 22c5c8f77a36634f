//! Addresses that come and go while the engine runs: tested, leased, made of advertisements. What
//! programs are told of the net (the brief) follows them.
use super::poller::now;
use super::{Engine, files};
use crate::base::addr::IpAddr;
use crate::base::time::Duration;
use crate::net::brief::{Brief, BriefRoute};
use crate::stack::{IfIndex, InterfaceSettings, Stack};

/// Addresses or routes that a brief carries.
const LIST_MAX: usize = 64;
/// How long the first programs wait for addresses that are still being tested, for a router, for a
/// lease: the longest that each takes when all is well.
const PATIENCE_DAD: Duration = Duration::from_secs(3);
const PATIENCE_SLAAC: Duration = Duration::from_secs(6);
const PATIENCE_DHCP: Duration = Duration::from_secs(20);

/// What an interface does by itself; by default nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Autonomy {
    /// Of the stack.
    pub settings: InterfaceSettings,
    /// Lease an IPv4 address.
    pub dhcp: bool,
}

impl Engine {
    /// Works, before anybody is told that the net is there, until its addresses are.
    pub(super) fn settle(&mut self, autonomy: &[Autonomy]) {
        let start = now();
        let mut patience = Duration::ZERO;
        for own in autonomy {
            let waits = [
                (own.settings.dad, PATIENCE_DAD),
                (own.settings.autoconf, PATIENCE_SLAAC),
                (own.dhcp, PATIENCE_DHCP),
            ];
            for (_, time) in waits.into_iter().filter(|(wanted, _)| *wanted) {
                patience = patience.max(time);
            }
        }
        let until = start + patience;
        let mut events = Vec::with_capacity(16);
        let mut time = start;
        while time < until
            && self.stopping.is_none()
            && !self.is_settled(time >= start + PATIENCE_SLAAC)
        {
            let deadline = self.turn(time).min(until);
            if self.poller.wait(now(), deadline, &mut events).is_err() {
                break;
            }
            time = now();
            for (token, flags) in events.drain(..) {
                self.dispatch(time, token, flags);
            }
        }
        if !self.stack.leases_settled() {
            tracing::warn!(net = %self.brief.name, "no DHCP server has answered yet");
        }
        for (interface, ip) in self.stack.duplicates() {
            tracing::warn!(?interface, %ip, "another host has this address");
        }
    }

    fn is_settled(&self, enough_of_routers: bool) -> bool {
        let routers = enough_of_routers
            || self.ports.iter().all(|port| self.stack.router_settled(port.interface));
        self.stack.addresses_settled() && self.stack.leases_settled() && routers
    }

    /// Makes the brief what the stack has now, if that has changed.
    pub(super) fn follow_addresses(&mut self) {
        if self.stack.changes() == self.changes {
            return;
        }
        self.changes = self.stack.changes();
        let links: Vec<IfIndex> = self.ports.iter().map(|port| port.interface).collect();
        let brief = brief_of(&self.given, &self.stack, &links);
        if brief == self.brief {
            return;
        }
        tracing::info!(%brief, "the net's addresses have changed");
        self.brief = brief;
        if self.brief_file.is_some() {
            self.write_brief();
        }
    }

    /// Writes the brief where programs look for it.
    pub(super) fn write_brief(&mut self) {
        let Some(dir) = &self.runtime_dir else { return };
        match files::BriefFile::write(dir, &self.brief) {
            Ok(file) => {
                // The old one has the same path: it must not be removed with its value.
                if let Some(old) = self.brief_file.replace(file) {
                    old.forget();
                }
            }
            Err(error) => tracing::warn!(%error, "the net's file cannot be written"),
        }
    }
}

/// What was given, without addresses that are not (or no longer) ours, and with what the links have
/// got by themselves.
fn brief_of(given: &Brief, stack: &Stack, links: &[IfIndex]) -> Brief {
    let mut brief = given.clone();
    brief.addresses.retain(|a| stack.is_local(a.address));
    brief.routes.retain(|r| stack.is_local(r.source));
    for (_, config) in stack.interfaces().filter(|(index, _)| links.contains(index)) {
        for cidr in &config.addresses {
            let near = matches!(cidr.address, IpAddr::V6(v6) if v6.is_unicast_link_local());
            let known = brief.addresses.iter().any(|a| a.address == cidr.address);
            if !near && !known && brief.addresses.len() < LIST_MAX {
                brief.addresses.push(*cidr);
            }
        }
    }
    for route in stack.routes().filter(|route| links.contains(&route.interface)) {
        let prefix = route.prefix.network();
        let near = matches!(prefix.address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        let known = brief.routes.iter().any(|r| r.prefix == prefix);
        if let Some(source) = stack.source_by(route)
            && !(near || known || brief.routes.len() >= LIST_MAX)
        {
            brief.routes.push(BriefRoute { prefix, source });
        }
    }
    brief.routes.sort_by_key(|r| core::cmp::Reverse(r.prefix.prefix_len));
    brief
}
