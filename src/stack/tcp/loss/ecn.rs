//! Explicit congestion notification (RFC 3168): routers mark packets instead of dropping them, the
//! receiver echoes the mark, the sender takes it for a loss that needs no retransmission.
//!
//! | role | what |
//! |---|---|
//! | opening | `ECE+CWR` in the SYN offers it, `ECE` alone in the SYN-ACK takes it |
//! | sender | new data leaves with ECT(0); nothing else does |
//! | receiver | from a mark (CE) on, every ACK carries ECE, until data with CWR comes |
//! | sender | at the first ECE of a window: `Congestion::marked`, and CWR on the next new data |
//!
//! Where RFC 8311 has relaxed RFC 3168, this is Linux's choice: the answer to a mark is that to a
//! loss of the same algorithm, and control packets carry no ECT.
use crate::stack::tcp::Ecn as Policy;
use crate::stack::tcp::words::Seq;
use crate::wire::tcp::Flags;

/// The ECN field of an IP header (RFC 3168 5), the two low bits of its type of service.
pub(crate) const ECN_FIELD: u8 = 3;

const NOT_ECT: u8 = 0;

const ECT_0: u8 = 2;

const CE: u8 = 3;

/// What an ECN-setup SYN carries (RFC 3168 6.1.1).
const SETUP: Flags = Flags::ECE.with(Flags::CWR);

/// One connection's part in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ecn {
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
    pub fn round_is_over(&mut self, una: Seq) -> bool {
        if self.reduced_at.is_some_and(|point| una.after(point)) {
            self.reduced_at = None;
        }
        self.reduced_at.is_none()
    }

    /// The ECN flags of our SYN. RFC 3168 6.1.1.1: a SYN that gets no answer may have offended
    /// something on the way: it is repeated without (Linux `tcp_ecn_fallback`).
    pub fn offer(&mut self, again: bool) -> Flags {
        if again {
            return Flags(0);
        }
        self.offered = true;
        SETUP
    }

    /// RFC 3168 6.1.1: what the peer's SYN-ACK (`ack`), or its SYN, says to ours. In a simultaneous
    /// open both SYNs offer it; both flags in a SYN-ACK come from a host that only reflects what
    /// it does not know.
    pub fn take_answer(&mut self, flags: Flags, ack: bool) {
        let (ece, cwr) = (flags.has(Flags::ECE), flags.has(Flags::CWR));
        self.on = self.offered && ece && cwr != ack;
    }

    /// RFC 3168 6.1.1: what a SYN says to a listener. One with an ECN field is not one of a host
    /// that obeys the rules; so does Linux refuse it (`tcp_ecn_create_request`).
    pub fn take_offer(&mut self, policy: Policy, flags: Flags, tos: u8) {
        let offers = flags.has(Flags::ECE) && flags.has(Flags::CWR) && tos & ECN_FIELD == NOT_ECT;
        self.on = policy != Policy::Off && offers;
    }

    /// Data that is within the window and new to us: RFC 3168 6.1.3; 6.1.5: other data does not
    /// count. True: the sender needs ACKs at once.
    pub fn take_data(&mut self, flags: Flags, tos: u8) -> bool {
        if flags.has(Flags::CWR) {
            self.echo = false;
        }
        match tos & ECN_FIELD {
            CE => {
                self.seen = true;
                !core::mem::replace(&mut self.echo, true)
            }
            // Most likely a retransmission (Linux): the sender is in trouble and wants to know.
            NOT_ECT => self.seen,
            _ => {
                self.seen = true;
                false
            }
        }
    }

    /// RFC 3168 6.1.2: the window does not grow before the round trip of a reduction is over.
    pub fn holds_window(&mut self, una: Seq) -> bool {
        self.on && !self.round_is_over(una)
    }

    /// The ECN flags and the ECN field of a segment that leaves. `fresh`: it carries data that was
    /// never sent.
    pub fn mark(&mut self, flags: Flags, fresh: bool) -> (Flags, u8) {
        if !self.on || flags.has(Flags::SYN) {
            return (flags, NOT_ECT);
        }
        let mut flags = flags;
        if self.echo {
            flags = flags.with(Flags::ECE);
        }
        // RFC 3168 6.1.4, 6.1.5, 6.1.6: no pure ACK, no retransmission, no probe.
        if !fresh {
            return (flags, NOT_ECT);
        }
        if core::mem::take(&mut self.cwr_due) {
            // A link that cuts the segment leaves it on the first piece (`link::finish`,
            // VIRTIO_NET_HDR_GSO_ECN).
            flags = flags.with(Flags::CWR);
        }
        (flags, ECT_0)
    }
}
