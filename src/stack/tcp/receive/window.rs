//! The window that we offer: how large, and when the peer is told (RFC 9293 3.8.6, RFC 7323 2).
//!
//! The right edge never goes back (RFC 9293 3.8.6, SHLD-14), and moves in steps that are worth it.
//! How large the buffer is: `buffer`. Memory is taken only as data really piles up.
use super::side::ReceiveSide;
use crate::base::Instant;
use crate::stack::tcp::TcpConfig;
use crate::wire::tcp::WINDOW_SHIFT_MAX;

/// The shift that lets a window of `bytes` be offered (RFC 7323 2.3).
fn shift_for(bytes: usize) -> u8 {
    let wanted = (0..WINDOW_SHIFT_MAX).find(|s| bytes >> s <= 0xffff);
    wanted.unwrap_or(WINDOW_SHIFT_MAX)
}

impl ReceiveSide {
    /// The shift that our SYN offers: for the largest window that there may be (Linux
    /// `tcp_select_initial_window`). That is the buffer or the clamp that the program has set, or
    /// else the largest buffer of the net.
    pub fn shift_to_offer(&self, config: &TcpConfig) -> u8 {
        let most = if self.fixed { self.limit as usize } else { config.receive_buffer };
        shift_for(most.min(self.clamp as usize))
    }

    /// RCV.WND, bytes.
    pub fn window(&self) -> u32 {
        self.edge.past(self.nxt)
    }

    /// Bytes that an idle reader's buffer can hold.
    fn space(&self) -> u32 {
        self.limit.min(self.clamp)
    }

    /// What could be offered now, bytes: a multiple of the shift's unit.
    fn free(&self) -> u32 {
        let free = self.space().saturating_sub(self.ring.len() as u32);
        free.min(0xffff << self.shift) >> self.shift << self.shift
    }

    /// A step that is worth telling (RFC 9293 3.8.6.2.2): a segment, or half the buffer.
    fn step(&self) -> u32 {
        if self.silly {
            return 1;
        }
        (self.space() / 2).min(self.mss).max(1)
    }

    /// Bytes that may be unread and in flight together (`tcpi_rcv_ssthresh`).
    pub fn threshold(&self) -> u32 {
        self.space()
    }

    /// Whether an ACK of all that has come could offer as much as the last one did.
    pub(super) fn edge_can_follow(&self) -> bool {
        self.free() >= self.edge.past(self.last_ack)
    }

    /// Moves the edge if that is worth it, and gives the window field for a segment.
    pub fn advance_edge(&mut self) -> u16 {
        let (free, offered) = (self.free(), self.window());
        if !self.closed && free >= offered.saturating_add(self.step()) {
            self.edge = self.nxt + free;
        }
        // Rounding down may retract less than one unit, which RFC 7323 2.4 provides for. Data up to
        // the edge is still taken.
        u16::try_from(self.window() >> self.shift).unwrap_or(u16::MAX)
    }

    /// The edge and window field for a SYN, which is never scaled (RFC 7323 2.2): whole segments,
    /// as Linux offers.
    ///
    /// RFC 6691: segments as they will come, with `options` bytes of options.
    pub fn first_edge(&mut self, options: u32) -> u16 {
        let mss = self.our_mss.saturating_sub(options);
        let space = self.space();
        let whole = if space > mss { space - space % mss.max(1) } else { space };
        let window = whole.min(0xffff);
        self.edge = self.nxt + window;
        window as u16
    }

    /// The peer should hear of the larger window without waiting for data to ride on: it has become
    /// twice as large, and what was left of it was not much (Linux `tcp_cleanup_rbuf`).
    fn update_due(&self) -> bool {
        let (free, offered) = (self.free(), self.window());
        let worth = free >= offered.saturating_add(self.step());
        if self.silly {
            return worth;
        }
        worth && offered <= self.space() / 2 && free / 2 >= offered
    }

    /// The program has taken `n` bytes. `receives`: the peer may still send.
    pub fn consume(&mut self, now: Instant, most: u32, n: usize, receives: bool) {
        self.ring.consume(n);
        self.forget_urgent();
        self.grow_buffer(now, most);
        self.ack_after_read();
        if receives && !self.closed && self.update_due() {
            self.ack_now = true;
        }
    }
}
