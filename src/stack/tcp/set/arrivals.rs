//! Segments, ICMP errors and time on their way to a connection; segments and events on their way
//! out.
use super::arrival::Arrival;
use super::tcp::{Tcp, plain_tuple};
use crate::base::addr::*;
use crate::base::{FourTuple, Instant};
use crate::stack::tcp::words::{Count, Cx, Reply, Segment, Seq};
use crate::stack::tcp::{IcmpError, SegmentMeta, SegmentOut, State};
use crate::stack::{ConnId, Event};
use crate::wire::tcp::{Flags, TcpHeader};

impl Tcp {
    /// A segment (TCP header and payload) whose checksum IP has verified. What belongs to no
    /// connection is answered by a reset.
    pub fn segment_arrives(&mut self, now: Instant, meta: &SegmentMeta, segment: &[u8]) {
        self.counters.add(Count::SegmentsIn);
        let Ok((header, payload)) = TcpHeader::parse(segment) else {
            return self.counters.add(Count::Malformed);
        };
        let tuple = FourTuple {
            local: SocketAddr::new(meta.local, header.destination),
            remote: SocketAddr::new(meta.remote, header.source),
        };
        if header.source == 0 || header.destination == 0 || !is_unicast(meta) {
            return self.counters.add(Count::Martian);
        }
        let segment = Segment {
            seq: Seq(header.seq),
            ack: Seq(header.ack),
            flags: header.flags,
            window: header.window,
            urgent: header.urgent,
            options: header.options,
            payload,
            tos: meta.tos,
        };
        let mut after = None;
        if let Some(id) = self.table.find(&tuple) {
            match self.reuse(now, id, &tuple, &segment) {
                Some(iss) => after = Some(iss),
                None => {
                    self.with(now, id, |conn, cx| conn.segment_arrives(cx, segment));
                    return;
                }
            }
        }
        let arrival = Arrival { now, meta, tuple, segment: &segment };
        if self.syn_queue.get(&tuple).is_some() {
            return self.half_open_arrives(&arrival);
        }
        match self.listeners.find(tuple.local) {
            Some(key) => self.listen_arrives(&arrival, key, after),
            None => {
                self.counters.add(Count::NoConnection);
                self.refuse(tuple, &segment);
            }
        }
    }

    pub(super) fn refuse(&mut self, tuple: FourTuple, segment: &Segment<'_>) {
        if let Some(reply) = Reply::reset_for(tuple, segment) {
            self.replies.push(reply, &mut self.counters);
        }
    }

    /// RFC 9293 3.10.7.4 (TIME-WAIT) and RFC 6191: a SYN that is newer than the connection which
    /// rests there starts a new one, with a later initial sequence number, which is returned.
    fn reuse(
        &mut self,
        now: Instant,
        id: ConnId,
        tuple: &FourTuple,
        segment: &Segment<'_>,
    ) -> Option<Seq> {
        let conn = self.table.get(id)?;
        let opening =
            segment.has(Flags::SYN) && !segment.has(Flags::ACK) && !segment.has(Flags::RST);
        if conn.state() != State::TimeWait || !opening {
            return None;
        }
        self.listeners.find(tuple.local)?;
        if !conn.is_older_than(segment) {
            return None;
        }
        let iss = conn.sequence_after();
        self.with(now, id, |conn, _| conn.end(None));
        Some(iss)
    }

    /// The same for all connections between two hosts, so that timestamps of one 4-tuple grow from
    /// one connection to the next (RFC 7323 5.4, RFC 6191).
    pub(super) fn stamp_offset(&self, tuple: &FourTuple) -> u32 {
        self.secret.hash(&("timestamps", tuple.local.ip(), tuple.remote.ip())) as u32
    }

    /// An ICMP error that quotes the segment `seq` of the connection `tuple` (as we name it).
    /// RFC 5927: believed only if that segment is outstanding.
    /// Returns the MTU of the path to the remote host if that is what was learned.
    pub fn icmp_arrives(
        &mut self,
        now: Instant,
        tuple: FourTuple,
        seq: u32,
        error: IcmpError,
    ) -> Option<u16> {
        let tuple = plain_tuple(tuple);
        match self.table.find(&tuple) {
            Some(id) => self.with(now, id, |conn, cx| conn.icmp_arrives(cx, Seq(seq), error))?,
            None => self.half_open_icmp(&tuple, seq, error),
        }
    }

    /// Whether the segment `seq` of the connection `tuple` (as we name it) left and may still be on
    /// its way: RFC 5927 4.1, for what quotes it.
    pub fn is_outstanding(&self, tuple: FourTuple, seq: u32) -> bool {
        let tuple = plain_tuple(tuple);
        match self.table.find(&tuple).and_then(|id| self.table.get(id)) {
            Some(conn) => conn.is_outstanding(Seq(seq)),
            None => self.syn_queue.get(&tuple).is_some_and(|request| request.iss == Seq(seq)),
        }
    }

    /// The next segment to leave, round robin among connections; false: none now. The buffer in
    /// `out` is reused. A super-segment (with `gso_size`) only where the path has `tso_max`.
    ///
    /// Answers without a connection (resets, SYN-ACKs) and segments of connections take turns, so
    /// that a flood of the former does not hold up the latter.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut SegmentOut) -> bool {
        let first = !core::mem::take(&mut self.answered);
        let answer = first && self.transmit_answer(now, out);
        if !answer && self.transmit_connection(now, out) {
            return true;
        }
        self.answered = answer || !first && self.transmit_answer(now, out);
        self.answered
    }

    fn transmit_answer(&mut self, now: Instant, out: &mut SegmentOut) -> bool {
        if let Some(reply) = self.replies.pop() {
            reply.emit(out);
            return true;
        }
        self.transmit_syn_ack(now, out)
    }

    fn transmit_connection(&mut self, now: Instant, out: &mut SegmentOut) -> bool {
        while let Some(id) = self.dirty.pop_front() {
            let Some(conn) = self.table.get_mut(id) else { continue };
            conn.membership().unqueue();
            let mut cx = Cx {
                now,
                config: &self.config,
                counters: &mut self.counters,
                replies: &mut self.replies,
            };
            let sent = conn.transmit(&mut cx, out);
            // One that has sent goes to the end of the line; it may have more.
            self.settle(id, sent);
            if sent {
                return true;
            }
        }
        false
    }

    /// What the engine should look at.
    pub fn poll_event(&mut self) -> Option<Event> {
        loop {
            let event = self.events.pop_front()?;
            if matches!(event, Event::TcpAccepted { .. })
                && let Some(key) = self.announced.pop_front()
                && let Some(listener) = self.listeners.get_mut(&key)
            {
                listener.heard();
            }
            let id = match event {
                Event::TcpChanged(id) | Event::TcpAccepted { conn: id, .. } => id,
                _ => return Some(event),
            };
            let Some(conn) = self.table.get_mut(id) else { continue };
            if matches!(event, Event::TcpChanged(_)) {
                conn.membership().unqueue_event();
            }
            return Some(event);
        }
    }

    /// When `handle_timeout` wants to be called; may be early, never late.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.peek().into_iter().chain(self.syn_queue.next_due()).min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.half_open_timeouts(now);
        while let Some((at, id)) = self.timers.pop(now) {
            let Some(conn) = self.table.get_mut(id) else { continue };
            if !conn.membership().disarm(at) {
                continue;
            }
            self.with(now, id, |conn, cx| conn.handle_timeout(cx));
        }
    }
}

/// RFC 9293 3.9.2.3 (MUST-57, MUST-63): TCP is spoken between two unicast addresses.
fn is_unicast(meta: &SegmentMeta) -> bool {
    let unicast = |ip: IpAddr| {
        !ip.is_multicast()
            && !ip.is_unspecified()
            && !matches!(ip, IpAddr::V4(v4) if v4.is_broadcast())
    };
    unicast(meta.local) && unicast(meta.remote) && meta.local.is_ipv4() == meta.remote.is_ipv4()
}
