//! What one ACK says.
use crate::base::Instant;
use crate::base::time::Duration;
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::flight::Record;
use crate::stack::tcp::words::{Segment, Seq};

/// What one ACK says.
#[derive(Debug)]
pub(crate) struct News {
    /// Bytes newly acknowledged, cumulatively.
    pub acked: u32,
    /// `snd_una` before it.
    pub una_before: Seq,
    /// Bytes outstanding before it.
    pub flight: u32,
    /// Something was newly selectively acknowledged.
    pub sacked: bool,
    /// A D-SACK told of a needless retransmission; it was that of a tail loss probe.
    pub dsack: bool,
    pub dsack_of_probe: bool,
    /// It updates the window.
    pub window: bool,
    /// It came with data or FIN.
    pub data: bool,
    /// It is older than the last one.
    pub(super) old: bool,
    /// Something that is now acknowledged had been sent again.
    pub again: bool,
    /// Something sent once, before the last loss was found, has arrived.
    pub original: bool,
    /// The peer acknowledges up to where it had reported more, but not that: it has dropped it.
    pub reneging: bool,
    /// Something sent again was lost again.
    pub lost_again: bool,
    /// The retransmission timer is to start anew.
    pub restart_timer: bool,
    /// Segments newly delivered.
    pub segs: u32,
    /// The latest sample of the round-trip time.
    pub rtt: Option<Duration>,
    /// Lowest sequence number that arrived late.
    pub low: Option<Seq>,
    /// What was selectively acknowledged reached to here.
    pub highest_before: Seq,
    pub(super) delivered_before: u64,
    pub(super) lost_before: u64,
    /// When the first and the last of what has arrived left, of what was sent once.
    pub(super) acked_times: Option<(Instant, Instant)>,
    pub(super) sacked_times: Option<(Instant, Instant)>,
}

impl News {
    pub(super) fn new(conn: &Conn, segment: &Segment<'_>) -> News {
        News {
            acked: segment.ack.past(conn.tx.una),
            una_before: conn.tx.una,
            flight: conn.outstanding(),
            sacked: false,
            dsack: false,
            dsack_of_probe: false,
            window: false,
            data: segment.len() > 0,
            old: segment.ack.before(conn.tx.una),
            again: false,
            original: false,
            reneging: false,
            lost_again: false,
            restart_timer: false,
            segs: 0,
            rtt: None,
            low: None,
            highest_before: conn.flight.highest_sacked().unwrap_or(conn.tx.una),
            delivered_before: conn.rate.delivered,
            lost_before: conn.rate.lost,
            acked_times: None,
            sacked_times: None,
        }
    }

    /// Neither data nor a new window.
    pub fn is_bare(&self) -> bool {
        !self.data && !self.window
    }

    /// RFC 5681 2: a duplicate ACK.
    pub fn duplicate(&self) -> bool {
        self.acked == 0 && self.is_bare() && !self.dsack && !self.old
    }

    /// Nothing in it could be a sign of trouble.
    pub(super) fn is_plain(&self) -> bool {
        (self.acked > 0 || !self.is_bare()) && !self.sacked && !self.dsack
    }

    pub(super) fn time_ack(&mut self, piece: &Record) {
        let first = self.acked_times.map_or(piece.sent_at, |times| times.0);
        self.acked_times = Some((first, piece.sent_at));
    }

    pub fn time_sack(&mut self, piece: &Record) {
        let first = self.sacked_times.map_or(piece.sent_at, |times| times.0);
        self.sacked_times = Some((first, piece.sent_at));
    }

    pub fn note_low(&mut self, seq: Seq) {
        self.low = Some(self.low.map_or(seq, |low| low.earlier(seq)));
    }
}
