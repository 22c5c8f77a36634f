//! Errors of datagrams on their way to programs.
//!
//! A program's socket that is connected is told by the kernel's own means (see
//! `state/peer_sockets`); one that is not, by an empty datagram from the engine's alarm socket.
//! What ICMP quoted waits until the program asks (`MSG_ERRQUEUE`).
use super::super::state::Engine;
use crate::base::{FourTuple, NetError};
use crate::protocol::errno;
use crate::protocol::error_record::{ErrorRecord, Quote, origin};
use crate::protocol::name::{Role, Transport};
use crate::protocol::request::{Reply, interest, unconnected};
use crate::stack::DatagramFailed;
use rustix::io::Errno;

impl Engine {
    /// A program's socket says what it is interested in.
    pub(in crate::engine) fn set_interests(&mut self, role: Role, interests: u8) {
        self.datagram_errors.set_interests(role, interests);
        self.stack.want_icmp(self.datagram_errors.wanted_icmp());
        self.stack.udp_accept_unchecked(self.datagram_errors.unchecked_ports());
    }

    /// The answer to `Request::ErrorQueue`: whether there are more, and the record.
    pub(in crate::engine) fn take_record(&mut self, role: Role) -> Vec<u8> {
        let Some((record, next)) = self.datagram_errors.take(role) else {
            return Reply::Errno(errno::to_byte(Errno::AGAIN)).encode();
        };
        if let Role::Datagram { transport, local, .. } = role {
            // sock_dequeue_err_skb: the next entry's error is pending from now on, or none.
            match &next {
                None => drop(self.datagram_errors.take_pending(&unconnected(local))),
                Some(next) => {
                    self.datagram_errors.set_pending(unconnected(local), next.errno);
                    if let Some(tuple) = self.peer_sockets.pair_of(role, next.to) {
                        self.datagram_errors.set_pending(tuple, next.errno);
                        self.peer_sockets.raise(self.net.id(), transport, tuple);
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
    pub(in crate::engine) fn take_datagram_error(&mut self, tuple: FourTuple) -> u8 {
        let Some(errno) = self.datagram_errors.take_pending(&tuple) else { return 0 };
        for transport in [Transport::Udp, Transport::Echo] {
            let program = self.peer_sockets.program_of(transport, tuple);
            if program.is_some_and(|role| self.datagram_errors.has_records(role)) {
                self.peer_sockets.raise(self.net.id(), transport, tuple);
            }
        }
        if tuple.remote.port() == 0
            && let Some(role) = self.datagram_errors.unconnected_with_records(tuple)
        {
            self.alarm(role);
        }
        errno
    }

    /// ICMP says that a datagram of ours did not arrive.
    pub(in crate::engine) fn datagram_failed(&mut self, failed: &DatagramFailed) {
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
    pub(in crate::engine) fn sending_failed(
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
            .peer_sockets
            .program_of(transport, tuple)
            .filter(|role| self.datagram_errors.interests_of(*role) != 0)
            .or_else(|| self.datagram_errors.sender(transport, tuple.local));
        let interests = role.map_or(0, |role| self.datagram_errors.interests_of(role));
        let asked = interests & interest::ERRORS != 0;
        if !asked && !fatal {
            return;
        }
        let errno = record.errno;
        self.datagram_errors.set_pending(tuple, errno);
        if let Some(role) = role.filter(|_| asked) {
            self.datagram_errors.push(role, record);
            if interests & interest::CONNECTED == 0 {
                return self.tell_unconnected(role, errno);
            }
        }
        self.peer_sockets.raise(self.net.id(), transport, tuple);
    }

    /// Tells a socket that is not connected that it has an error.
    fn tell_unconnected(&mut self, role: Role, errno: u8) {
        let Role::Datagram { local, .. } = role else { return };
        self.datagram_errors.set_pending(unconnected(local), errno);
        self.alarm(role);
    }

    fn alarm(&mut self, role: Role) {
        match self.doors.alarm(self.net.id(), role) {
            Ok(_) | Err(Errno::AGAIN | Errno::PERM) => {}
            Err(error) => {
                tracing::debug!(?role, %error, "no socket to tell of an error");
                self.datagram_errors.forget(role);
            }
        }
    }
}
