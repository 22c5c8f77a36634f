//! The variables of the two directions of a connection (RFC 9293 3.3.1), and what goes with them.
use super::ack_points::AckPoints;
use super::api::TcpConfig;
use super::autotune::{MOST, Tuning};
use super::delack::Delack;
use super::dsack::Duplicates;
use super::reassembly::Reassembly;
use super::ring::Ring;
use super::seq::Seq;
use crate::base::{Instant, time::Duration};

/// The receive buffer at first, bytes (half of Linux's `tcp_rmem[1]`, 128 KiB).
const RECEIVE_LIMIT_FIRST: u32 = 65_536;
/// Bytes that the send buffer takes at first.
const SEND_LIMIT_FIRST: usize = 65_536;

/// The send sequence space (RFC 9293 figure 3) and what waits in it.
#[derive(Debug)]
pub(super) struct SendSide {
    pub iss: Seq,
    pub una: Seq,
    /// Highest sequence number sent, plus 1. Never goes back.
    pub nxt: Seq,
    /// SND.UP: the byte behind the urgent one; not after `una` if there is none.
    pub up: Seq,
    /// SND.WND, bytes.
    pub wnd: u32,
    pub wl1: Seq,
    pub wl2: Seq,
    /// Largest window ever offered, bytes.
    pub max_wnd: u32,
    /// Shift of windows that arrive.
    pub shift: u8,
    /// The peer's MSS option, bytes.
    pub peer_mss: u16,
    /// Payload of a full segment, bytes, before options (RFC 6691).
    pub mss: u32,
    /// Sequence number of the first byte in `ring`.
    pub base: Seq,
    pub ring: Ring,
    /// The most that `ring` may hold now, bytes.
    pub limit: usize,
    /// The program closed before the handshake was done.
    pub close_wanted: bool,
    /// Our FIN is acknowledged, and so everything is.
    pub delivered: bool,
    /// A SYN (or SYN-ACK) is to be sent now.
    pub syn_due: bool,
    /// A probe (keep-alive or zero window) is to be sent now.
    pub probe_due: bool,
    /// Before it, one that tells of urgent data.
    pub urgent_probe_due: bool,
    /// The persist timer says: send what fits the window, however little.
    pub override_due: bool,
    /// End of the last segment that was not full (Minshall's variant of Nagle).
    pub small_end: Seq,
    /// The SYN, while its acknowledgment is timed: its end and when it left.
    pub timed: Option<(Seq, Instant)>,
    /// TSecr of the latest ACK, if it had one.
    pub echo: Option<u32>,
    /// Since when something is outstanding without any progress.
    pub stuck_since: Option<Instant>,
    /// When data last left.
    pub last_sent: Instant,
}

/// The receive sequence space (RFC 9293 figure 4) and what arrived in it.
#[derive(Debug)]
pub(super) struct ReceiveSide {
    pub irs: Seq,
    pub nxt: Seq,
    /// Right edge of the window that was offered: never goes back.
    pub edge: Seq,
    /// Shift of windows that we send.
    pub shift: u8,
    /// In-order unread bytes; the last of them is `nxt - 1` (before a FIN).
    pub ring: Ring,
    pub reassembly: Reassembly,
    /// RCV.UP: where the peer's urgent byte stands, until it is read.
    pub urgent: Option<Seq>,
    /// Where the peer's FIN stands, once seen.
    pub fin: Option<Seq>,
    /// The FIN is in and so is all before it.
    pub closed: bool,
    /// Window that is offered to an idle reader, bytes; grows to the configured buffer.
    pub limit: u32,
    /// Every free byte is offered at once (`Teaching::silly_windows`).
    pub silly: bool,
    /// The largest window that may be offered (`TCP_WINDOW_CLAMP`), bytes.
    pub clamp: u32,
    pub tuning: Tuning,
    /// Largest payload seen, at most our own MSS.
    pub mss: u32,
    /// Our own MSS, bytes.
    pub our_mss: u32,
    /// An ACK is to be sent now.
    pub ack_now: bool,
    /// And others before it.
    pub acks: AckPoints,
    /// What D-SACK is to report (RFC 2883).
    pub duplicates: Duplicates,
    /// Further identical ACKs that are owed to a sender without SACK (RFC 5681 4.2).
    pub duplicate_acks: u8,
    /// Bytes received in order that no ACK has covered.
    pub unacked: u32,
    pub delack: Delack,
    /// RFC 7323 Last.ACK.sent.
    pub last_ack: Seq,
    /// When a segment last arrived.
    pub last_heard: Instant,
    /// When a challenge or duplicate-segment ACK was last sent (RFC 5961 7).
    pub last_challenge: Option<Instant>,
}

/// RFC 7323 timestamps.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stamps {
    pub on: bool,
    /// TS.Recent and when it was set.
    pub recent: u32,
    pub recent_at: Instant,
    /// Added to our clock, so that it does not tell how long we have been up.
    pub offset: u32,
}

impl Stamps {
    /// TSval: milliseconds (RFC 7323 5.4 allows 1 ms to 1 s).
    pub fn value(&self, now: Instant) -> u32 {
        (now.as_millis() as u32).wrapping_add(self.offset)
    }
}

/// Monotonic counts for `TCP_INFO`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stats {
    pub bytes_acked: u64,
    pub bytes_received: u64,
    pub bytes_sent: u64,
    pub bytes_retrans: u64,
    pub segs_out: u32,
    pub segs_in: u32,
    pub data_segs_out: u32,
    pub data_segs_in: u32,
    pub total_retrans: u32,
    /// Segments that are known to have arrived.
    pub delivered: u32,
    /// Windows that came back because a loss was none.
    pub undos: u32,
    /// Segments that came out of order.
    pub out_of_order: u32,
    /// Retransmission timeouts; series of them; what the ended series took.
    pub timeouts: u16,
    pub timeout_series: u16,
    pub timeout_time: Duration,
    /// When the present series began.
    pub timeouts_since: Option<Instant>,
    /// When an ACK last came.
    pub last_ack_in: Instant,
    /// When data last came.
    pub last_data_in: Instant,
}

impl SendSide {
    pub fn new(iss: Seq, config: &TcpConfig, now: Instant) -> SendSide {
        SendSide {
            iss,
            una: iss,
            nxt: iss,
            up: iss,
            wnd: 0,
            wl1: Seq(0),
            wl2: Seq(0),
            max_wnd: 0,
            shift: 0,
            peer_mss: u16::MAX,
            mss: 536,
            base: iss + 1,
            ring: Ring::default(),
            limit: SEND_LIMIT_FIRST.min(config.send_buffer),
            close_wanted: false,
            delivered: false,
            syn_due: false,
            probe_due: false,
            urgent_probe_due: false,
            override_due: false,
            small_end: iss,
            timed: None,
            echo: None,
            stuck_since: None,
            last_sent: now,
        }
    }
}

impl ReceiveSide {
    pub fn new(config: &TcpConfig, now: Instant) -> ReceiveSide {
        let buffer = u32::try_from(config.receive_buffer).unwrap_or(u32::MAX).min(1 << 30);
        ReceiveSide {
            irs: Seq(0),
            nxt: Seq(0),
            edge: Seq(0),
            shift: 0,
            ring: Ring::default(),
            reassembly: Reassembly::default(),
            urgent: None,
            fin: None,
            closed: false,
            limit: RECEIVE_LIMIT_FIRST.min(buffer),
            silly: config.teaching.silly_windows,
            clamp: MOST,
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
            last_challenge: None,
        }
    }
}
