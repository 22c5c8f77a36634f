//! connect(2) to another program of the net: its listener's unix socket is connected to directly.
use crate::base::addr::SocketAddr;
use crate::base::time::Duration;
use crate::host::{Errno, clock, fd, guard::guarded, identity, message, unix};
use crate::net::brief::{Users, may_join};
use crate::protocol::errno::to_byte;
use crate::protocol::name::{Name, NetId, Role, Slot};
use crate::sock::bind::conflict::receivers;
use crate::sock::bind::endpoint::{self, Way};
use crate::sock::descriptor::ends::source_for;
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::kind::{self, FdKind};
use crate::sock::descriptor::socket::{Socket, address_of};
use crate::sock::descriptor::state::Cause;
use crate::sock::net;
use crate::sock::replace;

/// How long a non-blocking connect waits for room in a full backlog. TCP's own would go on trying
/// in the background, for which there is nobody here.
const FULL_WAIT: Duration = Duration::from_millis(50);

/// A socket that has a name, and the address that it is to be connected to.
#[derive(Clone, Copy)]
pub struct Attempt {
    sock: Socket,
    remote: SocketAddr,
}

/// Names the socket for a connection to `remote`, an address of this net.
pub fn prepare(sock: Socket, remote: SocketAddr) -> Result<Attempt, Errno> {
    let sock = endpoint::become_endpoint(sock, remote, source_for(remote.ip()), Way::Local)?;
    Ok(Attempt { sock, remote })
}

/// Connects it. May block, if the listener's backlog is full: the thread may leave.
pub fn connect(attempt: Attempt) -> Result<(), Errno> {
    let Attempt { sock, remote } = attempt;
    let mut deadline = None;
    loop {
        let answer = reach_once(&sock, remote);
        if answer != Err(Errno::AGAIN) {
            return guarded(|| conclude(sock, answer));
        }
        // The backlog is full, and the descriptor is non-blocking or SO_SNDTIMEO has run out.
        if !fd::is_nonblocking(sock.fd) {
            return Err(Errno::INPROGRESS);
        }
        let until = *deadline.get_or_insert_with(|| clock::now() + FULL_WAIT);
        if clock::now() >= until {
            return guarded(|| fail_late(sock, Errno::TIMEDOUT));
        }
        clock::sleep(Duration::from_millis(1));
    }
}

/// What the kernel's answer means.
fn conclude(mut sock: Socket, answer: Result<(), Errno>) -> Result<(), Errno> {
    let nonblocking = fd::is_nonblocking(sock.fd);
    match answer {
        Err(errno @ Errno::CONNREFUSED) if nonblocking => return fail_late(sock, errno),
        Err(errno) => return Err(errno),
        Ok(()) => {}
    }
    if !is_trusted(&sock) {
        let sock = replace::unix_file(sock)?;
        return match nonblocking {
            true => fail_late(sock, Errno::CONNREFUSED),
            false => Err(Errno::CONNREFUSED),
        };
    }
    if nonblocking {
        // Linux says so even where the handshake is done by then.
        sock.advance(Cause::BeginConnect);
        kind::set(sock.fd, FdKind::Stream);
        return Err(Errno::INPROGRESS);
    }
    sock.advance(Cause::Established);
    kind::set(sock.fd, FdKind::of_flags(sock.flags));
    Ok(())
}

/// Abstract names have no permissions: the listener must be of a user that may be in the net.
fn is_trusted(sock: &Socket) -> bool {
    let view = net::current();
    if view.users == Users::Any {
        return true;
    }
    let own = identity::euid_at_least();
    if view.users == Users::SameOrRoot && own == 0 {
        return true;
    }
    let peer = unix::peer_cred(sock.fd).map_or(u32::MAX, |cred| cred.uid);
    may_join(view, peer, own) || may_join(view, peer, identity::euid())
}

/// Tries every name that may listen there. `ECONNREFUSED`: none does. `EAGAIN`: backlogs full.
fn reach_once(sock: &Socket, remote: SocketAddr) -> Result<(), Errno> {
    let mut answer = Errno::CONNREFUSED;
    let mut try_slot = |local, dual, slot| {
        let role = Role::Listener { local, dual, slot };
        let name = Name { net: NetId(net::current().id), role };
        match unix::connect_cancellable(sock.fd, &address_of(&name)) {
            Err(Errno::CONNREFUSED) => None,
            Err(Errno::AGAIN) => {
                answer = Errno::AGAIN;
                None
            }
            other => Some(other),
        }
    };
    for (local, dual) in receivers(remote) {
        if let Some(done) = try_slot(local, dual, Slot::Exclusive) {
            return done;
        }
    }
    for (local, dual) in receivers(remote) {
        for slot in shared_slots(clock::random_port_bits()) {
            if let Some(done) = try_slot(local, dual, slot) {
                return done;
            }
        }
    }
    Err(answer)
}

/// The order in which the members of a group are tried. Groups fill their slots from 0 upwards, so
/// halving a random start spreads connections evenly over a group of any power of two.
fn shared_slots(random: u64) -> impl Iterator<Item = Slot> {
    let start = (random % u64::from(Slot::SHARED)) as u8;
    let halves = [start, start % 8, start % 4, start % 2];
    let mut seen = 0u32;
    halves.into_iter().chain(0..Slot::SHARED).filter_map(move |n| {
        let new = seen & (1 << n) == 0;
        seen |= 1 << n;
        new.then_some(Slot::Shared(n))
    })
}

/// A non-blocking connect that fails: the program is told later.
///
/// The file is made to show what a failed TCP connect shows (`IN|OUT|ERR|HUP|RDHUP`) by connecting
/// it to an end that closes with a byte unread. Where the descriptors for that are missing, or the
/// next attempt could not carry epoll's registrations over to another file, it stays as it is: an
/// unconnected unix socket shows `OUT|HUP`.
pub fn fail_late(mut sock: Socket, errno: Errno) -> Result<(), Errno> {
    if replace::is_complete() {
        let _ = show_failure(&sock);
    }
    let (clear, set) = SocketFlags::error_change(to_byte(errno));
    sock.advance_and(Cause::FailLater, clear, set);
    kind::set(sock.fd, FdKind::Stream);
    Err(Errno::INPROGRESS)
}

fn show_failure(sock: &Socket) -> Result<(), Errno> {
    let listener = unix::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0)?;
    unix::bind(listener.raw(), &unix::Address::unnamed())?;
    unix::listen(listener.raw(), 1)?;
    // Before anything happens to the file: there must be a number for the other end.
    drop(unix::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0)?);
    unix::connect(sock.fd, &unix::local_address(listener.raw())?)?;
    let (end, _) = unix::accept(listener.raw(), libc::SOCK_CLOEXEC)?;
    message::send_bytes(sock.fd, &[0], None, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT)?;
    drop(end);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_is_tried_once_and_pairs_are_shared_evenly() {
        let mut first_of_two = [0; 2];
        for random in 0..u64::from(Slot::SHARED) {
            let order: Vec<Slot> = shared_slots(random).collect();
            assert_eq!(order.len(), usize::from(Slot::SHARED));
            let hit = order.iter().find_map(|s| match s {
                Slot::Shared(n @ 0..2) => Some(usize::from(*n)),
                _ => None,
            });
            first_of_two[hit.unwrap()] += 1;
        }
        assert_eq!(first_of_two, [8, 8]);
    }
}
