//! Datagrams of programs on their way to the wire: those that come to the peer socket of their
//! destination, and those that come to the gateway with a header that says how they are to leave.
use super::super::state::Engine;
use super::super::state::peer_sockets::Making;
use super::super::system::slab::Key;
use super::super::system::unix;
use crate::base::{FourTuple, Instant, NetError};
use crate::net::brief::Users;
use crate::protocol::datagram::{SendSettings, UdpSendHeader};
use crate::protocol::name::{Role, Transport};
use crate::stack::{Cutting, IfIndex, UdpSendOptions};
use rustix::io::Errno;

/// Datagrams of one socket sent on in one turn.
const TURN_DATAGRAMS: usize = 32;

impl Engine {
    /// A program asks for the peer socket of a pair: there is none, or it is not open to that
    /// program.
    pub(in crate::engine) fn open_peer_socket(
        &mut self,
        now: Instant,
        transport: Transport,
        tuple: FourTuple,
    ) -> Result<(), Errno> {
        let key = self.peer_socket(now, transport, tuple)?;
        // What is queued would be lost with the connection.
        self.send_datagrams(now, key);
        self.peer_sockets.part(key);
        Ok(())
    }

    /// The peer socket of a pair, made if it is not there.
    pub(super) fn peer_socket(
        &mut self,
        now: Instant,
        transport: Transport,
        tuple: FourTuple,
    ) -> Result<Key, Errno> {
        if let Some(key) = self.peer_sockets.of_pair(transport, tuple) {
            return Ok(key);
        }
        let (local, brief) = (tuple.local.ip(), self.net.brief());
        if !self.stack.is_local(local) && !local.is_multicast() && !brief.is_broadcast(local) {
            return Err(Errno::ADDRNOTAVAIL);
        }
        let credentials = brief.users != Users::Any;
        let making = Making { net: self.net.id(), credentials, poller: &self.poller };
        self.peer_sockets.make(now, transport, tuple, &making)
    }

    /// Programs have sent to a remote host.
    pub(in crate::engine) fn send_datagrams(&mut self, now: Instant, key: Key) {
        for _ in 0..TURN_DATAGRAMS {
            let Some((transport, tuple)) = self.peer_sockets.pair(key) else { return };
            let (len, from, uid) = match self.peer_sockets.receive(key, &mut self.scratch) {
                Ok(got) => got,
                Err(Errno::INTR) => continue,
                Err(_) => return,
            };
            let from = from.and_then(|from| unix::role_of(&from, self.net.id()));
            let Some(from @ Role::Datagram { transport: its, local, .. }) = from else { continue };
            if !self.net.may_send(uid) || its != transport || local.port() != tuple.local.port() {
                continue;
            }
            self.peer_sockets.heard(now, key, self.net.id(), from);
            let payload = std::mem::take(&mut self.scratch);
            let bytes = payload.get(..len).unwrap_or_default();
            let sent = self.send_with(now, transport, tuple, &SendSettings::default(), bytes);
            self.scratch = payload;
            if let Err(error) = sent {
                self.sending_failed(transport, tuple, error);
            }
        }
    }

    /// Datagrams with a send header wait at the gateway.
    pub(in crate::engine) fn receive_from_datagram_gateway(&mut self, now: Instant) {
        for _ in 0..TURN_DATAGRAMS {
            let mut scratch = std::mem::take(&mut self.scratch);
            let got = self.doors.receive_datagram(&mut scratch);
            match got {
                Ok((len, from, uid)) => {
                    let from = from.and_then(|from| unix::role_of(&from, self.net.id()));
                    let datagram = scratch.get(..len).and_then(UdpSendHeader::decode);
                    if let (Some(from), Some((header, payload)), true) =
                        (from, datagram, self.net.may_send(uid))
                    {
                        self.send_with_header(now, from, &header, payload);
                    }
                }
                Err(Errno::INTR) => {}
                Err(_) => {
                    self.scratch = scratch;
                    return;
                }
            }
            self.scratch = scratch;
        }
    }

    fn send_with_header(
        &mut self,
        now: Instant,
        from: Role,
        header: &UdpSendHeader,
        payload: &[u8],
    ) {
        let UdpSendHeader { transport, tuple, settings } = *header;
        let Role::Datagram { transport: its, local, .. } = from else { return };
        // A socket that is bound to a group sends from an address of the net.
        let any = local.ip().is_unspecified() || local.ip().is_multicast();
        let own_address = any || local.ip() == tuple.local.ip();
        if its != transport || local.port() != tuple.local.port() || !own_address {
            return;
        }
        match self.peer_socket(now, transport, tuple) {
            Ok(key) => self.peer_sockets.heard(now, key, self.net.id(), from),
            Err(error) => return tracing::debug!(?tuple, %error, "no socket for a datagram"),
        }
        if let Err(error) = self.send_with(now, transport, tuple, &settings, payload) {
            self.sending_failed(transport, tuple, error);
        }
    }

    /// Sends a datagram of a program.
    fn send_with(
        &mut self,
        now: Instant,
        transport: Transport,
        tuple: FourTuple,
        settings: &SendSettings,
        payload: &[u8],
    ) -> Result<(), NetError> {
        let options = options(settings);
        if transport != Transport::Udp {
            if transport == Transport::Echo && self.datagram_errors.look_for_echo() {
                self.stack.want_icmp(self.datagram_errors.wanted_icmp());
            }
            return self.stack.icmp_send(now, tuple, &options, payload);
        }
        if settings.segment == 0 || payload.len() <= usize::from(settings.segment) {
            return self.stack.udp_send(now, tuple, &options, payload);
        }
        for piece in payload.chunks(usize::from(settings.segment)) {
            self.stack.udp_send(now, tuple, &options, piece)?;
        }
        Ok(())
    }
}

fn options(settings: &SendSettings) -> UdpSendOptions {
    let cutting = match settings.discover.map(i32::from) {
        Some(libc::IP_PMTUDISC_DO) => Cutting::Never,
        Some(libc::IP_PMTUDISC_PROBE) => Cutting::Probe,
        None | Some(libc::IP_PMTUDISC_WANT) => Cutting::Here,
        // DONT, and INTERFACE and OMIT, which leave what is known of the path alone.
        Some(_) => Cutting::Anywhere,
    };
    UdpSendOptions {
        ttl: settings.ttl,
        tos: settings.tos,
        cutting,
        no_checksum: settings.no_checksum,
        multicast_loop: !settings.no_loop,
        // As a program counts: 1 is the loopback.
        interface: settings.interface.checked_sub(1).map(|i| IfIndex(u16::from(i))),
        ..UdpSendOptions::default()
    }
}
