//! `TCP_INFO`: what the stack knows of a connection, in the bytes of Linux's `struct tcp_info`
//! (include/uapi/linux/tcp.h of Linux 6.18).
use crate::stack::tcp::TcpInfo;

/// Length of the structure, bytes.
pub const SIZE: usize = 280;

struct Writer(Vec<u8>);

impl Writer {
    fn u8(&mut self, v: u8) -> &mut Self {
        self.0.push(v);
        self
    }
    fn u32s(&mut self, values: &[u32]) -> &mut Self {
        self.0.extend(values.iter().flat_map(|v| v.to_ne_bytes()));
        self
    }
    fn u64s(&mut self, values: &[u64]) -> &mut Self {
        self.0.extend(values.iter().flat_map(|v| v.to_ne_bytes()));
        self
    }
}

/// The structure.
pub fn to_linux(i: &TcpInfo) -> Vec<u8> {
    let mut w = Writer(Vec::with_capacity(SIZE));
    let scales = if cfg!(target_endian = "little") {
        i.snd_wscale & 15 | i.rcv_wscale << 4
    } else {
        i.snd_wscale << 4 | i.rcv_wscale & 15
    };
    let app_limited = u8::from(i.delivery_rate_app_limited);
    let flags = if cfg!(target_endian = "little") {
        app_limited | (i.fastopen_client_fail & 3) << 1
    } else {
        app_limited << 7 | (i.fastopen_client_fail & 3) << 5
    };
    w.u8(i.state).u8(i.ca_state).u8(i.retransmits).u8(i.probes);
    w.u8(i.backoff).u8(i.options).u8(scales).u8(flags);
    w.u32s(&[i.rto_us, i.ato_us, i.snd_mss, i.rcv_mss]);
    // The last is fackets: nothing since Linux 4.15.
    w.u32s(&[i.unacked, i.sacked, i.lost, i.retrans, 0]);
    // The second is last_ack_sent: "Not remembered, sorry."
    w.u32s(&[i.last_data_sent_ms, 0, i.last_data_recv_ms, i.last_ack_recv_ms]);
    w.u32s(&[i.pmtu, i.rcv_ssthresh, i.rtt_us, i.rttvar_us]);
    w.u32s(&[i.snd_ssthresh, i.snd_cwnd, i.advmss, i.reordering]);
    w.u32s(&[i.rcv_rtt_us, i.rcv_space, i.total_retrans]);
    w.u64s(&[i.pacing_rate, i.max_pacing_rate, i.bytes_acked, i.bytes_received]);
    w.u32s(&[i.segs_out, i.segs_in]);
    w.u32s(&[i.notsent_bytes, i.min_rtt_us, i.data_segs_in, i.data_segs_out]);
    w.u64s(&[i.delivery_rate, i.busy_us, i.rwnd_limited_us, i.sndbuf_limited_us]);
    w.u32s(&[i.delivered, i.delivered_ce]);
    w.u64s(&[i.bytes_sent, i.bytes_retrans]);
    // The last is rehash: a flow label or hash is never changed here.
    w.u32s(&[i.dsack_dups, i.reord_seen, i.rcv_ooopack, i.snd_wnd, i.rcv_wnd, 0]);
    w.0.extend(i.total_rto.to_ne_bytes());
    w.0.extend(i.total_rto_recoveries.to_ne_bytes());
    w.u32s(&[i.total_rto_time_ms]);
    // Accurate ECN is not spoken: its counters are nothing.
    w.u32s(&[0; 8]);
    debug_assert_eq!(w.0.len(), SIZE);
    w.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lie_where_linux_has_them() {
        let info = TcpInfo {
            state: 1,
            snd_wscale: 7,
            rcv_wscale: 9,
            rto_us: 204_000,
            rtt_us: 1_234,
            snd_cwnd: 10,
            total_retrans: 3,
            bytes_acked: 1 << 40,
            min_rtt_us: 55,
            bytes_sent: 77,
            snd_wnd: 65_535,
            ..TcpInfo::default()
        };
        let bytes = to_linux(&info);
        let u32_at = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
        let u64_at = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
        assert_eq!((bytes.len(), bytes[0], bytes[6]), (SIZE, 1, 0x97));
        // Offsets printed by a C program with offsetof(struct tcp_info, ..).
        assert_eq!((u32_at(8), u32_at(68), u32_at(80), u32_at(100)), (204_000, 1_234, 10, 3));
        assert_eq!((u64_at(120), u32_at(148), u64_at(200), u32_at(228)), (1 << 40, 55, 77, 65_535));
    }
}
