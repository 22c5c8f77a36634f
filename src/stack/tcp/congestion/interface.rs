//! What a congestion control algorithm is told and asked: the trait, and the words in it.
use crate::base::Instant;
use crate::base::time::Duration;
use crate::stack::tcp::TcpConfig;
use crate::stack::tcp::words::Seq;

/// What a connection starts with, bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// Sender's maximum segment size.
    pub mss: u32,
    /// The initial window; also that after an idle time.
    pub initial: u32,
    /// cwnd now: the initial window, unless the path has lost our SYNs.
    pub cwnd: u32,
    /// The initial threshold.
    pub ssthresh: u32,
    /// When.
    pub now: Instant,
    /// Smoothed round-trip time, if the handshake has measured one.
    pub srtt: Option<Duration>,
    /// The peer reports what it has (RFC 2018).
    pub sack: bool,
    /// For choices at random.
    pub seed: u64,
}

impl Start {
    /// The net's settings. `syns_lost`: retransmissions of our SYN or SYN-ACK.
    pub fn new(config: &TcpConfig, mss: u32, syns_lost: u8) -> Start {
        let initial = match config.initial_window {
            0 => initial_window(mss),
            segments => segments.saturating_mul(mss).min(CWND_MAX),
        };
        // RFC 5681 3.1: one segment if the SYN or its answer was lost. Like Linux only at the
        // second loss: the first may be a round trip that is longer than the first timeout
        // (RFC 6298 5.7 thinks so too).
        let cwnd = if syns_lost > 1 { mss } else { initial };
        let ssthresh = match config.initial_ssthresh {
            0 => CWND_MAX,
            bytes => bytes.clamp(2 * mss, CWND_MAX),
        };
        let (now, srtt, sack, seed) = (Instant::ZERO, None, true, 0);
        Start { mss, initial, cwnd, ssthresh, now, srtt, sack, seed }
    }
}

/// An acknowledgment that delivered something, cumulatively or selectively, or by which something
/// was found lost. Not every algorithm reads all of it.
#[allow(dead_code)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Acked {
    /// When.
    pub now: Instant,
    /// Bytes for which a window may grow: what was delivered, if anything was acknowledged
    /// cumulatively or reordering is usual on this path (Linux `tcp_may_raise_cwnd`); else 0.
    pub bytes: u32,
    /// Bytes newly delivered: known now, and not before, to have arrived.
    pub delivered: u32,
    /// Bytes newly found lost.
    pub lost: u32,
    /// Bytes outstanding before it (RFC 5681 FlightSize).
    pub flight: u32,
    /// Bytes in the network after it (RFC 6675 pipe).
    pub in_flight: u32,
    /// Sending had stopped at `cwnd` since the last acknowledgment (RFC 7661, Linux
    /// `tcp_is_cwnd_limited`): an unused window must not grow.
    pub limited: bool,
    /// Sending had stopped at `cwnd`, strictly.
    pub window_full: bool,
    /// In fast recovery, or in the round trip of another reduction: the window stays.
    pub recovering: bool,
    /// What is lost is being sent again after a timeout.
    pub repairing: bool,
    /// Smoothed round-trip time.
    pub rtt: Option<Duration>,
    /// A round-trip time that this acknowledgment has measured.
    pub rtt_sample: Option<Duration>,
    /// Smallest round-trip time of late (five minutes).
    pub min_rtt: Option<Duration>,
    /// SND.UNA after it.
    pub una: Seq,
    /// SND.NXT.
    pub nxt: Seq,
    /// Sender's maximum segment size, bytes.
    pub mss: u32,
    /// Bytes of `delivered` that arrived with the mark "congestion experienced".
    pub ecn_ce: u32,
    /// The delivery rate, if something that left at a known time was delivered.
    pub rate: Option<RateSample>,
}

/// One sample of the delivery rate (draft-ietf-ccwg-bbr 4.1): `loss/rate.rs` makes it.
#[allow(dead_code)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RateSample {
    /// Bytes delivered over `interval`.
    pub delivered: u64,
    /// Zero if the sample is too short to be one (below the smallest round trip).
    pub interval: Duration,
    /// Bytes delivered on the connection when the newest segment of this ACK had been sent.
    pub prior_delivered: u64,
    /// Bytes delivered on the connection until now.
    pub delivered_total: u64,
    /// The program had left the window unused when that segment was sent.
    pub app_limited: bool,
    /// The round trip of what has arrived last, if it can be told.
    pub rtt: Option<Duration>,
    /// Bytes in flight when that segment was sent, itself included.
    pub tx_in_flight: u32,
    /// Bytes found lost since then.
    pub lost_since: u64,
}

/// A piece in flight that was found lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost {
    /// Its length.
    pub bytes: u32,
    /// Bytes in flight when it was sent, itself included.
    pub tx_in_flight: u32,
    /// Bytes found lost since then, itself included.
    pub lost_since: u64,
    /// The program had left the window unused when it was sent.
    pub app_limited: bool,
}

/// What an algorithm is told and asked.
pub(crate) trait Congestion: core::fmt::Debug + Send {
    /// As `TCP_CONGESTION` shows it.
    fn name(&self) -> &'static str;
    /// Congestion window, bytes.
    fn cwnd(&self) -> u32;
    /// Slow start threshold, bytes.
    fn ssthresh(&self) -> u32;
    /// The handshake is done; or another algorithm has had the connection until now, whose windows
    /// are in `start`.
    fn opened(&mut self, start: &Start);
    /// Something was delivered or lost, in whatever state.
    fn acked(&mut self, acked: &Acked);
    /// Something left, new or again; `in_flight` bytes are in the network now, it included.
    fn sent(&mut self, now: Instant, bytes: u32, in_flight: u32, app_limited: bool) {
        let _ = (now, bytes, in_flight, app_limited);
    }
    /// A piece in flight was found lost; `acked` follows.
    fn lost(&mut self, _now: Instant, _lost: &Lost) {}
    /// Bytes per second at which segments should leave; `None`: as fast as windows allow.
    fn pacing_rate(&self) -> Option<u64> {
        None
    }
    /// `cwnd` governs in recovery as well, not PRR.
    fn owns_recovery(&self) -> bool {
        false
    }
    /// For a retransmission timeout the window was not the limit: at most `used` bytes of it were
    /// outstanding (RFC 2861 3).
    fn application_limited(&mut self, used: u32) {
        let _ = used;
    }
    /// Loss is inferred from acknowledgments; `flight` bytes are outstanding. ssthresh and cwnd
    /// fall.
    fn loss_found(&mut self, now: Instant, flight: u32, mss: u32);
    /// The network says that it is congested (RFC 3168 6.1.2), for the first time in a round trip.
    /// Like Linux, the answer is that to a loss (RFC 8311 4.1 would allow a smaller one).
    fn marked(&mut self, now: Instant, flight: u32, mss: u32) {
        self.loss_found(now, flight, mss);
    }
    /// Recovery is over: everything that was outstanding when the loss was found has arrived.
    fn recovered(&mut self);
    /// The retransmission timer expired. `first`: ssthresh falls as well (it does once for one
    /// loss). Of `flight` bytes outstanding, `in_flight` are still thought to be in the network:
    /// cwnd becomes one segment more than that.
    fn timed_out(&mut self, now: Instant, first: bool, flight: u32, in_flight: u32, mss: u32);
    /// Nothing was in flight for `rtos` retransmission timeouts (RFC 2861).
    fn idled(&mut self, rtos: u32);
    /// Data is sent while nothing is in flight; `idle` is how long ago the last left.
    fn restarted(&mut self, _now: Instant, _idle: Duration) {}
    /// The last loss was none: the windows from before it (RFC 4015 in its simple form).
    fn undo(&mut self);
    /// RFC 5681's reno leaves recovery at the first new acknowledgment, RFC 6582's does not.
    fn partial_ack_ends_recovery(&self) -> bool {
        false
    }
    /// Little is in flight on purpose: delivery rates say nothing of the path.
    fn wants_little(&self) -> bool {
        false
    }
    /// What `TCP_CC_INFO` shows.
    fn detail(&self) -> Option<[u32; 5]> {
        None
    }
    /// Whether there is fast recovery: if not, the third duplicate acknowledgment is as a timeout.
    fn fast_recovery(&self) -> bool {
        true
    }
}

/// RFC 6928 2: ten segments, but at most 14600 bytes or two segments.
pub(crate) fn initial_window(mss: u32) -> u32 {
    (10 * mss).min((2 * mss).max(14_600))
}

/// Windows are kept below this, so that sums of bytes stay far from overflow.
pub(crate) const CWND_MAX: u32 = 1 << 30;
