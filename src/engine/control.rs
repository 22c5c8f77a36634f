//! The control channel: programs, and the tool, ask; the engine answers. One packet each.
//!
//! Callers are bounded in number and in idle time, never waited for, and believed only as far as
//! their credentials go: whoever may be in the net may ask about it; options of a connection are
//! set by its user or root (or by anybody in the net for one that a root server accepted: its
//! workers have dropped their privileges); `Capture` and `Stop` are for the engine's user and root.
use super::poller::{EventFlags, Token};
use super::session::Phase;
use super::slab::Key;
use super::timers::Due;
use super::{Engine, info, options, snapshot, unix};
use crate::base::addr::SocketAddr;
use crate::base::time::Duration;
use crate::base::{FourTuple, Instant};
use crate::host::unix::PeerCred;
use crate::net::brief::may_join;
use crate::protocol::errno;
use crate::protocol::option::{OptionKind, WireOption};
use crate::protocol::request::{PACKET_MAX, Reply, Request};
use crate::stack::tcp::TcpOptions;
use rustix::io::Errno;
use rustix::net::{self, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

/// Callers at once; the one idle for longest makes room for another.
const CALLERS_MAX: usize = 256;
/// How long a caller may be idle.
const IDLE_MAX: Duration = Duration::from_secs(5);
/// Answers that wait for one caller to read; more, and it is hung up on.
const OUTBOX_MAX: usize = 1_024;
/// Longest request, bytes.
const REQUEST_MAX: usize = 512;
/// Requests of one caller in one turn.
const TURN_REQUESTS: usize = 32;
/// Callers accepted in one turn.
const ACCEPT_BATCH: usize = 64;

/// One caller.
pub struct Caller {
    fd: OwnedFd,
    cred: PeerCred,
    last: Instant,
    outbox: VecDeque<Vec<u8>>,
}

impl Engine {
    /// Callers wait.
    pub(super) fn accept_callers(&mut self, now: Instant) {
        for _ in 0..ACCEPT_BATCH {
            match unix::accept(&self.control) {
                Ok(fd) => self.admit_caller(now, fd),
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept on the control channel");
                    return self.pause_accepting(now);
                }
            }
        }
    }

    fn admit_caller(&mut self, now: Instant, fd: OwnedFd) {
        let Ok(cred) = unix::peer_cred(&fd) else { return };
        if !may_join(&self.brief, cred.uid, self.uid) && cred.uid != self.uid {
            return;
        }
        if self.callers.len() >= CALLERS_MAX {
            let idle = self.callers.iter().min_by_key(|(_, c)| c.last).map(|(key, _)| key);
            if let Some(key) = idle {
                self.callers.remove(key);
            }
        }
        let key = self.callers.insert(Caller { fd, cred, last: now, outbox: VecDeque::new() });
        let Some(caller) = self.callers.get(key) else { return };
        if self.poller.add(&caller.fd, Token::Caller(key), EventFlags::IN).is_err() {
            self.callers.remove(key);
            return;
        }
        self.timers.set(now + IDLE_MAX, Due::Caller(key));
        // Most have asked already.
        self.serve_caller(now, key, EventFlags::IN);
    }

    /// A caller's idle time may be over.
    pub(super) fn check_caller(&mut self, now: Instant, key: Key) {
        let Some(caller) = self.callers.get(key) else { return };
        let until = caller.last + IDLE_MAX;
        if now >= until {
            self.callers.remove(key);
        } else {
            self.timers.set(until, Due::Caller(key));
        }
    }

    /// A caller asks, reads, or has hung up.
    pub(super) fn serve_caller(&mut self, now: Instant, key: Key, flags: EventFlags) {
        if flags.contains(EventFlags::OUT) && self.flush_caller(now, key).is_err() {
            self.callers.remove(key);
            return;
        }
        for _ in 0..TURN_REQUESTS {
            let Some(caller) = self.callers.get_mut(key) else { return };
            if !caller.outbox.is_empty() {
                return;
            }
            let (packet, sent_fd) = match receive(&caller.fd) {
                Ok((packet, fd)) if !packet.is_empty() => (packet, fd),
                Err(Errno::AGAIN | Errno::INTR) => return,
                Ok(_) | Err(_) => {
                    self.callers.remove(key);
                    return;
                }
            };
            caller.last = now;
            let cred = caller.cred;
            let Some(request) = Request::decode(&packet) else {
                tracing::debug!(?cred, "not a request");
                self.callers.remove(key);
                return;
            };
            for reply in self.answer(now, cred, request, sent_fd) {
                if let Some(caller) = self.callers.get_mut(key) {
                    caller.outbox.push_back(reply);
                }
            }
            if self.flush_caller(now, key).is_err() {
                self.callers.remove(key);
                return;
            }
        }
    }

    fn flush_caller(&mut self, now: Instant, key: Key) -> Result<(), Errno> {
        let Some(caller) = self.callers.get_mut(key) else { return Ok(()) };
        if caller.outbox.len() > OUTBOX_MAX {
            return Err(Errno::NOBUFS);
        }
        while let Some(packet) = caller.outbox.front() {
            match unix::send(&caller.fd, packet) {
                Ok(_) => {
                    caller.last = now;
                    caller.outbox.pop_front();
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let token = Token::Caller(key);
                    return self.poller.modify(&caller.fd, token, EventFlags::OUT);
                }
                Err(error) => return Err(error),
            }
        }
        self.poller.modify(&caller.fd, Token::Caller(key), EventFlags::IN)
    }

    fn answer(
        &mut self,
        now: Instant,
        cred: PeerCred,
        request: Request,
        fd: Option<OwnedFd>,
    ) -> Vec<Vec<u8>> {
        let trusted = cred.uid == 0 || cred.uid == self.uid;
        let errno = |result: Result<(), Errno>| {
            vec![Reply::Errno(result.map_or_else(errno::to_byte, |()| 0)).encode()]
        };
        tracing::trace!(?cred, ?request, "asked");
        match request {
            Request::Listen { local, dual, backlog, options, keys } => {
                let mut wanted = TcpOptions { fast_open_keys: keys, ..TcpOptions::default() };
                options.iter().for_each(|option| options::apply(&mut wanted, *option));
                errno(self.hear_listener(now, cred, (local, dual), backlog, wanted))
            }
            Request::FastOpenRoom(tuple, options) => {
                match self.fast_open_room(now, cred, tuple, &options) {
                    Ok(room) => vec![Reply::Value(room).encode()],
                    Err(error) => errno(Err(error)),
                }
            }
            Request::EndReason(tuple) => {
                vec![Reply::Errno(self.reasons.get(&tuple).unwrap_or(0)).encode()]
            }
            Request::SetOption(tuple, option) => errno(self.set_option(now, cred, &tuple, option)),
            Request::GetOption(tuple, kind) => match self.get_option(now, &tuple, kind) {
                Ok(value) => vec![Reply::Value(value).encode()],
                Err(error) => errno(Err(error)),
            },
            Request::Info(tuple) => match self.info_of(now, &tuple) {
                Some(bytes) => vec![Reply::Info(&bytes).encode()],
                None => errno(Err(Errno::NOTCONN)),
            },
            Request::ReadAfterShutdown(tuple, most, peek) => {
                let bytes = self.read_after_shutdown(now, cred, &tuple, most, peek);
                vec![Reply::Info(&bytes.unwrap_or_default()).encode()]
            }
            Request::CongestionInfo(tuple) => match self.congestion_info_of(&tuple) {
                Some(bytes) => vec![Reply::Info(&bytes).encode()],
                None => errno(Err(Errno::NOTCONN)),
            },
            Request::PeerSocket(transport, tuple) => errno(self.open_proxy(now, transport, tuple)),
            Request::UdpError(tuple) => {
                vec![Reply::Errno(self.take_datagram_error(tuple)).encode()]
            }
            Request::Interest(name, wants) if name.net == self.net => {
                self.hear_wants(name.role, wants);
                errno(Ok(()))
            }
            Request::ErrorQueue(name) if name.net == self.net => vec![self.take_record(name.role)],
            Request::PathMtu(ip) => match self.stack.mtu_to(ip) {
                Some(mtu) => vec![Reply::Info(&mtu.to_le_bytes()).encode()],
                None => errno(Err(Errno::NETUNREACH)),
            },
            Request::Interest(..) | Request::ErrorQueue(_) => errno(Err(Errno::INVAL)),
            Request::Membership(join, wanted) => errno(self.change_membership(now, join, &wanted)),
            Request::Snapshot => texts(&snapshot::take(self, now)),
            Request::Brief => vec![Reply::Text(&self.brief.to_string()).encode()],
            Request::Capture | Request::Stop if !trusted => errno(Err(Errno::PERM)),
            Request::Capture => errno(fd.ok_or(Errno::BADF).and_then(|fd| self.capture(now, fd))),
            Request::Stop => {
                self.begin_stop(now);
                errno(Ok(()))
            }
        }
    }

    fn hear_listener(
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

    fn set_option(
        &mut self,
        now: Instant,
        cred: PeerCred,
        tuple: &FourTuple,
        option: WireOption,
    ) -> Result<(), Errno> {
        let key = self.sessions.of_tuple(tuple).ok_or(Errno::NOTCONN)?;
        let session = self.sessions.get_mut(key).ok_or(Errno::NOTCONN)?;
        let owner = session.owner.uid;
        if cred.uid != 0 && cred.uid != owner && !(session.incoming && owner == 0) {
            return Err(Errno::PERM);
        }
        if option.kind == OptionKind::LingerZero {
            session.reset_at_end = option.value != 0;
            return Ok(());
        }
        match option.kind {
            OptionKind::Urgent => {
                session.watch_marks();
                return Ok(());
            }
            OptionKind::ReceiveBuffer => session.bound_socket(option.value),
            OptionKind::ReceiveLowat => session.lowat = option.value as usize,
            _ => {}
        }
        let conn = session.conn.ok_or(Errno::NOTCONN)?;
        let tcp = self.stack.tcp_mut();
        if option.kind == OptionKind::QuickAck {
            tcp.set_quickack(now, conn, option.value);
            return Ok(());
        }
        let mut changed = tcp.options(conn).ok_or(Errno::NOTCONN)?.clone();
        options::apply(&mut changed, option);
        tcp.set_options(now, conn, changed);
        if option.kind == OptionKind::NoDelay && option.value != 0 {
            tcp.push(now, conn);
        }
        Ok(())
    }

    fn get_option(&self, now: Instant, tuple: &FourTuple, kind: OptionKind) -> Result<u32, Errno> {
        let session = self.sessions.of_tuple(tuple).and_then(|key| self.sessions.get(key));
        let session = session.ok_or(Errno::NOTCONN)?;
        let info = session.conn.and_then(|conn| self.stack.tcp().info(now, conn));
        let info = info.ok_or(Errno::NOTCONN)?;
        // What lies between the program and us was written and not sent.
        let waiting = || unix::waiting(&session.fd);
        Ok(match kind {
            OptionKind::QuickAck => {
                session.conn.and_then(|conn| self.stack.tcp().quickack(conn)).map_or(1, u32::from)
            }
            OptionKind::SegmentSize => info.snd_mss,
            OptionKind::PathMtu => info.pmtu,
            OptionKind::Unacknowledged => info.send_queue.saturating_add(waiting()),
            OptionKind::Unsent => info.notsent_bytes.saturating_add(waiting()),
            _ => return Err(Errno::NOPROTOOPT),
        })
    }

    /// Copies the frames of the first link that lives as pcapng into `fd`. (Sections of several
    /// links cannot share one stream: a packet names its interface by its place in the section.)
    fn capture(&mut self, now: Instant, fd: OwnedFd) -> Result<(), Errno> {
        let captures = self.ports.iter_mut().filter(|p| !p.dead).filter_map(|p| p.link.capture());
        let capture = captures.into_iter().next().ok_or(Errno::OPNOTSUPP)?;
        let attached = capture.attach(fd, now);
        attached.map(drop).map_err(|error| {
            tracing::debug!(%error, "cannot capture");
            Errno::INVAL
        })
    }

    /// Bytes that came after `SHUT_RD`, for their owner only.
    fn read_after_shutdown(
        &mut self,
        now: Instant,
        cred: PeerCred,
        tuple: &FourTuple,
        most: u32,
        peek: bool,
    ) -> Option<Vec<u8>> {
        let key = self.sessions.of_tuple(tuple)?;
        let session = self.sessions.get(key)?;
        let conn = session.conn.filter(|_| session.phase == Phase::Open)?;
        if cred.uid != 0 && cred.uid != session.owner.uid {
            return None;
        }
        let tcp = self.stack.tcp_mut();
        let mut bytes = Vec::new();
        for part in tcp.peek(conn) {
            let room = (most as usize).min(PACKET_MAX - 1) - bytes.len();
            bytes.extend_from_slice(&part[..part.len().min(room)]);
        }
        if !peek {
            tcp.consume(now, conn, bytes.len());
            // A FIN may have stood behind them.
            self.enqueue(key);
        }
        Some(bytes)
    }

    fn congestion_info_of(&self, tuple: &FourTuple) -> Option<Vec<u8>> {
        let session = self.sessions.get(self.sessions.of_tuple(tuple)?)?;
        let words = self.stack.tcp().congestion_info(session.conn?).unwrap_or_default();
        Some(words.iter().flat_map(|word| word.to_ne_bytes()).collect())
    }

    fn info_of(&self, now: Instant, tuple: &FourTuple) -> Option<Vec<u8>> {
        let Some(key) = self.sessions.of_tuple(tuple) else {
            return self.reasons.info(tuple).map(<[u8]>::to_vec);
        };
        let session = self.sessions.get(key)?;
        let mut info = self.stack.tcp().info(now, session.conn?)?;
        // What lies between the program and us was written and not sent.
        info.notsent_bytes = info.notsent_bytes.saturating_add(unix::waiting(&session.fd));
        Some(info::to_linux(&info))
    }
}

/// One packet, and a descriptor if one came with it. An empty packet: hung up.
fn receive(fd: &OwnedFd) -> Result<(Vec<u8>, Option<OwnedFd>), Errno> {
    let mut packet = vec![0; REQUEST_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let got = net::recvmsg(fd, &mut [IoSliceMut::new(&mut packet)], &mut ancillary, flags)?;
    packet.truncate(got.bytes);
    let mut sent = None;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            sent = fds.last();
        }
    }
    Ok((packet, sent))
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
