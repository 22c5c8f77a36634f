//! Explicit congestion notification (RFC 3168) in the life of a connection. What it remembers, and
//! the rules, are in `loss/ecn.rs`.
use super::news::News;
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::loss::{Mode, Prr, Undo};
use crate::stack::tcp::words::{Cx, Segment};
use crate::stack::tcp::{Ecn as Policy, State};
use crate::wire::tcp::Flags;

/// ACKs sent at once after the network's word has changed (Linux `tcp_ecn_check_ce`).
const QUICK_ACKS: u8 = 2;

impl Conn {
    /// The ECN flags of our SYN or SYN-ACK.
    pub fn ecn_syn_flags(&mut self, cx: &Cx<'_>, again: bool) -> Flags {
        match self.state {
            State::SynSent if cx.config.ecn == Policy::On => self.ecn.offer(again),
            State::SynReceived if self.ecn.on => Flags::ECE,
            _ => Flags(0),
        }
    }

    /// RFC 3168 6.1.1: what the peer's SYN, or SYN-ACK, says.
    pub fn ecn_take_syn(&mut self, cx: &Cx<'_>, syn: &Segment<'_>) {
        if self.state == State::SynSent {
            self.ecn.take_answer(syn.flags, syn.has(Flags::ACK));
        } else {
            self.ecn.take_offer(cx.config.ecn, syn.flags, syn.tos);
        }
    }

    /// Data that is within the window and new to us.
    pub fn ecn_take_data(&mut self, segment: &Segment<'_>) {
        if !self.ecn.on {
            return;
        }
        if segment.has(Flags::CWR) {
            // A window may be down to one segment: the sender waits for this ACK (Linux
            // `tcp_ecn_accept_cwr`).
            self.rx.owe_ack();
        }
        if self.ecn.take_data(segment.flags, segment.tos) {
            self.rx.enter_quick_mode(QUICK_ACKS);
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
}
