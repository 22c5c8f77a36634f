//! Datagrams of the wire. A remote host that a program exchanges datagrams with is a datagram
//! socket here, named `Proxy { local, remote }`: what programs send to it goes out to `remote`,
//! what came from `remote` is sent from it, so that a program's socket which is connected to it (in
//! the kernel) sees that host alone, as UDP has it.
//!
//! A program's socket that has its port for itself (it is not one of a group) gets the proxy
//! connected to it as soon as it speaks: the kernel then lets it queue as much as its send buffer
//! holds, where an unconnected proxy would take ten datagrams. A successor of that socket, with the
//! same name, finds the proxy closed to it (`EPERM`), asks for it again, and so opens it.
//!
//! Proxies are made when a program asks for one or when a datagram arrives, and the one unused for
//! longest makes room for another; a program that was connected to it notices (`ECONNREFUSED`) and
//! asks again. A datagram whose receiver has no room waits a little, in a bounded queue (the kernel
//! lets an unconnected socket hold as few as ten), and is then dropped, as UDP may.
use super::listeners::candidates;
use super::poller::{EventFlags, Token};
use super::slab::{Key, Slab};
use super::timers::Due;
use super::{Engine, unix};
use crate::base::addr::SocketAddr;
use crate::base::time::Duration;
use crate::base::{FourTuple, Instant};
use crate::host::fd::Owned;
use crate::host::memory_file;
use crate::net::brief::Users;
use crate::protocol::datagram::{ReceiveMeta, SendSettings};
use crate::protocol::name::{NetId, Role, Slot, Transport};
use crate::protocol::request::interest;
use crate::stack::UdpDatagram;
use rustix::io::Errno;
use rustix::net::{self, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketType};
use std::collections::{HashMap, VecDeque};
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

/// Proxies at once.
const PROXIES_MAX: usize = 2_048;
/// Datagrams of one proxy sent on in one turn.
const TURN_DATAGRAMS: usize = 32;
/// Bytes that a proxy may have sent to programs that have not read them.
const SEND_BUFFER: usize = 1 << 20;
/// Datagrams that wait for room at their receivers, in all.
const WAITING_MAX: usize = crate::base::limits::UDP_QUEUE;
/// Pause between two tries to deliver those that wait: first, longest.
const RETRY_FIRST: Duration = Duration::from_micros(200);
const RETRY_LONGEST: Duration = Duration::from_millis(10);
/// When no receiver has made room for so long, all that waits is dropped.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// A remote host's socket.
pub struct Proxy {
    fd: OwnedFd,
    transport: Transport,
    tuple: FourTuple,
    last: Instant,
    /// The program's socket that spoke or took a datagram last: tried first.
    peer: Option<Role>,
    /// The socket is connected to `peer` in the kernel.
    joined: bool,
    /// Datagrams in the waiting queue.
    waiting: usize,
    /// What datagrams arrived with last, if that was unusual, in a file to be sent along.
    note: Option<(ReceiveMeta, Owned)>,
}

impl Proxy {
    /// A program's socket has spoken: it is asked first from now on, and joined if that shuts
    /// nobody out.
    fn heard(&mut self, now: Instant, net: NetId, from: Role) {
        self.last = now;
        if self.peer != Some(from) || !self.joined {
            self.peer = Some(from);
            let alone = matches!(from, Role::Datagram { slot: Slot::Exclusive, .. });
            self.joined = alone && unix::connect(&self.fd, net, from).is_ok();
        }
    }
    /// Its name.
    fn role(&self) -> Role {
        let (transport, tuple) = (self.transport, self.tuple);
        Role::Proxy { transport, local: tuple.local, remote: tuple.remote }
    }
    /// Makes the note that goes with a datagram, unless all is as usual. One is kept, since most
    /// datagrams of a host arrive alike.
    fn prepare_note(&mut self, datagram: &UdpDatagram) {
        let UdpDatagram { ttl, tos, segment, .. } = *datagram;
        let note = ReceiveMeta { ttl, tos, segment, ..ReceiveMeta::default() };
        if note == ReceiveMeta::default() {
            self.note = None;
        } else if self.note.as_ref().is_none_or(|(kept, _)| *kept != note) {
            self.note = memory_file::create(&note.encode()).ok().map(|file| (note, file));
        }
    }
    /// Open to every socket again.
    fn part(&mut self) {
        if self.joined {
            self.joined = net::connect_unspec(&self.fd).is_err();
        }
    }
}

/// All proxies, and the datagrams that wait.
pub struct Proxies {
    slab: Slab<Proxy>,
    by_pair: HashMap<(Transport, FourTuple), Key>,
    waiting: VecDeque<(Key, UdpDatagram)>,
    retry: Duration,
    progress: Instant,
    /// Datagrams dropped because their receiver had no room.
    pub dropped: u64,
}

enum Delivery {
    Done(Role),
    Full,
    Nobody,
}

impl Proxies {
    /// None yet.
    pub fn new() -> Proxies {
        Proxies {
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
        self.slab.iter().map(|(_, proxy)| proxy.tuple)
    }
    /// The socket of a proxy that is about to send `datagram`, and the note that goes with it.
    pub(super) fn ready(
        &mut self,
        now: Instant,
        key: Key,
        datagram: &UdpDatagram,
    ) -> Option<(&OwnedFd, Option<crate::host::fd::Raw>)> {
        let proxy = self.slab.get_mut(key)?;
        proxy.last = now;
        proxy.prepare_note(datagram);
        Some((&proxy.fd, proxy.note.as_ref().map(|(_, file)| file.raw())))
    }
    fn remove(&mut self, key: Key) {
        if let Some(proxy) = self.slab.remove(key) {
            self.by_pair.remove(&(proxy.transport, proxy.tuple));
        }
    }
}

impl Engine {
    /// A program asks for the proxy of a pair: there is none, or it is not open to that program.
    pub(super) fn open_proxy(
        &mut self,
        now: Instant,
        transport: Transport,
        tuple: FourTuple,
    ) -> Result<(), Errno> {
        let key = self.make_proxy(now, transport, tuple)?;
        // What is queued would be lost with the connection.
        self.send_datagrams(now, key);
        if let Some(proxy) = self.proxies.slab.get_mut(key) {
            proxy.part();
        }
        Ok(())
    }

    /// The proxy of a pair, made if it is not there.
    pub(super) fn make_proxy(
        &mut self,
        now: Instant,
        transport: Transport,
        tuple: FourTuple,
    ) -> Result<Key, Errno> {
        if let Some(key) = self.proxies.by_pair.get(&(transport, tuple)) {
            return Ok(*key);
        }
        let local = tuple.local.ip();
        if !self.stack.is_local(local) && !local.is_multicast() && !self.brief.is_broadcast(local) {
            return Err(Errno::ADDRNOTAVAIL);
        }
        if self.proxies.slab.len() >= PROXIES_MAX {
            let oldest = self.proxies.slab.iter().min_by_key(|(_, p)| p.last).map(|(key, _)| key);
            if let Some(key) = oldest {
                self.proxies.remove(key);
            }
        }
        let role = Role::Proxy { transport, local: tuple.local, remote: tuple.remote };
        let fd = unix::bound(SocketType::DGRAM, self.net, role)?;
        if self.brief.users != Users::Any {
            net::sockopt::set_socket_passcred(&fd, true)?;
        }
        // Room for datagrams that a connected program has not read yet (its own limit does not hold
        // then); more than the system lets everybody have, if we may.
        let forced = net::sockopt::set_socket_send_buffer_size_force(&fd, SEND_BUFFER);
        if forced.or_else(|_| net::sockopt::set_socket_send_buffer_size(&fd, SEND_BUFFER)).is_err()
        {
            tracing::debug!(?tuple, "a proxy's send buffer stays small");
        }
        let (last, peer, joined, waiting, note) = (now, None, false, 0, None);
        let proxy = Proxy { fd, transport, tuple, last, peer, joined, waiting, note };
        let key = self.proxies.slab.insert(proxy);
        self.proxies.by_pair.insert((transport, tuple), key);
        if let Some(proxy) = self.proxies.slab.get(key) {
            if let Err(error) = self.poller.add(&proxy.fd, Token::Proxy(key), EventFlags::IN) {
                self.proxies.remove(key);
                return Err(error);
            }
        }
        Ok(key)
    }

    /// Programs have sent to a remote host.
    pub(super) fn send_datagrams(&mut self, now: Instant, key: Key) {
        for _ in 0..TURN_DATAGRAMS {
            let Some(proxy) = self.proxies.slab.get_mut(key) else { return };
            let (len, from, uid) = match receive(&proxy.fd, &mut self.scratch) {
                Ok(got) => got,
                Err(Errno::INTR) => continue,
                Err(_) => return,
            };
            let transport = proxy.transport;
            let tuple = proxy.tuple;
            let from = from.and_then(|from| unix::role_of(&from, self.net));
            let Some(from @ Role::Datagram { transport: its, local, .. }) = from else { continue };
            if !self.admits(uid) || its != transport || local.port() != tuple.local.port() {
                continue;
            }
            self.heard(now, key, from);
            let payload = std::mem::take(&mut self.scratch);
            let bytes = payload.get(..len).unwrap_or_default();
            let sent = self.send_as(now, transport, tuple, &SendSettings::default(), bytes);
            self.scratch = payload;
            if let Err(error) = sent {
                self.sending_failed(transport, tuple, error);
            }
        }
    }

    /// A program's socket has spoken to a proxy.
    pub(super) fn heard(&mut self, now: Instant, key: Key, from: Role) {
        let net = self.net;
        if let Some(proxy) = self.proxies.slab.get_mut(key) {
            proxy.heard(now, net, from);
        }
    }

    /// Whether a user may send into the net.
    pub(super) fn admits(&self, uid: Option<u32>) -> bool {
        match &self.brief.users {
            Users::Any => true,
            Users::Only(list) => uid.is_some_and(|u| u == 0 || u == self.uid || list.contains(&u)),
            Users::SameOrRoot => uid.is_some_and(|u| u == 0 || u == self.uid),
        }
    }

    /// The pair of a program's socket that is connected to `remote`.
    pub(super) fn proxy_pair(&self, peer: Role, remote: SocketAddr) -> Option<FourTuple> {
        let mut all = self.proxies.slab.iter().map(|(_, proxy)| proxy);
        all.find(|p| p.peer == Some(peer) && p.tuple.remote == remote).map(|p| p.tuple)
    }

    /// The socket that spoke last through the proxy of a pair.
    pub(super) fn proxy_peer(&self, transport: Transport, tuple: FourTuple) -> Option<Role> {
        let key = self.proxies.by_pair.get(&(transport, tuple))?;
        self.proxies.slab.get(*key)?.peer
    }

    /// A datagram has come from the wire.
    pub(super) fn deliver_datagram(
        &mut self,
        now: Instant,
        transport: Transport,
        mut datagram: UdpDatagram,
    ) {
        let to = datagram.tuple.local.ip();
        let group = to.is_multicast() || self.stack.is_broadcast(to);
        if group && transport == Transport::Udp {
            return self.deliver_to_all(now, &datagram);
        }
        let key = match self.make_proxy(now, transport, datagram.tuple) {
            Ok(key) => key,
            Err(error) => {
                tracing::debug!(tuple = ?datagram.tuple, %error, "no socket for a datagram");
                self.proxies.dropped += 1;
                return;
            }
        };
        let Some(proxy) = self.proxies.slab.get_mut(key) else { return };
        proxy.last = now;
        if proxy.waiting > 0 {
            return self.wait_for_room(now, key, datagram);
        }
        if transport == Transport::Udp
            && proxy.peer.is_some_and(|role| self.wants.of(role) & interest::JOINED != 0)
        {
            self.stack.udp_join(&mut datagram);
        }
        match offer(proxy, self.net, &datagram) {
            Delivery::Done(role) => proxy.peer = Some(role),
            Delivery::Full => self.wait_for_room(now, key, datagram),
            Delivery::Nobody => {
                self.proxies.remove(key);
                if transport == Transport::Udp {
                    self.stack.udp_refuse(now, &datagram);
                }
            }
        }
    }

    fn wait_for_room(&mut self, now: Instant, key: Key, datagram: UdpDatagram) {
        let proxies = &mut self.proxies;
        if proxies.waiting.len() >= WAITING_MAX {
            proxies.dropped += 1;
            return;
        }
        if proxies.waiting.is_empty() {
            proxies.progress = now;
            proxies.retry = RETRY_FIRST;
            self.timers.set(now + RETRY_FIRST, Due::Datagrams);
        }
        if let Some(proxy) = proxies.slab.get_mut(key) {
            proxy.waiting += 1;
            proxies.waiting.push_back((key, datagram));
        }
    }

    /// Time to offer again what waits.
    pub(super) fn retry_datagrams(&mut self, now: Instant) {
        let proxies = &mut self.proxies;
        let mut full = Vec::new();
        for _ in 0..proxies.waiting.len() {
            let Some((key, datagram)) = proxies.waiting.pop_front() else { break };
            let Some(proxy) = proxies.slab.get_mut(key) else { continue };
            proxy.waiting -= 1;
            // Order is kept: behind one that found no room, its proxy's others need not try.
            let outcome = if full.contains(&key) {
                Delivery::Full
            } else {
                offer(proxy, self.net, &datagram)
            };
            match outcome {
                Delivery::Full => {
                    full.push(key);
                    proxy.waiting += 1;
                    proxies.waiting.push_back((key, datagram));
                }
                Delivery::Done(_) | Delivery::Nobody => {
                    proxies.progress = now;
                    proxies.retry = RETRY_FIRST;
                }
            }
        }
        if proxies.waiting.is_empty() {
            return;
        }
        if now.since(proxies.progress) >= WAIT_MAX {
            proxies.dropped += proxies.waiting.len() as u64;
            for (key, _) in proxies.waiting.drain(..) {
                if let Some(proxy) = proxies.slab.get_mut(key) {
                    proxy.waiting = 0;
                }
            }
            return;
        }
        self.timers.set(now + proxies.retry, Due::Datagrams);
        proxies.retry = (proxies.retry * 2).min(RETRY_LONGEST);
    }

    /// A raw socket gets every ICMP packet.
    pub(super) fn deliver_raw(&mut self, now: Instant, datagram: &UdpDatagram) {
        let sockets: Vec<Role> = self.wants.raw().collect();
        for role in sockets {
            let Role::Datagram { local, .. } = role else { continue };
            if local.is_ipv4() != datagram.tuple.local.is_ipv4() {
                continue;
            }
            let mut copy = datagram.clone();
            copy.tuple.local.set_port(local.port());
            self.deliver_datagram(now, Transport::Raw, copy);
        }
    }

    /// An error waits for the program's socket: it is told if it is connected to this proxy.
    pub(super) fn raise(&mut self, transport: Transport, tuple: FourTuple) {
        let Some(key) = self.proxies.by_pair.get(&(transport, tuple)) else { return };
        let Some(proxy) = self.proxies.slab.get_mut(*key) else { return };
        if let Some(peer) = proxy.peer {
            proxy.part();
            if let Err(error) = raise_error(proxy, self.net, peer) {
                tracing::debug!(?tuple, %error, "the program could not be told");
            }
        }
    }
}

/// Makes `ECONNRESET` pending on the program's socket, if that is connected to this proxy; its
/// library then asks `UdpError`. The kernel does so when the other end of a pair that was connected
/// both ways turns away with datagrams unread (unix_dgram_disconnected in net/unix/af_unix.c), so:
/// leave one to ourselves, connect, disconnect. What programs sent meanwhile is lost, as UDP may.
fn raise_error(proxy: &Proxy, net: NetId, peer: Role) -> Result<(), Errno> {
    unix::send_to(&proxy.fd, &[], net, proxy.role())?;
    unix::connect(&proxy.fd, net, peer)?;
    net::connect_unspec(&proxy.fd)
}

/// Who of a group (`SO_REUSEPORT`) gets what comes from this host: by hash of both ends, as Linux
/// does.
fn spread(tuple: FourTuple) -> u64 {
    crate::protocol::name::spread(&tuple.local, &tuple.remote)
}

/// Sends to the program's sockets that may want it, in Linux's order: the one that is connected to
/// this host or spoke last, then by specific address, wildcard, `::` that takes IPv4 too.
fn offer(proxy: &mut Proxy, net: NetId, datagram: &UdpDatagram) -> Delivery {
    proxy.prepare_note(datagram);
    let groups = Slot::group(spread(proxy.tuple));
    let slots = std::iter::once(Slot::Exclusive).chain(groups);
    let places = candidates(proxy.tuple.local);
    let transport = proxy.transport;
    let all = places.flat_map(|(local, dual)| {
        slots.clone().map(move |slot| Role::Datagram { transport, local, dual, slot })
    });
    let note = proxy.note.as_ref().map(|(_, file)| file.raw());
    // Several that were joined are for the one alone that asked for it.
    let others = all.filter(|_| datagram.segment == 0);
    for role in proxy.peer.into_iter().chain(others) {
        match unix::send_noted(&proxy.fd, &datagram.payload, net, role, note) {
            Ok(_) => return Delivery::Done(role),
            Err(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM) => return Delivery::Full,
            // Nobody has that name, or its holder is connected to another host.
            Err(_) => {}
        }
    }
    Delivery::Nobody
}

type Received = (usize, Option<rustix::net::SocketAddrUnix>, Option<u32>);

/// One datagram: its length, its sender's name, and uid where the socket asks for credentials.
pub(super) fn receive(fd: &OwnedFd, buffer: &mut [u8]) -> Result<Received, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let got = net::recvmsg(fd, &mut [IoSliceMut::new(buffer)], &mut ancillary, flags)?;
    let uid = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmCredentials(cred) => Some(cred.uid.as_raw()),
        _ => None,
    });
    let from = got.address.and_then(|a| rustix::net::SocketAddrUnix::try_from(a).ok());
    Ok((got.bytes, from, uid))
}
