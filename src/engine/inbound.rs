//! Incoming connections: a handshake is complete, and the engine knocks at the listener, from a
//! socket that is named after the remote host.
use super::gateway::WATCHED;
use super::listeners::{Listeners, candidates};
use super::poller::Token;
use super::session::{Phase, Session};
use super::slab::Key;
use super::timers::Due;
use super::{Engine, unix};
use crate::base::time::Duration;
use crate::base::{FourTuple, Instant};
use crate::host::unix::PeerCred;
use crate::net::brief::may_join;
use crate::protocol::name::{NetId, Role};
use crate::stack::ConnId;
use rustix::io::Errno;
use rustix::net::SocketType;
use std::os::fd::OwnedFd;

/// First and longest pause between two knocks at a full queue.
const KNOCK_FIRST: Duration = Duration::from_millis(1);
const KNOCK_LONGEST: Duration = Duration::from_millis(100);
/// How long a connection waits for room in its listener's queue. (Linux drops the last ACK of the
/// handshake instead, and the peer repeats it about as long.)
const KNOCK_PATIENCE: Duration = Duration::from_secs(30);
/// Connections that wait for room at once; more are reset.
const KNOCKING_MAX: usize = 4_096;

/// What came of a knock.
enum Knock {
    Joined,
    Full,
    Nobody,
}

impl Engine {
    /// SYNs have come, and nobody is to be answered in the name of a listener that has closed.
    pub(super) fn look_for_listeners(&mut self) {
        while let Some((local, dual)) = self.stack.tcp_mut().next_called() {
            if !self.listeners.anybody(self.net, local, dual) {
                tracing::debug!(%local, dual, "nobody listens any more");
                self.stack.tcp_mut().unlisten(local, dual);
            }
        }
    }

    /// The stack has accepted a connection.
    pub(super) fn adopt(&mut self, now: Instant, conn: ConnId, tuple: FourTuple) {
        let role = Role::Wire { local: tuple.remote, remote: tuple.local };
        let fd = match unix::bound(SocketType::STREAM, self.net, role) {
            Ok(fd) => fd,
            Err(error) => {
                tracing::warn!(?tuple, %error, "no socket for an incoming connection");
                return self.refuse(now, conn);
            }
        };
        self.reasons.take(&tuple);
        let start = self.secret.hash(&tuple);
        match knock(&mut self.listeners, self.net, &fd, tuple, start) {
            Knock::Nobody => {
                tracing::debug!(?tuple, "nobody listens any more");
                self.refuse(now, conn);
                self.check_listeners(now);
            }
            knocked => {
                let owner = PeerCred { pid: 0, uid: u32::MAX, gid: u32::MAX };
                let phase = Phase::Knocking { tries: 0, since: now };
                let mut session = Session::new(fd, tuple, owner, phase);
                session.incoming = true;
                session.conn = Some(conn);
                let key = self.sessions.insert(session);
                self.after_knock(now, key, knocked);
            }
        }
    }

    /// Time to knock again.
    pub(super) fn knock_again(&mut self, now: Instant, key: Key) {
        let Some(session) = self.sessions.get(key) else { return };
        let failed = session.conn.and_then(|c| self.stack.tcp().status(c));
        if failed.is_none_or(|status| status.error.is_some()) {
            return self.end_session(now, key, false);
        }
        let start = self.secret.hash(&session.tuple);
        let knocked = knock(&mut self.listeners, self.net, &session.fd, session.tuple, start);
        self.after_knock(now, key, knocked);
    }

    fn after_knock(&mut self, now: Instant, key: Key, knocked: Knock) {
        let knocking = self.knocking;
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Phase::Knocking { tries, since } = session.phase else { return };
        match knocked {
            // Linux tcp_abort_on_overflow.
            Knock::Full if self.stack.tcp().aborts_on_overflow() => {
                self.end_session(now, key, true);
            }
            Knock::Full if now < since + KNOCK_PATIENCE && knocking < KNOCKING_MAX => {
                if tries == 0 {
                    self.knocking += 1;
                }
                session.phase = Phase::Knocking { tries: tries.saturating_add(1), since };
                let pause = KNOCK_FIRST * (1 << tries.min(7));
                let again = now + pause.min(KNOCK_LONGEST);
                // Nobody else is let in before that.
                self.stack.tcp_mut().accept_queue_is_full(session.tuple.local, again);
                self.timers.set(again, Due::Session(key));
            }
            Knock::Joined => self.joined(now, key),
            Knock::Full | Knock::Nobody => self.end_session(now, key, true),
        }
    }

    fn joined(&mut self, now: Instant, key: Key) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        if matches!(session.phase, Phase::Knocking { tries: 1.., .. }) {
            self.knocking -= 1;
        }
        session.phase = Phase::Open;
        let owner = unix::peer_cred(&session.fd);
        let admitted = owner.is_ok_and(|o| may_join(&self.brief, o.uid, self.uid));
        if let Ok(owner) = owner {
            session.owner = owner;
        }
        let watched = self.poller.add(&session.fd, Token::Session(key), WATCHED);
        if !admitted || watched.is_err() {
            return self.end_session(now, key, true);
        }
        tracing::debug!(tuple = ?session.tuple, pid = session.owner.pid, "accepted");
        self.enqueue(key);
    }

    fn refuse(&mut self, now: Instant, conn: ConnId) {
        let tcp = self.stack.tcp_mut();
        tcp.abort(now, conn);
        tcp.release(now, conn);
    }
}

/// Tries everybody who may listen for `tuple.local`, in Linux's order of preference: the specific
/// address, the wildcard, `::` that takes IPv4 too. Members of a group in turn, begun at a place
/// that depends on the peer (`start`), so that it spreads and is stable.
fn knock(
    listeners: &mut Listeners,
    net: NetId,
    fd: &OwnedFd,
    tuple: FourTuple,
    start: u64,
) -> Knock {
    let mut outcome = Knock::Nobody;
    for (local, dual) in candidates(tuple.local) {
        for slot in listeners.places(net, local, dual, start) {
            match unix::connect(fd, net, Role::Listener { local, dual, slot }) {
                Ok(()) => return Knock::Joined,
                Err(Errno::AGAIN) => outcome = Knock::Full,
                Err(Errno::CONNREFUSED) => listeners.gone(local, dual, slot),
                Err(error) => tracing::debug!(?tuple, %error, "cannot reach the listener"),
            }
        }
    }
    outcome
}
