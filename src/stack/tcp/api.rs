//! The words in which TCP speaks to the rest of the stack.
use crate::base::addr::{IpAddr, Ipv4Addr, SocketAddr};
pub use crate::base::tcp_modes::{Ecn, MtuProbing, SynCookies};
use crate::base::{FastOpenKeys, FourTuple, NetError, time::Duration};

/// Defaults for new connections, per net.
#[derive(Clone, Debug)]
pub struct TcpConfig {
    /// Bytes that a connection holds until they are acknowledged.
    pub send_buffer: usize,
    /// Bytes that a connection holds until the program reads them: the largest window offered.
    pub receive_buffer: usize,
    /// SYN retransmissions before a connect fails with `TimedOut` (Linux `tcp_syn_retries`, 6);
    /// those of `syn_linear_timeouts` come on top.
    pub syn_retries: u8,
    /// So many SYNs are repeated every second before the timeout doubles (Linux
    /// `tcp_syn_linear_timeouts`, 4).
    pub syn_linear_timeouts: u8,
    /// Retransmissions before an established connection fails (Linux `tcp_retries2`, 15).
    pub retries: u8,
    /// Lower bound of the retransmission timeout (RFC 6298 says 1 s, Linux does 200 ms).
    pub rto_min: Duration,
    /// Upper bound (Linux: 120 s).
    pub rto_max: Duration,
    /// 2 MSL (Linux: 60 s).
    pub time_wait: Duration,
    /// A reset does not end TIME-WAIT (RFC 1337; Linux `tcp_rfc1337`, off).
    pub rfc1337: bool,
    /// How long an orphan waits in FIN-WAIT-2 (Linux: 60 s).
    pub fin_wait2: Duration,
    /// Offer window scaling (RFC 7323).
    pub window_scaling: bool,
    /// A burst for a link that cuts segments waits until it is this part of cwnd; 0: it never waits
    /// (Linux `tcp_tso_win_divisor`, 3).
    pub tso_window_divisor: u32,
    /// Segments that leave at once, at least, if there are so many (Linux `tcp_min_tso_segs`, 2).
    pub min_tso_segments: u32,
    /// Offer timestamps (RFC 7323).
    pub timestamps: bool,
    /// Offer selective acknowledgments (RFC 2018).
    pub sack: bool,
    /// Congestion control, one of `base::congestion::NAMES`.
    pub congestion: String,
    /// A window that was not used for longer than a timeout is not trusted (RFC 2861; Linux
    /// `tcp_slow_start_after_idle`).
    pub slow_start_after_idle: bool,
    /// Every connection is paced, whatever its algorithm (Linux with `fq`).
    pub pacing: bool,
    /// Explicit congestion notification.
    pub ecn: Ecn,
    /// Whether larger segments are tried without waiting for ICMP to speak.
    pub mtu_probing: MtuProbing,
    /// The initial window, segments; 0 for RFC 6928's ten.
    pub initial_window: u32,
    /// The initial slow start threshold, bytes; 0 for none.
    pub initial_ssthresh: u32,
    /// SYN-ACK retransmissions before a half-open connection is forgotten (Linux
    /// `tcp_synack_retries`, 5).
    pub synack_retries: u8,
    /// What answers a SYN when the listener's queue of half-open connections is full (Linux
    /// `tcp_syncookies`).
    pub syn_cookies: SynCookies,
    /// Half-open connections of one listener, at most, whatever its backlog.
    pub syn_queue: usize,
    /// Reset, not ignore, who finishes a handshake while the program's queue of accepted
    /// connections is full (Linux `tcp_abort_on_overflow`).
    pub abort_on_overflow: bool,
    /// Who may use fast open (Linux `tcp_fastopen`).
    pub fast_open: FastOpenBits,
    /// The keys of the cookies that servers give (Linux `tcp_fastopen_key`); `None`: the net's
    /// secret, new with each start.
    pub fast_open_keys: Option<FastOpenKeys>,
    /// Connections without a program, at most; further ones are reset (Linux `tcp_max_orphans`).
    pub orphans: usize,
    /// Connections in TIME-WAIT, at most; further ones end at once (Linux `tcp_max_tw_buckets`).
    pub time_wait_max: usize,
    /// Departures from the rules; none by default, and no net can ask for them.
    pub teaching: Teaching,
}

/// Who may use fast open (RFC 7413): Linux's bits of `net.ipv4.tcp_fastopen`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FastOpenBits(pub u32);

impl FastOpenBits {
    /// Nobody.
    pub const NONE: FastOpenBits = FastOpenBits(0);
    /// Programs that connect.
    pub const CLIENT: FastOpenBits = FastOpenBits(1);
    /// Programs that listen, with `TCP_FASTOPEN`.
    pub const SERVER: FastOpenBits = FastOpenBits(2);
    /// Clients send data even without a cookie.
    pub const CLIENT_WITHOUT_COOKIE: FastOpenBits = FastOpenBits(4);
    /// Servers take data without a cookie.
    pub const SERVER_WITHOUT_COOKIE: FastOpenBits = FastOpenBits(0x200);
    /// Every listener takes part, also without `TCP_FASTOPEN`.
    pub const ALL_LISTENERS: FastOpenBits = FastOpenBits(0x400);

    /// All bits of `other` are set.
    pub const fn has(self, other: FastOpenBits) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Departures from the rules, for experiments that show what the rules are for.
#[derive(Clone, Debug, Default)]
pub struct Teaching {
    /// The initial sequence number of every connection, instead of RFC 6528's.
    pub initial_sequence: Option<u32>,
    /// No silly-window avoidance on either side: what fits is sent, what is free is offered.
    pub silly_windows: bool,
    /// Every segment with data is acknowledged at once.
    pub immediate_acks: bool,
}

/// Options of one connection, set before or during its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpOptions {
    /// `TCP_NODELAY`: Nagle's algorithm off.
    pub nodelay: bool,
    /// `TCP_CORK`: only full segments until it is taken off (or 200 ms).
    pub cork: bool,
    /// `SO_KEEPALIVE`.
    pub keepalive: bool,
    /// `TCP_KEEPIDLE`.
    pub keepidle: Duration,
    /// `TCP_KEEPINTVL`.
    pub keepintvl: Duration,
    /// `TCP_KEEPCNT`.
    pub keepcnt: u8,
    /// `TCP_USER_TIMEOUT`; zero for the default.
    pub user_timeout: Duration,
    /// `TCP_MAXSEG` set before connecting; 0 for the path's.
    pub max_segment: u16,
    /// `TCP_SYNCNT`; 0 for the net's default.
    pub syn_count: u8,
    /// `TCP_DEFER_ACCEPT` of a listener: timeouts for which it waits for data; 0: not at all.
    pub defer_accept: u8,
    /// `TCP_LINGER2`: seconds that an orphan waits in FIN-WAIT-2; 0 for the net's default,
    /// negative: it does not wait.
    pub linger2: i32,
    /// Ask for a fast open cookie, or show one (`TCP_FASTOPEN_CONNECT`, `MSG_FASTOPEN`).
    pub fast_open: bool,
    /// `TCP_FASTOPEN_NO_COOKIE`: data in the SYN without a cookie, sent or taken.
    pub fast_open_no_cookie: bool,
    /// `TCP_FASTOPEN` of a listener: connections that it takes before their handshake is done.
    pub fast_open_queue: u16,
    /// `TCP_FASTOPEN_KEY` of a listener; `None` for the net's.
    pub fast_open_keys: Option<FastOpenKeys>,
    /// `IP_TTL` / `IPV6_UNICAST_HOPS`.
    pub ttl: u8,
    /// `IP_TOS` / `IPV6_TCLASS`.
    pub tos: u8,
    /// `TCP_CONGESTION`; empty for the net's default.
    pub congestion: String,
    /// `SO_MAX_PACING_RATE`, bytes per second; `u64::MAX` for none.
    pub max_pacing_rate: u64,
    /// `TCP_NOTSENT_LOWAT`: room is only shown while fewer bytes than this have not been sent; 0
    /// for no such bound.
    pub notsent_lowat: u32,
    /// `TCP_WINDOW_CLAMP`: the largest window to be offered, bytes; 0 for none.
    pub window_clamp: u32,
    /// `SO_SNDBUF`: bytes that may be held until they are acknowledged; 0: grows by itself.
    pub send_buffer: u32,
    /// `SO_RCVBUF`: the largest window, bytes; 0: grows by itself.
    pub receive_buffer: u32,
    /// `SO_RCVLOWAT`: the program waits for so many bytes.
    pub receive_lowat: u32,
}

/// What TCP must know of the way to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// Largest IP packet, bytes.
    pub mtu: u16,
    /// Largest super-segment (IP packet length, bytes) that the link cuts itself; 0 for none.
    pub tso_max: u32,
}

/// A connection's state, RFC 9293 3.3.2. The numbers are Linux's (`TCP_INFO`, `ss`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum State {
    /// Data flows.
    Established = 1,
    /// Our SYN is out.
    SynSent = 2,
    /// Both SYNs are out, ours not yet acknowledged.
    SynReceived = 3,
    /// Our FIN is out.
    FinWait1 = 4,
    /// Our FIN is acknowledged.
    FinWait2 = 5,
    /// Both sides closed; old segments die out.
    TimeWait = 6,
    /// Gone.
    Closed = 7,
    /// The peer's FIN is in.
    CloseWait = 8,
    /// The peer's FIN is in and ours is out.
    LastAck = 9,
    /// Waits for SYNs.
    Listen = 10,
    /// Both FINs crossed.
    Closing = 11,
}

/// What a program (through the engine) may do with a connection right now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TcpStatus {
    /// RFC state.
    pub state: State,
    /// Bytes in order, ready to be read.
    pub readable: usize,
    /// Free bytes of the send buffer (0 before the handshake is done and after our FIN).
    pub writable: usize,
    /// An urgent byte is among what can be read, or announced.
    pub urgent: bool,
    /// The peer's FIN is in and all before it has been received (some may still be unread).
    pub remote_closed: bool,
    /// Everything we were given has been acknowledged, our FIN (if any) included.
    pub all_acknowledged: bool,
    /// Why it ended, once it has. A connection that ended keeps its handle until `release`.
    pub error: Option<NetError>,
}

/// A segment on its way out, for IP to wrap. `bytes` holds the TCP header (checksum 0) and payload.
#[derive(Clone, Debug)]
pub struct SegmentOut {
    /// Source and destination.
    pub tuple: FourTuple,
    /// Header and payload. Reused: the buffer keeps its capacity.
    pub bytes: Vec<u8>,
    /// TCP header length in bytes.
    pub header_len: u16,
    /// If not 0: cut into segments of this many payload bytes (the link's TSO).
    pub gso_size: u16,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// Type of service or traffic class, ECN bits included.
    pub tos: u8,
}

impl SegmentOut {
    /// Room for a segment, to be filled by `poll_transmit`.
    pub fn empty() -> SegmentOut {
        let nobody = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        SegmentOut {
            tuple: FourTuple { local: nobody, remote: nobody },
            bytes: Vec::new(),
            header_len: 0,
            gso_size: 0,
            ttl: 0,
            tos: 0,
        }
    }
}

/// What IP knows of a segment that arrived.
#[derive(Clone, Copy, Debug)]
pub struct SegmentMeta {
    /// Destination address of the packet: ours.
    pub local: IpAddr,
    /// Source address of the packet.
    pub remote: IpAddr,
    /// Type of service or traffic class, ECN bits included.
    pub tos: u8,
    /// The way back.
    pub path: Path,
}

/// An ICMP error that quotes one of our segments (RFC 1122 4.2.3.9, RFC 5927).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IcmpError {
    /// Soft unless in SYN-SENT.
    Unreachable(NetError),
    /// Packet too big: the next hop's MTU.
    TooBig(u16),
}

/// What Linux's `struct tcp_info` says of a connection (Linux 6.18), plus queues. Each field has
/// the
/// meaning and unit of the kernel's field of that name: times in microseconds where the name ends
/// in
/// `_us`, milliseconds where it ends in `_ms`; segments or bytes as there.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "library", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[allow(missing_docs)]
pub struct TcpInfo {
    pub state: u8,
    /// Linux's TCP_CA_*: 0 open, 1 disorder, 2 CWR, 3 recovery, 4 loss.
    pub ca_state: u8,
    pub retransmits: u8,
    /// Unanswered probes (zero window or keep-alive).
    pub probes: u8,
    pub backoff: u8,
    pub snd_wscale: u8,
    pub rcv_wscale: u8,
    /// Linux's TCPI_OPT_*: 1 timestamps, 2 SACK, 4 window scaling, 8 ECN negotiated, 16 ECN seen,
    /// 32 data in the SYN acknowledged, 128 TFO child.
    pub options: u8,
    /// The latest delivery rate was limited by the program.
    pub delivery_rate_app_limited: bool,
    /// Linux's TFO_STATUS_*: why a fast open as a client did not work.
    pub fastopen_client_fail: u8,
    pub rto_us: u32,
    pub ato_us: u32,
    pub snd_mss: u32,
    pub rcv_mss: u32,
    pub unacked: u32,
    pub sacked: u32,
    pub lost: u32,
    pub retrans: u32,
    /// Since data last left, data last came, an ACK last came.
    pub last_data_sent_ms: u32,
    pub last_data_recv_ms: u32,
    pub last_ack_recv_ms: u32,
    pub pmtu: u32,
    pub rcv_ssthresh: u32,
    pub rtt_us: u32,
    pub rttvar_us: u32,
    pub min_rtt_us: u32,
    /// Segments, as Linux has it.
    pub snd_ssthresh: u32,
    /// Segments, as Linux has it.
    pub snd_cwnd: u32,
    /// The same two in bytes.
    pub ssthresh_bytes: u32,
    pub cwnd_bytes: u32,
    /// Bytes believed to be in the network (RFC 6675 pipe).
    pub in_flight_bytes: u32,
    pub advmss: u32,
    /// Segments out of order that are not yet taken for lost.
    pub reordering: u32,
    pub rcv_rtt_us: u32,
    pub rcv_space: u32,
    pub total_retrans: u32,
    /// Bytes per second; `u64::MAX` for none.
    pub pacing_rate: u64,
    /// Bytes per second (`SO_MAX_PACING_RATE`); `u64::MAX` for none.
    pub max_pacing_rate: u64,
    pub bytes_acked: u64,
    pub bytes_received: u64,
    pub bytes_sent: u64,
    pub bytes_retrans: u64,
    pub segs_out: u32,
    pub segs_in: u32,
    pub data_segs_out: u32,
    pub data_segs_in: u32,
    /// Bytes of the send buffer that were never sent.
    pub notsent_bytes: u32,
    /// Bytes per second.
    pub delivery_rate: u64,
    pub busy_us: u64,
    pub rwnd_limited_us: u64,
    pub sndbuf_limited_us: u64,
    /// Segments that are known to have arrived, and of these with the mark "congestion
    /// experienced".
    pub delivered: u32,
    pub delivered_ce: u32,
    /// D-SACK blocks that came in (RFC 2883).
    pub dsack_dups: u32,
    pub reord_seen: u32,
    /// Segments that came out of order.
    pub rcv_ooopack: u32,
    pub snd_wnd: u32,
    pub rcv_wnd: u32,
    pub total_rto: u16,
    pub total_rto_recoveries: u16,
    pub total_rto_time_ms: u32,
    /// Bytes in the send buffer.
    pub send_queue: u32,
    /// Bytes in the receive buffer.
    pub receive_queue: u32,
    pub congestion: String,
}

impl Default for TcpConfig {
    fn default() -> Self {
        use crate::base::limits::*;
        Self {
            send_buffer: TCP_SEND_BUFFER,
            receive_buffer: TCP_RECEIVE_BUFFER,
            syn_retries: 6,
            syn_linear_timeouts: 4,
            retries: 15,
            rto_min: Duration::from_millis(200),
            rto_max: Duration::from_secs(120),
            time_wait: Duration::from_secs(60),
            rfc1337: false,
            fin_wait2: Duration::from_secs(60),
            window_scaling: true,
            tso_window_divisor: 3,
            min_tso_segments: 2,
            timestamps: true,
            sack: true,
            synack_retries: 5,
            syn_cookies: SynCookies::Auto,
            syn_queue: TCP_SYN_QUEUE,
            abort_on_overflow: false,
            fast_open: FastOpenBits::CLIENT,
            fast_open_keys: None,
            orphans: TCP_ORPHANS,
            time_wait_max: TCP_TIME_WAIT,
            teaching: Teaching::default(),
            congestion: String::from(crate::base::congestion::DEFAULT),
            slow_start_after_idle: true,
            pacing: false,
            ecn: Ecn::default(),
            mtu_probing: MtuProbing::default(),
            initial_window: 0,
            initial_ssthresh: 0,
        }
    }
}

impl Default for TcpOptions {
    fn default() -> Self {
        Self {
            nodelay: false,
            cork: false,
            keepalive: false,
            keepidle: Duration::from_secs(7200),
            keepintvl: Duration::from_secs(75),
            keepcnt: 9,
            user_timeout: Duration::ZERO,
            max_segment: 0,
            syn_count: 0,
            defer_accept: 0,
            linger2: 0,
            fast_open: false,
            fast_open_no_cookie: false,
            fast_open_queue: 0,
            fast_open_keys: None,
            ttl: 64,
            tos: 0,
            congestion: String::new(),
            max_pacing_rate: u64::MAX,
            notsent_lowat: 0,
            window_clamp: 0,
            send_buffer: 0,
            receive_buffer: 0,
            receive_lowat: 1,
        }
    }
}
