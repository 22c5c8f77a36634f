//! The transmission control block (RFC 9293 3.3.1): what a connection is, and what most of this
//! room needs of it.
use super::membership::Membership;
use crate::base::time::Duration;
use crate::base::{FourTuple, Instant, NetError};
use crate::stack::ConnId;
use crate::stack::tcp::congestion::{Congestion, Start};
use crate::stack::tcp::fast_open::Fast;
use crate::stack::tcp::flight::Flight;
use crate::stack::tcp::loss::{Ecn, Rate, Recovery, Rtt};
use crate::stack::tcp::open::ListenerKey;
use crate::stack::tcp::receive::ReceiveSide;
use crate::stack::tcp::send::{Chrono, Marks, MtuSearch, Pacer, SendSide, Stats};
use crate::stack::tcp::words::{
    Cause, Count, Counters, Cx, Replies, Reply, Seq, Stamps, Timer, Timers, next_state,
};
use crate::stack::tcp::{Path, State, TcpConfig, TcpOptions, congestion};

/// The smallest send buffer that can be asked for, bytes (half of Linux's `SOCK_MIN_SNDBUF`).
const SEND_BUFFER_MIN: usize = 2_304;

/// One connection.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(super) id: ConnId,
    pub(super) tuple: FourTuple,
    pub(super) state: State,
    pub(super) options: TcpOptions,
    pub(super) path: Path,
    pub(super) tx: SendSide,
    pub(super) rx: ReceiveSide,
    pub(super) stamps: Stamps,
    /// Both sides offered SACK.
    pub(super) sack: bool,
    /// Both sides offered window scaling.
    pub(super) scaling: bool,
    pub(super) rtt: Rtt,
    pub(super) cc: Box<dyn Congestion>,
    pub(super) recovery: Recovery,
    pub(super) ecn: Ecn,
    pub(super) flight: Flight,
    /// What programs said of what they wrote.
    pub(super) marks: Marks,
    pub(super) rate: Rate,
    pub(super) pacer: Pacer,
    pub(super) timers: Timers,
    pub(super) stats: Stats,
    pub(super) chrono: Chrono,
    pub(super) mtu_search: MtuSearch,
    /// Retransmission timeouts since the last progress.
    pub(super) retransmits: u8,
    /// Unanswered probes (zero window or keep-alive).
    pub(super) probes: u8,
    /// Why it ended.
    pub(super) error: Option<NetError>,
    /// What ICMP said last: reported instead of a timeout.
    pub(super) soft_error: Option<NetError>,
    /// Its part in fast open.
    pub(super) fast: Fast,
    /// The program should look at it.
    pub(super) changed: bool,
    pub(super) membership: Membership,
}

impl Conn {
    /// A connection that has sent and received nothing.
    pub fn new(
        tuple: FourTuple,
        path: Path,
        options: TcpOptions,
        iss: Seq,
        listener: Option<ListenerKey>,
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
            stats: Stats { last_ack_in: now, ..Stats::default() },
            chrono: Chrono::default(),
            mtu_search: MtuSearch::default(),
            retransmits: 0,
            probes: 0,
            error: None,
            soft_error: None,
            fast: Fast::default(),
            changed: false,
            membership: Membership::new(listener),
            options,
        };
        let mut unused = (Counters::default(), Replies::default());
        let _cx = Cx { now, config, counters: &mut unused.0, replies: &mut unused.1 };
        conn.rx.set_options(&conn.options, config);
        conn.apply_send_options();
        conn.path_changed();
        conn.rx.set_our_mss(conn.tx.mss);
        conn
    }

    /// Its handle in the set; given when it is put in.
    pub fn set_id(&mut self, id: ConnId) {
        self.id = id;
    }
    /// Its handle in the set.
    pub fn id(&self) -> ConnId {
        self.id
    }
    /// Both ends.
    pub fn tuple(&self) -> FourTuple {
        self.tuple
    }
    /// The state of RFC 9293 3.3.2.
    pub fn state(&self) -> State {
        self.state
    }
    /// Why it ended.
    pub fn error(&self) -> Option<NetError> {
        self.error
    }
    /// What ICMP said last of a connection that lives on, once: `SO_ERROR` of Linux gives that if
    /// there is no other error.
    pub fn take_soft_error(&mut self) -> Option<NetError> {
        self.soft_error.take()
    }
    /// Options as set.
    pub fn options(&self) -> &TcpOptions {
        &self.options
    }
    /// What it counts as in the set.
    pub fn membership(&mut self) -> &mut Membership {
        &mut self.membership
    }
    /// The program has let go of it.
    pub fn is_released(&self) -> bool {
        self.membership.is_released()
    }
    /// Whether the program should look at it; asked once.
    pub fn take_changed(&mut self) -> bool {
        core::mem::take(&mut self.changed)
    }
    /// Its earliest deadline.
    pub fn deadline(&self) -> Instant {
        self.timers.next()
    }
    /// The way to the peer.
    pub fn path(&self) -> Path {
        self.path
    }
    /// The way to the peer is another one.
    pub fn set_path(&mut self, path: Path) {
        self.path = path;
        self.path_changed();
    }
    /// The handshake is not done.
    pub fn is_opening(&self) -> bool {
        matches!(self.state, State::SynReceived | State::SynSent)
    }
    /// It was opened by the data of the peer's SYN.
    pub fn is_fast_open(&self) -> bool {
        self.fast.child
    }
    /// Its part in fast open.
    pub fn fast_open(&mut self) -> &mut Fast {
        &mut self.fast
    }
    /// When the peer reset it, if that is how it ended.
    pub fn reset_at(&self) -> Option<Instant> {
        (self.error == Some(NetError::Reset)).then_some(self.rx.last_heard())
    }
    /// A bare ACK that belongs to no connection any more.
    pub fn acknowledgment(&self) -> Reply {
        Reply::acknowledgment(self.tuple, self.tx.nxt, self.rx.nxt())
    }
    /// Added to the clock in timestamps (RFC 7323 5.4).
    pub fn set_stamp_offset(&mut self, offset: u32) {
        self.stamps.offset = offset;
    }
    /// The timestamp of now is to be `value`.
    pub fn set_stamp_value(&mut self, now: Instant, value: u32) {
        let ahead = self.stamps.value(now).wrapping_sub(value);
        self.stamps.offset = self.stamps.offset.wrapping_sub(ahead);
    }
    /// Its SYN-ACK had `timeouts` before the connection was made. Karn: which of them was answered
    /// is not known.
    pub fn syn_was_repeated(&mut self, timeouts: u8) {
        self.tx.timed = None;
        self.retransmits = timeouts;
    }
    /// Whether both sides use SACK, and the peer's last timestamp if both use those.
    #[cfg(test)]
    pub fn agreed(&self) -> (bool, Option<u32>) {
        (self.sack, self.stamps.on.then_some(self.stamps.recent))
    }
    /// The send and the receive side.
    #[cfg(test)]
    pub fn sides(&self) -> (&SendSide, &ReceiveSide) {
        (&self.tx, &self.rx)
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
        self.rx.our_mss() as u16
    }

    /// Moves along the table; says whether the state changed.
    pub fn go(&mut self, cause: Cause) -> bool {
        let Some(next) = next_state(self.state, cause) else { return false };
        self.state = next;
        self.changed = true;
        true
    }

    /// The sequence number behind the last byte of data.
    pub fn data_end(&self) -> Seq {
        self.tx.base + self.tx.ring.len() as u32
    }

    /// Our FIN stands behind the data.
    pub(super) fn has_fin(&self) -> bool {
        self.state.has_fin() || self.closes_early()
    }

    /// The program has closed and gone while SYNs were crossing (simultaneous open). As Linux does,
    /// and RFC 9293 3.10.4 in SYN-RECEIVED allows, the FIN does not wait for the handshake.
    pub(super) fn closes_early(&self) -> bool {
        self.state == State::SynReceived
            && self.tx.close_wanted
            && self.is_released()
            && !self.membership.is_passive()
    }

    /// Behind everything that there is to send, the FIN included.
    pub fn send_end(&self) -> Seq {
        self.data_end() + u32::from(self.has_fin())
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
        self.rx.end();
        self.timers = Timers::default();
    }

    /// The end by our own reset (RFC 9293 3.10.5 for ABORT).
    pub fn end_with_reset(&mut self, cx: &mut Cx<'_>, error: Option<NetError>) {
        // RFC 9293 3.10.5: no reset in SYN-SENT (nobody knows of us), nor when it is over.
        if !matches!(self.state, State::SynSent | State::Closed | State::TimeWait | State::Listen) {
            let mut reply = Reply::reset(self.tuple, self.tx.nxt, Some(self.rx.nxt()));
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
            self.marks.cork_is_off();
        }
        self.rx.set_options(&self.options, cx.config);
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
            (rx.is_sound(), "rcv_nxt <= right edge"),
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

    /// RFC 6691: the window of a SYN counts segments as they will come, with options if those are
    /// agreed on already.
    pub fn first_window(&mut self) -> u16 {
        self.rx.first_edge(if self.stamps.on { 12 } else { 0 })
    }

    /// `SO_SNDBUF` was set; else the send buffer follows cwnd.
    fn apply_send_options(&mut self) {
        if self.options.send_buffer > 0 {
            self.tx.limit = (self.options.send_buffer as usize).max(SEND_BUFFER_MIN);
        }
    }

    /// Bytes that may be in the send buffer now. `TCP_NOTSENT_LOWAT`: no more than that unsent.
    pub fn send_limit(&self) -> usize {
        match self.options.notsent_lowat {
            0 => self.tx.limit,
            lowat => self.tx.limit.min(self.tx.nxt.past(self.tx.base) as usize + lowat as usize),
        }
    }
}
