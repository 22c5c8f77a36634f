//! What `TCP_INFO` and `ss` show.
use crate::base::Instant;
use crate::base::time::Duration;
use crate::stack::tcp::congestion::CWND_MAX;
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::send::Wait;
use crate::stack::tcp::{TcpConfig, TcpInfo, TcpStatus};

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

impl Conn {
    /// Level information for the program.
    pub fn status(&self) -> TcpStatus {
        let room = self.send_limit().saturating_sub(self.tx.ring.len());
        let open = self.takes_data() && self.error.is_none();
        TcpStatus {
            state: self.state,
            readable: self.rx.unread().len(),
            writable: if open { room } else { 0 },
            urgent: self.rx.is_urgent(),
            remote_closed: self.rx.is_closed(),
            all_acknowledged: self.all_acknowledged(),
            error: self.error,
        }
    }

    pub fn info(&self, now: Instant, config: &TcpConfig) -> TcpInfo {
        let mss = self.tx.mss.max(1);
        let stats = &self.stats;
        let sums = &self.flight.sums;
        let (delivery_rate, delivery_rate_app_limited) = self.rate.shown();
        TcpInfo {
            state: self.state as u8,
            ca_state: self.recovery.mode as u8,
            probes: self.probes,
            retransmits: self.retransmits,
            backoff: self.rtt.backoff,
            snd_wscale: self.tx.shift,
            rcv_wscale: self.rx.shift(),
            options: u8::from(self.stamps.on)
                | u8::from(self.sack) << 1
                | u8::from(self.scaling) << 2
                | u8::from(self.ecn.on) << 3
                | u8::from(self.ecn.seen) << 4
                | u8::from(self.fast.taken) << 5
                | u8::from(self.fast.child) << 7,
            fastopen_client_fail: self.fast.failure as u8,
            rto_us: micros(self.rtt.rto(config)),
            ato_us: micros(self.rx.ack_delay()),
            snd_mss: self.tx.mss.saturating_sub(if self.stamps.on { 12 } else { 0 }),
            rcv_mss: self.rx.mss(),
            unacked: if self.flight.is_empty() { self.outstanding().min(1) } else { sums.out.segs },
            sacked: if self.sack { sums.sacked.segs } else { self.recovery.dupacks },
            lost: sums.lost.segs,
            retrans: sums.resent.segs,
            pmtu: self.mtu_now(),
            rcv_ssthresh: self.rx.threshold(),
            rtt_us: self.rtt.smoothed.map_or(0, micros),
            rttvar_us: micros(self.rtt.deviation),
            min_rtt_us: self.rtt.min().map_or(0, micros),
            // Linux's TCP_INFINITE_SSTHRESH, until there was a loss.
            snd_ssthresh: match self.cc.ssthresh() {
                CWND_MAX => 0x7fff_ffff,
                bytes => (bytes / mss).max(1),
            },
            snd_cwnd: (self.window_now() / mss).max(1),
            ssthresh_bytes: self.cc.ssthresh(),
            cwnd_bytes: self.cc.cwnd(),
            in_flight_bytes: self.pipe(),
            // As on Linux, less what the timestamps of every segment take.
            advmss: self.rx.our_mss().saturating_sub(if self.stamps.on { 12 } else { 0 }),
            rcv_rtt_us: micros(self.rx.round_trip()),
            rcv_space: self.rx.space_per_round(),
            delivered_ce: u32::try_from(self.ecn.marked_bytes / u64::from(mss)).unwrap_or(u32::MAX),
            reordering: self.recovery.reordering,
            reord_seen: self.recovery.reord_seen,
            dsack_dups: self.recovery.dsack_dups,
            delivered: stats.delivered,
            delivery_rate,
            delivery_rate_app_limited,
            pacing_rate: self.pacing_rate(),
            max_pacing_rate: self.options.max_pacing_rate,
            ..self.counted(now)
        }
    }
    /// Times and counts.
    fn counted(&self, now: Instant) -> TcpInfo {
        let stats = &self.stats;
        TcpInfo {
            last_data_sent_ms: millis(now.since(self.tx.last_sent)),
            last_data_recv_ms: millis(now.since(self.rx.last_data_in())),
            last_ack_recv_ms: millis(now.since(stats.last_ack_in)),
            notsent_bytes: self.data_end().past(self.tx.nxt),
            busy_us: self.chrono.total(now, Wait::Busy).as_micros() as u64,
            rwnd_limited_us: self.chrono.total(now, Wait::Window).as_micros() as u64,
            sndbuf_limited_us: self.chrono.total(now, Wait::Buffer).as_micros() as u64,
            rcv_ooopack: self.rx.counts().out_of_order,
            total_rto: stats.timeouts,
            total_rto_recoveries: stats.timeout_series,
            total_rto_time_ms: millis(
                stats.timeout_time
                    + stats.timeouts_since.map_or(Duration::ZERO, |since| now.since(since)),
            ),
            total_retrans: stats.total_retrans,
            bytes_acked: stats.bytes_acked,
            bytes_received: self.rx.counts().bytes,
            bytes_sent: stats.bytes_sent,
            bytes_retrans: stats.bytes_retrans,
            segs_out: stats.segs_out,
            segs_in: stats.segs_in,
            data_segs_out: stats.data_segs_out,
            data_segs_in: self.rx.counts().data_segments,
            snd_wnd: self.tx.wnd,
            rcv_wnd: self.rx.window(),
            send_queue: self.tx.ring.len() as u32,
            receive_queue: self.rx.unread().len() as u32,
            congestion: self.cc.name().to_string(),
            // What nothing measures yet.
            ..TcpInfo::default()
        }
    }
}
