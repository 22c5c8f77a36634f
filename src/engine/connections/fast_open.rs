//! Fast open (RFC 7413), the program's side: connections that wait for their first data.
use super::super::state::Engine;
use super::super::state::session::Phase;
use super::super::system::slab::Key;
use super::super::system::unix;
use super::options;
use crate::base::{FourTuple, Instant};
use crate::host::unix::PeerCred;
use crate::protocol::connect::ConnectRequest;
use crate::protocol::errno;
use crate::protocol::option::WireOption;
use crate::stack::tcp::TcpOptions;
use rustix::io::Errno;

impl Engine {
    /// `TCP_FASTOPEN_CONNECT`: the program is told that it is connected, and its first data goes
    /// with the SYN.
    pub(in crate::engine) fn defer_connect(
        &mut self,
        key: Key,
        length: u32,
        options: TcpOptions,
        linger_zero: bool,
    ) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.deferred = Some(Box::new(options));
        session.reset_at_end = linger_zero;
        session.phase = Phase::Admitting { left: length };
        self.sessions.enqueue(key);
    }

    /// A turn of a session whose connect waits for data.
    pub(in crate::engine) fn open_deferred(&mut self, now: Instant, key: Key) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let mut data = [0; ConnectRequest::DATA_MAX];
        let len = match unix::read(&session.fd, &mut data) {
            Ok(0) if session.hung_up => return drop(self.sessions.remove(key)),
            Ok(len) => len,
            Err(Errno::AGAIN | Errno::INTR) => {
                session.readable = false;
                return;
            }
            Err(_) => return drop(self.sessions.remove(key)),
        };
        let (tuple, options) = (session.tuple, session.deferred.take().unwrap_or_default());
        self.forget_end(&tuple);
        match self.stack.tcp_connect(now, tuple, *options) {
            Ok(conn) => {
                self.stack.tcp_mut().preload(now, conn, &data[..len], false);
                self.sessions.set_conn(key, conn);
                if let Some(session) = self.sessions.get_mut(key) {
                    session.phase = Phase::Open;
                }
                self.sessions.enqueue(key);
            }
            Err(error) => {
                self.end_reasons.remember(tuple, errno::to_byte(errno::from_net(error)));
                self.sessions.remove(key);
            }
        }
    }

    /// How many bytes of data a SYN could carry, for a program that is about to send its request.
    /// One that has waited for its data is read as a request from now on.
    pub(in crate::engine) fn fast_open_room(
        &mut self,
        now: Instant,
        cred: PeerCred,
        tuple: FourTuple,
        options: &[WireOption],
    ) -> Result<u32, Errno> {
        if !self.stack.tcp().offers_fast_open() {
            return Err(Errno::OPNOTSUPP);
        }
        let session = self.sessions.of_tuple(&tuple).and_then(|key| self.sessions.get_mut(key));
        if let Some(session) = session {
            if cred.uid != 0 && cred.uid != session.owner.uid {
                return Err(Errno::PERM);
            }
            match session.phase {
                Phase::Deferred { .. } => session.phase = Phase::Deferred { called: true },
                Phase::Greeting => {}
                // It has been written to by another way, past the library.
                _ => return Err(Errno::ALREADY),
            }
        }
        let mut wanted = TcpOptions::default();
        options.iter().for_each(|option| options::apply(&mut wanted, *option));
        let room = self.stack.fast_open_room(now, tuple, &wanted);
        Ok(room.min(ConnectRequest::DATA_MAX) as u32)
    }
}
