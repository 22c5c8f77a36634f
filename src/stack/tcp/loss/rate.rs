//! Delivery rate estimation (draft-cheng-iccrg-delivery-rate-estimation, draft-ietf-ccwg-bbr 4.1):
//! how fast data has lately been arriving at the peer.
//!
//! Each piece in flight carries a snapshot of the connection's counts from when it left. When it
//! is delivered, what was delivered since, over the time since, is a sample; over the longer of
//! the time that it took to send and the time that it took to be acknowledged, so that neither
//! bursts of ACKs nor bursts of sending make it too high.
use crate::base::Instant;
use crate::base::time::Duration;
use crate::stack::tcp::congestion::RateSample;
use crate::stack::tcp::flight::{Record, Snapshot};
use crate::stack::tcp::words::Seq;

/// The counts of one connection.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    /// Bytes delivered, cumulatively or selectively acknowledged, in all.
    pub delivered: u64,
    /// Bytes ever found lost.
    pub lost: u64,
    delivered_at: Instant,
    first_sent: Instant,
    /// Nonzero while sending is limited by the program: until so much is delivered.
    limited_until: u64,
    /// Of the pieces delivered by the ACK in hand, the one sent last: when, its end, its snapshot.
    newest: Option<(Instant, Seq, Snapshot)>,
    /// The latest sample worth showing: bytes, interval, limited by the program.
    shown: (u64, Duration, bool),
}

impl Rate {
    /// Something is sent. `idle`: nothing was in flight; `in_flight` bytes are, with it.
    pub fn sent(&mut self, now: Instant, idle: bool, in_flight: u32) -> Snapshot {
        if idle {
            // 4.1.2.2: a new flight, whose sample starts now.
            self.first_sent = now;
            self.delivered_at = now;
        }
        Snapshot {
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            first_sent: self.first_sent,
            lost: self.lost,
            in_flight,
            app_limited: self.limited_until > 0,
        }
    }

    /// Sending stopped for want of data, with room in the window (4.1.2.4).
    pub fn limited_by_program(&mut self, in_flight: u32) {
        self.limited_until = (self.delivered + u64::from(in_flight)).max(1);
    }

    /// Sending is limited by the program now.
    pub fn is_limited_by_program(&self) -> bool {
        self.limited_until > 0
    }

    /// Bytes arrived that duplicate ACKs only let us guess (no SACK).
    pub fn guessed(&mut self, now: Instant, bytes: u32) {
        if bytes > 0 {
            self.delivered += u64::from(bytes);
            self.delivered_at = now;
        }
    }

    /// `bytes` of a piece arrived.
    pub fn arrived(&mut self, now: Instant, piece: &Record, bytes: u32) {
        self.delivered += u64::from(bytes);
        self.delivered_at = now;
        let newer = |&(at, end, _): &(Instant, Seq, Snapshot)| {
            piece.sent_at > at || (piece.sent_at == at && piece.end.after(end))
        };
        if self.newest.as_ref().is_none_or(newer) {
            self.newest = Some((piece.sent_at, piece.end, piece.snapshot));
        }
    }

    /// What had been delivered when that piece left which the sample is about.
    pub fn prior_delivered(&self) -> Option<u64> {
        self.newest.map(|(_, _, then)| then.delivered)
    }

    /// The sample of the ACK in hand (4.1.2.3); none if it delivered nothing.
    pub fn sample(
        &mut self,
        min_rtt: Option<Duration>,
        rtt: Option<Duration>,
    ) -> Option<RateSample> {
        if self.limited_until > 0 && self.delivered > self.limited_until {
            self.limited_until = 0;
        }
        let (sent_at, _, then) = self.newest.take()?;
        self.first_sent = sent_at;
        let sending = sent_at.since(then.first_sent);
        let acking = self.delivered_at.since(then.delivered_at);
        let interval = sending.max(acking);
        let delivered = self.delivered - then.delivered;
        // An interval below the shortest round trip is no measurement.
        let valid = !interval.is_zero() && min_rtt.is_none_or(|min| interval >= min);
        if valid {
            self.show(delivered, interval, then.app_limited);
        }
        Some(RateSample {
            delivered,
            interval: if valid { interval } else { Duration::ZERO },
            prior_delivered: then.delivered,
            delivered_total: self.delivered,
            app_limited: then.app_limited,
            rtt,
            tx_in_flight: then.in_flight,
            lost_since: self.lost - then.lost,
        })
    }

    /// Linux `tcp_rate_gen`: one that the program limited is shown only if it is higher.
    fn show(&mut self, delivered: u64, interval: Duration, limited: bool) {
        let (old, old_interval, _) = self.shown;
        let higher = u128::from(delivered) * old_interval.as_nanos()
            >= u128::from(old) * interval.as_nanos();
        if !limited || higher {
            self.shown = (delivered, interval, limited);
        }
    }

    /// Bytes per second, and whether the program limited it (`tcpi_delivery_rate`).
    pub fn shown(&self) -> (u64, bool) {
        let (bytes, interval, limited) = self.shown;
        let nanos = interval.as_nanos().max(1);
        let rate = u128::from(bytes) * 1_000_000_000 / nanos;
        (if bytes == 0 { 0 } else { u64::try_from(rate).unwrap_or(u64::MAX) }, limited)
    }
}
