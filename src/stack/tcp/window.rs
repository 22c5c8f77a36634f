//! The window that we offer: how large, when it may grow, and when the peer is told
//! (RFC 9293 3.8.6, RFC 7323 2).
//!
//! The right edge never goes back. It starts at 64 KiB and doubles whenever the program has
//! read a whole window's worth and left little behind, up to the configured buffer; memory is
//! taken only as data really piles up.
use super::api::TcpConfig;
use super::conn::{Conn, Cx, ReceiveSide};
use crate::wire::tcp::WINDOW_SHIFT_MAX;

/// The shift that lets `receive_buffer` be offered (RFC 7323 2.3).
pub(super) fn shift_for(config: &TcpConfig) -> u8 {
    let wanted = (0..WINDOW_SHIFT_MAX).find(|s| config.receive_buffer >> s <= 0xffff);
    wanted.unwrap_or(WINDOW_SHIFT_MAX)
}

impl ReceiveSide {
    /// RCV.WND, bytes.
    pub fn window(&self) -> u32 {
        self.edge.past(self.nxt)
    }

    /// What could be offered now, bytes: a multiple of the shift's unit.
    fn free(&self) -> u32 {
        let free = self.limit.saturating_sub(self.ring.len() as u32);
        free.min(0xffff << self.shift) >> self.shift << self.shift
    }

    /// Moves the edge if that is worth it, and gives the window field for a segment.
    pub fn advance_edge(&mut self) -> u16 {
        let (free, offered) = (self.free(), self.window());
        // RFC 9293 3.8.6.2.2: in steps of a segment or half the buffer.
        let step = if self.silly { 1 } else { (self.limit / 2).min(self.mss) };
        if !self.closed && free >= offered.saturating_add(step) {
            self.edge = self.nxt + free;
        }
        // Rounding down may retract less than one unit, which RFC 7323 2.4 provides for. Data up to
        // the edge is still taken.
        u16::try_from(self.window() >> self.shift).unwrap_or(u16::MAX)
    }

    /// The edge and window field for a SYN, which is never scaled.
    pub fn first_edge(&mut self) -> u16 {
        let window = self.limit.min(0xffff);
        self.edge = self.nxt + window;
        window as u16
    }

    /// The peer should hear of the larger window without waiting for data to ride on.
    fn update_due(&self) -> bool {
        let (free, offered) = (self.free(), self.window());
        let growth = free.saturating_sub(offered);
        if self.silly {
            return growth > 0;
        }
        let step = (self.limit / 2).min(self.mss).max(1);
        growth >= (self.limit / 4).max(1) || (offered < step && growth >= step)
    }
}

impl Conn {
    /// The program has read `count` bytes.
    pub fn on_read(&mut self, cx: &Cx<'_>, count: usize) {
        self.forget_urgent();
        let rx = &mut self.rx;
        rx.read_since = rx.read_since.saturating_add(count as u32);
        let most = u32::try_from(cx.config.receive_buffer).unwrap_or(u32::MAX).min(1 << 30);
        let little_left = rx.ring.len() < rx.limit as usize / 4;
        if little_left && rx.read_since >= rx.limit && rx.limit < most {
            rx.limit = rx.limit.saturating_mul(2).min(most);
            rx.read_since = 0;
        }
        if self.state.receives() && !self.rx.closed && self.rx.update_due() {
            self.rx.ack_now = true;
        }
    }
}
