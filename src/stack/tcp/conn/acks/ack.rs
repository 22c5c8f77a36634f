//! Acknowledgments (RFC 9293 3.10.7.4, fifth step).
use super::news::News;
use crate::base::time::Duration;
use crate::stack::tcp::congestion::Acked;
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::conn::segments::Verdict;
use crate::stack::tcp::flight::Record;
use crate::stack::tcp::loss::{Mode, REORDERING};
use crate::stack::tcp::words::{Count, Cx, Segment, Timer};
use crate::wire::tcp::Flags;

/// A timestamp echo older than this is not a round trip.
const ECHO_MAX: Duration = Duration::from_secs(120);

impl Conn {
    /// RFC 5961 5.2: SND.UNA - MAX.SND.WND =< SEG.ACK =< SND.NXT, else a challenge ACK.
    pub fn check_ack_range(&self, segment: &Segment<'_>) -> Result<(), Verdict> {
        // As on Linux, no further back than what the peer has acknowledged: what lies before our
        // initial sequence number was never sent.
        let acked = u32::try_from(self.stats.bytes_acked).unwrap_or(u32::MAX);
        let oldest = self.tx.una - self.tx.max_wnd.min(acked);
        if segment.ack.after(self.tx.nxt) || segment.ack.before(oldest) {
            return Err(Verdict::Challenge(Count::BadAck));
        }
        Ok(())
    }

    /// An ACK in range, in the order of Linux's `tcp_ack`: the window, SACK blocks, what is
    /// acknowledged, how long it took, what is lost, the congestion window.
    pub fn take_ack(&mut self, cx: &mut Cx<'_>, segment: &Segment<'_>) {
        let mut news = News::new(self, segment);
        self.probes = 0;
        // Something works: what ICMP said is over (Linux `tcp_ack`).
        self.soft_error = None;
        self.stats.last_ack_in = cx.now;
        self.recovery.try_new = false;
        self.tx.echo = segment.options.timestamps.filter(|_| self.stamps.on).map(|t| t.1);
        if news.acked > 0 {
            self.advance_una(cx, segment);
        }
        news.window = self.take_window(cx, segment);
        if self.sack {
            self.take_sack(cx, segment, &mut news);
        }
        self.sample_syn(cx, segment);
        if self.flight.is_empty() {
            if news.dsack {
                self.alert(cx, &mut news);
            }
            self.probe_on_ack(cx, segment.ack, &news);
        } else {
            self.take_news(cx, segment, &mut news);
        }
        if news.acked > 0 {
            self.mtu_probe_on_ack();
            self.after_progress(cx);
        }
    }

    /// An ACK while something is outstanding.
    fn take_news(&mut self, cx: &mut Cx<'_>, segment: &Segment<'_>, news: &mut News) {
        self.take_acknowledged(cx, news);
        self.sample_rtt(cx, segment, news);
        if let Some(prior) = self.rate.prior_delivered() {
            self.recovery.rack.adapt(prior, self.rate.delivered);
        }
        self.probe_on_ack(cx, segment.ack, news);
        // Linux `tcp_ack_is_dubious`.
        if !news.is_plain() || self.recovery.mode != Mode::Open {
            self.alert(cx, news);
        }
        self.ecn_take_ack(cx, segment, news);
        if news.restart_timer {
            self.restart_timer(cx);
        }
        self.tell_congestion(cx, news);
    }

    /// What is acknowledged leaves the flight.
    fn take_acknowledged(&mut self, cx: &Cx<'_>, news: &mut News) {
        let (mut segs, min_rtt) = (0, self.rtt.min());
        while let Some(piece) = self.flight.pop_acknowledged(self.tx.una) {
            segs += piece.segs;
            news.again |= piece.again;
            if piece.sacked {
                continue;
            }
            news.segs += piece.segs;
            self.rate.arrived(cx.now, &piece, piece.len());
            if !piece.again {
                news.time_ack(&piece);
                if piece.start.before(news.highest_before) {
                    news.note_low(piece.start);
                }
                news.original |= piece.end.at_or_before(self.recovery.point);
            }
            if self.sack && !(piece.again && self.answers_older(cx, &piece)) {
                self.recovery.rack.arrived(cx.now, &piece, min_rtt);
            }
        }
        if self.sack {
            if let Some(low) = news.low {
                let highest = self.flight.highest_sacked();
                let high = highest.map_or(news.highest_before, |h| h.later(news.highest_before));
                self.note_reordering(low, high);
            }
        } else if news.acked > 0 {
            self.eat_duplicates(news.acked, segs);
            if news.again {
                news.original = false;
            }
        }
        news.reneging = self.flight.head().is_some_and(|head| head.sacked);
        news.restart_timer = news.acked > 0;
    }

    /// The ACK in hand answers something that left before `piece` was sent again (Linux
    /// `tcp_skb_spurious_retrans`).
    fn answers_older(&self, cx: &Cx<'_>, piece: &Record) -> bool {
        let ago = cx.now.since(piece.sent_at).as_millis() as u32;
        let sent = self.stamps.value(cx.now).wrapping_sub(ago);
        self.tx.echo.is_some_and(|echo| echo != 0 && (echo.wrapping_sub(sent) as i32) < 0)
    }

    /// Counts, and bytes that leave the send buffer.
    fn advance_una(&mut self, cx: &Cx<'_>, segment: &Segment<'_>) {
        let old = core::mem::replace(&mut self.tx.una, segment.ack);
        // Kept close, or it would look later again after 2^31 bytes.
        self.tx.small_end = self.tx.small_end.later(self.tx.una);
        self.tx.up = self.tx.up.later(self.tx.una);
        let bytes = segment.ack.earlier(self.data_end()).past(self.tx.base);
        self.tx.ring.consume(bytes as usize);
        self.tx.base += bytes;
        // As on Linux with our SYN and FIN, but not the SYN of a connection that was accepted.
        let accepted = self.membership.listener().is_some() && old == self.tx.iss;
        self.stats.bytes_acked += u64::from(segment.ack.past(old) - u32::from(accepted));
        self.changed = true;
        self.retransmits = 0;
        if let Some(since) = self.stats.timeouts_since.take() {
            self.stats.timeout_time += cx.now.since(since);
        }
    }

    /// The handshake's round trip, unless the SYN was sent again (Karn).
    fn sample_syn(&mut self, cx: &Cx<'_>, segment: &Segment<'_>) {
        let Some((end, at)) = self.tx.timed else { return };
        if segment.ack.at_or_after(end) {
            let rtt = cx.now.since(at);
            self.rtt.sample(cx.now, rtt, rtt, self.tx.una, self.tx.nxt, cx.config);
            self.tx.timed = None;
        }
    }

    /// RFC 6298 3 (Karn): from what was sent once; else from the timestamp echo, in milliseconds
    /// (RFC 7323 4).
    fn sample_rtt(&mut self, cx: &Cx<'_>, segment: &Segment<'_>, news: &mut News) {
        let timed = news.acked_times.filter(|_| !news.again).or(news.sacked_times);
        let from_sack = timed.is_some() && (news.acked_times.is_none() || news.again);
        if let Some((first, _)) = news.sacked_times.filter(|_| from_sack && news.acked == 0) {
            // Not for what was sent before the first outstanding segment last was, or the timeout
            // would be put off for ever.
            news.restart_timer |= self.flight.head().is_some_and(|head| first > head.sent_at);
        }
        let last = news.sacked_times.or(news.acked_times.filter(|_| !news.again));
        let (rtt, latest) = if let (Some(timed), Some(last)) = (timed, last) {
            (cx.now.since(timed.0), cx.now.since(last.1))
        } else {
            let echo = segment.options.timestamps.filter(|t| self.stamps.on && t.1 != 0);
            let Some((_, echo)) = echo.filter(|_| news.acked > 0) else { return };
            let millis = self.stamps.value(cx.now).wrapping_sub(echo);
            let rtt = Duration::from_millis(u64::from(millis)).max(Duration::from_millis(1));
            if rtt >= ECHO_MAX {
                return;
            }
            (rtt, rtt)
        };
        news.rtt = Some(latest);
        self.rtt.sample(cx.now, rtt, latest, self.tx.una, self.tx.nxt, cx.config);
    }

    /// What arrived, what was lost and how fast, for the algorithm; and PRR.
    fn tell_congestion(&mut self, cx: &Cx<'_>, news: &News) {
        let total = |now: u64, before: u64| u32::try_from(now.saturating_sub(before));
        let delivered = total(self.rate.delivered, news.delivered_before).unwrap_or(u32::MAX);
        let lost = total(self.rate.lost, news.lost_before).unwrap_or(u32::MAX);
        self.stats.delivered = self.stats.delivered.wrapping_add(news.segs);
        let rate = self.rate.sample(self.rtt.min(), news.rtt);
        if delivered == 0 && lost == 0 {
            return;
        }
        let reducing = matches!(self.recovery.mode, Mode::Fast | Mode::Cwr);
        let recovering = reducing || self.ecn.holds_window(self.tx.una);
        // Linux `tcp_may_raise_cwnd`: what arrives out of order only where that is usual.
        let grows = news.acked > 0 || self.recovery.reordering > REORDERING;
        let limited = self.is_window_limited();
        self.cc.acked(&Acked {
            now: cx.now,
            bytes: if grows { delivered } else { 0 },
            delivered,
            lost,
            flight: news.flight,
            in_flight: self.pipe(),
            limited,
            window_full: self.recovery.usage.is_limited(),
            recovering,
            repairing: self.recovery.mode == Mode::Loss,
            rtt: self.rtt.smoothed,
            rtt_sample: news.rtt,
            min_rtt: self.rtt.min(),
            una: self.tx.una,
            nxt: self.tx.nxt,
            mss: self.tx.mss,
            ecn_ce: 0,
            rate,
        });
        if self.cc.wants_little() {
            self.rate.limited_by_program(self.pipe());
        }
        if reducing {
            self.reduce_window(delivered, lost, news.acked > 0);
        } else {
            self.recovery.usage.excuse(cx.now);
        }
    }

    /// RFC 9293 3.10.7.4: SND.WL1 and SND.WL2 keep old segments from setting the window.
    /// True: this is a window update, so no duplicate ACK (Linux `tcp_may_update_window`).
    pub fn take_window(&mut self, cx: &Cx<'_>, segment: &Segment<'_>) -> bool {
        let fresh = self.tx.wl1.before(segment.seq)
            || (self.tx.wl1 == segment.seq && self.tx.wl2.at_or_before(segment.ack));
        if !fresh || segment.ack.before(self.tx.una) {
            return false;
        }
        let shift = if segment.has(Flags::SYN) { 0 } else { self.tx.shift };
        let window = u32::from(segment.window) << shift;
        // RFC 5681 2 (e): a duplicate ACK leaves the window as it was. Like Linux, one that only
        // shrinks it counts as well.
        let later = self.tx.wl1.before(segment.seq) && window != self.tx.wnd;
        let update = later || window > self.tx.wnd || window == 0;
        if window > self.tx.wnd && self.timers.is_set(Timer::Persist) {
            self.timers.stop(Timer::Persist);
            self.rtt.backoff = 0;
        }
        if window != self.tx.wnd && self.data_end().after(self.tx.nxt) {
            self.restart_after_idle(cx);
        }
        self.tx.wnd = window;
        self.tx.max_wnd = self.tx.max_wnd.max(window);
        self.tx.wl1 = segment.seq;
        self.tx.wl2 = segment.ack;
        update
    }

    fn after_progress(&mut self, cx: &mut Cx<'_>) {
        if self.tx.una == self.tx.nxt {
            // RFC 6298 5.2.
            self.timers.stop(Timer::Retransmit);
            self.tx.stuck_since = None;
        } else {
            self.tx.stuck_since = Some(cx.now);
            if self.flight.is_empty() {
                self.timers.set(Timer::Retransmit, cx.now + self.rtt.rto(cx.config));
            }
        }
        // Room for what is in flight and as much again (Linux `tcp_sndbuf_expand`).
        if self.options.send_buffer == 0 {
            let wanted = self.cc.cwnd() as usize * 2;
            self.tx.limit = self.tx.limit.max(wanted.min(cx.config.send_buffer));
        }
    }
}
