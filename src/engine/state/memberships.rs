//! Which datagram sockets are members of which groups. The stack tells the network; a socket that
//! has gone without a word is found by asking the kernel for its inode.
use super::super::system::timers::{Due, Timers};
use crate::base::Instant;
use crate::base::addr::IpAddr;
use crate::base::time::Duration;
use crate::stack::IfIndex;
use rustix::io::Errno;

/// How often the kernel is asked whether the sockets are still there.
const CHECK: Duration = Duration::from_secs(3);
/// Memberships of all programs.
const MEMBERSHIPS_MAX: usize = 4_096;
/// Memberships of one socket (Linux `net.ipv4.igmp_max_memberships`).
const PER_SOCKET: usize = 20;

/// A membership of a socket, which its inode names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub struct Member {
    pub inode: u32,
    pub interface: IfIndex,
    pub group: IpAddr,
}

/// All memberships.
#[derive(Debug, Default)]
pub struct Memberships {
    list: Vec<Member>,
    /// A timer for the next look at the sockets is set.
    check_set: bool,
}

impl Memberships {
    /// Whether this one could be added: `EADDRINUSE`, `ENOBUFS`.
    pub fn check(&self, member: Member) -> Result<(), Errno> {
        if self.list.contains(&member) {
            return Err(Errno::ADDRINUSE);
        }
        let own = self.list.iter().filter(|m| m.inode == member.inode).count();
        if own >= PER_SOCKET || self.list.len() >= MEMBERSHIPS_MAX {
            return Err(Errno::NOBUFS);
        }
        Ok(())
    }
    /// Adds one that has been checked.
    pub fn add(&mut self, member: Member) {
        self.list.push(member);
    }
    /// Takes out a membership of a socket, on any interface if `interface` is `None`.
    pub fn leave(
        &mut self,
        inode: u32,
        group: IpAddr,
        interface: Option<IfIndex>,
    ) -> Option<Member> {
        let at = self.list.iter().position(|m| {
            m.inode == inode && m.group == group && interface.is_none_or(|i| i == m.interface)
        })?;
        Some(self.list.swap_remove(at))
    }
    /// Takes out all memberships of sockets that `is_there` denies; each socket is asked for once.
    pub fn remove_gone(&mut self, is_there: impl Fn(u32) -> bool) -> Vec<Member> {
        let mut inodes: Vec<u32> = self.list.iter().map(|m| m.inode).collect();
        inodes.sort_unstable();
        inodes.dedup();
        inodes.retain(|inode| !is_there(*inode));
        let gone = |m: &Member| inodes.binary_search(&m.inode).is_ok();
        let left = self.list.iter().copied().filter(gone).collect();
        self.list.retain(|m| !gone(m));
        left
    }
    /// Sets a timer for the next look at the sockets, if there are any and none is set.
    pub fn set_check(&mut self, now: Instant, timers: &mut Timers) {
        if !self.check_set && !self.list.is_empty() {
            self.check_set = true;
            timers.set(now + CHECK, Due::Groups);
        }
    }
    /// That timer has come.
    pub fn check_is_due(&mut self) {
        self.check_set = false;
    }
}
