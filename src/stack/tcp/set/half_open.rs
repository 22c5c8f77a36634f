//! SYN-RECEIVED of connections that came through a listener: RFC 9293 3.10.7.4 for what is only a
//! record in the SYN queue, and how a connection is made of it.
//!
//! `TCP_DEFER_ACCEPT`, a full queue of accepted connections, and the pruning of old requests are
//! Linux's (`tcp_check_req`, `reqsk_timer_handler`).
use super::arrival::Arrival;
use super::tcp::Tcp;
use crate::base::time::Duration;
use crate::base::{FourTuple, Instant};
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::open::{FIRST_TIMEOUT, ListenerKey, Request};
use crate::stack::tcp::receive::CHALLENGE_INTERVAL;
use crate::stack::tcp::words::{Count, Counters, Cx, Replies, Reply, Segment};
use crate::stack::tcp::{IcmpError, SegmentOut};
use crate::wire::tcp::Flags;

/// Timeouts that even an old request has before it is pruned (Linux `reqsk_timer_handler`).
const RETRIES_MIN: u8 = 2;

/// What becomes of a segment for a half-open connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Drop(Count),
    /// The SYN-ACK goes out again.
    SynAck,
    /// The peer is told where we are.
    Challenge(Count),
    /// A reset answers, the request stays.
    Refuse(Count),
    /// The request is forgotten: back to LISTEN.
    Forget(Count),
    /// The same, and a reset answers.
    Reset(Count),
    /// The handshake is complete.
    Open,
}

impl Tcp {
    /// RFC 9293 3.10.7.4 for SYN-RECEIVED, by its numbers.
    pub(super) fn half_open_arrives(&mut self, arrival: &Arrival<'_>) {
        let Arrival { now, tuple, segment, .. } = *arrival;
        let Some(request) = self.syn_queue.get(&tuple) else { return };
        let fate = self.judge(request, segment);
        match fate {
            Fate::Drop(count) => self.counters.add(count),
            Fate::SynAck => {
                if self.may_answer(now, &tuple) {
                    self.repeat_syn_ack(now, &tuple);
                }
            }
            Fate::Challenge(count) => {
                self.counters.add(count);
                if self.may_answer(now, &tuple) {
                    self.counters.add(Count::ChallengesOut);
                    self.acknowledge(now, &tuple);
                }
            }
            Fate::Refuse(count) => {
                self.counters.add(count);
                self.refuse(tuple, segment);
            }
            Fate::Forget(count) => {
                self.counters.add(count);
                self.forget_request(&tuple);
            }
            Fate::Reset(count) => {
                self.counters.add(count);
                self.refuse(tuple, segment);
                self.forget_request(&tuple);
            }
            Fate::Open => self.handshake_done(now, &tuple, segment),
        }
    }

    fn judge(&self, request: &Request, segment: &Segment<'_>) -> Fate {
        let (nxt, window) = (request.irs + 1, u32::from(u16::MAX));
        let only = segment.flags.0 & (Flags::SYN.0 | Flags::ACK.0 | Flags::RST.0 | Flags::FIN.0);
        if only == Flags::SYN.0 && segment.seq == request.irs {
            // Our SYN-ACK was lost, or is late.
            return Fate::SynAck;
        }
        let reset = segment.has(Flags::RST);
        // RFC 9293 3.5.2, group 1, before all else (Linux `tcp_check_req`): an ACK of something
        // that was never sent.
        if segment.has(Flags::ACK) && segment.ack != request.iss + 1 {
            return Fate::Refuse(Count::BadAck);
        }
        // RFC 7323 5.3 R1.
        if let (Some(recent), Some((value, _))) = (request.stamp, segment.options.timestamps) {
            let older = (value.wrapping_sub(recent) as i32) < 0;
            if self.config.timestamps && older && !reset {
                return Fate::Challenge(Count::Paws);
            }
        }
        // First: the sequence number.
        let acceptable = if segment.len() == 0 {
            segment.seq.at_or_after(nxt) && segment.seq.at_or_before(nxt + window)
        } else {
            segment.seq.before(nxt + window) && segment.end().after(nxt)
        };
        match (acceptable, reset) {
            (false, true) => return Fate::Drop(Count::ResetOutOfWindow),
            (false, false) => return Fate::Challenge(Count::OutOfWindow),
            // Second: a reset returns a passive open to LISTEN; RFC 5961 3.2: an exact one.
            (true, true) if segment.seq == nxt => return Fate::Forget(Count::ResetsIn),
            (true, true) => return Fate::Challenge(Count::ResetChallenged),
            (true, false) => {}
        }
        // Fourth: so does a SYN in the window; as on Linux the peer is told.
        if segment.has(Flags::SYN) {
            return Fate::Reset(Count::SynChallenged);
        }
        // Fifth: the ACK.
        if !segment.has(Flags::ACK) {
            return Fate::Drop(Count::NoAck);
        }
        Fate::Open
    }

    /// The ACK of our SYN-ACK is there.
    fn handshake_done(&mut self, now: Instant, tuple: &FourTuple, segment: &Segment<'_>) {
        let Some(request) = self.syn_queue.get(tuple) else { return };
        let options = self.listeners.get(&request.listener).map(|listener| &listener.options);
        let defer = options.map_or(0, |options| options.defer_accept);
        if request.timeouts < defer && segment.len() == 0 && segment.seq == request.irs + 1 {
            // tcp(7), TCP_DEFER_ACCEPT: the program is to be told when there is data.
            self.counters.add(Count::Deferred);
            return self.note_acked(tuple);
        }
        let request = request.clone();
        if !self.is_let_in(now, &request, segment) {
            return;
        }
        let Some(request) = self.forget_request(tuple) else { return };
        self.open_request(now, &request, segment);
    }

    fn note_acked(&mut self, tuple: &FourTuple) {
        if let Some(request) = self.syn_queue.get_mut(tuple) {
            request.acked = true;
        }
    }

    /// Whether there is room for the connection: with the program, and here.
    pub(super) fn is_let_in(
        &mut self,
        now: Instant,
        request: &Request,
        segment: &Segment<'_>,
    ) -> bool {
        let Some(listener) = self.listeners.get(&request.listener) else { return false };
        if listener.has_no_room(now) {
            self.counters.add(Count::AcceptQueueFull);
            if self.config.abort_on_overflow {
                self.forget_request(&request.tuple);
                self.refuse(request.tuple, segment);
            } else {
                self.note_acked(&request.tuple);
            }
            return false;
        }
        let room = self.make_room(now);
        if !room {
            self.counters.add(Count::TableFull);
        }
        room
    }

    /// Makes the connection, and gives it the segment that finished the handshake.
    pub(super) fn open_request(&mut self, now: Instant, request: &Request, segment: &Segment<'_>) {
        let mut conn = self.conn_of(request);
        // Its SYN-ACK is long gone: what is left of sending it is what it did to the connection.
        let (mut counters, mut replies) = (Counters::default(), Replies::default());
        let (counters, replies) = (&mut counters, &mut replies);
        let mut cx = Cx { now: request.since, config: &self.config, counters, replies };
        conn.transmit(&mut cx, &mut SegmentOut::empty());
        if request.timeouts > 0 {
            // Karn: which of them was answered is not known.
            conn.syn_was_repeated(request.timeouts);
        }
        let id = self.table.insert(conn);
        let segment = Segment { ..*segment };
        self.with(now, id, |conn, cx| conn.segment_arrives(cx, segment));
    }

    /// The connection of a request as it was when its SYN had arrived.
    pub(super) fn conn_of(&self, request: &Request) -> Conn {
        let listener = self.listeners.get(&request.listener);
        let options = listener.map(|listener| listener.options.clone()).unwrap_or_default();
        let (tuple, now) = (request.tuple, request.since);
        let (path, iss, key) = (request.path, request.iss, Some(request.listener));
        let mut conn = Conn::new(tuple, path, options, iss, key, &self.config, now);
        conn.set_stamp_offset(self.stamp_offset(&tuple));
        conn.fast_open().set_option(request.fast_open);
        let (mut counters, mut replies) = (Counters::default(), Replies::default());
        let (counters, replies) = (&mut counters, &mut replies);
        let cx = Cx { now, config: &self.config, counters, replies };
        conn.open_from_listen(&cx, &request.syn());
        conn
    }

    /// The SYN-ACK that is to leave next.
    pub(super) fn transmit_syn_ack(&mut self, now: Instant, out: &mut SegmentOut) -> bool {
        let Some(request) = self.syn_queue.next_answer() else { return false };
        let mut conn = self.conn_of(&request);
        if let Some(stamped) = request.stamped {
            conn.set_stamp_value(now, stamped);
        }
        let (config, replies) = (&self.config, &mut self.replies);
        let mut cx = Cx { now, config, counters: &mut self.counters, replies };
        conn.transmit(&mut cx, out)
    }

    /// The SYN-ACK goes out again, and its timeout starts again.
    fn repeat_syn_ack(&mut self, now: Instant, tuple: &FourTuple) {
        let Some(request) = self.syn_queue.get(tuple) else { return };
        let wait = timeout(request.timeouts, self.config.rto_max);
        let request = request.clone();
        self.listeners.call(request.listener);
        if self.syn_queue.answer(request) {
            self.counters.add(Count::Retransmits);
        }
        self.syn_queue.set_due(tuple, now + wait);
    }

    /// RFC 5961 7: an answer only now and then.
    fn may_answer(&mut self, now: Instant, tuple: &FourTuple) -> bool {
        let Some(request) = self.syn_queue.get_mut(tuple) else { return false };
        let due = request.answered.is_none_or(|at| now.since(at) >= CHALLENGE_INTERVAL);
        if due {
            request.answered = Some(now);
        }
        due
    }

    fn acknowledge(&mut self, now: Instant, tuple: &FourTuple) {
        let Some(request) = self.syn_queue.get(tuple) else { return };
        let value = (now.as_millis() as u32).wrapping_add(self.stamp_offset(tuple));
        let recent = request.stamp.filter(|_| self.config.timestamps);
        let reply = Reply {
            tuple: *tuple,
            seq: request.iss + 1,
            ack: Some(request.irs + 1),
            flags: Flags(0),
            window: u16::MAX,
            timestamps: recent.map(|recent| (value, recent)),
        };
        self.replies.push(reply, &mut self.counters);
    }

    /// Takes a request out of the queue and out of its listener's count.
    pub(super) fn forget_request(&mut self, tuple: &FourTuple) -> Option<Request> {
        let request = self.syn_queue.remove(tuple)?;
        if let Some(listener) = self.listeners.get_mut(&request.listener) {
            listener.leave(&request);
        }
        Some(request)
    }

    /// Every request whose timeout has come.
    pub(super) fn half_open_timeouts(&mut self, now: Instant) {
        while let Some(tuple) = self.syn_queue.pop_due(now) {
            self.half_open_timed_out(now, &tuple);
        }
    }

    fn half_open_timed_out(&mut self, now: Instant, tuple: &FourTuple) {
        let Some(request) = self.syn_queue.get(tuple) else { return };
        let (timeouts, acked, key) = (request.timeouts, request.acked, request.listener);
        let most = self.syn_ack_retries(key);
        let Some(listener) = self.listeners.get_mut(&key) else {
            self.syn_queue.remove(tuple);
            return;
        };
        let defer = listener.options.defer_accept;
        // Linux syn_ack_recalc: one that was acknowledged waits in silence for data, until shortly
        // before the deferral ends; then the peer is asked once more.
        let (expired, resend) = if defer == 0 {
            (timeouts >= most, true)
        } else {
            let over = timeouts >= defer;
            (timeouts >= most && (!acked || over), !acked || timeouts + 1 >= defer)
        };
        if expired {
            self.counters.add(Count::HalfOpenExpired);
            self.forget_request(tuple);
            return;
        }
        if timeouts == 0 {
            listener.young = listener.young.saturating_sub(1);
        }
        if let Some(request) = self.syn_queue.get_mut(tuple) {
            request.timeouts = timeouts.saturating_add(1);
        }
        if resend {
            self.repeat_syn_ack(now, tuple);
        } else {
            let wait = timeout(timeouts + 1, self.config.rto_max);
            self.syn_queue.set_due(tuple, now + wait);
        }
    }

    /// How often a SYN-ACK is repeated: `TCP_SYNCNT` of the listener or the net's number; less when
    /// old requests are about to fill the queue (Linux keeps half of it for young ones).
    fn syn_ack_retries(&self, key: ListenerKey) -> u8 {
        let Some(listener) = self.listeners.get(&key) else { return 0 };
        let mut most = match listener.options.syn_count {
            0 => self.config.synack_retries,
            count => count,
        };
        if listener.half_open * 2 > listener.limit.max(8) {
            let mut young = listener.young * 2;
            while most > RETRIES_MIN && listener.half_open >= young {
                most -= 1;
                young = young.saturating_mul(2);
            }
        }
        most
    }

    /// An ICMP error about a SYN-ACK of ours. RFC 5927 4.1: believed if it quotes just that.
    pub(super) fn half_open_icmp(
        &mut self,
        tuple: &FourTuple,
        seq: u32,
        error: IcmpError,
    ) -> Option<u16> {
        let request = self.syn_queue.get_mut(tuple)?;
        if request.iss.0 != seq {
            self.counters.add(Count::IcmpOutOfWindow);
            return None;
        }
        match error {
            IcmpError::Unreachable(_) => {
                self.forget_request(tuple);
                None
            }
            IcmpError::TooBig(mtu) => {
                request.path.mtu = request.path.mtu.min(mtu.max(576));
                Some(request.path.mtu)
            }
        }
    }
}

/// RFC 6298 5.5: the timeout after so many timeouts.
fn timeout(timeouts: u8, most: Duration) -> Duration {
    (FIRST_TIMEOUT * (1 << timeouts.min(16))).min(most)
}
