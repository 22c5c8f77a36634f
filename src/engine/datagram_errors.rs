//! Errors of datagrams: what datagram sockets asked to be told, and what waits for them.
//!
//! A program's socket that is connected is told by the kernel's own means (see `udp`); one that is
//! not, by an empty datagram from the engine's alarm. What ICMP quoted waits here until the program
//! asks (`MSG_ERRQUEUE`).
use super::{Engine, unix};
use crate::base::addr::SocketAddr;
use crate::base::{FourTuple, NetError};
use crate::protocol::errno;
use crate::protocol::error_record::{ErrorRecord, Quote, origin};
use crate::protocol::name::{Role, Transport};
use crate::protocol::request::unconnected;
use crate::protocol::request::{Reply, interest};
use crate::stack::{DatagramFailed, IcmpWanted};
use rustix::io::Errno;
use std::collections::{HashMap, VecDeque};

/// Sockets remembered at most; the one that spoke first goes first.
const SOCKETS_MAX: usize = 4_096;
/// Errors that wait, in all and for one socket.
const RECORDS_MAX: usize = 1_024;
const RECORDS_OF_ONE: usize = 64;

/// What datagram sockets want, and their errors.
#[derive(Default)]
pub struct DatagramWants {
    map: HashMap<Role, u8>,
    order: VecDeque<Role>,
    records: VecDeque<(Role, ErrorRecord)>,
    /// An echo request was sent: replies are looked out for from then on.
    pub echo: bool,
}

impl DatagramWants {
    /// A socket says what it wants; 0: nothing any more.
    pub fn set(&mut self, role: Role, wants: u8) {
        self.forget(role);
        if wants & !interest::CONNECTED == 0 {
            return;
        }
        self.map.insert(role, wants);
        self.order.push_back(role);
        if self.order.len() > SOCKETS_MAX
            && let Some(oldest) = self.order.front().copied()
        {
            self.forget(oldest);
        }
    }
    /// A socket has gone.
    pub fn forget(&mut self, role: Role) {
        if self.map.remove(&role).is_some() {
            self.order.retain(|r| *r != role);
        }
        self.records.retain(|(r, _)| *r != role);
    }
    /// What this socket wants.
    pub fn of(&self, role: Role) -> u8 {
        self.map.get(&role).copied().unwrap_or(0)
    }
    /// All sockets that want all of ICMP.
    pub fn raw(&self) -> impl Iterator<Item = Role> {
        self.map.iter().filter(|(_, wants)| **wants & interest::ICMP != 0).map(|(role, _)| *role)
    }
    /// Ports of sockets that take datagrams without a checksum over IPv6.
    fn unchecked(&self) -> impl Iterator<Item = u16> {
        let all = self.map.iter().filter(|(_, wants)| **wants & interest::UNCHECKED != 0);
        all.filter_map(|(role, _)| match role {
            Role::Datagram { local, .. } => Some(local.port()),
            _ => None,
        })
    }
    /// The socket that sends from `local` and wants its errors.
    fn sender(&self, transport: Transport, from: SocketAddr) -> Option<Role> {
        self.map.keys().copied().find(|role| match role {
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
    fn push(&mut self, role: Role, record: ErrorRecord) {
        let of_this = self.records.iter().filter(|(r, _)| *r == role).count();
        if of_this < RECORDS_OF_ONE && self.records.len() < RECORDS_MAX {
            self.records.push_back((role, record));
        }
    }
    /// The oldest error of a socket, and the one behind it.
    fn take(&mut self, role: Role) -> Option<(ErrorRecord, Option<ErrorRecord>)> {
        let at = self.records.iter().position(|(r, _)| *r == role)?;
        let (_, record) = self.records.remove(at)?;
        let next = self.records.iter().find(|(r, _)| *r == role);
        Some((record, next.map(|(_, next)| next.clone())))
    }
}

impl Engine {
    /// A program's socket says what it wants.
    pub(super) fn hear_wants(&mut self, role: Role, wants: u8) {
        self.wants.set(role, wants);
        self.want_icmp();
        self.stack.udp_accept_unchecked(self.wants.unchecked());
    }

    /// Tells the stack which ICMP packets somebody waits for.
    pub(super) fn want_icmp(&mut self) {
        let all = self.wants.raw().next().is_some();
        self.stack.want_icmp(IcmpWanted { echo: self.wants.echo, all });
    }

    /// The answer to `Request::ErrorQueue`: whether there are more, and the record.
    pub(super) fn take_record(&mut self, role: Role) -> Vec<u8> {
        let Some((record, next)) = self.wants.take(role) else {
            return Reply::Errno(errno::to_byte(Errno::AGAIN)).encode();
        };
        if let Role::Datagram { transport, local, .. } = role {
            // sock_dequeue_err_skb: the next entry's error is pending from now on, or none.
            match &next {
                None => drop(self.udp_errors.take(&unconnected(local))),
                Some(next) => {
                    self.udp_errors.remember(unconnected(local), next.errno);
                    if let Some(tuple) = self.proxy_pair(role, next.to) {
                        self.udp_errors.remember(tuple, next.errno);
                        self.raise(transport, tuple);
                    }
                }
            }
        }
        let mut bytes = vec![u8::from(next.is_some())];
        bytes.extend_from_slice(&record.encode());
        Reply::Info(&bytes).encode()
    }

    /// The answer to `Request::UdpError`. While the error queue has something, the program's socket
    /// goes on to show that.
    pub(super) fn take_datagram_error(&mut self, tuple: FourTuple) -> u8 {
        let Some(errno) = self.udp_errors.take(&tuple) else { return 0 };
        for transport in [Transport::Udp, Transport::Echo] {
            let peer = self.proxy_peer(transport, tuple);
            if peer.is_some_and(|role| self.wants.records.iter().any(|(r, _)| *r == role)) {
                self.raise(transport, tuple);
            }
        }
        if tuple.remote.port() == 0
            && let Some((role, _)) = self.wants.records.iter().find(|(role, _)| {
                matches!(role, Role::Datagram { local, .. } if unconnected(*local) == tuple)
            })
        {
            self.alarm(*role);
        }
        errno
    }

    /// ICMP says that a datagram of ours did not arrive.
    pub(super) fn datagram_failed(&mut self, failed: &DatagramFailed) {
        let transport = if failed.echo { Transport::Echo } else { Transport::Udp };
        let v4 = failed.from.is_ipv4();
        let (errno, fatal) = errno::of_icmp(v4, failed.kind, failed.code);
        let record = ErrorRecord {
            errno: errno::to_byte(errno),
            origin: if v4 { origin::ICMP } else { origin::ICMP6 },
            kind: failed.kind,
            code: failed.code,
            info: failed.info,
            to: failed.tuple.remote,
            offender: Some(failed.from),
            quote: Quote::of(&failed.quote),
        };
        self.report(transport, failed.tuple, record, fatal);
    }

    /// A datagram could not be sent.
    pub(super) fn sending_failed(
        &mut self,
        transport: Transport,
        tuple: FourTuple,
        error: NetError,
    ) {
        let info = match error {
            NetError::MessageTooLong => self.stack.mtu_to(tuple.remote.ip()).map_or(0, u32::from),
            _ => 0,
        };
        let record = ErrorRecord {
            errno: errno::to_byte(errno::from_net(error)),
            origin: origin::LOCAL,
            kind: 0,
            code: 0,
            info,
            to: tuple.remote,
            offender: None,
            quote: Quote::of(&[]),
        };
        self.report(transport, tuple, record, true);
    }

    /// To the socket that sent it: into its error queue if it asked for that; a pending error if it
    /// did, or is connected and the error is `fatal` (RFC 1122 4.1.3.3).
    fn report(&mut self, transport: Transport, tuple: FourTuple, record: ErrorRecord, fatal: bool) {
        tracing::debug!(?tuple, errno = record.errno, "a datagram failed");
        let role = self
            .proxy_peer(transport, tuple)
            .filter(|role| self.wants.of(*role) != 0)
            .or_else(|| self.wants.sender(transport, tuple.local));
        let wants = role.map_or(0, |role| self.wants.of(role));
        let asked = wants & interest::ERRORS != 0;
        if !asked && !fatal {
            return;
        }
        let errno = record.errno;
        self.udp_errors.remember(tuple, errno);
        if let Some(role) = role.filter(|_| asked) {
            self.wants.push(role, record);
            if wants & interest::CONNECTED == 0 {
                return self.ring(role, errno);
            }
        }
        self.raise(transport, tuple);
    }

    /// Tells a socket that is not connected that it has an error.
    fn ring(&mut self, role: Role, errno: u8) {
        let Role::Datagram { local, .. } = role else { return };
        self.udp_errors.remember(unconnected(local), errno);
        self.alarm(role);
    }

    fn alarm(&mut self, role: Role) {
        match unix::send_to(&self.alarm, &[], self.net, role) {
            Ok(_) | Err(Errno::AGAIN | Errno::PERM) => {}
            Err(error) => {
                tracing::debug!(?role, %error, "nobody to tell of an error");
                self.wants.forget(role);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::name::Slot;

    fn role(port: u16) -> Role {
        let local = std::net::SocketAddr::from(([0, 0, 0, 0], port));
        let (transport, slot) = (Transport::Udp, Slot::Exclusive);
        Role::Datagram { transport, local, dual: false, slot }
    }

    #[test]
    fn sockets_and_their_errors_are_bounded() {
        let mut all = DatagramWants::default();
        for port in 0..=SOCKETS_MAX as u16 {
            all.set(role(port), interest::ERRORS);
        }
        assert_eq!((all.of(role(0)), all.of(role(1))), (0, interest::ERRORS));
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
        all.set(role(2), interest::CONNECTED);
        assert_eq!((all.of(role(2)), all.take(role(2))), (0, None));
    }

    #[test]
    fn the_sender_is_found_by_port_and_address() {
        let mut all = DatagramWants::default();
        all.set(role(7), interest::ERRORS);
        let from = |ip: &str| ip.parse().unwrap();
        assert_eq!(all.sender(Transport::Udp, from("10.0.0.1:7")), Some(role(7)));
        assert_eq!(all.sender(Transport::Udp, from("10.0.0.1:8")), None);
        assert_eq!(all.sender(Transport::Echo, from("10.0.0.1:7")), None);
        assert_eq!(all.sender(Transport::Udp, from("[fd00::1]:7")), None);
    }
}
