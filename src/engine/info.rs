//! `TCP_INFO`: what the stack knows of a connection, in the bytes of Linux's `struct tcp_info`
//! (include/uapi/linux/tcp.h of Linux 6.12). What the stack does not measure is 0.
use crate::stack::tcp::TcpInfo;

/// Length of the structure, bytes.
pub const SIZE: usize = 248;

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
    // state, ca_state, retransmits, probes, backoff, options, scales, flags
    w.u8(i.state).u8(0).u8(i.retransmits).u8(0).u8(i.backoff).u8(i.options).u8(scales).u8(0);
    w.u32s(&[i.rto_us, i.ato_us, i.snd_mss, i.rcv_mss]);
    w.u32s(&[i.unacked, i.sacked, i.lost, i.retrans, 0]);
    // last_data_sent, last_ack_sent, last_data_recv, last_ack_recv
    w.u32s(&[0; 4]);
    // pmtu, rcv_ssthresh, rtt, rttvar, snd_ssthresh, snd_cwnd, advmss, reordering
    w.u32s(&[i.pmtu, i.rcv_wnd, i.rtt_us, i.rttvar_us]);
    w.u32s(&[i.snd_ssthresh, i.snd_cwnd, i.advmss, 3]);
    // rcv_rtt, rcv_space, total_retrans
    w.u32s(&[0, i.rcv_space, i.total_retrans]);
    // pacing_rate, max_pacing_rate (Linux: "no limit" when there is none)
    w.u64s(&[u64::MAX, u64::MAX, i.bytes_acked, i.bytes_received]);
    w.u32s(&[i.segs_out, i.segs_in]);
    let notsent = i.send_queue.saturating_sub(i.unacked.saturating_mul(i.snd_mss));
    w.u32s(&[notsent, i.min_rtt_us, i.data_segs_in, i.data_segs_out]);
    // delivery_rate, busy_time, rwnd_limited, sndbuf_limited
    w.u64s(&[0; 4]);
    // delivered, delivered_ce
    w.u32s(&[i.data_segs_out.saturating_sub(i.unacked), 0]);
    w.u64s(&[i.bytes_sent, i.bytes_retrans]);
    // dsack_dups, reord_seen, rcv_ooopack, snd_wnd, rcv_wnd, rehash
    w.u32s(&[0, 0, 0, i.snd_wnd, i.rcv_wnd, 0]);
    // total_rto and total_rto_recoveries (u16), total_rto_time
    w.u32s(&[0, 0]);
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
