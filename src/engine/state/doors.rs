//! The sockets where programs come in: the gateway of connections, the gateway of datagrams, the
//! control channel; and the socket that tells programs of errors.
//!
//! The engine that holds the control channel's name is the net's engine. When descriptors run out,
//! the two doors that make new ones are not looked at for a moment: a listening socket stays
//! readable, and the loop would turn for nothing.
use super::super::error::EngineError;
use super::super::system::poller::{EventFlags, Poller, Token};
use super::super::system::timers::{Due, Timers};
use super::super::system::unix::{self, Received};
use crate::base::Instant;
use crate::base::time::Duration;
use crate::protocol::name::{NetId, Role};
use rustix::io::Errno;
use rustix::net::SocketType;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// How long accepting rests when descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The net's own sockets.
pub struct Doors {
    connections: OwnedFd,
    datagrams: OwnedFd,
    control: OwnedFd,
    alarm: OwnedFd,
    paused: bool,
    /// No new connections any more: the engine is about to end.
    closed: bool,
}

impl Doors {
    /// Takes the net's names.
    ///
    /// # Errors
    /// Another engine has them, or descriptors have run out.
    pub fn open(net: NetId, name: &str) -> Result<Doors, EngineError> {
        let failed = |errno| EngineError::System("the net's sockets", errno);
        let taken = |errno| match errno {
            Errno::ADDRINUSE => EngineError::AlreadyRunning(name.into()),
            errno => failed(errno),
        };
        let control = unix::listener(SocketType::SEQPACKET, net, Role::Control).map_err(taken)?;
        let connections = unix::listener(SocketType::STREAM, net, Role::Gateway).map_err(taken)?;
        let datagrams = unix::bound(SocketType::DGRAM, net, Role::Gateway).map_err(failed)?;
        rustix::net::sockopt::set_socket_passcred(&datagrams, true).map_err(failed)?;
        let alarm = unix::bound(SocketType::DGRAM, net, Role::Alarm).map_err(failed)?;
        Ok(Doors { connections, datagrams, control, alarm, paused: false, closed: false })
    }

    /// The descriptors that hold the net's names.
    pub fn descriptors(&self) -> [RawFd; 4] {
        [&self.connections, &self.datagrams, &self.control, &self.alarm].map(AsRawFd::as_raw_fd)
    }

    /// Puts them into the poller.
    ///
    /// # Errors
    /// The kernel's.
    pub fn watch(&self, poller: &Poller) -> Result<(), Errno> {
        poller.add(&self.datagrams, Token::DatagramGateway, EventFlags::IN)?;
        self.watch_connections(poller)
    }

    fn watch_connections(&self, poller: &Poller) -> Result<(), Errno> {
        if !self.closed {
            poller.add(&self.connections, Token::Gateway, EventFlags::IN)?;
        }
        poller.add(&self.control, Token::Control, EventFlags::IN)
    }

    /// A program that wants a connection. `AGAIN`: there is none.
    pub fn accept_connection(&self) -> Result<OwnedFd, Errno> {
        unix::accept(&self.connections)
    }

    /// A caller of the control channel. `AGAIN`: there is none.
    pub fn accept_caller(&self) -> Result<OwnedFd, Errno> {
        unix::accept(&self.control)
    }

    /// A datagram at the gateway.
    pub fn receive_datagram(&self, buffer: &mut [u8]) -> Result<Received, Errno> {
        unix::receive_datagram(&self.datagrams, buffer)
    }

    /// Tells a datagram socket that is not connected that an error waits for it.
    pub fn alarm(&self, net: NetId, role: Role) -> Result<(), Errno> {
        unix::send_to(&self.alarm, &[], net, role).map(drop)
    }

    /// Does not accept for a moment: descriptors or sessions have run out.
    pub fn pause(&mut self, now: Instant, poller: &Poller, timers: &mut Timers) {
        if !self.paused {
            self.paused = true;
            poller.remove(&self.connections);
            poller.remove(&self.control);
            timers.set(now + ACCEPT_PAUSE, Due::Accept);
        }
    }

    /// Accepts again.
    pub fn resume(&mut self, now: Instant, poller: &Poller, timers: &mut Timers) {
        self.paused = false;
        if self.watch_connections(poller).is_err() {
            self.pause(now, poller, timers);
        }
    }

    /// Accepts no connections any more.
    pub fn close(&mut self, poller: &Poller) {
        self.closed = true;
        poller.remove(&self.connections);
    }
}
