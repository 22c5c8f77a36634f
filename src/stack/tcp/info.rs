//! What `TCP_INFO` and `ss` show.
use super::api::{TcpConfig, TcpInfo, TcpStatus};
use super::conn::Conn;
use super::recovery::Mode;
use crate::base::time::Duration;

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

impl Conn {
    /// Level information for the program.
    pub fn status(&self) -> TcpStatus {
        let room = self.tx.limit.saturating_sub(self.tx.ring.len());
        let open = self.state.sends() && self.error.is_none();
        TcpStatus {
            state: self.state,
            readable: self.rx.ring.len(),
            writable: if open { room } else { 0 },
            remote_closed: self.rx.closed,
            all_acknowledged: self.all_acknowledged(),
            error: self.error,
        }
    }

    pub fn info(&self, config: &TcpConfig) -> TcpInfo {
        let mss = self.tx.mss.max(1);
        let stats = &self.stats;
        let lost = if self.recovery.mode == Mode::Open {
            0
        } else {
            let from = self.recovery.high_rxt.later(self.tx.una);
            self.recovery.sacked.missing(from, self.recovery.lost_to.later(from))
        };
        TcpInfo {
            state: self.state as u8,
            retransmits: self.retransmits,
            backoff: self.rtt.backoff,
            snd_wscale: self.tx.shift,
            rcv_wscale: self.rx.shift,
            options: u8::from(self.stamps.on)
                | u8::from(self.sack) << 1
                | u8::from(self.scaling) << 2,
            rto_us: micros(self.rtt.rto(config)),
            ato_us: micros(super::receive::DELAYED_ACK),
            snd_mss: self.tx.mss.saturating_sub(if self.stamps.on { 12 } else { 0 }),
            rcv_mss: self.rx.mss,
            unacked: self.outstanding().div_ceil(mss),
            sacked: self.recovery.sacked.bytes().div_ceil(mss),
            lost: lost.div_ceil(mss),
            retrans: 0,
            pmtu: u32::from(self.path.mtu),
            rtt_us: self.rtt.smoothed.map_or(0, micros),
            rttvar_us: micros(self.rtt.deviation),
            min_rtt_us: self.rtt.min.map_or(0, micros),
            snd_ssthresh: (self.cc.ssthresh() / mss).max(1),
            snd_cwnd: (self.cc.cwnd() / mss).max(1),
            ssthresh_bytes: self.cc.ssthresh(),
            cwnd_bytes: self.cc.cwnd(),
            in_flight_bytes: self.pipe(),
            advmss: self.rx.our_mss,
            rcv_space: self.rx.limit,
            total_retrans: stats.total_retrans,
            bytes_acked: stats.bytes_acked,
            bytes_received: stats.bytes_received,
            bytes_sent: stats.bytes_sent,
            bytes_retrans: stats.bytes_retrans,
            segs_out: stats.segs_out,
            segs_in: stats.segs_in,
            data_segs_out: stats.data_segs_out,
            data_segs_in: stats.data_segs_in,
            snd_wnd: self.tx.wnd,
            rcv_wnd: self.rx.window(),
            send_queue: self.tx.ring.len() as u32,
            receive_queue: self.rx.ring.len() as u32,
            congestion: self.cc.name().to_string(),
        }
    }
}
