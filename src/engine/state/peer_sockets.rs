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
use super::listeners::candidates;
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

/// Peer sockets at once.
const PEER_SOCKETS_MAX: usize = 2_048;
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
        self.last = now;
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
    fn offer(&mut self, net: NetId, datagram: &UdpDatagram) -> Delivery {
        self.prepare_meta(datagram);
        let seed = crate::protocol::name::spread(&self.tuple.local, &self.tuple.remote);
        let slots = std::iter::once(Slot::Exclusive).chain(Slot::group(seed));
        let places = candidates(self.tuple.local);
        let transport = self.transport;
        let all = places.flat_map(|(local, dual)| {
            slots.clone().map(move |slot| Role::Datagram { transport, local, dual, slot })
        });
        let meta = self.meta.as_ref().map(|(_, file)| file.raw());
        // Several that were joined are for the socket alone that asked for it.
        let others = all.filter(|_| datagram.segment == 0);
        for role in self.program.into_iter().chain(others) {
            match unix::send_with_meta(&self.fd, &datagram.payload, net, role, meta) {
                Ok(_) => {
                    self.program = Some(role);
                    return Delivery::Done;
                }
                Err(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM) => return Delivery::Full,
                // No socket has that name, or it is connected to another host.
                Err(_) => {}
            }
        }
        Delivery::NoSocket
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
    waiting: VecDeque<(Key, UdpDatagram)>,
    retry: Duration,
    progress: Instant,
    dropped: u64,
}

impl PeerSockets {
    /// None yet.
    pub fn new() -> PeerSockets {
        PeerSockets {
            slab: Slab::new(),
            by_pair: HashMap::new(),
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
        if self.slab.len() >= PEER_SOCKETS_MAX {
            let oldest = self.slab.iter().min_by_key(|(_, p)| p.last).map(|(key, _)| key);
            if let Some(key) = oldest {
                self.remove(key);
            }
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
        let (last, program, joined, waiting, meta) = (now, None, false, 0, None);
        let peer = PeerSocket { fd, transport, tuple, last, program, joined, waiting, meta };
        let key = self.slab.insert(peer);
        self.by_pair.insert((transport, tuple), key);
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
        }
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
        timers: &mut Timers,
    ) -> Result<(), UdpDatagram> {
        let Some(peer) = self.slab.get_mut(key) else { return Err(datagram) };
        peer.last = now;
        // Order is kept: behind one that waits, others need not try.
        if peer.waiting == 0 {
            match peer.offer(net, &datagram) {
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
    pub fn retry(&mut self, now: Instant, net: NetId, timers: &mut Timers) {
        let mut full = Vec::new();
        for _ in 0..self.waiting.len() {
            let Some((key, datagram)) = self.waiting.pop_front() else { break };
            let Some(peer) = self.slab.get_mut(key) else { continue };
            peer.waiting -= 1;
            let outcome =
                if full.contains(&key) { Delivery::Full } else { peer.offer(net, &datagram) };
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
