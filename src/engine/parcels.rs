//! Datagrams of programs that are to leave otherwise than usual: they come to the gateway with a
//! head that says how (`sock::parcel`), and are otherwise as if sent to their proxy.
use super::udp::receive;
use super::{Engine, unix};
use crate::base::{FourTuple, Instant, NetError};
use crate::protocol::datagram::{SendSettings, UdpSendHeader};
use crate::protocol::name::{Role, Transport};
use crate::stack::{Cutting, IfIndex, UdpSendOptions};
use rustix::io::Errno;

/// Parcels taken in one turn.
const TURN_PARCELS: usize = 32;
/// Longest head in front of the payload, bytes.
pub(super) const HEAD_MAX: usize = 64;

impl Engine {
    /// Parcels wait.
    pub(super) fn take_parcels(&mut self, now: Instant) {
        for _ in 0..TURN_PARCELS {
            let mut scratch = std::mem::take(&mut self.scratch);
            let got = receive(&self.parcels, &mut scratch);
            match got {
                Ok((len, from, uid)) => {
                    let from = from.and_then(|from| unix::role_of(&from, self.net));
                    let parcel = scratch.get(..len).and_then(UdpSendHeader::decode);
                    if let (Some(from), Some((parcel, payload)), true) =
                        (from, parcel, self.admits(uid))
                    {
                        self.send_parcel(now, from, &parcel, payload);
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

    fn send_parcel(&mut self, now: Instant, from: Role, parcel: &UdpSendHeader, payload: &[u8]) {
        let UdpSendHeader { transport, tuple, settings: how } = *parcel;
        let Role::Datagram { transport: its, local, .. } = from else { return };
        // Who is bound to a group sends from an address of the net.
        let any = local.ip().is_unspecified() || local.ip().is_multicast();
        let own_address = any || local.ip() == tuple.local.ip();
        if its != transport || local.port() != tuple.local.port() || !own_address {
            return;
        }
        match self.make_proxy(now, transport, tuple) {
            Ok(key) => self.heard(now, key, from),
            Err(error) => return tracing::debug!(?tuple, %error, "no socket for a datagram"),
        }
        if let Err(error) = self.send_as(now, transport, tuple, &how, payload) {
            self.sending_failed(transport, tuple, error);
        }
    }

    /// Sends a datagram of a program.
    pub(super) fn send_as(
        &mut self,
        now: Instant,
        transport: Transport,
        tuple: FourTuple,
        how: &SendSettings,
        payload: &[u8],
    ) -> Result<(), NetError> {
        let options = options(how);
        if transport != Transport::Udp {
            if transport == Transport::Echo && !self.wants.echo {
                self.wants.echo = true;
                self.want_icmp();
            }
            return self.stack.icmp_send(now, tuple, &options, payload);
        }
        if how.segment == 0 || payload.len() <= usize::from(how.segment) {
            return self.stack.udp_send(now, tuple, &options, payload);
        }
        for piece in payload.chunks(usize::from(how.segment)) {
            self.stack.udp_send(now, tuple, &options, piece)?;
        }
        Ok(())
    }
}

fn options(how: &SendSettings) -> UdpSendOptions {
    let cutting = match how.discover.map(i32::from) {
        Some(libc::IP_PMTUDISC_DO) => Cutting::Never,
        Some(libc::IP_PMTUDISC_PROBE) => Cutting::Probe,
        None | Some(libc::IP_PMTUDISC_WANT) => Cutting::Here,
        // DONT, and INTERFACE and OMIT, which leave what is known of the path alone.
        Some(_) => Cutting::Anywhere,
    };
    UdpSendOptions {
        ttl: how.ttl,
        tos: how.tos,
        cutting,
        no_checksum: how.no_checksum,
        multicast_loop: !how.no_loop,
        // As a program counts: 1 is the loopback.
        interface: how.interface.checked_sub(1).map(|i| IfIndex(u16::from(i))),
        ..UdpSendOptions::default()
    }
}
