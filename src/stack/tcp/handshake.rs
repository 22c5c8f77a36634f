//! Opening a connection: SYN-SENT (RFC 9293 3.10.7.3), SYN-RECEIVED, and the options that only a
//! SYN carries.
use super::Tcp;
use super::api::{State, TcpConfig};
use super::congestion::Start;
use super::conn::{Conn, Cx, Segment};
use super::counters::Count;
use super::segment_arrives::Verdict;
use super::seq::Seq;
use super::state::Cause;
use super::window::shift_for;
use crate::base::{FourTuple, Instant};
use crate::wire::tcp::{Flags, Options, WINDOW_SHIFT_MAX};

/// RFC 9293 3.7.1: the peer's MSS if it does not say.
const DEFAULT_MSS_V4: u16 = 536;
const DEFAULT_MSS_V6: u16 = 1220;

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
            self.stats.last_data_in = cx.now;
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
        self.rx.irs = syn.seq;
        self.rx.nxt = syn.seq + 1;
        // What our SYN offered, if one is out; a SYN-ACK will set it otherwise.
        self.rx.edge = self.rx.nxt;
        if self.tx.nxt != self.tx.iss {
            self.first_window();
        }
        self.rx.last_ack = self.rx.nxt;
        let options = &syn.options;
        let default = if self.tuple.remote.is_ipv4() { DEFAULT_MSS_V4 } else { DEFAULT_MSS_V6 };
        self.tx.peer_mss = options.mss.unwrap_or(default);
        self.path_changed();
        // RFC 7323 2.2: scaling only if both sides offered it; 2.3: 14 at most.
        if let Some(shift) = options.window_shift.filter(|_| cx.config.window_scaling) {
            self.scaling = true;
            self.tx.shift = shift.min(WINDOW_SHIFT_MAX);
            self.rx.shift = shift_for(cx.config);
        }
        self.sack = options.sack_permitted && cx.config.sack;
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
            window_shift: scaling.then(|| shift_for(cx.config)),
            sack_permitted: if answer { self.sack } else { cx.config.sack },
            timestamps: stamps.then(|| (self.stamps.value(cx.now), echo)),
            // RFC 7413 4.2.1: not in a SYN that is sent again, nor where two SYNs have crossed.
            fast_open: self.fast.option().filter(|_| !self.fast.lost && (!answer || self.passive)),
            ..Options::default()
        }
    }

    /// A retransmission timeout of a SYN or SYN-ACK.
    pub fn syn_timed_out(&mut self, cx: &mut Cx<'_>) {
        self.retransmits = self.retransmits.saturating_add(1);
        if self.retransmits > self.syn_retries(cx.config) || self.user_timed_out(cx) {
            return self.time_out(cx);
        }
        self.syn_lost();
        self.rtt.back_off();
        self.tx.timed = None;
        self.tx.syn_due = true;
        self.set_retransmit(super::recovery::Pending::Rto, cx.now + self.rtt.rto(cx.config));
    }

    fn syn_retries(&self, config: &TcpConfig) -> u8 {
        if self.options.syn_count > 0 {
            self.options.syn_count
        } else if self.passive {
            config.synack_retries
        } else {
            config.syn_retries
        }
    }
}

impl Tcp {
    /// RFC 6528: a keyed hash of the connection plus a clock of 4 us, so that numbers of one
    /// 4-tuple grow and those of others say nothing.
    pub(super) fn initial_sequence(&self, tuple: &FourTuple, now: Instant) -> Seq {
        if let Some(given) = self.config.teaching.initial_sequence {
            return Seq(given);
        }
        let hash = self.secret.hash(&("isn", tuple)) as u32;
        Seq(hash.wrapping_add((now.as_nanos() / 4_000) as u32))
    }
}
