//! Fast open as a client: what a SYN may show and carry (RFC 7413 4.2.1).
use super::tcp::Tcp;
use crate::base::Instant;
use crate::base::addr::IpAddr;
use crate::stack::ConnId;
use crate::stack::tcp::fast_open::Offer;
use crate::stack::tcp::{FastOpenBits, TcpOptions};

impl Tcp {
    /// Whether this net's programs may use fast open at all.
    pub fn offers_fast_open(&self) -> bool {
        self.config.fast_open.has(FastOpenBits::CLIENT)
    }

    /// What a client's SYN to that host may show and carry.
    pub(super) fn fast_open_of(
        &self,
        now: Instant,
        host: IpAddr,
        options: &TcpOptions,
    ) -> Option<Offer> {
        if !self.offers_fast_open() || self.hosts.is_avoided(host, now) {
            return None;
        }
        let (cookie, mss) = self.hosts.known(host);
        let bare = self.config.fast_open.has(FastOpenBits::CLIENT_WITHOUT_COOKIE);
        let option = if options.fast_open_no_cookie || bare { None } else { Some(cookie) };
        Some(Offer { option, mss })
    }

    /// How many bytes a SYN to `host` could carry now; 0: none, there is no cookie yet.
    pub fn fast_open_room(
        &self,
        now: Instant,
        host: IpAddr,
        mtu: u16,
        options: &TcpOptions,
    ) -> usize {
        let headers = if host.is_ipv4() { 40 } else { 60 };
        let mss = match options.max_segment {
            0 => mtu.saturating_sub(headers),
            asked => mtu.saturating_sub(headers).min(asked),
        };
        self.fast_open_of(now, host, options).map_or(0, |offer| offer.room(mss.into()) as usize)
    }

    /// Data to go with the SYN of a connection that was just opened, as far as there is a cookie;
    /// the rest after the handshake. `more`: the program waits to write more. How much was taken.
    pub fn preload(&mut self, now: Instant, id: ConnId, data: &[u8], more: bool) -> usize {
        self.with(now, id, |conn, _| conn.preload(data, more)).unwrap_or(0)
    }
}
