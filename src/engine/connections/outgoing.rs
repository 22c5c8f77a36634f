//! Outgoing connections: a program connects to the gateway, and its socket's *name* says where to.
//!
//! The first message on the socket is a [`ConnectRequest`], padded so that the program's socket is
//! not writable while it lies there. It is looked at, not taken, until the handshake is done;
//! taking it makes the socket writable, which is how a connect succeeds. If the handshake fails,
//! the reason is remembered for the program to ask, and the socket closed with the message unread.
use super::super::state::Engine;
use super::super::state::session::{Phase, Session};
use super::super::system::poller::{EventFlags, Token};
use super::super::system::slab::Key;
use super::super::system::timers::Due;
use super::super::system::unix;
use super::options;
use crate::base::time::Duration;
use crate::base::{FourTuple, Instant, NetError};
use crate::protocol::connect::ConnectRequest;
use crate::protocol::errno;
use crate::protocol::name::Role;
use crate::protocol::option::{OptionKind, fast_open};
use crate::stack::tcp::{State, TcpOptions};
use rustix::io::Errno;

/// Connections accepted in one turn.
const ACCEPT_BATCH: usize = 64;
/// How long a program may take to send its request after it has connected to the gateway.
const GREETING_PATIENCE: Duration = Duration::from_secs(5);
/// Sessions at once.
const SESSIONS_MAX: usize = crate::base::limits::TCP_CONNECTIONS;
/// Longest request believed, bytes: a quarter of the largest send buffer that a program can ask
/// for.
const REQUEST_MAX: u32 = 64 << 20;
/// How long a connect waits for its pair to come free, and how often that is looked at: of a pair
/// in TIME-WAIT (RFC 6191: it may be used again after a second), and of any other, whose program
/// may have closed it a moment ago. (A pair that is not free has a name, `state/reserved_pairs`:
/// only a few connects come so far.)
const TIME_WAIT_PATIENCE: Duration = Duration::from_millis(1_500);
const PAIR_PATIENCE: Duration = Duration::from_millis(200);
const PAIR_PAUSE: Duration = Duration::from_millis(100);

/// How long a handshake within the host may take whose program has closed its socket already.
const LOCAL_HANDSHAKE: Duration = Duration::from_millis(100);

/// What a program's socket is watched for, as edges.
pub const WATCHED: EventFlags = EventFlags::IN
    .union(EventFlags::OUT)
    .union(EventFlags::PRI)
    .union(EventFlags::RDHUP)
    .union(EventFlags::ET);

impl Engine {
    /// Programs that want a connection wait at the gateway.
    pub(in crate::engine) fn accept_outgoing(&mut self, now: Instant) {
        for _ in 0..ACCEPT_BATCH {
            if self.sessions.len() >= SESSIONS_MAX {
                return self.doors.pause(now, &self.poller, &mut self.timers);
            }
            match self.doors.accept_connection() {
                Ok(fd) => self.greet(now, fd),
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(Errno::MFILE | Errno::NFILE) if self.make_room_for_descriptors() => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept at the gateway");
                    return self.doors.pause(now, &self.poller, &mut self.timers);
                }
            }
        }
    }

    fn greet(&mut self, now: Instant, fd: std::os::fd::OwnedFd) {
        let Ok(owner) = unix::peer_cred(&fd) else { return };
        let Some(Role::Endpoint { local, remote }) = unix::peer_role(&fd, self.net.id()) else {
            tracing::debug!(?owner, "a gateway client without a name was turned away");
            return;
        };
        if !self.net.may_join(owner.uid) {
            tracing::debug!(?owner, "a user who is not of this net was turned away");
            return;
        }
        let tuple = FourTuple { local, remote };
        let key = self.sessions.insert(Session::new(fd, tuple, owner, Phase::Greeting));
        let Some(session) = self.sessions.get(key) else { return };
        if let Err(error) = self.poller.add(&session.fd, Token::Session(key), WATCHED) {
            tracing::warn!(%error, "cannot watch a program's socket");
            self.sessions.remove(key);
            return;
        }
        self.timers.set(now + GREETING_PATIENCE, Due::Session(key));
        self.sessions.enqueue(key);
    }

    /// A turn of a session that has not sent its request.
    pub(in crate::engine) fn read_request(&mut self, now: Instant, key: Key) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let mut head = [0u8; ConnectRequest::HEAD_MAX + ConnectRequest::DATA_MAX];
        let n = match unix::peek(&session.fd, &mut head) {
            Ok(n) => n,
            Err(Errno::AGAIN | Errno::INTR) => {
                session.readable = false;
                return;
            }
            Err(_) => 0,
        };
        let request = ConnectRequest::decode(&head[..n])
            .filter(|r| r.tuple == session.tuple && r.length <= REQUEST_MAX);
        match request {
            Some(request) => self.begin_connect(now, key, &request),
            None => {
                tracing::debug!(tuple = ?session.tuple, "not a connect request");
                self.sessions.remove(key);
            }
        }
    }

    fn begin_connect(&mut self, now: Instant, key: Key, request: &ConnectRequest) {
        let mut tcp_options = TcpOptions::default();
        let (mut linger_zero, mut deferred, mut lowat) = (false, false, 1);
        let (mut quickack, mut receive_buffer, mut more) = (None, None, false);
        for option in request.options.iter() {
            options::apply(&mut tcp_options, *option);
            match option.kind {
                OptionKind::LingerZero => linger_zero = option.value != 0,
                OptionKind::QuickAck => quickack = Some(option.value),
                OptionKind::ReceiveBuffer => receive_buffer = Some(option.value),
                OptionKind::ReceiveLowat => lowat = option.value as usize,
                OptionKind::FastOpen => {
                    deferred = option.value == fast_open::WITH_DATA;
                    more = option.value == fast_open::NOW_AND_MORE;
                }
                _ => {}
            }
        }
        if deferred {
            return self.defer_connect(key, request.length, tcp_options, linger_zero);
        }
        let (tuple, local) = (request.tuple, self.stack.is_local(request.tuple.remote.ip()));
        self.forget_end(&tuple);
        if local {
            // Within the host the SYN is answered at once: no listener that has closed may do that.
            self.check_listener_of(tuple.remote);
        }
        let connected = if !self.stack.is_local(tuple.local.ip()) {
            Err(NetError::AddressNotAvailable)
        } else if local && tuple.remote.port() == 0 {
            // No socket has port 0.
            Err(NetError::Refused)
        } else {
            self.stack.tcp_connect(now, tuple, tcp_options)
        };
        tracing::debug!(tuple = ?request.tuple, ?connected, "connect");
        match connected {
            Ok(conn) => {
                self.stack.tcp_mut().preload(now, conn, request.data, more);
                self.sessions.set_conn(key, conn);
                if let Some(value) = quickack {
                    self.stack.tcp_mut().set_quickack(now, conn, value);
                }
                if let Some(session) = self.sessions.get_mut(key) {
                    session.phase = Phase::Connecting { length: request.length };
                    session.deferred = None;
                    session.reset_at_end = linger_zero;
                    session.lowat = lowat;
                    if let Some(bytes) = receive_buffer {
                        session.bound_socket(bytes);
                    }
                }
                self.sessions.enqueue(key);
            }
            Err(NetError::AddressInUse) if self.wait_for_pair(now, key) => {}
            Err(error) => {
                // As Linux says when the program had bound the port.
                let error = match error {
                    NetError::AddressInUse => NetError::AddressNotAvailable,
                    error => error,
                };
                self.end_reasons.remember(tuple, errno::to_byte(errno::from_net(error)));
                self.refuse_connect(now, key, request.length);
            }
        }
    }

    /// Whether the pair may still come free; it is tried again then.
    fn wait_for_pair(&mut self, now: Instant, key: Key) -> bool {
        let Some(session) = self.sessions.get_mut(key) else { return false };
        let mut all = self.stack.tcp().connections();
        let rests = all.any(|(_, pair, state)| pair == session.tuple && state == State::TimeWait);
        let patience = if rests { TIME_WAIT_PATIENCE } else { PAIR_PATIENCE };
        let until = match session.phase {
            Phase::PairBusy { until } => until,
            _ => now + patience,
        };
        session.phase = Phase::PairBusy { until };
        self.timers.set(now + PAIR_PAUSE, Due::Session(key));
        now < until
    }

    /// A turn of a session whose handshake is under way.
    pub(in crate::engine) fn check_handshake(&mut self, now: Instant, key: Key, length: u32) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let status = session.conn.and_then(|conn| self.stack.tcp().status(conn));
        let error = match status {
            None => Some(NetError::Aborted),
            Some(status) => status.error,
        };
        if let Some(error) = error {
            tracing::debug!(tuple = ?session.tuple, %error, "connect failed");
            self.end_reasons.remember(session.tuple, errno::to_byte(errno::from_net(error)));
            self.release_connection(now, key, false);
            return self.refuse_connect(now, key, length);
        }
        let handshaking = [State::SynSent, State::SynReceived];
        if status.is_some_and(|s| !handshaking.contains(&s.state)) {
            session.phase = Phase::Admitting { left: length };
            return self.sessions.enqueue(key);
        }
        if session.hung_up {
            // The program gave up while we were connecting. Within the host the handshake would
            // have been done when `connect` returned: it may go on for a moment.
            let local = self.stack.is_local(session.tuple.remote.ip());
            match session.gave_up_at {
                None if local => {
                    session.gave_up_at = Some(now);
                    self.timers.set(now + LOCAL_HANDSHAKE, Due::Session(key));
                }
                Some(at) if now < at + LOCAL_HANDSHAKE => {}
                _ => {
                    let reset = errno::to_byte(Errno::CONNRESET);
                    self.end_reasons.remember(session.tuple, reset);
                    self.end_session(now, key, true);
                }
            }
        }
    }

    /// A connect has failed: the program's socket is closed with its request unread, once all of
    /// that has come.
    pub(in crate::engine) fn refuse_connect(&mut self, now: Instant, key: Key, length: u32) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        if session.hung_up || unix::waiting(&session.fd) >= length {
            self.sessions.remove(key);
        } else if session.phase != (Phase::Refused { length }) {
            session.phase = Phase::Refused { length };
            self.timers.set(now + GREETING_PATIENCE, Due::Session(key));
        }
    }

    /// A turn of a session that takes its request: that makes the program's socket writable.
    pub(in crate::engine) fn admit(&mut self, key: Key, mut left: u32) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        while left > 0 {
            let wanted = self.scratch.len().min(left as usize);
            match unix::read(&session.fd, &mut self.scratch[..wanted]) {
                Ok(0) => left = 0,
                Ok(n) => left -= n as u32,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    session.readable = false;
                    session.phase = Phase::Admitting { left };
                    return;
                }
                // It is gone; the relay finds out.
                Err(_) => left = 0,
            }
        }
        session.phase = match session.deferred {
            Some(_) => Phase::Deferred { called: false },
            None => Phase::Open,
        };
        self.sessions.enqueue(key);
    }
}
