//! Explicit congestion notification (RFC 3168): routers mark packets instead of dropping them, the
//! receiver echoes the mark, the sender takes it for a loss that needs no retransmission.
//!
//! | who | what |
//! |---|---|
//! | opening | `ECE+CWR` in the SYN offers it, `ECE` alone in the SYN-ACK takes it |
//! | sender | new data leaves with ECT(0); nothing else does |
//! | receiver | from a mark (CE) on, every ACK carries ECE, until data with CWR comes |
//! | sender | at the first ECE of a window: `Congestion::marked`, and CWR on the next new data |
//!
//! Where RFC 8311 has relaxed RFC 3168, this is Linux's choice: the answer to a mark is that to a
//! loss of the same algorithm, and control packets carry no ECT.
use super::ack::News;
use super::api::{Ecn as Policy, State};
use super::conn::{Conn, Cx, Segment};
use super::prr::Prr;
use super::recovery::Mode;
use super::seq::Seq;
use super::undo::Undo;
use crate::wire::tcp::Flags;

/// The ECN field of an IP header (RFC 3168 5), the two low bits of its type of service.
pub(super) const FIELD: u8 = 3;
const NOT_ECT: u8 = 0;
const ECT_0: u8 = 2;
const CE: u8 = 3;
/// What an ECN-setup SYN carries (RFC 3168 6.1.1).
const SETUP: Flags = Flags::ECE.with(Flags::CWR);
/// ACKs sent at once after the network's word has changed (Linux `tcp_ecn_check_ce`).
const QUICK_ACKS: u8 = 2;

/// One connection's part in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ecn {
    /// Both sides speak it.
    pub on: bool,
    /// Our SYN offered it.
    offered: bool,
    /// A packet with ECT or CE has come: the path lets them through.
    pub seen: bool,
    /// A mark has come; the sender has not yet said that it knows.
    echo: bool,
    /// The next new data says that the window was reduced.
    cwr_due: bool,
    /// SND.NXT when the window was last reduced: a round trip is over beyond it.
    reduced_at: Option<Seq>,
    /// Data that was acknowledged with ECE, bytes.
    pub marked_bytes: u64,
}

impl Ecn {
    pub const fn new() -> Ecn {
        Ecn {
            on: false,
            offered: false,
            seen: false,
            echo: false,
            cwr_due: false,
            reduced_at: None,
            marked_bytes: 0,
        }
    }

    /// The window was reduced, for whatever reason, with `nxt` the next number to be sent.
    pub fn reduced(&mut self, nxt: Seq) {
        self.reduced_at = Some(nxt);
        // RFC 3168 6.1.2: also after a loss, so that the receiver stops echoing older marks.
        self.cwr_due = self.on;
    }

    /// `una` is acknowledged: whether that was sent after the last reduction.
    fn round_is_over(&mut self, una: Seq) -> bool {
        if self.reduced_at.is_some_and(|point| una.after(point)) {
            self.reduced_at = None;
        }
        self.reduced_at.is_none()
    }
}

impl Conn {
    /// The ECN flags of our SYN or SYN-ACK.
    pub fn ecn_syn_flags(&mut self, cx: &Cx<'_>, again: bool) -> Flags {
        match self.state {
            // RFC 3168 6.1.1.1: a SYN that gets no answer may have offended somebody on the way:
            // it is repeated without (Linux `tcp_ecn_fallback`).
            State::SynSent if cx.config.ecn == Policy::On && !again => {
                self.ecn.offered = true;
                SETUP
            }
            State::SynReceived if self.ecn.on => Flags::ECE,
            _ => Flags(0),
        }
    }

    /// RFC 3168 6.1.1: what the peer's SYN, or SYN-ACK, says. In a simultaneous open both SYNs
    /// offer it.
    pub fn ecn_take_syn(&mut self, cx: &Cx<'_>, syn: &Segment<'_>) {
        let (ece, cwr) = (syn.has(Flags::ECE), syn.has(Flags::CWR));
        self.ecn.on = match (self.state, syn.has(Flags::ACK)) {
            // Both flags in a SYN-ACK come from a host that only reflects what it does not know.
            (State::SynSent, true) => self.ecn.offered && ece && !cwr,
            (State::SynSent, false) => self.ecn.offered && ece && cwr,
            // RFC 3168 6.1.1: a SYN with an ECN field is not one of a host that obeys the rules;
            // so does Linux refuse it (`tcp_ecn_create_request`).
            _ => cx.config.ecn != Policy::Off && ece && cwr && syn.tos & FIELD == NOT_ECT,
        };
    }

    /// Data that is within the window and new to us: RFC 3168 6.1.3; 6.1.5: other data does not
    /// count.
    pub fn ecn_take_data(&mut self, segment: &Segment<'_>) {
        if !self.ecn.on {
            return;
        }
        if segment.has(Flags::CWR) {
            // A window may be down to one segment: the sender waits for this ACK (Linux
            // `tcp_ecn_accept_cwr`).
            self.ecn.echo = false;
            self.rx.ack_now = true;
        }
        match segment.tos & FIELD {
            CE => {
                if !self.ecn.echo {
                    self.enter_quick_mode(QUICK_ACKS);
                }
                self.ecn.echo = true;
                self.ecn.seen = true;
            }
            // Most likely a retransmission (Linux): the sender is in trouble and wants to know.
            NOT_ECT if self.ecn.seen => self.enter_quick_mode(QUICK_ACKS),
            NOT_ECT => {}
            _ => self.ecn.seen = true,
        }
    }

    /// An ACK, with the states of recovery behind it: RFC 3168 6.1.2.
    pub fn ecn_take_ack(&mut self, cx: &Cx<'_>, segment: &Segment<'_>, news: &News) {
        if !self.ecn.on || !segment.has(Flags::ECE) || segment.has(Flags::SYN) {
            return;
        }
        self.ecn.marked_bytes += u64::from(news.acked);
        // Once in a round trip, and not for what was in flight at a loss.
        let hurt = matches!(self.recovery.mode, Mode::Cwr | Mode::Fast | Mode::Loss);
        if hurt {
            return;
        }
        if self.ecn.round_is_over(self.tx.una) {
            // Linux `tcp_enter_cwr`: what nothing takes back, and at the pace of PRR.
            self.recovery.undo = Undo::default();
            self.recovery.prr = Prr::new(self.cc.cwnd());
            self.cc.marked(cx.now, news.flight, self.tx.mss);
            self.recovery.mode = Mode::Cwr;
            self.recovery.point = self.tx.nxt;
            self.ecn.reduced(self.tx.nxt);
        }
    }

    /// RFC 3168 6.1.2: the window does not grow before the round trip of a reduction is over.
    pub fn ecn_holds_window(&mut self) -> bool {
        self.ecn.on && !self.ecn.round_is_over(self.tx.una)
    }

    /// The ECN flags and the ECN field of a segment that leaves. `fresh`: it carries data that was
    /// never sent.
    pub fn ecn_mark(&mut self, flags: Flags, fresh: bool) -> (Flags, u8) {
        if !self.ecn.on || flags.has(Flags::SYN) {
            return (flags, NOT_ECT);
        }
        let mut flags = flags;
        if self.ecn.echo {
            flags = flags.with(Flags::ECE);
        }
        // RFC 3168 6.1.4, 6.1.5, 6.1.6: no pure ACK, no retransmission, no probe.
        if !fresh {
            return (flags, NOT_ECT);
        }
        if core::mem::take(&mut self.ecn.cwr_due) {
            // A link that cuts the segment leaves it on the first piece (`link::finish`,
            // VIRTIO_NET_HDR_GSO_ECN).
            flags = flags.with(Flags::CWR);
        }
        (flags, ECT_0)
    }
}
