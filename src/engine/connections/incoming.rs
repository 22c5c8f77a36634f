//! Incoming connections: a handshake is complete, and the engine connects a socket that is named
//! after the remote host to the program's listener. If the listener's queue is full, it tries
//! again.
use super::super::state::Engine;
use super::super::state::listeners::{Listeners, candidates};
use super::super::state::session::{Phase, Session};
use super::super::system::poller::Token;
use super::super::system::slab::Key;
use super::super::system::timers::Due;
use super::super::system::unix;
use super::outgoing::WATCHED;
use crate::base::time::Duration;
use crate::base::{FourTuple, Instant};
use crate::host::unix::PeerCred;
use crate::protocol::name::{NetId, Role};
use crate::stack::ConnId;
use rustix::io::Errno;
use rustix::net::SocketType;
use std::os::fd::OwnedFd;

/// First and longest pause between two tries at a full queue.
const RETRY_FIRST: Duration = Duration::from_millis(1);
const RETRY_LONGEST: Duration = Duration::from_millis(100);
/// How long a connection waits for room in its listener's queue. (Linux drops the last ACK of the
/// handshake instead, and the peer repeats it about as long.)
const ROOM_PATIENCE: Duration = Duration::from_secs(30);
/// Connections that wait for room at once; more are reset.
const WAITING_MAX: usize = 4_096;

/// What became of a connection that was offered to its listener.
enum Delivery {
    /// It waits in the listener's queue to be accepted.
    Queued,
    /// The queue has no room.
    Full,
    /// There is no listener.
    NoListener,
}

impl Engine {
    /// The stack has accepted a connection.
    pub(in crate::engine) fn adopt(&mut self, now: Instant, conn: ConnId, tuple: FourTuple) {
        let role = Role::Wire { local: tuple.remote, remote: tuple.local };
        let net = self.net.id();
        let mut bound = unix::bound(SocketType::STREAM, net, role);
        if matches!(bound, Err(Errno::MFILE | Errno::NFILE)) && self.make_room_for_descriptors() {
            bound = unix::bound(SocketType::STREAM, net, role);
        }
        let fd = match bound {
            Ok(fd) => fd,
            Err(error) => {
                tracing::warn!(?tuple, %error, "no socket for an incoming connection");
                return self.refuse(now, conn);
            }
        };
        self.forget_end(&tuple);
        let start = self.secret.hash(&tuple);
        match try_deliver_to_listener(&mut self.listeners, self.net.id(), &fd, tuple, start) {
            Delivery::NoListener => {
                tracing::debug!(?tuple, "no listener any more");
                self.refuse(now, conn);
                self.check_listeners(now);
            }
            delivery => {
                let owner = PeerCred { pid: 0, uid: u32::MAX, gid: u32::MAX };
                let phase = Phase::WaitingForRoom { tries: 0, since: now };
                let mut session = Session::new(fd, tuple, owner, phase);
                session.incoming = true;
                session.conn = Some(conn);
                let key = self.sessions.insert(session);
                self.after_delivery(now, key, delivery);
            }
        }
    }

    /// Time to try a listener again that had no room.
    pub(in crate::engine) fn retry_delivery(&mut self, now: Instant, key: Key) {
        let Some(session) = self.sessions.get(key) else { return };
        let failed = session.conn.and_then(|c| self.stack.tcp().status(c));
        if failed.is_none_or(|status| status.error.is_some()) {
            return self.end_session(now, key, false);
        }
        let start = self.secret.hash(&session.tuple);
        let delivery = try_deliver_to_listener(
            &mut self.listeners,
            self.net.id(),
            &session.fd,
            session.tuple,
            start,
        );
        self.after_delivery(now, key, delivery);
    }

    fn after_delivery(&mut self, now: Instant, key: Key, delivery: Delivery) {
        let waiting = self.sessions.waiting_for_room();
        let Some(session) = self.sessions.get(key) else { return };
        let Phase::WaitingForRoom { tries, since } = session.phase else { return };
        match delivery {
            // Linux tcp_abort_on_overflow.
            Delivery::Full if self.stack.tcp().aborts_on_overflow() => {
                self.end_session(now, key, true);
            }
            Delivery::Full if now < since + ROOM_PATIENCE && waiting < WAITING_MAX => {
                let local = session.tuple.local;
                self.sessions.wait_for_room(key, tries.saturating_add(1), since);
                let pause = RETRY_FIRST * (1 << tries.min(7));
                self.timers.set(now + pause.min(RETRY_LONGEST), Due::Session(key));
                // As long as one waits no other is let in.
                self.stack.tcp_mut().accept_queue_is_full(local, now + 2 * RETRY_LONGEST);
            }
            Delivery::Queued => self.queued(now, key),
            Delivery::Full | Delivery::NoListener => self.end_session(now, key, true),
        }
    }

    fn queued(&mut self, now: Instant, key: Key) {
        let waited = self.sessions.waiting_for_room();
        self.sessions.open(key);
        let Some(session) = self.sessions.get(key) else { return };
        let local = session.tuple.local;
        if self.sessions.waiting_for_room() < waited && !self.sessions.has_waiting_at(local) {
            // It was the last one that waited: others are let in again.
            self.stack.tcp_mut().accept_queue_is_full(local, now);
        }
        let Some(session) = self.sessions.get_mut(key) else { return };
        let owner = unix::peer_cred(&session.fd);
        let admitted = owner.is_ok_and(|o| self.net.may_join(o.uid));
        if let Ok(owner) = owner {
            session.owner = owner;
        }
        let watched = self.poller.add(&session.fd, Token::Session(key), WATCHED);
        if !admitted || watched.is_err() {
            return self.end_session(now, key, true);
        }
        tracing::debug!(tuple = ?session.tuple, pid = session.owner.pid, "accepted");
        self.sessions.enqueue(key);
    }

    fn refuse(&mut self, now: Instant, conn: ConnId) {
        let tcp = self.stack.tcp_mut();
        tcp.abort(now, conn);
        tcp.release(now, conn);
    }
}

/// Tries every listener that may be for `tuple.local`, in Linux's order of preference: the specific
/// address, the wildcard, `::` that takes IPv4 too. Members of a group in turn, begun at a place
/// that depends on the peer (`start`), so that it spreads and is stable.
fn try_deliver_to_listener(
    listeners: &mut Listeners,
    net: NetId,
    fd: &OwnedFd,
    tuple: FourTuple,
    start: u64,
) -> Delivery {
    let mut outcome = Delivery::NoListener;
    for (local, dual) in candidates(tuple.local) {
        for slot in listeners.places(net, local, dual, start) {
            match unix::connect(fd, net, Role::Listener { local, dual, slot }) {
                Ok(()) => return Delivery::Queued,
                Err(Errno::AGAIN) => outcome = Delivery::Full,
                Err(Errno::CONNREFUSED) => listeners.gone(local, dual, slot),
                Err(error) => tracing::debug!(?tuple, %error, "cannot reach the listener"),
            }
        }
    }
    outcome
}
