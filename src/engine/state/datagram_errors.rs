//! What datagram sockets asked to be told of, and the errors that wait for them: the pending error
//! of each pair, and the error queue (`MSG_ERRQUEUE`) of sockets that asked for it.
use super::reason_table::ReasonTable;
use crate::base::FourTuple;
use crate::base::addr::SocketAddr;
use crate::protocol::error_record::ErrorRecord;
use crate::protocol::name::{Role, Transport};
use crate::protocol::request::{interest, unconnected};
use crate::stack::IcmpWanted;
use std::collections::{HashMap, VecDeque};

/// Sockets remembered at most; the one whose interests were told first goes first.
const SOCKETS_MAX: usize = 4_096;
/// Errors that wait, in all and for one socket.
const RECORDS_MAX: usize = 1_024;
const RECORDS_OF_ONE: usize = 64;

/// What datagram sockets are interested in, and their errors.
#[derive(Default)]
pub struct DatagramErrors {
    /// Bits of [`interest`].
    interests: HashMap<Role, u8>,
    order: VecDeque<Role>,
    records: VecDeque<(Role, ErrorRecord)>,
    /// Pending errors (`SO_ERROR`), by pair.
    pending: ReasonTable,
    /// An echo request was sent: replies are looked out for from then on.
    echo: bool,
}

impl DatagramErrors {
    /// A socket says what it is interested in; 0: nothing any more.
    pub fn set_interests(&mut self, role: Role, interests: u8) {
        self.forget(role);
        if interests & !interest::CONNECTED == 0 {
            return;
        }
        self.interests.insert(role, interests);
        self.order.push_back(role);
        if self.order.len() > SOCKETS_MAX
            && let Some(oldest) = self.order.front().copied()
        {
            self.forget(oldest);
        }
    }
    /// A socket has gone.
    pub fn forget(&mut self, role: Role) {
        if self.interests.remove(&role).is_some() {
            self.order.retain(|r| *r != role);
        }
        self.records.retain(|(r, _)| *r != role);
    }
    /// What this socket is interested in.
    pub fn interests_of(&self, role: Role) -> u8 {
        self.interests.get(&role).copied().unwrap_or(0)
    }
    /// The sockets that receive all ICMP packets.
    pub fn raw_sockets(&self) -> impl Iterator<Item = Role> {
        self.interests
            .iter()
            .filter(|(_, interests)| **interests & interest::ICMP != 0)
            .map(|(role, _)| *role)
    }
    /// Ports of sockets that take datagrams without a checksum over IPv6.
    pub fn unchecked_ports(&self) -> impl Iterator<Item = u16> {
        let all =
            self.interests.iter().filter(|(_, interests)| **interests & interest::UNCHECKED != 0);
        all.filter_map(|(role, _)| match role {
            Role::Datagram { local, .. } => Some(local.port()),
            _ => None,
        })
    }
    /// The socket that sends from `local` and interests its errors.
    pub fn sender(&self, transport: Transport, from: SocketAddr) -> Option<Role> {
        self.interests.keys().copied().find(|role| match role {
            Role::Datagram { transport: its, local, dual, .. } => {
                let fits = match local.ip().is_unspecified() {
                    true => local.is_ipv4() == from.is_ipv4() || *dual,
                    false => local.ip() == from.ip(),
                };
                *its == transport && local.port() == from.port() && fits
            }
            _ => false,
        })
    }
    /// Adds to the error queue of a socket, if there is room.
    pub fn push(&mut self, role: Role, record: ErrorRecord) {
        let of_this = self.records.iter().filter(|(r, _)| *r == role).count();
        if of_this < RECORDS_OF_ONE && self.records.len() < RECORDS_MAX {
            self.records.push_back((role, record));
        }
    }
    /// The oldest error of a socket, and the one behind it.
    pub fn take(&mut self, role: Role) -> Option<(ErrorRecord, Option<ErrorRecord>)> {
        let at = self.records.iter().position(|(r, _)| *r == role)?;
        let (_, record) = self.records.remove(at)?;
        let next = self.records.iter().find(|(r, _)| *r == role);
        Some((record, next.map(|(_, next)| *next)))
    }
    /// Whether the error queue of a socket has something.
    pub fn has_records(&self, role: Role) -> bool {
        self.records.iter().any(|(r, _)| *r == role)
    }
    /// The socket that is not connected, has something in its error queue, and keeps its pending
    /// error under that pair.
    pub fn unconnected_with_records(&self, tuple: FourTuple) -> Option<Role> {
        let mut roles = self.records.iter().map(|(role, _)| *role);
        roles.find(
            |role| matches!(role, Role::Datagram { local, .. } if unconnected(*local) == tuple),
        )
    }
    /// The pending error of a pair; a later one takes an earlier one's place.
    pub fn set_pending(&mut self, tuple: FourTuple, errno: u8) {
        self.pending.remember(tuple, errno);
    }
    /// The pending error of a pair, which is then none.
    pub fn take_pending(&mut self, tuple: &FourTuple) -> Option<u8> {
        self.pending.take(tuple)
    }
    /// An echo request is about to be sent. True: it is the first.
    pub fn look_for_echo(&mut self) -> bool {
        !std::mem::replace(&mut self.echo, true)
    }
    /// The ICMP packets that some socket waits for.
    pub fn wanted_icmp(&self) -> IcmpWanted {
        IcmpWanted { echo: self.echo, all: self.raw_sockets().next().is_some() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::error_record::{Quote, origin};
    use crate::protocol::name::Slot;

    fn role(port: u16) -> Role {
        let local = std::net::SocketAddr::from(([0, 0, 0, 0], port));
        let (transport, slot) = (Transport::Udp, Slot::Exclusive);
        Role::Datagram { transport, local, dual: false, slot }
    }

    #[test]
    fn sockets_and_their_errors_are_bounded() {
        let mut all = DatagramErrors::default();
        for port in 0..=SOCKETS_MAX as u16 {
            all.set_interests(role(port), interest::ERRORS);
        }
        assert_eq!((all.interests_of(role(0)), all.interests_of(role(1))), (0, interest::ERRORS));
        let to = std::net::SocketAddr::from(([10, 0, 0, 1], 9));
        let record = |info| ErrorRecord {
            errno: 111,
            origin: origin::ICMP,
            kind: 3,
            code: 3,
            info,
            to,
            offender: None,
            quote: Quote::of(&[]),
        };
        for port in 1..100 {
            for n in 0..2 * RECORDS_OF_ONE {
                all.push(role(port), record(n as u32));
            }
        }
        assert_eq!(all.records.len(), RECORDS_MAX);
        assert_eq!(all.take(role(1)), Some((record(0), Some(record(1)))));
        for n in 1..RECORDS_OF_ONE {
            let next = (n + 1 < RECORDS_OF_ONE).then(|| record(n as u32 + 1));
            assert_eq!(all.take(role(1)), Some((record(n as u32), next)));
        }
        assert_eq!(all.take(role(1)), None);
        all.set_interests(role(2), interest::CONNECTED);
        assert_eq!((all.interests_of(role(2)), all.take(role(2))), (0, None));
    }

    #[test]
    fn the_sender_is_found_by_port_and_address() {
        let mut all = DatagramErrors::default();
        all.set_interests(role(7), interest::ERRORS);
        let from = |ip: &str| ip.parse().unwrap();
        assert_eq!(all.sender(Transport::Udp, from("10.0.0.1:7")), Some(role(7)));
        assert_eq!(all.sender(Transport::Udp, from("10.0.0.1:8")), None);
        assert_eq!(all.sender(Transport::Echo, from("10.0.0.1:7")), None);
        assert_eq!(all.sender(Transport::Udp, from("[fd00::1]:7")), None);
    }
}
