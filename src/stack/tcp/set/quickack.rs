//! `TCP_QUICKACK`.
use super::tcp::Tcp;
use crate::base::Instant;
use crate::stack::ConnId;

impl Tcp {
    /// `TCP_QUICKACK` (tcp(7)): 0 for ACKs that wait for data to ride on; else what is held back
    /// leaves now, and (if odd) so it goes on, until the exchange turns out to be interactive.
    pub fn set_quickack(&mut self, now: Instant, id: ConnId, value: u32) {
        self.with(now, id, |conn, _| conn.set_quickack(value));
    }

    /// Whether ACKs are not held back for data to ride on: what `TCP_QUICKACK` reads.
    pub fn quickack(&self, id: ConnId) -> Option<bool> {
        self.table.get(id).map(|conn| conn.quickack())
    }
}
