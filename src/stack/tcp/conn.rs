//! What a connection is (RFC 9293 3.3.1: the transmission control block), and small things that
//! several of the neighbouring files need.
use super::api::*;
use super::autotune::{MOST, Tuning};
use super::chrono::Chrono;
use super::congestion::{self, Congestion, Start};
use super::counters::{Count, Counters};
use super::delack::Delack;
use super::dsack::Duplicates;
use super::ecn::Ecn;
use super::fast_open::Fast;
use super::flight::Flight;
use super::mtu_probe::MtuProbe;
use super::pacing::Pacer;
use super::rate::Rate;
use super::reassembly::Reassembly;
use super::recovery::Recovery;
use super::reset::{Replies, Reply};
use super::ring::Ring;
use super::rtt::Rtt;
use super::seq::Seq;
use super::state::{self, Cause};
use super::timers::{Timer, Timers};
use crate::base::{FourTuple, Instant, NetError, time::Duration};
use crate::stack::ConnId;
use crate::wire::tcp::{Flags, Options};

/// What a connection may use of its surroundings during one call.
pub(super) struct Cx<'a> {
    pub now: Instant,
    pub config: &'a TcpConfig,
    pub counters: &'a mut Counters,
    pub replies: &'a mut Replies,
}

/// A segment that arrived, as RFC 9293 names its variables (SEG.SEQ, ...).
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    pub seq: Seq,
    pub ack: Seq,
    pub flags: Flags,
    /// As sent, not scaled.
    pub window: u16,
    /// SEG.UP, as sent.
    pub urgent: u16,
    pub options: Options,
    pub payload: &'a [u8],
    /// Type of service of its packet, ECN bits included.
    pub tos: u8,
}

impl Segment<'_> {
    pub fn has(&self, flag: Flags) -> bool {
        self.flags.has(flag)
    }
    /// SEG.LEN: payload, SYN and FIN, in sequence numbers.
    pub fn len(&self) -> u32 {
        self.payload.len() as u32
            + u32::from(self.has(Flags::SYN))
            + u32::from(self.has(Flags::FIN))
    }
    pub fn end(&self) -> Seq {
        self.seq + self.len()
    }
}

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
    /// The cork has been in for too long.
    pub uncork: bool,
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

/// One connection.
#[derive(Debug)]
pub(super) struct Conn {
    pub id: ConnId,
    pub tuple: FourTuple,
    pub state: State,
    pub options: TcpOptions,
    pub path: Path,
    pub tx: SendSide,
    pub rx: ReceiveSide,
    pub stamps: Stamps,
    /// Both sides offered SACK.
    pub sack: bool,
    /// Both sides offered window scaling.
    pub scaling: bool,
    pub rtt: Rtt,
    pub cc: Box<dyn Congestion>,
    pub recovery: Recovery,
    pub ecn: Ecn,
    pub flight: Flight,
    pub rate: Rate,
    pub pacer: Pacer,
    pub timers: Timers,
    pub stats: Stats,
    pub chrono: Chrono,
    pub mtu_probe: MtuProbe,
    /// Retransmission timeouts since the last progress.
    pub retransmits: u8,
    /// Unanswered probes (zero window or keep-alive).
    pub probes: u8,
    /// Why it ended.
    pub error: Option<NetError>,
    /// What ICMP said last: reported instead of a timeout.
    pub soft_error: Option<NetError>,
    /// The listener that it came through, until it is announced.
    pub listener: Option<super::listen::ListenerKey>,
    /// It came through a listener.
    pub passive: bool,
    /// Its part in fast open.
    pub fast: Fast,
    /// The program has let go of it.
    pub released: bool,
    /// Queued among the orphans in TIME-WAIT.
    pub resting: bool,
    /// Counted among the orphans that are not in TIME-WAIT.
    pub is_orphan: bool,
    /// Counted among those in TIME-WAIT.
    pub in_time_wait: bool,
    /// The program should look at it.
    pub changed: bool,
    /// Queued for `poll_event`.
    pub event_queued: bool,
    /// Queued for `poll_transmit`.
    pub queued: bool,
    /// The earliest entry in the timer heap.
    pub armed: Instant,
}

/// The receive buffer at first, bytes (half of Linux's `tcp_rmem[1]`, 128 KiB).
const RECEIVE_LIMIT_FIRST: u32 = 65_536;
/// Bytes that the send buffer takes at first.
const SEND_LIMIT_FIRST: usize = 65_536;

impl Conn {
    /// A connection that has sent and received nothing.
    pub fn new(
        tuple: FourTuple,
        path: Path,
        options: TcpOptions,
        iss: Seq,
        config: &TcpConfig,
        now: Instant,
    ) -> Conn {
        let name =
            if options.congestion.is_empty() { &config.congestion } else { &options.congestion };
        let mut conn = Conn {
            id: ConnId { slot: 0, generation: 0 },
            tuple,
            state: State::Closed,
            path,
            tx: SendSide::new(iss, config, now),
            rx: ReceiveSide::new(config, now),
            stamps: Stamps::default(),
            sack: false,
            scaling: false,
            rtt: Rtt::new(),
            cc: congestion::by_name(name).unwrap_or_else(congestion::default),
            ecn: Ecn::new(),
            recovery: Recovery::new(iss, now),
            flight: Flight::default(),
            rate: Rate::default(),
            pacer: Pacer::default(),
            timers: Timers::default(),
            stats: Stats { last_ack_in: now, last_data_in: now, ..Stats::default() },
            chrono: Chrono::default(),
            mtu_probe: MtuProbe::default(),
            retransmits: 0,
            probes: 0,
            error: None,
            soft_error: None,
            listener: None,
            passive: false,
            fast: Fast::default(),
            released: false,
            resting: false,
            is_orphan: false,
            in_time_wait: false,
            changed: false,
            event_queued: false,
            queued: false,
            armed: Instant::FAR_FUTURE,
            options,
        };
        let mut unused = (Counters::default(), Replies::default());
        let cx = Cx { now, config, counters: &mut unused.0, replies: &mut unused.1 };
        conn.apply_receive_options(&cx);
        conn.apply_send_options();
        conn.path_changed();
        conn.rx.our_mss = conn.tx.mss;
        conn.rx.mss = conn.tx.mss.min(536);
        conn
    }

    /// Bytes of an IP packet that are not TCP payload: IP and TCP headers without options.
    pub fn headers(&self) -> u32 {
        if self.tuple.remote.is_ipv4() { 40 } else { 60 }
    }

    /// The path's MTU or the peer's MSS changed.
    pub fn path_changed(&mut self) {
        let path = self.mtu_now().saturating_sub(self.headers());
        let mut mss = path.min(u32::from(self.tx.peer_mss));
        if self.options.max_segment > 0 {
            mss = mss.min(u32::from(self.options.max_segment));
        }
        // A floor, so that options always leave room (Linux `tcp_min_snd_mss`, 48).
        self.tx.mss = mss.max(64);
    }

    /// Our MSS option. RFC 9293 3.7.1: what fits the interface, without options.
    pub fn mss_option(&self) -> u16 {
        self.rx.our_mss as u16
    }

    /// Moves along the table; says whether the state changed.
    pub fn go(&mut self, cause: Cause) -> bool {
        let Some(next) = state::next(self.state, cause) else { return false };
        self.state = next;
        self.changed = true;
        true
    }

    /// The sequence number behind the last byte of data.
    pub fn data_end(&self) -> Seq {
        self.tx.base + self.tx.ring.len() as u32
    }

    /// Behind everything that there is to send, the FIN included.
    pub fn send_end(&self) -> Seq {
        self.data_end() + u32::from(self.state.has_fin())
    }

    /// Bytes sent and not cumulatively acknowledged.
    pub fn outstanding(&self) -> u32 {
        self.tx.nxt.past(self.tx.una)
    }

    /// Everything that the program gave us has been acknowledged, the FIN included.
    pub fn all_acknowledged(&self) -> bool {
        let all = || self.tx.una == self.tx.nxt && self.tx.una == self.send_end();
        self.tx.delivered || (self.state != State::Closed && self.tx.ring.is_empty() && all())
    }

    /// The end, with an error or in peace. What was received stays readable.
    pub fn end(&mut self, error: Option<NetError>) {
        if self.go(Cause::Ended) {
            self.error = self.error.or(error);
        }
        self.tx.ring.free();
        self.flight.clear();
        self.rx.reassembly.clear();
        self.timers = Timers::default();
    }

    /// The end by our own reset (RFC 9293 3.10.5 for ABORT).
    pub fn end_with_reset(&mut self, cx: &mut Cx<'_>, error: Option<NetError>) {
        // RFC 9293 3.10.5: no reset in SYN-SENT (nobody knows of us), nor when it is over.
        if !matches!(self.state, State::SynSent | State::Closed | State::TimeWait | State::Listen) {
            let mut reply = Reply::reset(self.tuple, self.tx.nxt, Some(self.rx.nxt));
            // RFC 7323 3.2: a reset SHOULD carry them as well.
            reply.timestamps =
                self.stamps.on.then(|| (self.stamps.value(cx.now), self.stamps.recent));
            cx.replies.push(reply, cx.counters);
        }
        self.end(error);
    }

    /// The peer did not answer for too long.
    pub fn time_out(&mut self, cx: &mut Cx<'_>) {
        cx.counters.add(Count::TimedOut);
        let error = self.soft_error.unwrap_or(NetError::TimedOut);
        if self.state.is_synchronized() {
            self.end_with_reset(cx, Some(error));
        } else {
            self.end(Some(error));
        }
    }

    /// New options from the program.
    pub fn set_options(&mut self, cx: &Cx<'_>, mut options: TcpOptions) {
        if !matches!(self.state, State::Closed | State::Listen) {
            // As on Linux, it decides about the SYN, and through it alone.
            options.max_segment = self.options.max_segment;
        }
        let old = core::mem::replace(&mut self.options, options);
        if old.congestion != self.options.congestion {
            if let Some(mut cc) = congestion::by_name(&self.options.congestion) {
                // Like Linux, the windows are the connection's: the next algorithm goes on with
                // them. (Before the handshake is done they are set by its end.)
                let fresh = self.congestion_start(cx);
                let (cwnd, ssthresh) = (self.cc.cwnd(), self.cc.ssthresh());
                cc.opened(&Start { cwnd, ssthresh, ..fresh });
                self.cc = cc;
            }
        }
        if !self.options.cork {
            self.timers.stop(Timer::Cork);
            self.tx.uncork = false;
        }
        self.apply_receive_options(cx);
        self.apply_send_options();
        self.path_changed();
        self.keepalive_restart(cx);
    }

    /// What must hold after every event; the first that does not.
    pub fn broken_invariant(&self) -> Option<&'static str> {
        if !self.state.is_synchronized() {
            return None;
        }
        let (tx, rx) = (&self.tx, &self.rx);
        let checks = [
            (tx.una.at_or_before(tx.nxt), "snd_una <= snd_nxt"),
            (tx.nxt.at_or_before(self.send_end()), "snd_nxt <= end of data"),
            (tx.base.at_or_before(tx.una), "the ring starts at snd_una"),
            (rx.nxt.at_or_before(rx.edge), "rcv_nxt <= right edge"),
            (self.flight.sums.out.bytes == self.outstanding(), "what is outstanding is recorded"),
            (self.flight.sums.sacked.bytes <= self.outstanding(), "sacked <= outstanding"),
            (self.recovery.arrived <= self.outstanding(), "arrived <= outstanding"),
            (
                self.state != State::Established
                    || tx.una == tx.nxt
                    || self.timers.is_set(Timer::Retransmit),
                "outstanding data has a timer",
            ),
        ];
        let broken = checks.into_iter().find(|check| !check.0).map(|check| check.1);
        // All records only in our own tests: elsewhere it would make debug builds slow.
        if cfg!(test) && broken.is_none() && !matches!(self.state, State::TimeWait) {
            return self.flight.broken_invariant(tx.una, tx.nxt);
        }
        broken
    }

    /// The user timeout, if one is set.
    pub fn user_timeout(&self) -> Option<Duration> {
        (!self.options.user_timeout.is_zero()).then_some(self.options.user_timeout)
    }

    /// Both ends are closed: old segments of this connection must die out (RFC 9293 3.6.1).
    pub fn enter_time_wait(&mut self, cx: &Cx<'_>) {
        self.timers = Timers::default();
        self.timers.set(Timer::Linger, cx.now + cx.config.time_wait);
        self.tx.ring.free();
        self.flight.clear();
    }
}

impl SendSide {
    fn new(iss: Seq, config: &TcpConfig, now: Instant) -> SendSide {
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
            uncork: false,
            small_end: iss,
            timed: None,
            echo: None,
            stuck_since: None,
            last_sent: now,
        }
    }
}

impl ReceiveSide {
    fn new(config: &TcpConfig, now: Instant) -> ReceiveSide {
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
