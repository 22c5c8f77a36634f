//! The send sequence space (RFC 9293 figure 3).
use crate::base::Instant;
use crate::stack::tcp::TcpConfig;
use crate::stack::tcp::words::{Ring, Seq};

/// Bytes that the send buffer takes at first.
const SEND_LIMIT_FIRST: usize = 65_536;

/// The send sequence space (RFC 9293 figure 3) and what waits in it.
#[derive(Debug)]
pub(crate) struct SendSide {
    pub iss: Seq,
    pub una: Seq,
    /// Highest sequence number sent, plus 1. Never goes back.
    pub nxt: Seq,
    /// SND.UP: the byte behind the urgent one; not after `una` if there is none.
    pub up: Seq,
    /// SND.WND, bytes.
    pub wnd: u32,
    pub wl1: Seq,
    pub wl2: Seq,
    /// Largest window ever offered, bytes.
    pub max_wnd: u32,
    /// Shift of windows that arrive.
    pub shift: u8,
    /// The peer's MSS option, bytes.
    pub peer_mss: u16,
    /// Payload of a full segment, bytes, before options (RFC 6691).
    pub mss: u32,
    /// Sequence number of the first byte in `ring`.
    pub base: Seq,
    pub ring: Ring,
    /// The most that `ring` may hold now, bytes.
    pub limit: usize,
    /// The program closed before the handshake was done.
    pub close_wanted: bool,
    /// Our FIN is acknowledged, and so everything is.
    pub delivered: bool,
    /// A SYN (or SYN-ACK) is to be sent now.
    pub syn_due: bool,
    /// A probe (keep-alive or zero window) is to be sent now.
    pub probe_due: bool,
    /// Before it, one that tells of urgent data.
    pub urgent_probe_due: bool,
    /// The persist timer says: send what fits the window, however little.
    pub override_due: bool,
    /// End of the last segment that was not full (Minshall's variant of Nagle).
    pub small_end: Seq,
    /// The SYN, while its acknowledgment is timed: its end and when it left.
    pub timed: Option<(Seq, Instant)>,
    /// TSecr of the latest ACK, if it had one.
    pub echo: Option<u32>,
    /// Since when something is outstanding without any progress.
    pub stuck_since: Option<Instant>,
    /// When data last left.
    pub last_sent: Instant,
}

impl SendSide {
    pub fn new(iss: Seq, config: &TcpConfig, now: Instant) -> SendSide {
        SendSide {
            iss,
            una: iss,
            nxt: iss,
            up: iss,
            wnd: 0,
            wl1: Seq(0),
            wl2: Seq(0),
            max_wnd: 0,
            shift: 0,
            peer_mss: u16::MAX,
            mss: 536,
            base: iss + 1,
            ring: Ring::default(),
            limit: SEND_LIMIT_FIRST.min(config.send_buffer),
            close_wanted: false,
            delivered: false,
            syn_due: false,
            probe_due: false,
            urgent_probe_due: false,
            override_due: false,
            small_end: iss,
            timed: None,
            echo: None,
            stuck_since: None,
            last_sent: now,
        }
    }
}
