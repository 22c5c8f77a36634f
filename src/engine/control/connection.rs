//! What programs ask of their wire connections: options, `TCP_INFO`, bytes after `SHUT_RD`.
use super::super::connections::{options, tcp_info};
use super::super::state::Engine;
use super::super::state::session::Phase;
use super::super::system::unix;
use crate::base::{FourTuple, Instant};
use crate::host::unix::PeerCred;
use crate::protocol::option::{OptionKind, WireOption};
use crate::protocol::request::PACKET_MAX;
use rustix::io::Errno;

impl Engine {
    /// Resets a connection, for its owner.
    pub(super) fn abort_connection(
        &mut self,
        now: Instant,
        cred: PeerCred,
        tuple: &FourTuple,
    ) -> Result<(), Errno> {
        let key = self.sessions.of_tuple(tuple).ok_or(Errno::NOTCONN)?;
        let session = self.sessions.get(key).ok_or(Errno::NOTCONN)?;
        if !session.is_owned_by(cred.uid) {
            return Err(Errno::PERM);
        }
        self.end_session(now, key, true);
        Ok(())
    }

    pub(super) fn set_option(
        &mut self,
        now: Instant,
        cred: PeerCred,
        tuple: &FourTuple,
        option: WireOption,
    ) -> Result<(), Errno> {
        let key = self.sessions.of_tuple(tuple).ok_or(Errno::NOTCONN)?;
        let session = self.sessions.get_mut(key).ok_or(Errno::NOTCONN)?;
        if !session.is_owned_by(cred.uid) {
            return Err(Errno::PERM);
        }
        if option.kind == OptionKind::LingerZero {
            session.reset_at_end = option.value != 0;
            return Ok(());
        }
        match option.kind {
            OptionKind::Urgent => {
                session.keep_urgent_in_line();
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

    pub(super) fn get_option(
        &self,
        now: Instant,
        tuple: &FourTuple,
        kind: OptionKind,
    ) -> Result<u32, Errno> {
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

    /// Bytes that came after `SHUT_RD`, for their owner only.
    pub(super) fn read_after_shutdown(
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
            self.sessions.enqueue(key);
        }
        Some(bytes)
    }

    pub(super) fn congestion_info_of(&self, tuple: &FourTuple) -> Option<Vec<u8>> {
        let session = self.sessions.get(self.sessions.of_tuple(tuple)?)?;
        let words = self.stack.tcp().congestion_info(session.conn?).unwrap_or_default();
        Some(words.iter().flat_map(|word| word.to_ne_bytes()).collect())
    }

    pub(super) fn info_of(&self, now: Instant, tuple: &FourTuple) -> Option<Vec<u8>> {
        let Some(key) = self.sessions.of_tuple(tuple) else {
            return self.last_infos.info(tuple).map(<[u8]>::to_vec);
        };
        let session = self.sessions.get(key)?;
        let mut info = self.stack.tcp().info(now, session.conn?)?;
        // What lies between the program and us was written and not sent.
        info.notsent_bytes = info.notsent_bytes.saturating_add(unix::waiting(&session.fd));
        Some(tcp_info::to_linux(&info))
    }
}
