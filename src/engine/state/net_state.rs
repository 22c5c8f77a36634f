//! The description of the net that programs read (the brief), and which users may join the net.
//! The brief is written again when an address of a link changes.
use super::super::system::brief_file::BriefFile;
use crate::base::addr::IpAddr;
use crate::net::brief::{Brief, BriefRoute, Users, may_join};
use crate::protocol::name::NetId;
use crate::stack::{IfIndex, Stack};
use rustix::io::Errno;

/// Addresses or routes that a brief carries.
const LIST_MAX: usize = 64;

/// The net as its programs see it.
pub struct NetState {
    /// Where programs find the brief.
    file: Option<BriefFile>,
    brief: Brief,
    /// The brief as it was configured; `brief` is what has become of it.
    given: Brief,
    /// [`Stack::changes`] when `brief` was made.
    changes: u64,
    runtime_dir: Option<String>,
    /// Our own user.
    uid: u32,
}

impl NetState {
    /// The net of `brief`, which is not announced yet.
    pub fn new(brief: Brief, runtime_dir: Option<String>, stack: &Stack) -> NetState {
        NetState {
            file: None,
            given: brief.clone(),
            brief,
            changes: stack.changes(),
            runtime_dir,
            uid: rustix::process::geteuid().as_raw(),
        }
    }
    /// The net's id in names.
    pub fn id(&self) -> NetId {
        NetId(self.brief.id)
    }
    /// What programs are told.
    pub fn brief(&self) -> &Brief {
        &self.brief
    }
    /// Whether a user's programs may be in the net.
    pub fn may_join(&self, uid: u32) -> bool {
        may_join(&self.brief, uid, self.uid)
    }
    /// Whether a user may end the engine and capture frames.
    pub fn is_master(&self, uid: u32) -> bool {
        uid == 0 || uid == self.uid
    }
    /// Whether a datagram's sender may be in the net; `None`: its user is not known.
    pub fn may_send(&self, uid: Option<u32>) -> bool {
        match &self.brief.users {
            Users::Any => true,
            Users::Only(list) => uid.is_some_and(|u| self.is_master(u) || list.contains(&u)),
            Users::SameOrRoot => uid.is_some_and(|u| self.is_master(u)),
        }
    }

    /// Writes the brief where programs look for it, if the net has such a place.
    ///
    /// # Errors
    /// The kernel's.
    pub fn announce(&mut self) -> Result<(), Errno> {
        let Some(dir) = &self.runtime_dir else { return Ok(()) };
        let file = BriefFile::write(dir, &self.brief)?;
        // The old one has the same path: it must not be removed with its value.
        if let Some(old) = self.file.replace(file) {
            old.forget();
        }
        Ok(())
    }
    /// Removes what [`NetState::announce`] has written.
    pub fn withdraw(&mut self) {
        self.file = None;
    }
    /// Makes the brief what the stack has now, if that has changed.
    pub fn follow(&mut self, stack: &Stack, links: impl Iterator<Item = IfIndex>) {
        if stack.changes() == self.changes {
            return;
        }
        self.changes = stack.changes();
        let links: Vec<IfIndex> = links.collect();
        let brief = brief_of(&self.given, stack, &links);
        if brief == self.brief {
            return;
        }
        tracing::info!(%brief, "the net's addresses have changed");
        self.brief = brief;
        if self.file.is_some()
            && let Err(error) = self.announce()
        {
            tracing::warn!(%error, "the net's file cannot be written");
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
