//! SEND and RECEIVE (RFC 9293 3.10.2, 3.10.3): bytes between the program and the rings.
use crate::base::NetError;
use crate::stack::tcp::State;
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::send::Mark;
use crate::stack::tcp::words::{Cx, Ring};

impl Conn {
    /// Takes what fits of `data`; says how many bytes. 0 while the handshake goes on or the buffer
    /// is full. [`Conn::written`] follows. Errors: why the connection ended, or `NotConnected`
    /// after our FIN.
    pub fn take_from_program(&mut self, data: &[u8]) -> Result<usize, NetError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if !self.takes_data() {
            let opening = matches!(self.state, State::SynSent | State::SynReceived);
            return if opening { Ok(0) } else { Err(NetError::NotConnected) };
        }
        let room = self.status().writable.min(data.len());
        self.tx.ring.write(&data[..room]);
        Ok(room)
    }

    /// The free room of the send buffer, in two pieces; then [`Conn::send_commit`].
    pub fn send_space(&mut self) -> [&mut [u8]; 2] {
        if !self.takes_data() {
            return [&mut [], &mut []];
        }
        let limit = self.send_limit();
        self.tx.ring.space(limit)
    }

    /// `n` bytes were written into [`Conn::send_space`].
    pub fn send_commit(&mut self, cx: &Cx<'_>, n: usize, mark: Mark) {
        if self.takes_data() {
            self.tx.ring.commit(n);
            self.written(cx, mark);
        }
    }

    /// Data that is to go with the SYN that is about to leave, as far as there is room; how much
    /// was taken. `more`: the program waits to write more.
    pub fn preload(&mut self, data: &[u8], more: bool) -> usize {
        let fresh = self.state == State::SynSent && self.tx.nxt == self.tx.iss;
        let room = self.tx.limit.saturating_sub(self.tx.ring.len());
        let taken = if fresh { data.len().min(room) } else { 0 };
        self.tx.ring.write(&data[..taken]);
        self.fast.more = more;
        taken
    }

    /// The last byte that was given to send is urgent (`MSG_OOB`).
    pub fn urge(&mut self) {
        if self.state.sends() {
            self.tx.up = self.data_end();
        }
    }

    /// Bytes in order that the program has not read.
    pub fn unread(&self) -> &Ring {
        self.rx.unread()
    }

    /// The program has taken `n` of them.
    pub fn read(&mut self, cx: &Cx<'_>, n: usize) {
        self.rx.read(cx.now, cx.config, n, self.state.receives());
    }

    /// How many of them stand before the peer's urgent byte.
    pub fn urgent_ahead(&self) -> Option<usize> {
        self.rx.urgent_ahead()
    }

    /// See [`ReceiveSide::set_quickack`](crate::stack::tcp::receive::ReceiveSide::set_quickack).
    pub fn set_quickack(&mut self, value: u32) {
        self.rx.set_quickack(value, self.state.is_synchronized());
    }

    /// Whether ACKs are not held back for data to ride on.
    pub fn quickack(&self) -> bool {
        !self.rx.is_interactive()
    }

    /// What the congestion control algorithm shows of itself.
    pub fn congestion_detail(&self) -> Option<Vec<u32>> {
        Some(self.cc.detail()?.to_vec())
    }
}
