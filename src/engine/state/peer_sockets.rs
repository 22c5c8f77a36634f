//! Peer sockets. A remote host that a program exchanges datagrams with is a datagram socket of the
//! engine, with a name of its own (`Role::Proxy`): what programs send to it goes out to that host,
//! what came from the host is sent from it. So a program's socket that is connected to it (in the
//! kernel) receives that host's datagrams only, as UDP has it.
//!
//! A program's socket that has its port for itself (it is not one of a group) gets the peer socket
//! connected to it as soon as it sends: the kernel then lets it queue as much as its send buffer
//! holds, where an unconnected peer socket would take ten datagrams. A successor of that socket,
//! with the same name, finds the peer socket closed to it (`EPERM`), asks for it again, and so
//! opens it.
//!
//! Peer sockets are made when a program asks for one or when a datagram arrives, and the one unused
//! for longest makes room for another; a program that was connected to it notices (`ECONNREFUSED`)
//! and asks again. A datagram whose receiver has no room waits a little, in a bounded queue (the
//! kernel lets an unconnected socket hold as few as ten), and is then dropped, as UDP may.
use super::super::system::poller::{EventFlags, Poller, Token};
use super::super::system::slab::{Key, Slab};
use super::super::system::timers::{Due, Timers};
use super::super::system::unix::{self, Received};
use super::datagram_sockets::DatagramSockets;
use crate::base::addr::SocketAddr;
use crate::base::time::Duration;
use crate::base::{FourTuple, Instant};
use crate::host::fd::{Owned, Raw};
use crate::host::memory_file;
use crate::protocol::datagram::ReceiveMeta;
use crate::protocol::name::{NetId, Role, Slot, Transport};
use crate::stack::UdpDatagram;
use rustix::io::Errno;
use rustix::net::{self, SocketType};
use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;

/// Peer sockets at once; fewer where descriptors are few ([`PeerSockets::new`]).
const PEER_SOCKETS_MAX: usize = 2_048;
/// Peer sockets that are closed at once when descriptors have run out.
const MAKE_ROOM: usize = 16;
/// Bytes that a peer socket may have sent to programs that have not read them.
const SEND_BUFFER: usize = 1 << 20;
/// Datagrams that wait for room at their receivers, in all.
const WAITING_MAX: usize = crate::base::limits::UDP_QUEUE;
/// Pause between two tries to deliver those that wait: first, longest.
const RETRY_FIRST: Duration = Duration::from_micros(200);
const RETRY_LONGEST: Duration = Duration::from_millis(10);
/// When no receiver has made room for so long, all that waits is dropped.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// A remote host's socket.
struct PeerSocket {
    fd: OwnedFd,
    transport: Transport,
    tuple: FourTuple,
    last: Instant,
    /// A program has sent to it.
    answered: bool,
    /// The program's socket that sent or took a datagram last: tried first.
    program: Option<Role>,
    /// The socket is connected to `program` in the kernel.
    joined: bool,
    /// Datagrams in the waiting queue.
    waiting: usize,
    /// What datagrams arrived with last, if that was unusual, in a file to be sent along.
    meta: Option<(ReceiveMeta, Owned)>,
}

impl PeerSocket {
    /// A program's socket has sent to it: it is asked first from now on, and joined if that shuts
    /// no other socket out.
    fn heard(&mut self, now: Instant, net: NetId, from: Role) {
        (self.last, self.answered) = (now, true);
        if self.program != Some(from) || !self.joined {
            self.program = Some(from);
            let alone = matches!(from, Role::Datagram { slot: Slot::Exclusive, .. });
            self.joined = alone && unix::connect(&self.fd, net, from).is_ok();
        }
    }
    fn role(&self) -> Role {
        let (transport, tuple) = (self.transport, self.tuple);
        Role::Proxy { transport, local: tuple.local, remote: tuple.remote }
    }
    /// Makes the file that goes with a datagram, unless all is as usual. One is kept, since most
    /// datagrams of a host arrive alike.
    fn prepare_meta(&mut self, datagram: &UdpDatagram) {
        let UdpDatagram { ttl, tos, segment, .. } = *datagram;
        let meta = ReceiveMeta { ttl, tos, segment, ..ReceiveMeta::default() };
        if meta == ReceiveMeta::default() {
            self.meta = None;
        } else if self.meta.as_ref().is_none_or(|(kept, _)| *kept != meta) {
            self.meta = memory_file::create(&meta.encode()).ok().map(|file| (meta, file));
        }
    }
    /// Open to every socket again.
    fn part(&mut self) {
        if self.joined {
            self.joined = net::connect_unspec(&self.fd).is_err();
        }
    }
    /// Makes `ECONNRESET` pending on the program's socket, if that is connected to this one; its
    /// library then asks `UdpError`. The kernel does so when the other end of a pair that was
    /// connected both ways turns away with datagrams unread (unix_dgram_disconnected in
    /// net/unix/af_unix.c), so: leave one to ourselves, connect, disconnect. What programs sent
    /// meanwhile is lost, as UDP may.
    fn raise_error(&mut self, net: NetId) -> Result<(), Errno> {
        let Some(program) = self.program else { return Ok(()) };
        self.part();
        unix::send_to(&self.fd, &[], net, self.role())?;
        unix::connect(&self.fd, net, program)?;
        net::connect_unspec(&self.fd)
    }
    /// Sends to the first program's socket that takes it, in Linux's order: the one that is
    /// connected to this host or sent last, then by specific address, wildcard, `::` that takes
    /// IPv4 too. Of a group (`SO_REUSEPORT`) the member that a hash of both ends selects, as on
    /// Linux.
    fn offer(&mut self, net: NetId, datagram: &UdpDatagram, sockets: &DatagramSockets) -> Delivery {
        self.prepare_meta(datagram);
        if let Some(outcome) = self.program.and_then(|role| self.send(net, datagram, role)) {
            return outcome;
        }
        if datagram.segment != 0 {
            // Several that were joined are for the socket alone that asked for it.
            return Delivery::NoSocket;
        }
        let seed = crate::protocol::name::spread(&self.tuple.local, &self.tuple.remote);
        let others = sockets.in_turn(self.transport, self.tuple.local, seed);
        let mut outcomes = others.into_iter().filter_map(|role| self.send(net, datagram, role));
        outcomes.next().unwrap_or(Delivery::NoSocket)
    }

    /// Sends to one of the program's sockets. `None`: no socket has that name, or it is connected
    /// to another host.
    fn send(&mut self, net: NetId, datagram: &UdpDatagram, role: Role) -> Option<Delivery> {
        let meta = self.meta.as_ref().map(|(_, file)| file.raw());
        match unix::send_with_meta(&self.fd, &datagram.payload, net, role, meta) {
            Ok(_) => {
                self.program = Some(role);
                Some(Delivery::Done)
            }
            Err(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM) => Some(Delivery::Full),
            Err(_) => None,
        }
    }
}

/// What became of a datagram that was offered.
enum Delivery {
    /// A program's socket has it.
    Done,
    /// The program's socket has no room.
    Full,
    /// No program's socket takes it.
    NoSocket,
}

/// What a peer socket needs to be made.
pub struct Making<'a> {
    /// The net.
    pub net: NetId,
    /// Its receive side shows the credentials of senders.
    pub credentials: bool,
    /// Where it is watched.
    pub poller: &'a Poller,
}

/// All peer sockets, and the datagrams that wait.
pub struct PeerSockets {
    slab: Slab<PeerSocket>,
    by_pair: HashMap<(Transport, FourTuple), Key>,
    /// How many there are for each port of programs.
    of_port: HashMap<(Transport, u16), usize>,
    most: usize,
    waiting: VecDeque<(Key, UdpDatagram)>,
    retry: Duration,
    progress: Instant,
    dropped: u64,
}

impl PeerSockets {
    /// None yet. They take at most a quarter of this many descriptors, and those for one port half
    /// of that: a flood from random sources must leave descriptors for everything else.
    pub fn new(descriptors: usize) -> PeerSockets {
        PeerSockets {
            slab: Slab::new(),
            by_pair: HashMap::new(),
            of_port: HashMap::new(),
            most: (descriptors / 4).clamp(2, PEER_SOCKETS_MAX),
            waiting: VecDeque::new(),
            retry: RETRY_FIRST,
            progress: Instant::ZERO,
            dropped: 0,
        }
    }
    /// Ends of all pairs, for `understudy ss`.
    pub fn pairs(&self) -> impl Iterator<Item = FourTuple> {
        self.slab.iter().map(|(_, peer)| peer.tuple)
    }
    /// Datagrams that were dropped because their receiver had no room, or there was no socket for
    /// their sender.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
    /// Counts datagrams that were dropped.
    pub fn count_dropped(&mut self, number: u64) {
        self.dropped += number;
    }
    /// The one of a pair.
    pub fn of_pair(&self, transport: Transport, tuple: FourTuple) -> Option<Key> {
        self.by_pair.get(&(transport, tuple)).copied()
    }
    /// Makes the one of a pair, which is not there.
    ///
    /// # Errors
    /// The kernel's, for lack of descriptors or memory.
    pub fn make(
        &mut self,
        now: Instant,
        transport: Transport,
        tuple: FourTuple,
        making: &Making<'_>,
    ) -> Result<Key, Errno> {
        let port = (transport, tuple.local.port());
        if self.of_port.get(&port).is_some_and(|number| *number >= self.most / 2) {
            self.remove_oldest(|peer| (peer.transport, peer.tuple.local.port()) == port);
        }
        if self.slab.len() >= self.most {
            self.remove_oldest(|_| true);
        }
        let role = Role::Proxy { transport, local: tuple.local, remote: tuple.remote };
        let fd = unix::bound(SocketType::DGRAM, making.net, role)?;
        if making.credentials {
            net::sockopt::set_socket_passcred(&fd, true)?;
        }
        // Room for datagrams that a connected program has not read yet (its own limit does not hold
        // then); more than the system's usual limit, if the engine may.
        let forced = net::sockopt::set_socket_send_buffer_size_force(&fd, SEND_BUFFER);
        if forced.or_else(|_| net::sockopt::set_socket_send_buffer_size(&fd, SEND_BUFFER)).is_err()
        {
            tracing::debug!(?tuple, "a peer socket's send buffer stays small");
        }
        let peer = PeerSocket {
            fd,
            transport,
            tuple,
            last: now,
            answered: false,
            program: None,
            joined: false,
            waiting: 0,
            meta: None,
        };
        let key = self.slab.insert(peer);
        self.by_pair.insert((transport, tuple), key);
        *self.of_port.entry(port).or_default() += 1;
        if let Some(peer) = self.slab.get(key) {
            if let Err(error) = making.poller.add(&peer.fd, Token::PeerSocket(key), EventFlags::IN)
            {
                self.remove(key);
                return Err(error);
            }
        }
        Ok(key)
    }
    /// Closes one.
    pub fn remove(&mut self, key: Key) {
        if let Some(peer) = self.slab.remove(key) {
            self.by_pair.remove(&(peer.transport, peer.tuple));
            let port = (peer.transport, peer.tuple.local.port());
            if let Some(number) = self.of_port.get_mut(&port) {
                *number -= 1;
                if *number == 0 {
                    self.of_port.remove(&port);
                }
            }
        }
    }
    /// Closes the one unused for longest, of those that no program has ever sent to if there are
    /// such.
    fn remove_oldest(&mut self, among: impl Fn(&PeerSocket) -> bool) {
        let all = self.slab.iter().filter(|(_, peer)| among(peer));
        let oldest = all.min_by_key(|(_, peer)| (peer.answered, peer.last)).map(|(key, _)| key);
        if let Some(key) = oldest {
            self.remove(key);
        }
    }
    /// Closes some, since descriptors have run out. False: there are none.
    pub fn make_room(&mut self) -> bool {
        let some = self.slab.len() > 0;
        (0..MAKE_ROOM).for_each(|_| self.remove_oldest(|_| true));
        some
    }
    /// What one speaks, and its pair.
    pub fn pair(&self, key: Key) -> Option<(Transport, FourTuple)> {
        self.slab.get(key).map(|peer| (peer.transport, peer.tuple))
    }
    /// A datagram that a program has sent to one.
    pub fn receive(&self, key: Key, buffer: &mut [u8]) -> Result<Received, Errno> {
        let peer = self.slab.get(key).ok_or(Errno::BADF)?;
        unix::receive_datagram(&peer.fd, buffer)
    }
    /// A program's socket has sent to one.
    pub fn heard(&mut self, now: Instant, key: Key, net: NetId, from: Role) {
        if let Some(peer) = self.slab.get_mut(key) {
            peer.heard(now, net, from);
        }
    }
    /// Opens one to every program's socket again.
    pub fn part(&mut self, key: Key) {
        if let Some(peer) = self.slab.get_mut(key) {
            peer.part();
        }
    }
    /// The pair of a program's socket that is connected to `remote`.
    pub fn pair_of(&self, program: Role, remote: SocketAddr) -> Option<FourTuple> {
        let mut all = self.slab.iter().map(|(_, peer)| peer);
        all.find(|p| p.program == Some(program) && p.tuple.remote == remote).map(|p| p.tuple)
    }
    /// The program's socket that sent or took a datagram of a pair last.
    pub fn program_of(&self, transport: Transport, tuple: FourTuple) -> Option<Role> {
        self.slab.get(self.of_pair(transport, tuple)?)?.program
    }
    /// An error waits for the program's socket: it is told if it is connected to this one.
    pub fn raise(&mut self, net: NetId, transport: Transport, tuple: FourTuple) {
        let Some(key) = self.of_pair(transport, tuple) else { return };
        let Some(peer) = self.slab.get_mut(key) else { return };
        if let Err(error) = peer.raise_error(net) {
            tracing::debug!(?tuple, %error, "the program could not be told");
        }
    }
    /// The socket of one that is about to send `datagram`, and the file that goes with it.
    pub fn sender(
        &mut self,
        now: Instant,
        key: Key,
        datagram: &UdpDatagram,
    ) -> Option<(&OwnedFd, Option<Raw>)> {
        let peer = self.slab.get_mut(key)?;
        peer.last = now;
        peer.prepare_meta(datagram);
        Some((&peer.fd, peer.meta.as_ref().map(|(_, file)| file.raw())))
    }
    /// Whether datagrams of one wait for room.
    pub fn has_waiting(&self, key: Key) -> bool {
        self.slab.get(key).is_some_and(|peer| peer.waiting > 0)
    }
    /// Delivers a datagram from one, or lets it wait for room. Gives it back if no program's socket
    /// takes it.
    pub fn deliver(
        &mut self,
        now: Instant,
        key: Key,
        net: NetId,
        datagram: UdpDatagram,
        sockets: &DatagramSockets,
        timers: &mut Timers,
    ) -> Result<(), UdpDatagram> {
        let Some(peer) = self.slab.get_mut(key) else { return Err(datagram) };
        peer.last = now;
        // Order is kept: behind one that waits, others need not try.
        if peer.waiting == 0 {
            match peer.offer(net, &datagram, sockets) {
                Delivery::Done => return Ok(()),
                Delivery::NoSocket => return Err(datagram),
                Delivery::Full => {}
            }
        }
        self.wait_for_room(now, key, datagram, timers);
        Ok(())
    }

    fn wait_for_room(
        &mut self,
        now: Instant,
        key: Key,
        datagram: UdpDatagram,
        timers: &mut Timers,
    ) {
        if self.waiting.len() >= WAITING_MAX {
            self.dropped += 1;
            return;
        }
        if self.waiting.is_empty() {
            self.progress = now;
            self.retry = RETRY_FIRST;
            timers.set(now + RETRY_FIRST, Due::Datagrams);
        }
        if let Some(peer) = self.slab.get_mut(key) {
            peer.waiting += 1;
            self.waiting.push_back((key, datagram));
        }
    }

    /// Time to offer again what waits.
    pub fn retry(
        &mut self,
        now: Instant,
        net: NetId,
        sockets: &DatagramSockets,
        timers: &mut Timers,
    ) {
        let mut full = Vec::new();
        for _ in 0..self.waiting.len() {
            let Some((key, datagram)) = self.waiting.pop_front() else { break };
            let Some(peer) = self.slab.get_mut(key) else { continue };
            peer.waiting -= 1;
            let outcome = match full.contains(&key) {
                true => Delivery::Full,
                false => peer.offer(net, &datagram, sockets),
            };
            match outcome {
                Delivery::Full => {
                    full.push(key);
                    peer.waiting += 1;
                    self.waiting.push_back((key, datagram));
                }
                Delivery::Done | Delivery::NoSocket => {
                    self.progress = now;
                    self.retry = RETRY_FIRST;
                }
            }
        }
        if self.waiting.is_empty() {
            return;
        }
        if now.since(self.progress) >= WAIT_MAX {
            self.dropped += self.waiting.len() as u64;
            for (key, _) in self.waiting.drain(..) {
                if let Some(peer) = self.slab.get_mut(key) {
                    peer.waiting = 0;
                }
            }
            return;
        }
        timers.set(now + self.retry, Due::Datagrams);
        self.retry = (self.retry * 2).min(RETRY_LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random sources, as many as there are: descriptors are left for everything else, and the host
    /// that a program talks to keeps its socket.
    #[test]
    fn strangers_take_a_bounded_part_of_the_descriptors() {
        let net = NetId(std::process::id() << 8 | 0xf3);
        let poller = Poller::new().unwrap();
        let making = Making { net, credentials: false, poller: &poller };
        let mut peers = PeerSockets::new(80);
        let end = |port| SocketAddr::from(([10, 0, 0, 1], port));
        let make = |peers: &mut PeerSockets, time, local, remote| {
            let tuple = FourTuple { local: end(local), remote: end(remote) };
            peers.make(Instant::from_millis(time), Transport::Udp, tuple, &making).unwrap()
        };
        let friend = make(&mut peers, 1, 53, 1);
        let role = Role::Proxy { transport: Transport::Udp, local: end(1), remote: end(1) };
        peers.heard(Instant::from_millis(1), friend, net, role);
        for n in 2..200 {
            make(&mut peers, u64::from(n), 53, n);
            assert!(peers.slab.len() <= 10, "half of a quarter for one port");
        }
        for n in 2..200 {
            make(&mut peers, u64::from(n), 1_000 + n, n);
            assert!(peers.slab.len() <= 20, "a quarter in all");
        }
        assert!(peers.pair(friend).is_some());
        assert_eq!(peers.by_pair.len(), peers.slab.len());
        assert_eq!(peers.of_port.values().sum::<usize>(), peers.slab.len());
        assert!(peers.make_room() && peers.make_room() && !peers.make_room());
    }
}
