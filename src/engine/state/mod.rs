//! What an engine consists of: [`Engine`], and the parts it is made of. Each part is a table or a
//! resource with private fields in a file of its own, which keeps what is always true of it; the
//! parts do not know [`Engine`], and are given what they need of each other with each call.
//!
//! What happens to them is in the rooms `connections`, `datagrams`, `control` and `life`, as
//! methods of [`Engine`]. Begin with `session`: most of an engine's life is sessions.
//!
//! | file | what it keeps |
//! |---|---|
//! | `session` | the connections between programs and the wire, and which of them have work |
//! | `reason_table` | why connections ended, and pending errors of datagram sockets |
//! | `reserved_pairs` | the names of pairs that TCP still needs and programs have left |
//! | `listeners` | which addresses programs listen at |
//! | `doors` | the sockets where programs come in, and when they are not looked at |
//! | `callers` | the connections of the control channel |
//! | `peer_sockets` | the datagram sockets that stand for remote hosts, and datagrams that wait |
//! | `datagram_sockets` | which datagram sockets programs have |
//! | `datagram_errors` | what datagram sockets are to be told, and the errors that wait for them |
//! | `memberships` | which sockets are members of which groups |
//! | `port` | the links |
//! | `net_state` | the description of the net that programs read, and which users may join it |
//! | `lifetime` | since when the engine runs, and until when |
//! | `steps` | the driver of an engine that is taken step by step |
pub mod callers;
pub mod datagram_errors;
pub mod datagram_sockets;
pub mod doors;
pub mod lifetime;
pub mod listeners;
pub mod memberships;
pub mod net_state;
pub mod peer_sockets;
pub mod port;
pub mod reason_table;
pub mod reserved_pairs;
pub mod session;
pub mod steps;

use super::system::poller::Poller;
use super::system::socket_diag::SocketDiag;
use super::system::timers::Timers;
use crate::base::rng::Secret;
use crate::stack::Stack;

/// A net's engine, open and ready to [`run`](Engine::run).
pub struct Engine {
    /// First, so that the net's file is removed while the doors are still ours.
    pub(super) net: net_state::NetState,
    pub(super) lifetime: lifetime::Lifetime,
    /// What an outsider must not guess.
    pub(super) secret: Secret,
    pub(super) poller: Poller,
    pub(super) socket_diag: SocketDiag,
    pub(super) timers: Timers,
    pub(super) doors: doors::Doors,
    pub(super) steps: Option<steps::Steps>,
    pub(super) stack: Stack,
    pub(super) ports: port::Ports,
    pub(super) sessions: session::Sessions,
    /// How connections ended, by their ends as their programs name them.
    pub(super) end_reasons: reason_table::ReasonTable,
    /// What `TCP_INFO` showed last of those whose program may still ask.
    pub(super) last_infos: reason_table::ReasonTable,
    pub(super) reserved_pairs: reserved_pairs::ReservedPairs,
    pub(super) listeners: listeners::Listeners,
    pub(super) callers: callers::Callers,
    pub(super) datagram_sockets: datagram_sockets::DatagramSockets,
    pub(super) peer_sockets: peer_sockets::PeerSockets,
    pub(super) memberships: memberships::Memberships,
    pub(super) datagram_errors: datagram_errors::DatagramErrors,
    /// For bytes that are only passed through: requests, datagrams.
    pub(super) scratch: Vec<u8>,
}
