//! The control channel: programs, and the tool, ask; the engine answers. One packet each.
//!
//! The kernel says which user a caller is (`SO_PEERCRED`). A user that may join the net may ask
//! about it; options of a connection are set by its user or root (or by any user of the net for
//! one that a root server accepted: its workers have dropped their privileges); `Capture` and
//! `Stop` are for the engine's user and root.
use super::super::connections::options;
use super::super::state::Engine;
use super::super::system::poller::EventFlags;
use super::super::system::slab::Key;
use super::super::system::unix;
use super::snapshot;
use crate::base::Instant;
use crate::base::addr::SocketAddr;
use crate::host::unix::PeerCred;
use crate::protocol::errno;
use crate::protocol::request::{PACKET_MAX, Reply, Request};
use crate::stack::tcp::TcpOptions;
use rustix::io::Errno;
use std::os::fd::OwnedFd;

/// Requests of one caller in one turn.
const TURN_REQUESTS: usize = 32;
/// Callers accepted in one turn.
const ACCEPT_BATCH: usize = 64;

impl Engine {
    /// Callers wait.
    pub(in crate::engine) fn accept_callers(&mut self, now: Instant) {
        for _ in 0..ACCEPT_BATCH {
            match self.doors.accept_caller() {
                Ok(fd) => self.admit_caller(now, fd),
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(Errno::MFILE | Errno::NFILE) if self.make_room_for_descriptors() => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept on the control channel");
                    return self.doors.pause(now, &self.poller, &mut self.timers);
                }
            }
        }
    }

    fn admit_caller(&mut self, now: Instant, fd: OwnedFd) {
        let Ok(cred) = unix::peer_cred(&fd) else { return };
        if !self.net.may_join(cred.uid) && !self.net.is_master(cred.uid) {
            return;
        }
        if let Some(key) = self.callers.admit(now, fd, cred, &self.poller, &mut self.timers) {
            // Most have asked already.
            self.serve_caller(now, key, EventFlags::IN);
        }
    }

    /// A caller asks, reads, or has hung up.
    pub(in crate::engine) fn serve_caller(&mut self, now: Instant, key: Key, flags: EventFlags) {
        if flags.contains(EventFlags::OUT) {
            self.callers.flush(now, key, &self.poller);
        }
        for _ in 0..TURN_REQUESTS {
            let Some(packet) = self.callers.next_packet(now, key) else { return };
            let cred = packet.cred;
            let Some(request) = Request::decode(&packet.bytes) else {
                tracing::debug!(?cred, "not a request");
                return self.callers.remove(key);
            };
            let replies = self.answer(now, cred, request, packet.fd);
            self.callers.answer(now, key, replies, &self.poller);
        }
    }

    fn answer(
        &mut self,
        now: Instant,
        cred: PeerCred,
        request: Request,
        fd: Option<OwnedFd>,
    ) -> Vec<Vec<u8>> {
        let master = self.net.is_master(cred.uid);
        tracing::trace!(?cred, ?request, "asked");
        let reply = match request {
            Request::Snapshot => return texts(&snapshot::take(self, now)),
            Request::Brief => Reply::Text(&self.net.brief().to_string()).encode(),
            Request::Capture | Request::Stop if !master => errno(Err(Errno::PERM)),
            Request::Capture => {
                errno(fd.ok_or(Errno::BADF).and_then(|fd| self.ports.capture(now, fd)))
            }
            Request::Stop => {
                self.lifetime.stop_handle().stop();
                errno(Ok(()))
            }
            Request::PeerSocket(transport, tuple) => {
                errno(self.open_peer_socket(now, transport, tuple))
            }
            Request::UdpError(tuple) => Reply::Errno(self.take_datagram_error(tuple)).encode(),
            Request::Interest(name, interests) if name.net == self.net.id() => {
                self.set_interests(name.role, interests);
                errno(Ok(()))
            }
            Request::ErrorQueue(name) if name.net == self.net.id() => self.take_record(name.role),
            Request::Interest(..) | Request::ErrorQueue(_) => errno(Err(Errno::INVAL)),
            Request::PathMtu(ip) => {
                let mtu = self.stack.mtu_to(ip).ok_or(Errno::NETUNREACH);
                info(mtu.map(|mtu| mtu.to_le_bytes()))
            }
            Request::Membership(join, wanted) => errno(self.change_membership(now, join, &wanted)),
            about_connection => self.answer_about_connection(now, cred, about_connection),
        };
        vec![reply]
    }

    fn answer_about_connection(
        &mut self,
        now: Instant,
        cred: PeerCred,
        request: Request,
    ) -> Vec<u8> {
        match request {
            Request::Listen { local, dual, backlog, options, keys } => {
                let mut wanted = TcpOptions { fast_open_keys: keys, ..TcpOptions::default() };
                options.iter().for_each(|option| options::apply(&mut wanted, *option));
                errno(self.told_of_listener(now, cred, (local, dual), backlog, wanted))
            }
            Request::FastOpenRoom(tuple, options) => {
                value(self.fast_open_room(now, cred, tuple, &options))
            }
            Request::EndReason(tuple) => {
                Reply::Errno(self.end_reasons.get(&tuple).unwrap_or(0)).encode()
            }
            Request::Abort(tuple) => errno(self.abort_connection(now, cred, &tuple)),
            Request::ListenerShut(name) if name.net == self.net.id() => {
                self.reset_queue_of(now, name);
                errno(Ok(()))
            }
            Request::SetOption(tuple, option) => errno(self.set_option(now, cred, &tuple, option)),
            Request::GetOption(tuple, kind) => value(self.get_option(now, &tuple, kind)),
            Request::Info(tuple) => info(self.info_of(now, &tuple).ok_or(Errno::NOTCONN)),
            Request::ReadAfterShutdown(tuple, most, peek) => {
                let bytes = self.read_after_shutdown(now, cred, &tuple, most, peek);
                info(Ok(bytes.unwrap_or_default()))
            }
            Request::CongestionInfo(tuple) => {
                info(self.congestion_info_of(&tuple).ok_or(Errno::NOTCONN))
            }
            _ => errno(Err(Errno::INVAL)),
        }
    }

    fn told_of_listener(
        &mut self,
        now: Instant,
        cred: PeerCred,
        (local, dual): (SocketAddr, bool),
        backlog: Option<u32>,
        options: TcpOptions,
    ) -> Result<(), Errno> {
        if let Some(backlog) = backlog {
            self.listen(local, dual, backlog)?;
        }
        self.stack.tcp_mut().set_listener_options(local, dual, options);
        self.listeners.told((local, dual));
        self.watch_process(now, cred.pid);
        Ok(())
    }
}

/// A reply that is an errno.
fn errno(result: Result<(), Errno>) -> Vec<u8> {
    Reply::Errno(result.map_or_else(errno::to_byte, |()| 0)).encode()
}

/// A reply that is a number, or an errno.
fn value(result: Result<u32, Errno>) -> Vec<u8> {
    result.map_or_else(|error| errno(Err(error)), |value| Reply::Value(value).encode())
}

/// A reply that is bytes, or an errno.
fn info(result: Result<impl AsRef<[u8]>, Errno>) -> Vec<u8> {
    result.map_or_else(|error| errno(Err(error)), |bytes| Reply::Info(bytes.as_ref()).encode())
}

/// A text in packets, and the empty one that ends it.
fn texts(mut text: &str) -> Vec<Vec<u8>> {
    let mut replies = Vec::with_capacity(text.len() / PACKET_MAX + 2);
    while !text.is_empty() {
        // One byte of every packet says what it is.
        let mut end = text.len().min(PACKET_MAX - 1);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let (piece, rest) = text.split_at(end);
        replies.push(Reply::Text(piece).encode());
        text = rest;
    }
    replies.push(Reply::Text("").encode());
    replies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_goes_in_pieces_and_ends_with_an_empty_one() {
        let text = "ä".repeat(PACKET_MAX);
        let replies = texts(&text);
        let mut joined = String::new();
        for reply in &replies {
            assert!(reply.len() <= PACKET_MAX);
            let Some(Reply::Text(piece)) = Reply::decode(reply) else { panic!("{reply:?}") };
            joined += piece;
        }
        assert_eq!(joined, text);
        assert_eq!(replies.last(), Some(&Reply::Text("").encode()));
    }
}
