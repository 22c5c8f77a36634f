//! The receive sequence space (RFC 9293 figure 4), and how data, the FIN and ACKs move along it.
use super::ack_delay::Delack;
use super::ack_points::AckPoints;
use super::duplicates::Duplicates;
use super::reassembly::Reassembly;
use super::tuning::{MOST, Tuning, most};
use crate::base::Instant;
use crate::base::time::Duration;
use crate::stack::tcp::TcpConfig;
use crate::stack::tcp::loss::Rtt;
use crate::stack::tcp::words::{Ring, Segment, Seq, Stamps, Timers};
use crate::wire::tcp::{Flags, Options};

/// The receive buffer at first, bytes (half of Linux's `tcp_rmem[1]`, 128 KiB).
const LIMIT_FIRST: u32 = 65_536;
/// One answer in this time to segments that should not have come (Linux
/// `tcp_invalid_ratelimit`).
pub(crate) const CHALLENGE_INTERVAL: Duration = Duration::from_millis(500);

/// What the receive side needs of the rest of its connection during one call.
pub(crate) struct Around<'a> {
    pub now: Instant,
    pub config: &'a TcpConfig,
    pub stamps: &'a Stamps,
    pub rtt: &'a Rtt,
    pub timers: &'a mut Timers,
}

/// What became of the data of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Taken {
    /// There is more to read.
    InOrder,
    /// It waits for what is missing before it.
    OutOfOrder,
    /// There was no room for one more range.
    Dropped,
}

/// The receive side of one connection.
#[derive(Debug)]
pub(crate) struct ReceiveSide {
    pub(super) irs: Seq,
    pub(super) nxt: Seq,
    /// Right edge of the window that was offered: never goes back.
    pub(super) edge: Seq,
    /// Shift of windows that we send.
    pub(super) shift: u8,
    /// Both sides offered SACK.
    pub(super) sack: bool,
    /// In-order unread bytes; the last of them is `nxt - 1` (before a FIN).
    pub(super) ring: Ring,
    pub(super) reassembly: Reassembly,
    /// RCV.UP: where the peer's urgent byte stands, until it is read.
    pub(super) urgent: Option<Seq>,
    /// Where the peer's FIN stands, once seen.
    fin: Option<Seq>,
    /// The FIN is in and so is all before it.
    pub(super) closed: bool,
    /// Window that is offered to an idle reader, bytes; grows to the configured buffer.
    pub(super) limit: u32,
    /// The program has set `limit` (`SO_RCVBUF`): it does not grow.
    pub(super) fixed: bool,
    /// Every free byte is offered at once (`Teaching::silly_windows`).
    pub(super) silly: bool,
    /// The largest window that may be offered (`TCP_WINDOW_CLAMP`), bytes.
    pub(super) clamp: u32,
    /// Bytes that the program waits for (`SO_RCVLOWAT`).
    pub(super) lowat: u32,
    pub(super) tuning: Tuning,
    /// Largest payload seen, at most our own MSS.
    pub(super) mss: u32,
    /// Our own MSS, bytes.
    pub(super) our_mss: u32,
    /// An ACK is to be sent now.
    pub(super) ack_now: bool,
    /// And others before it.
    pub(super) acks: AckPoints,
    /// What D-SACK is to report (RFC 2883).
    pub(super) duplicates: Duplicates,
    /// Further identical ACKs that are owed to a sender without SACK (RFC 5681 4.2).
    duplicate_acks: u8,
    /// Bytes received in order that no ACK has covered.
    pub(super) unacked: u32,
    pub(super) delack: Delack,
    /// RFC 7323 Last.ACK.sent.
    pub(super) last_ack: Seq,
    /// When a segment last arrived, and when data last did.
    last_heard: Instant,
    pub(super) last_data_in: Instant,
    /// When a challenge or duplicate-segment ACK was last sent (RFC 5961 7).
    last_challenge: Option<Instant>,
    counts: Counts,
}

/// Monotonic counts for `TCP_INFO`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// What RCV.NXT has moved by, the FIN included.
    pub bytes: u64,
    pub data_segments: u32,
    /// Segments that came out of order.
    pub out_of_order: u32,
}

impl ReceiveSide {
    pub fn new(config: &TcpConfig, now: Instant) -> ReceiveSide {
        let buffer = u32::try_from(config.receive_buffer).unwrap_or(u32::MAX).min(1 << 30);
        ReceiveSide {
            irs: Seq(0),
            nxt: Seq(0),
            edge: Seq(0),
            shift: 0,
            sack: false,
            ring: Ring::default(),
            reassembly: Reassembly::default(),
            urgent: None,
            fin: None,
            closed: false,
            limit: LIMIT_FIRST.min(buffer),
            fixed: false,
            silly: config.teaching.silly_windows,
            clamp: MOST,
            lowat: 0,
            tuning: Tuning::default(),
            mss: 536,
            our_mss: 536,
            ack_now: false,
            acks: AckPoints::default(),
            duplicates: Duplicates::default(),
            duplicate_acks: 0,
            unacked: 0,
            delack: Delack::default(),
            last_ack: Seq(0),
            last_heard: now,
            last_data_in: now,
            last_challenge: None,
            counts: Counts::default(),
        }
    }

    /// The peer's SYN is here: the sequence space begins. No window is offered yet.
    pub fn begin(&mut self, irs: Seq) {
        self.irs = irs;
        self.nxt = irs + 1;
        self.edge = self.nxt;
        self.last_ack = self.nxt;
    }

    /// What both SYNs have agreed on: the shift of windows that we send, and whether the peer
    /// understands SACK.
    pub fn agree(&mut self, shift: Option<u8>, sack: bool) {
        self.shift = shift.unwrap_or(self.shift);
        self.sack = sack;
    }

    /// Payload of a full segment as our SYN offers it, bytes. `RCV.MSS` begins with it too.
    pub fn set_our_mss(&mut self, mss: u32) {
        self.our_mss = mss;
        self.mss = mss.min(536);
    }

    /// The path takes less than our SYN would offer.
    pub fn lower_our_mss(&mut self, mss: u32) {
        self.our_mss = self.our_mss.min(mss);
    }

    /// The handshake is done: from now on data may come.
    pub fn opened(&mut self, now: Instant) {
        self.last_data_in = now;
    }

    /// A segment came, of whatever kind.
    pub fn heard(&mut self, now: Instant) {
        self.last_heard = now;
    }

    /// A segment is about to be looked at.
    pub fn begin_segment(&mut self) {
        self.duplicates.begin();
    }

    /// An ACK is due now.
    pub fn owe_ack(&mut self) {
        self.ack_now = true;
    }

    /// Cuts off what we have and what is beyond the window.
    pub fn trim(&mut self, segment: &mut Segment<'_>) {
        let have = self.nxt.past(segment.seq) as usize;
        if have > 0 {
            self.note_old(segment);
            segment.payload = segment.payload.get(have..).unwrap_or(&[]);
            segment.seq = self.nxt;
        }
        let room = self.edge.past(segment.seq) as usize;
        // As on Linux, a FIN needs no room: it may stand at the edge.
        if segment.payload.len() > room {
            segment.payload = &segment.payload[..room];
            segment.flags.0 &= !Flags::FIN.0;
        }
    }

    /// The payload of a segment that was trimmed to the window (RFC 9293 3.10.7.4, seventh).
    pub fn take_data(&mut self, around: &mut Around<'_>, segment: &Segment<'_>) -> Taken {
        let end = segment.seq + segment.payload.len() as u32;
        self.measure_round_trip(around, segment);
        self.data_came(around, segment);
        self.counts.data_segments = self.counts.data_segments.wrapping_add(1);
        if segment.seq != self.nxt {
            return self.take_out_of_order(around, segment, end);
        }
        let filled = !self.reassembly.is_empty();
        if filled {
            self.note_queued(segment.seq, end);
        }
        self.ring.write(segment.payload);
        let reached = if filled { self.reassembly.advance(end) } else { end };
        self.ring.commit(reached.past(end) as usize);
        let bytes = reached.past(self.nxt);
        self.nxt = reached;
        self.counts.bytes += u64::from(bytes);
        self.acknowledge_data(around, bytes, filled);
        Taken::InOrder
    }

    /// Written where it belongs, behind the gap.
    fn take_out_of_order(&mut self, around: &Around<'_>, segment: &Segment<'_>, end: Seq) -> Taken {
        // RFC 5681 4.2: at once, and one for each, so that the sender can count them. With SACK
        // the latest one tells all.
        if self.ack_now && !self.sack {
            self.duplicate_acks = self.duplicate_acks.saturating_add(1);
        }
        self.ack_now = true;
        self.counts.out_of_order = self.counts.out_of_order.wrapping_add(1);
        self.note_queued(segment.seq, end);
        if !self.reassembly.insert(segment.seq, end) {
            return Taken::Dropped;
        }
        let offset = self.ring.len() + segment.seq.past(self.nxt) as usize;
        self.ring.write_at(offset, segment.payload);
        self.grow_behind_gap(segment.payload.len() as u32, most(around.config));
        Taken::OutOfOrder
    }

    /// Data that came with a SYN or SYN-ACK, as far as the window takes it.
    pub fn take_syn_data(&mut self, data: &[u8]) {
        self.ring.write(data);
        self.nxt += data.len() as u32;
        self.counts.bytes += data.len() as u64;
        self.counts.data_segments += 1;
    }

    /// The FIN of a segment (RFC 9293 3.10.7.4, eighth); one behind a gap is remembered. True: it
    /// is in, and all before it.
    pub fn take_fin(&mut self, segment: &Segment<'_>) -> bool {
        if segment.has(Flags::FIN) {
            self.fin = Some(segment.seq + segment.payload.len() as u32);
            self.ack_now = true;
        }
        if self.closed || self.fin != Some(self.nxt) {
            return false;
        }
        self.nxt += 1;
        self.edge = self.edge.later(self.nxt);
        self.closed = true;
        // As on Linux, which counts what rcv_nxt moves by.
        self.counts.bytes += 1;
        self.reassembly.clear();
        self.ack_now = true;
        true
    }

    /// The program has taken `n` bytes out of [`ReceiveSide::unread`]. `receives`: the peer may
    /// still send.
    pub fn read(&mut self, now: Instant, config: &TcpConfig, n: usize, receives: bool) {
        self.consume(now, most(config), n, receives);
    }

    /// The next acknowledgment that is owed to the burst of `now`, but for the last one.
    pub fn ack_point(&mut self, now: Instant) -> Option<Seq> {
        self.acks.next(now, self.last_ack, self.nxt)
    }

    /// A segment leaves, and with it the latest ACK.
    pub fn segment_left(&mut self, timers: &mut Timers) {
        self.ack_now = !self.duplicates.is_empty();
        self.duplicate_acks = 0;
        self.unacked = 0;
        self.last_ack = self.nxt;
        self.acks.clear();
        self.ack_left(timers);
    }

    /// A bare ACK is about to leave: how many further ones are owed. What it reports is done with.
    pub fn bare_ack_leaves(&mut self) -> u8 {
        self.duplicates.reported();
        self.duplicate_acks
    }

    /// `owed` of those that [`ReceiveSide::bare_ack_leaves`] gave are still owed.
    pub fn owe_duplicates(&mut self, owed: u8) {
        self.duplicate_acks = owed;
        self.ack_now = true;
    }

    /// An ACK of less than has come leaves; the window field for it.
    pub fn ack_point_left(&mut self, point: Seq) -> u16 {
        let later = self.nxt.past(point) >> self.shift;
        let window = (u32::from(self.advance_edge()) + later).min(0xffff) as u16;
        self.last_ack = point;
        window
    }

    /// What has arrived out of order, for the options of a segment.
    pub fn sack_blocks(&self, options: &mut Options) {
        if self.sack && !self.reassembly.is_empty() {
            self.reassembly.sack_blocks(options);
        }
    }

    /// What D-SACK reports next.
    pub fn first_duplicate(&self) -> Option<(Seq, Seq)> {
        self.duplicates.first()
    }

    /// Behind the last byte that has arrived out of order.
    pub fn last_range_end(&self) -> Option<Seq> {
        self.reassembly.end()
    }

    /// Nothing is reported by SACK or D-SACK now.
    pub fn reports_nothing(&self) -> bool {
        self.reassembly.is_empty() && self.duplicates.is_empty()
    }

    /// RFC 5961 7 and against ACK loops: an answer only now and then.
    pub fn may_answer(&mut self, now: Instant) -> bool {
        let due = self.last_challenge.is_none_or(|at| now.since(at) >= CHALLENGE_INTERVAL);
        if due {
            self.last_challenge = Some(now);
        }
        due
    }

    /// The connection is over. What was received in order stays readable.
    pub fn end(&mut self) {
        self.reassembly.clear();
    }

    /// Nobody will read any more.
    pub fn drop_unread(&mut self) {
        self.ring.free();
    }
}

/// What can be seen of it.
impl ReceiveSide {
    /// RCV.NXT.
    pub fn nxt(&self) -> Seq {
        self.nxt
    }
    /// IRS.
    pub fn irs(&self) -> Seq {
        self.irs
    }
    /// Unread bytes in order.
    pub fn unread(&self) -> &Ring {
        &self.ring
    }
    /// The peer's FIN is in and so is all before it.
    pub fn is_closed(&self) -> bool {
        self.closed
    }
    /// An ACK is due now.
    pub fn owes_ack(&self) -> bool {
        self.ack_now
    }
    /// RFC 7323 Last.ACK.sent.
    pub fn last_ack(&self) -> Seq {
        self.last_ack
    }
    /// When a segment last arrived.
    pub fn last_heard(&self) -> Instant {
        self.last_heard
    }
    /// When data last arrived.
    pub fn last_data_in(&self) -> Instant {
        self.last_data_in
    }
    /// Shift of windows that we send.
    pub fn shift(&self) -> u8 {
        self.shift
    }
    /// Our own MSS, bytes.
    pub fn our_mss(&self) -> u32 {
        self.our_mss
    }
    /// Payload of the peer's full segments, bytes.
    pub fn mss(&self) -> u32 {
        self.mss
    }
    /// Counts for `TCP_INFO`.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
    /// Where the urgent byte stands.
    #[cfg(test)]
    pub fn urgent(&self) -> Option<Seq> {
        self.urgent
    }
    /// What must hold after every event: RCV.NXT is not beyond the right edge.
    pub fn is_sound(&self) -> bool {
        self.nxt.at_or_before(self.edge)
    }
}
