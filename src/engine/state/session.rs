//! A session: one wire connection, from the engine's side. On one hand the stack's connection, on
//! the other the unix socket to the program.
use super::super::system::slab::{Key, Slab};
use super::super::system::unix;
use crate::base::addr::SocketAddr;
use crate::base::{FourTuple, Instant};
use crate::host::unix::PeerCred;
use crate::protocol::name::Role;
use crate::stack::ConnId;
use crate::stack::tcp::TcpOptions;
use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;

/// Where a session is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Outgoing: the program's request has not come yet, or not all of its head.
    Greeting,
    /// Outgoing: the pair is still that of an earlier connection (TIME-WAIT), which may make room
    /// soon. It will be tried again.
    PairBusy {
        /// Until when.
        until: Instant,
    },
    /// Outgoing: the handshake is under way; `length` bytes of request lie unread.
    Connecting {
        /// Bytes.
        length: u32,
    },
    /// Outgoing, established: the rest of the request is being taken, which makes the program's
    /// socket writable.
    Admitting {
        /// Bytes still to take.
        left: u32,
    },
    /// Incoming: the listener's queue was full; will be tried again.
    WaitingForRoom {
        /// How often it has been tried.
        tries: u32,
        /// When it was first tried.
        since: Instant,
    },
    /// Outgoing, with fast open: the connect goes with the first data that the program writes.
    Deferred {
        /// That comes as a request; else (written past us, as by sendfile(2)) it is the data alone.
        called: bool,
    },
    /// Outgoing: it has failed, and is closed with its request unread as soon as all `length` bytes
    /// of that have come. (A program that is still writing would take the engine to have died.)
    Refused {
        /// Bytes.
        length: u32,
    },
    /// Bytes flow.
    Open,
    /// The connection has failed: what it had received goes to the program, then the end.
    Failed,
    /// The program is gone and has read everything. What it wrote is being sent; if something
    /// arrives meanwhile the peer is to be reset after that.
    Leaving {
        /// The connection is left to the stack then, whatever has been sent.
        until: Instant,
    },
    /// The program is gone and the peer is to be reset (unread bytes, `SO_LINGER` 0) as soon as
    /// what the program wrote has arrived, or at the latest at `until`.
    Resetting {
        /// See above.
        until: Instant,
    },
}

/// One wire connection.
pub struct Session {
    /// The engine's end of the unix connection to the program.
    pub fd: OwnedFd,
    /// The stack's connection; `None` in [`Phase::Greeting`] and [`Phase::PairBusy`].
    pub conn: Option<ConnId>,
    /// As the program names it.
    pub tuple: FourTuple,
    /// The process and user at the other end (for incoming connections: of the listener).
    pub owner: PeerCred,
    /// Whether it came in from the wire.
    pub incoming: bool,
    /// Where it is in its life. (Into and out of [`Phase::WaitingForRoom`] by [`Sessions`] only.)
    pub phase: Phase,
    /// The socket may have something to read: set by the poller, cleared by `EAGAIN`.
    pub readable: bool,
    /// The socket may have room: set by the poller, cleared by `EAGAIN`.
    pub writable: bool,
    /// A short read is no proof that there is nothing more: the program has closed (the end is yet
    /// to be read), or sent urgent data (a read stops there).
    pub read_on: bool,
    /// The program sends urgent data: its socket is read up to each mark.
    pub urgent_in_line: bool,
    /// `SO_RCVLOWAT`: the program is not woken for fewer bytes than this.
    pub lowat: usize,
    /// The kernel's unix sockets know urgent data.
    pub takes_urgent: bool,
    /// The poller has reported an end: the program has closed, or will write no more.
    pub ending: bool,
    /// The program is gone: all its descriptors of the socket are closed. (Or it has shut down both
    /// directions, as long as `may_be_held`.)
    pub hung_up: bool,
    /// Both directions have ended, and the kernel has not been asked whether the program is gone.
    pub may_be_held: bool,
    /// When the kernel is asked.
    pub ask_at: Option<Instant>,
    /// The program has shut down both directions, and lives on: so many bytes had arrived then that
    /// it has not taken.
    pub unread_at_shut: Option<usize>,
    /// When a program was seen to be gone whose handshake goes on for a moment.
    pub gave_up_at: Option<Instant>,
    /// All that the program wrote has been taken, and no more will come.
    pub program_ended: bool,
    /// The program takes no more bytes (it closed, or `SHUT_RD`).
    pub program_read_closed: bool,
    /// The peer's FIN has been passed on to the program.
    pub peer_ended: bool,
    /// At the end, reset rather than FIN.
    pub reset_at_end: bool,
    /// It is in the ready queue.
    queued: bool,
    /// What a connect that waits for data is to have ([`Phase::Deferred`]).
    pub deferred: Option<Box<TcpOptions>>,
}

impl Session {
    /// A session that has just begun.
    pub fn new(fd: OwnedFd, tuple: FourTuple, owner: PeerCred, phase: Phase) -> Session {
        Session {
            fd,
            conn: None,
            tuple,
            owner,
            incoming: false,
            phase,
            readable: true,
            writable: true,
            read_on: false,
            urgent_in_line: false,
            lowat: 1,
            takes_urgent: true,
            ending: false,
            hung_up: false,
            may_be_held: false,
            ask_at: None,
            unread_at_shut: None,
            gave_up_at: None,
            program_ended: false,
            program_read_closed: false,
            peer_ended: false,
            reset_at_end: false,
            queued: false,
            deferred: None,
        }
    }
}

impl Session {
    /// The name of the program's socket (of an outgoing connection).
    pub fn role(&self) -> Role {
        Role::Endpoint { local: self.tuple.local, remote: self.tuple.remote }
    }

    /// The program has shut down both directions, and lives on. `unread`: bytes that it has not
    /// taken.
    pub fn is_shut(&mut self, unread: usize) {
        (self.hung_up, self.may_be_held) = (false, false);
        self.unread_at_shut.get_or_insert(unread);
        self.program_read_closed = true;
        if matches!(self.phase, Phase::Leaving { .. }) {
            self.phase = Phase::Open;
        }
    }

    /// Whether a user's programs may change it: its owner and root; every user if a root server has
    /// accepted it, whose workers have dropped their privileges.
    pub fn is_owned_by(&self, uid: u32) -> bool {
        uid == 0 || uid == self.owner.uid || (self.incoming && self.owner.uid == 0)
    }

    /// `SO_RCVBUF` (as Linux shows it, twice what it holds): no more than that shall lie between us
    /// and the program either.
    pub fn bound_socket(&mut self, bytes: u32) {
        unix::set_send_buffer(&self.fd, bytes / 2);
    }

    /// From now on the program may send urgent data: each urgent byte is to be found where it
    /// stands among the others.
    pub fn keep_urgent_in_line(&mut self) {
        self.urgent_in_line = unix::keep_urgent_in_line(&self.fd).is_ok();
    }
}

/// Whether a listener had no room for a session in this phase.
fn waits(phase: Phase) -> bool {
    matches!(phase, Phase::WaitingForRoom { tries: 1.., .. })
}

/// All sessions, the ways to find one, and which of them have something to do.
pub struct Sessions {
    slab: Slab<Session>,
    by_tuple: HashMap<FourTuple, Key>,
    /// By the connection's slot in the stack's table.
    by_conn: Vec<Option<(ConnId, Key)>>,
    /// Sessions that have something to do, each once.
    ready: VecDeque<Key>,
    /// How many wait for room at their listeners.
    waiting_for_room: usize,
}

impl Sessions {
    /// None yet.
    pub fn new() -> Sessions {
        Sessions {
            slab: Slab::new(),
            by_tuple: HashMap::new(),
            by_conn: Vec::new(),
            ready: VecDeque::new(),
            waiting_for_room: 0,
        }
    }
    /// How many there are.
    pub fn len(&self) -> usize {
        self.slab.len()
    }
    /// Adds one.
    pub fn insert(&mut self, session: Session) -> Key {
        let (tuple, conn) = (session.tuple, session.conn);
        let key = self.slab.insert(session);
        self.by_tuple.insert(tuple, key);
        if let Some(conn) = conn {
            self.set_conn(key, conn);
        }
        key
    }
    /// Puts one into the ready queue.
    pub fn enqueue(&mut self, key: Key) {
        if let Some(session) = self.slab.get_mut(key) {
            if !session.queued {
                session.queued = true;
                self.ready.push_back(key);
            }
        }
    }
    /// How many there are in the ready queue.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }
    /// Takes the first one out of the ready queue. (It may be gone.)
    pub fn next_ready(&mut self) -> Option<Key> {
        let key = self.ready.pop_front()?;
        if let Some(session) = self.slab.get_mut(key) {
            session.queued = false;
        }
        Some(key)
    }
    /// How many wait for room at their listeners.
    pub fn waiting_for_room(&self) -> usize {
        self.waiting_for_room
    }
    /// Whether one waits for room at the listener of `local`.
    pub fn has_waiting_at(&self, local: SocketAddr) -> bool {
        self.waiting_for_room > 0
            && self.slab.iter().any(|(_, s)| s.tuple.local == local && waits(s.phase))
    }
    /// The listener of an incoming one had no room: how often that has been so.
    pub fn wait_for_room(&mut self, key: Key, tries: u32, since: Instant) {
        let Some(session) = self.slab.get_mut(key) else { return };
        self.waiting_for_room += usize::from(!waits(session.phase));
        session.phase = Phase::WaitingForRoom { tries: tries.max(1), since };
    }
    /// An incoming one has reached its listener.
    pub fn open(&mut self, key: Key) {
        let Some(session) = self.slab.get_mut(key) else { return };
        self.waiting_for_room -= usize::from(waits(session.phase));
        session.phase = Phase::Open;
    }
    /// Joins a session to its connection.
    pub fn set_conn(&mut self, key: Key, conn: ConnId) {
        let Some(session) = self.slab.get_mut(key) else { return };
        session.conn = Some(conn);
        let slot = conn.slot as usize;
        if self.by_conn.len() <= slot {
            self.by_conn.resize(slot + 1, None);
        }
        self.by_conn[slot] = Some((conn, key));
    }
    /// Parts a session from its connection.
    pub fn take_conn(&mut self, key: Key) -> Option<ConnId> {
        self.take_conn_index(key);
        self.slab.get_mut(key)?.conn.take()
    }
    fn take_conn_index(&mut self, key: Key) {
        let conn = self.slab.get(key).and_then(|session| session.conn);
        if let Some(entry) = conn.and_then(|c| self.by_conn.get_mut(c.slot as usize)) {
            if entry.is_some_and(|(_, k)| k == key) {
                *entry = None;
            }
        }
    }
    /// By handle.
    pub fn get(&self, key: Key) -> Option<&Session> {
        self.slab.get(key)
    }
    /// By handle.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut Session> {
        self.slab.get_mut(key)
    }
    /// By the stack's connection.
    pub fn of_conn(&self, conn: ConnId) -> Option<Key> {
        match self.by_conn.get(conn.slot as usize) {
            Some(Some((c, key))) if *c == conn => Some(*key),
            _ => None,
        }
    }
    /// By its ends as its program names them.
    pub fn of_tuple(&self, tuple: &FourTuple) -> Option<Key> {
        self.by_tuple.get(tuple).copied()
    }
    /// Takes one out.
    pub fn remove(&mut self, key: Key) -> Option<Session> {
        self.take_conn_index(key);
        let session = self.slab.remove(key)?;
        self.waiting_for_room -= usize::from(waits(session.phase));
        if self.by_tuple.get(&session.tuple) == Some(&key) {
            self.by_tuple.remove(&session.tuple);
        }
        Some(session)
    }
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &Session)> {
        self.slab.iter()
    }
    /// All handles, as they are now.
    pub fn keys(&self) -> Vec<Key> {
        self.slab.keys()
    }
}
