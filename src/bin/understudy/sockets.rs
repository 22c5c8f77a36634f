//! Socket objects as the kernel lists them: their names say what they are.
use anyhow::{Context, Result};
use std::collections::HashMap;
use understudy::base::SocketAddr;
use understudy::host::unix_diag;
use understudy::protocol::name::{Name, Role, Transport};

/// A socket of a program.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// Id of its net.
    pub net: u32,
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// As `ss` names it, seen from the kernel.
    pub state: &'static str,
    /// Its own end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: Option<SocketAddr>,
    /// The other end is an engine.
    pub wire: bool,
    /// Bytes to be read, bytes sent and not read (of a listener: waiting, backlog).
    pub queues: (u32, u32),
    /// Its owner.
    pub uid: Option<u32>,
    /// As `/proc/<pid>/fd` shows it.
    pub inode: u32,
}

/// An entry of the kernel's list that is one of ours.
struct Entry {
    name: Name,
    state: u8,
    peer: Option<u32>,
    queues: (u32, u32),
    uid: Option<u32>,
}

/// All sockets of all nets in this network namespace.
pub fn list() -> Result<Vec<Row>> {
    let mut entries = HashMap::new();
    let states = [unix_diag::ESTABLISHED, unix_diag::CLOSED, unix_diag::LISTENING];
    unix_diag::each(&states, |e| {
        if let Some(name) = Name::decode(e.name) {
            let entry = Entry {
                name,
                state: e.state,
                peer: e.peer,
                queues: e.queues.unwrap_or_default(),
                uid: e.uid,
            };
            entries.insert(e.inode, entry);
        }
    })
    .context("the kernel's list of unix sockets cannot be read")?;
    Ok(entries.iter().filter_map(|(inode, entry)| row(*inode, entry, &entries)).collect())
}

fn row(inode: u32, entry: &Entry, all: &HashMap<u32, Entry>) -> Option<Row> {
    let peer = entry.peer.and_then(|p| all.get(&p)).map(|p| p.name.role);
    let (protocol, state, local, remote, wire) = match (entry.name.role, entry.state) {
        (Role::Listener { local, .. }, unix_diag::LISTENING) => {
            ("tcp", "LISTEN", local, None, false)
        }
        // An accepted socket has its listener's name; the one that connected knows both ends.
        (Role::Listener { local, .. }, unix_diag::ESTABLISHED) => match peer {
            Some(Role::Endpoint { local: l, remote: r }) => ("tcp", "ESTAB", r, Some(l), false),
            Some(Role::Wire { local: l, remote: r }) => ("tcp", "ESTAB", r, Some(l), true),
            // The one that connected is gone, and with it its name.
            _ => ("tcp", "CLOSE-WAIT", local, None, false),
        },
        (Role::Listener { local, .. }, _) => ("tcp", "BOUND", local, None, false),
        (Role::Endpoint { local, remote }, unix_diag::ESTABLISHED) => {
            let wire = matches!(peer, Some(Role::Gateway));
            let state = if entry.peer.is_some_and(|p| all.contains_key(&p)) {
                "ESTAB"
            } else {
                "CLOSE-WAIT"
            };
            ("tcp", state, local, Some(remote), wire)
        }
        // Between its bind and its connect, or after a refusal.
        (Role::Endpoint { local, remote }, _) => ("tcp", "SYN-SENT", local, Some(remote), false),
        (Role::Datagram { transport, local, .. }, _) => {
            let protocol = match transport {
                Transport::Echo | Transport::Raw => "icmp",
                Transport::Udp | Transport::Tcp => "udp",
            };
            match peer {
                Some(Role::Datagram { local: r, .. }) => (protocol, "ESTAB", local, Some(r), false),
                Some(Role::Proxy { remote, .. }) => (protocol, "ESTAB", local, Some(remote), true),
                _ => (protocol, "UNCONN", local, None, false),
            }
        }
        // The engine's own.
        (Role::Wire { .. } | Role::Proxy { .. }, _)
        | (Role::Gateway | Role::Control | Role::Alarm, _) => return None,
    };
    let net = entry.name.net.0;
    let queues = entry.queues;
    Some(Row { net, protocol, state, local, remote, wire, queues, uid: entry.uid, inode })
}
