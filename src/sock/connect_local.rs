//! connect(2) to another program of the net: its listener's unix socket is connected to directly.
use super::conflict::receivers;
use super::endpoint;
use super::net_env;
use super::object::{Sock, address_of};
use super::replace;
use super::tag::Tag;
use crate::base::addr::{IpAddr, Ipv4Addr, SocketAddr};
use crate::base::time::Duration;
use crate::host::{Errno, clock, fd, message, unix};
use crate::net::brief::Users;
use crate::net::brief::may_join;
use crate::protocol::errno::to_byte;
use crate::protocol::name::{Name, NetId, Role, Slot};

/// How long a non-blocking connect waits for room in a full backlog. TCP's own would go on trying
/// in the background, for which there is nobody here.
const FULL_WAIT: Duration = Duration::from_millis(50);

/// Connects to `remote`, an address of this net.
pub fn connect(sock: Sock, remote: SocketAddr) -> Result<(), Errno> {
    let sock = endpoint::become_endpoint(sock, remote, source_for(remote.ip()))?;
    let nonblocking = fd::is_nonblocking(sock.fd);
    match reach(&sock, remote, nonblocking) {
        Ok(()) => connected(sock, nonblocking),
        Err(Errno::AGAIN) if !nonblocking => Err(Errno::INPROGRESS), // SO_SNDTIMEO ran out
        Err(Errno::AGAIN) => fail_late(sock, Errno::TIMEDOUT),
        Err(errno @ Errno::CONNREFUSED) if nonblocking => fail_late(sock, errno),
        Err(errno) => Err(errno),
    }
}

/// As Linux routes: from the address that is connected to, but all of 127/8 from 127.0.0.1.
pub fn source_for(remote: IpAddr) -> IpAddr {
    match remote {
        IpAddr::V4(ip) if ip.is_loopback() => Ipv4Addr::LOCALHOST.into(),
        other => other,
    }
}

fn connected(mut sock: Sock, nonblocking: bool) -> Result<(), Errno> {
    if !trusted(&sock) {
        let sock = replace::unix_file(sock)?;
        return match nonblocking {
            true => fail_late(sock, Errno::CONNREFUSED),
            false => Err(Errno::CONNREFUSED),
        };
    }
    if nonblocking {
        // Linux says so even where the handshake is done by then.
        sock.add(Tag::CONNECTED | Tag::CONNECTING);
        return Err(Errno::INPROGRESS);
    }
    sock.add(Tag::CONNECTED);
    Ok(())
}

/// Abstract names have no permissions: who listens must be somebody that may be in the net.
fn trusted(sock: &Sock) -> bool {
    let brief = net_env::current();
    if brief.users == Users::Any {
        return true;
    }
    let own = rustix::process::geteuid().as_raw();
    unix::peer_cred(sock.fd).is_ok_and(|cred| may_join(brief, cred.uid, own))
}

/// Tries every name that may listen there. `ECONNREFUSED`: none does. `EAGAIN`: backlogs full.
fn reach(sock: &Sock, remote: SocketAddr, nonblocking: bool) -> Result<(), Errno> {
    let deadline = clock::now() + FULL_WAIT;
    loop {
        match reach_once(sock, remote) {
            Err(Errno::AGAIN) if nonblocking && clock::now() < deadline => {
                clock::sleep(Duration::from_millis(1));
            }
            other => return other,
        }
    }
}

fn reach_once(sock: &Sock, remote: SocketAddr) -> Result<(), Errno> {
    let mut answer = Errno::CONNREFUSED;
    let mut try_slot = |local, dual, slot| {
        let role = Role::Listener { local, dual, slot };
        let name = Name { net: NetId(net_env::current().id), role };
        match unix::connect(sock.fd, &address_of(&name)) {
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
        for slot in shared_slots(clock::random_u64()) {
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

/// A non-blocking connect that fails: the program is told later. The file is made to show what a
/// failed TCP connect shows (`IN|OUT|ERR|HUP|RDHUP`) by connecting it to an end that closes with a
/// byte unread.
pub fn fail_late(mut sock: Sock, errno: Errno) -> Result<(), Errno> {
    let listener = unix::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0)?;
    unix::bind(listener.raw(), &unix::Address::unnamed())?;
    unix::listen(listener.raw(), 1)?;
    unix::connect(sock.fd, &unix::local_address(listener.raw())?)?;
    let (end, _) = unix::accept(listener.raw(), libc::SOCK_CLOEXEC)?;
    message::send_bytes(sock.fd, &[0], None, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT)?;
    let failed = sock.tag.with(Tag::CONNECTED | Tag::FAILED).with_error(to_byte(errno));
    sock.set_tag(failed);
    drop(end);
    Err(Errno::INPROGRESS)
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
