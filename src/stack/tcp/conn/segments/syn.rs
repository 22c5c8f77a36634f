//! Opening a connection: SYN-SENT (RFC 9293 3.10.7.3), SYN-RECEIVED, and the options that only a
//! SYN carries.
use super::verdict::Verdict;
use crate::base::Instant;
use crate::base::time::Duration;
use crate::stack::tcp::congestion::Start;
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::loss::{Pending, TIMEOUT_MIN};
use crate::stack::tcp::open::FIRST_TIMEOUT;
use crate::stack::tcp::words::{Cause, Count, Cx, Segment, Seq};
use crate::stack::tcp::{State, TcpConfig};
use crate::wire::tcp::{Flags, Options, WINDOW_SHIFT_MAX};

/// RFC 9293 3.7.1: the peer's MSS if it does not say.
const DEFAULT_MSS_V4: u16 = 536;

const DEFAULT_MSS_V6: u16 = 1220;

/// A 4-tuple in TIME-WAIT may be opened again after this (Linux `tcp_tw_reuse`: one second).
const REUSE_AFTER: Duration = Duration::from_secs(1);

impl Conn {
    /// Active OPEN: the SYN goes out with the next `poll_transmit`.
    pub fn open(&mut self) {
        self.state = State::SynSent;
        self.tx.syn_due = true;
    }

    /// A SYN came to a listener: SYN-RECEIVED, and the SYN-ACK goes out.
    pub fn open_from_listen(&mut self, cx: &Cx<'_>, syn: &Segment<'_>) {
        self.state = State::SynReceived;
        self.take_syn(cx, syn);
        self.tx.syn_due = true;
    }

    /// SEGMENT ARRIVES in SYN-SENT, by the numbers of RFC 9293 3.10.7.3.
    pub fn syn_sent(&mut self, cx: &mut Cx<'_>, segment: &Segment<'_>) -> Result<(), Verdict> {
        let ack = segment.has(Flags::ACK);
        // First: the ACK.
        if ack && !(segment.ack.after(self.tx.iss) && segment.ack.at_or_before(self.tx.nxt)) {
            return Err(Verdict::Refuse(Count::SynSentBadAck));
        }
        if ack && !self.echoes_our_syn(cx, segment) {
            return Err(Verdict::Refuse(Count::SynSentBadEcho));
        }
        // Second: the RST. Only one that acknowledges our SYN is for us.
        if segment.has(Flags::RST) {
            return Err(if ack { Verdict::Reset } else { Verdict::Drop(Count::SynSentReset) });
        }
        // Fourth: the SYN.
        if !segment.has(Flags::SYN) {
            return Err(Verdict::Drop(Count::SynSentNothing));
        }
        self.take_syn(cx, segment);
        if ack {
            self.tx.nxt = segment.ack;
            self.established(cx, segment);
            self.syn_answered(cx, segment);
        } else {
            // Simultaneous open. Data of their SYN will come again, and so may ours.
            self.go(Cause::SynArrived);
            self.syn_data_flies(cx, self.tx.iss + 1);
            self.tx.syn_due = true;
        }
        Ok(())
    }

    /// A SYN-ACK whose timestamp answers none of our SYNs is not for this connection (Linux
    /// `tcp_rcv_synsent_state_process`, `PAWSActiveRejected`).
    fn echoes_our_syn(&self, cx: &Cx<'_>, segment: &Segment<'_>) -> bool {
        let stamps = segment.options.timestamps.filter(|_| cx.config.timestamps);
        let Some((_, echo)) = stamps.filter(|(_, echo)| *echo != 0) else { return true };
        let first = self.stamps.value(self.tx.last_sent);
        echo.wrapping_sub(first) <= self.stamps.value(cx.now).wrapping_sub(first)
    }

    /// Both SYNs are acknowledged: `segment` did the last of it.
    pub fn established(&mut self, cx: &mut Cx<'_>, segment: &Segment<'_>) {
        cx.counters.add(Count::Opened);
        self.mtu_probe_init(cx);
        self.go(Cause::Opened);
        if !self.fast.child {
            self.cc.opened(&self.congestion_start(cx));
            self.rx.opened(cx.now);
        }
        // RFC 9293 3.10.7.4: SND.WND, WL1 and WL2 from this segment, whatever they were.
        self.tx.wl1 = segment.seq - 1;
        self.take_window(cx, segment);
        // The handshake is delivered as well (Linux counts it in `tcpi_delivered`).
        self.stats.delivered = self.stats.delivered.wrapping_add(1);
        if segment.has(Flags::SYN) {
            self.take_ack(cx, segment);
        }
        self.keepalive_restart(cx);
        if self.tx.close_wanted {
            self.go(Cause::CloseAsked);
        }
    }

    /// What congestion control begins with.
    pub fn congestion_start(&self, cx: &Cx<'_>) -> Start {
        Start {
            now: cx.now,
            srtt: self.rtt.smoothed,
            sack: self.sack,
            seed: self.tx.iss.0.into(),
            ..Start::new(cx.config, self.tx.mss, self.retransmits)
        }
    }

    /// Sequence numbers and options of the peer's SYN.
    fn take_syn(&mut self, cx: &Cx<'_>, syn: &Segment<'_>) {
        self.rx.begin(syn.seq);
        // What our SYN offered, if one is out; a SYN-ACK will set it otherwise.
        if self.tx.nxt != self.tx.iss {
            self.first_window();
        }
        let options = &syn.options;
        let default = if self.tuple.remote.is_ipv4() { DEFAULT_MSS_V4 } else { DEFAULT_MSS_V6 };
        self.tx.peer_mss = options.mss.unwrap_or(default);
        self.path_changed();
        // RFC 7323 2.2: scaling only if both sides offered it; 2.3: 14 at most.
        if let Some(shift) = options.window_shift.filter(|_| cx.config.window_scaling) {
            self.scaling = true;
            self.tx.shift = shift.min(WINDOW_SHIFT_MAX);
        }
        self.sack = options.sack_permitted && cx.config.sack;
        let shift = self.scaling.then(|| self.rx.shift_to_offer(cx.config));
        self.rx.agree(shift, self.sack);
        self.ecn_take_syn(cx, syn);
        if let Some((value, _)) = options.timestamps.filter(|_| cx.config.timestamps) {
            self.stamps.on = true;
            self.stamps.recent = value;
            self.stamps.recent_at = cx.now;
        }
        self.tx.wnd = u32::from(syn.window);
        self.tx.max_wnd = self.tx.wnd;
        self.tx.wl1 = syn.seq;
        self.tx.wl2 = self.tx.una;
    }

    /// The options of our SYN, or of our SYN-ACK, which answers the peer's (RFC 7323 1.3).
    pub fn syn_options(&self, cx: &Cx<'_>) -> Options {
        let answer = self.state == State::SynReceived;
        let scaling = if answer { self.scaling } else { cx.config.window_scaling };
        let stamps = if answer { self.stamps.on } else { cx.config.timestamps };
        let echo = if answer { self.stamps.recent } else { 0 };
        Options {
            mss: Some(self.mss_option()),
            window_shift: scaling.then(|| self.rx.shift_to_offer(cx.config)),
            sack_permitted: if answer { self.sack } else { cx.config.sack },
            timestamps: stamps.then(|| (self.stamps.value(cx.now), echo)),
            // RFC 7413 4.2.1: not in a SYN that is sent again, nor where two SYNs have crossed.
            fast_open: self
                .fast
                .option()
                .filter(|_| !self.fast.lost && (!answer || self.membership.is_passive())),
            ..Options::default()
        }
    }

    /// A retransmission timeout of a SYN or SYN-ACK.
    pub fn syn_timed_out(&mut self, cx: &mut Cx<'_>) {
        self.retransmits = self.retransmits.saturating_add(1);
        let over = self.syns_are_over(cx);
        if over || self.retransmits > self.syn_retries(cx.config) || self.user_timed_out(cx) {
            return self.time_out(cx);
        }
        self.syn_lost();
        // Linux `tcp_syn_linear_timeouts`: the first SYNs go every second.
        if self.state != State::SynSent || self.retransmits > cx.config.syn_linear_timeouts {
            self.rtt.back_off();
        }
        self.tx.timed = None;
        self.tx.syn_due = true;
        self.set_retransmit(Pending::Rto, cx.now + self.rtt.rto(cx.config));
    }

    /// The peer has answered our SYN with an ACK of something else: it most likely has an old
    /// connection of these ports, which the reset that we answer with ends. The SYN goes again at
    /// once, if it has not been repeated yet (Linux `tcp_rcv_synsent_state_process`).
    pub(super) fn repeat_syn_soon(&mut self, cx: &Cx<'_>) {
        if self.retransmits == 0 {
            self.set_retransmit(Pending::Rto, cx.now + TIMEOUT_MIN);
        }
    }

    /// The number of retransmissions that was asked for.
    fn syn_retries_asked(&self, config: &TcpConfig) -> u8 {
        match self.options.syn_count {
            0 if self.membership.is_passive() => config.synack_retries,
            0 => config.syn_retries,
            count => count,
        }
    }

    /// As on Linux, those that go every second come on top.
    fn syn_retries(&self, config: &TcpConfig) -> u8 {
        let linear = if self.state == State::SynSent { config.syn_linear_timeouts } else { 0 };
        self.syn_retries_asked(config).saturating_add(linear)
    }

    /// A SYN has been repeated, and it takes as long by now as the retransmissions asked for would
    /// if each timeout was twice the one before (Linux `retransmits_timed_out`).
    fn syns_are_over(&self, cx: &Cx<'_>) -> bool {
        let asked = self.syn_retries_asked(cx.config).min(64);
        let first = FIRST_TIMEOUT;
        let patience = (0..=asked)
            .fold(Duration::ZERO, |sum, n| sum + (first * (1 << n.min(16))).min(cx.config.rto_max));
        let since = self.tx.stuck_since.unwrap_or(cx.now);
        self.retransmits > 1 && cx.now.since(since) >= patience
    }

    /// RFC 9293 3.10.7.4 (TIME-WAIT), RFC 6191: whether a SYN is of a newer connection, by its
    /// timestamp or its sequence number.
    pub fn is_older_than(&self, syn: &Segment<'_>) -> bool {
        match syn.options.timestamps.filter(|_| self.stamps.on) {
            Some((value, _)) if value != self.stamps.recent => {
                (value.wrapping_sub(self.stamps.recent) as i32) > 0
            }
            _ => syn.seq.after(self.rx.nxt()),
        }
    }

    /// An initial sequence number for the next connection of this 4-tuple: well beyond what this
    /// one's peer may still expect (Linux adds 65535 + 2).
    pub fn sequence_after(&self) -> Seq {
        self.tx.nxt + 65_537
    }

    /// The 4-tuple may be opened again by us: RFC 6191, with timestamps the new connection is told
    /// from this one, which has rested for a second (Linux `tcp_tw_reuse`).
    pub fn may_be_reused(&self, now: Instant) -> bool {
        self.state == State::TimeWait
            && self.stamps.on
            && now.since(self.rx.last_heard()) >= REUSE_AFTER
    }
}
