//! Selective acknowledgments that come in (RFC 2018, as Linux `tcp_sacktag_write_queue`), and among
//! them reports of duplicates (D-SACK, RFC 2883).
use super::news::News;
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::words::{Count, Cx, Segment, Seq};

impl Conn {
    /// The SACK blocks of an ACK; `snd_una` has moved already.
    pub fn take_sack(&mut self, cx: &mut Cx<'_>, segment: &Segment<'_>, news: &mut News) {
        let blocks = segment.options.sack_blocks();
        let block = |i: usize| blocks.get(i).map(|b| (Seq(b.0), Seq(b.1)));
        let duplicate = match (block(0), block(1)) {
            // RFC 2883 4: the first block is a duplicate if it is below the ACK, or within the
            // second.
            (Some(first), _) if first.0.before(segment.ack) => true,
            (Some(first), Some(second)) => {
                first.1.at_or_before(second.1) && first.0.at_or_after(second.0)
            }
            _ => false,
        };
        for i in 0..blocks.len() {
            let Some((left, right)) = block(i) else { break };
            let reports = duplicate && i == 0;
            if reports && !self.take_duplicate(cx, left, right, news) {
                // Not about anything that we sent again.
                continue;
            }
            if self.is_plausible(left, right) {
                self.take_block(cx, left, right, news);
            }
        }
    }

    /// Linux `tcp_is_sackblock_valid`: within what is outstanding, and not at `snd_una`, which
    /// would be acknowledged instead.
    fn is_plausible(&self, left: Seq, right: Seq) -> bool {
        left.before(right)
            && right.at_or_before(self.tx.nxt)
            && left.after(self.tx.una)
            && left.before(self.tx.nxt)
    }

    fn take_block(&mut self, cx: &Cx<'_>, left: Seq, right: Seq, news: &mut News) {
        let (rate, rack, point) = (&mut self.rate, &mut self.recovery.rack, self.recovery.point);
        let min_rtt = self.rtt.min();
        self.flight.sack(left, right, |piece, highest| {
            rack.arrived(cx.now, piece, min_rtt);
            rate.arrived(cx.now, piece, piece.len());
            news.sacked = true;
            news.segs += piece.segs;
            if !piece.again {
                news.time_sack(piece);
                // Sent once, and later ones were here before: reordering.
                if highest.is_some_and(|highest| piece.start.before(highest)) {
                    news.note_low(piece.start);
                }
                news.original |= piece.end.at_or_before(point);
            }
        });
    }

    /// RFC 2883: `left..right` arrived twice. False: nothing follows from it (Linux
    /// `tcp_dsack_seen`).
    fn take_duplicate(&mut self, cx: &mut Cx<'_>, left: Seq, right: Seq, news: &mut News) -> bool {
        let (len, mss) = (right.past(left), self.tx.mss.max(1));
        if len == 0 || right.after(self.tx.nxt) || len > self.tx.max_wnd.max(mss) {
            return false;
        }
        let segs = len.div_ceil(mss);
        if len <= mss && self.recovery.probe.end == Some(right) {
            news.dsack_of_probe = true;
        }
        let total = self.stats.total_retrans;
        let r = &mut self.recovery;
        r.dsack_dups = r.dsack_dups.saturating_add(segs);
        cx.counters.add(Count::DuplicatesReported);
        if r.dsack_dups > total {
            // The network duplicated it, not we.
            return false;
        }
        if r.reord_seen > 0 && !news.dsack_of_probe {
            r.rack.dsack_seen = true;
        }
        news.dsack = true;
        if let (Some(marker), Some(resent)) = (r.undo.marker, r.undo.resent.as_mut()) {
            if right.after(marker) {
                *resent = resent.saturating_sub(len);
            }
        }
        true
    }
}
