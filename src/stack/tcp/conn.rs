//! What a connection is (RFC 9293 3.3.1: the transmission control block), and small things that
//! several of the neighbouring files need.
use super::api::*;
use super::chrono::Chrono;
use super::congestion::{self, Congestion, Start};
use super::counters::{Count, Counters};
use super::ecn::Ecn;
use super::fast_open::Fast;
use super::flight::Flight;
use super::mtu_probe::MtuProbe;
use super::nagle::Marks;
use super::pacing::Pacer;
use super::rate::Rate;
use super::recovery::Recovery;
use super::reset::{Replies, Reply};
use super::rtt::Rtt;
use super::seq::Seq;
pub(super) use super::sides::{ReceiveSide, SendSide, Stamps, Stats};
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
    /// What programs said of what they wrote.
    pub marks: Marks,
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
            marks: Marks::default(),
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

    /// Bytes from `seq` on that the peer's window takes. One that a SYN told begins behind ours.
    pub fn window_from(&self, seq: Seq) -> u32 {
        let from = if self.state.is_synchronized() { self.tx.una } else { self.tx.iss + 1 };
        (from + self.tx.wnd).past(seq)
    }

    /// Bytes sent and not cumulatively acknowledged.
    pub fn outstanding(&self) -> u32 {
        self.tx.nxt.past(self.tx.una)
    }

    /// Everything that the program gave us has been acknowledged, the FIN included.
    pub fn all_acknowledged(&self) -> bool {
        if self.is_fast_child() {
            // The SYN-ACK is not the program's.
            return self.tx.ring.is_empty();
        }
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
            self.marks.uncork = false;
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
