//! TCP headers (RFC 9293 3.1) and options (RFC 9293 3.2, 7323, 2018): bytes to [`TcpHeader`] and
//! back.
//!
//! Parsing borrows the payload and copies the few header fields; unknown options are skipped by
//! their length. Checksums are not this file's business: they need the IP addresses.
use super::ParseError;
use core::fmt;

/// Length in bytes of a header without options.
pub const HEADER_LEN: usize = 20;
/// Length in bytes of the longest header: the data offset has four bits.
pub const HEADER_LEN_MAX: usize = 60;
/// SACK blocks that fit in an option, beside nothing else (RFC 2018 3).
pub const SACK_BLOCKS: usize = 4;
/// Largest window shift (RFC 7323 2.3).
pub const WINDOW_SHIFT_MAX: u8 = 14;

/// The control bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(pub u8);

impl Flags {
    /// No more data from the sender.
    pub const FIN: Flags = Flags(0x01);
    /// Synchronize sequence numbers.
    pub const SYN: Flags = Flags(0x02);
    /// Reset.
    pub const RST: Flags = Flags(0x04);
    /// Push.
    pub const PSH: Flags = Flags(0x08);
    /// The acknowledgment field is significant.
    pub const ACK: Flags = Flags(0x10);
    /// The urgent pointer is significant.
    pub const URG: Flags = Flags(0x20);
    /// The network was congested (RFC 3168).
    pub const ECE: Flags = Flags(0x40);
    /// The congestion window was reduced (RFC 3168).
    pub const CWR: Flags = Flags(0x80);

    /// All bits of `other` are set.
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
    /// Both sets.
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

impl fmt::Debug for Flags {
    /// As tcpdump writes them: `S.` is SYN and ACK.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(Flags, &str); 8] = [
            (Flags::SYN, "S"),
            (Flags::FIN, "F"),
            (Flags::RST, "R"),
            (Flags::PSH, "P"),
            (Flags::URG, "U"),
            (Flags::ECE, "E"),
            (Flags::CWR, "W"),
            (Flags::ACK, "."),
        ];
        for (flag, name) in NAMES {
            if self.has(flag) {
                f.write_str(name)?;
            }
        }
        Ok(())
    }
}

/// Length in bytes of the longest fast open cookie (RFC 7413 2).
pub const COOKIE_MAX: usize = 16;

/// The body of a fast open option (RFC 7413 4.1.1): a cookie, or nothing, which asks for one.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Cookie {
    bytes: [u8; COOKIE_MAX],
    len: u8,
    /// In the option that was used before there was a number for it.
    experimental: bool,
}

/// RFC 6994 3: what tells this experiment from others in option 254; Linux's for fast open.
const FAST_OPEN_MAGIC: [u8; 2] = [0xf9, 0x89];

impl Cookie {
    /// Asks for a cookie.
    pub const REQUEST: Cookie = Cookie { bytes: [0; COOKIE_MAX], len: 0, experimental: false };

    /// A cookie of 4 to 16 bytes, an even number (RFC 7413 2), or the request for one (0 bytes).
    pub fn new(body: &[u8]) -> Option<Cookie> {
        let right = body.is_empty() || (4..=COOKIE_MAX).contains(&body.len());
        if !right || !body.len().is_multiple_of(2) {
            return None;
        }
        let mut bytes = [0; COOKIE_MAX];
        bytes[..body.len()].copy_from_slice(body);
        Some(Cookie { bytes, len: body.len() as u8, experimental: false })
    }
    /// The same cookie in the option that `other` came in: 34, or the experimental 254 of old
    /// implementations, which are answered as they asked (as Linux does).
    pub fn in_form_of(self, other: Cookie) -> Cookie {
        Cookie { experimental: other.experimental, ..self }
    }
    /// It has the form that was in use before RFC 7413 (kind 254).
    pub fn is_experimental(self) -> bool {
        self.experimental
    }
    /// The same in the form that was in use before RFC 7413.
    #[must_use]
    pub const fn as_experimental(self) -> Cookie {
        Cookie { experimental: true, ..self }
    }
    fn experimental(body: &[u8]) -> Option<Cookie> {
        Cookie::new(body).map(|cookie| Cookie { experimental: true, ..cookie })
    }
    /// The bytes of the cookie.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }
    /// It is a request for a cookie.
    pub fn is_request(&self) -> bool {
        self.len == 0
    }
}

/// The options that we know. Absent ones are `None`, `false` or 0.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Options {
    /// Maximum segment size, bytes (SYN only).
    pub mss: Option<u16>,
    /// Window scale shift as sent: may exceed [`WINDOW_SHIFT_MAX`] (SYN only).
    pub window_shift: Option<u8>,
    /// SACK permitted (SYN only).
    pub sack_permitted: bool,
    /// TSval and TSecr.
    pub timestamps: Option<(u32, u32)>,
    /// SACK blocks as (left edge, right edge); the first `sack_len` count.
    pub sack: [(u32, u32); SACK_BLOCKS],
    /// Number of SACK blocks.
    pub sack_len: u8,
    /// Fast open (SYN only).
    pub fast_open: Option<Cookie>,
}

impl Options {
    /// The SACK blocks.
    pub fn sack_blocks(&self) -> &[(u32, u32)] {
        self.sack.get(..usize::from(self.sack_len)).unwrap_or(&[])
    }

    /// Appends a SACK block; what does not fit is left out.
    pub fn push_sack(&mut self, left: u32, right: u32) {
        if let Some(slot) = self.sack.get_mut(usize::from(self.sack_len)) {
            *slot = (left, right);
            self.sack_len += 1;
        }
    }

    /// Reads options of any order and length. What is malformed ends the list, quietly: the
    /// header is still good (Linux does the same).
    fn parse(mut bytes: &[u8]) -> Options {
        let mut options = Options::default();
        // RFC 7323 appendix A: by far the most frequent layout is NOP, NOP, timestamps.
        if let [1, 1, 8, 10, rest @ ..] = bytes {
            if let Some((body, after)) = rest.split_first_chunk::<8>() {
                options.timestamps = Some(split_u64(body));
                bytes = after;
            }
        }
        while let [kind, rest @ ..] = bytes {
            match kind {
                0 => break,
                1 => {
                    bytes = rest;
                    continue;
                }
                _ => {}
            }
            let Some(&len) = rest.first() else { break };
            let len = usize::from(len);
            if len < 2 || len > bytes.len() {
                break;
            }
            let (option, after) = bytes.split_at(len);
            options.take(*kind, &option[2..]);
            bytes = after;
        }
        options
    }

    fn take(&mut self, kind: u8, body: &[u8]) {
        match (kind, body) {
            (2, [a, b]) => self.mss = Some(u16::from_be_bytes([*a, *b])),
            (3, [shift]) => self.window_shift = Some(*shift),
            (4, []) => self.sack_permitted = true,
            (5, blocks) if blocks.len() % 8 == 0 => {
                self.sack_len = 0;
                for block in blocks.chunks_exact(8) {
                    if let Some(block) = block.first_chunk::<8>() {
                        let (left, right) = split_u64(block);
                        self.push_sack(left, right);
                    }
                }
            }
            (8, body) if body.len() == 8 => {
                self.timestamps = body.first_chunk::<8>().map(split_u64);
            }
            (34, body) => self.fast_open = Cookie::new(body),
            (254, [0xf9, 0x89, body @ ..]) => self.fast_open = Cookie::experimental(body),
            _ => {}
        }
    }

    /// Bytes that these options take in a header, padding included.
    pub fn wire_len(&self) -> usize {
        let mut scratch = [0; HEADER_LEN_MAX - HEADER_LEN];
        self.emit(&mut scratch)
    }

    /// Writes the options, each aligned to four bytes with NOPs; returns the length. SACK blocks
    /// that no longer fit are left out.
    fn emit(&self, out: &mut [u8; HEADER_LEN_MAX - HEADER_LEN]) -> usize {
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            if let Some(to) = out.get_mut(at..at + bytes.len()) {
                to.copy_from_slice(bytes);
                at += bytes.len();
            }
        };
        if let Some(mss) = self.mss {
            let [a, b] = mss.to_be_bytes();
            put(&[2, 4, a, b]);
        }
        match (self.sack_permitted, self.timestamps) {
            (true, Some(_)) => put(&[4, 2, 8, 10]),
            (true, None) => put(&[1, 1, 4, 2]),
            (false, Some(_)) => put(&[1, 1, 8, 10]),
            (false, None) => {}
        }
        if let Some((value, echo)) = self.timestamps {
            put(&value.to_be_bytes());
            put(&echo.to_be_bytes());
        }
        if let Some(shift) = self.window_shift {
            put(&[1, 3, 3, shift]);
        }
        let mut cookie_len = 0;
        if let Some(cookie) = &self.fast_open {
            let body = cookie.as_bytes();
            let len = if cookie.experimental { 4 } else { 2 } + body.len();
            cookie_len = len.next_multiple_of(4);
            put(&[if cookie.experimental { 254 } else { 34 }, len as u8]);
            if cookie.experimental {
                put(&FAST_OPEN_MAGIC);
            }
            put(body);
            // Aligned as Linux does: behind it.
            put(&[1, 1, 1][..cookie_len - len]);
        }
        let used = usize::from(self.timestamps.is_some()) * 12
            + usize::from(self.mss.is_some()) * 4
            + usize::from(self.window_shift.is_some()) * 4
            + cookie_len;
        let room = (HEADER_LEN_MAX - HEADER_LEN).saturating_sub(used + 4) / 8;
        let blocks = self.sack_blocks();
        let blocks = &blocks[..blocks.len().min(room)];
        if !blocks.is_empty() {
            put(&[1, 1, 5, 2 + 8 * blocks.len() as u8]);
            for (left, right) in blocks {
                put(&left.to_be_bytes());
                put(&right.to_be_bytes());
            }
        }
        at
    }
}

fn split_u64(bytes: &[u8; 8]) -> (u32, u32) {
    let both = u64::from_be_bytes(*bytes);
    ((both >> 32) as u32, both as u32)
}

/// A header, without its ports' addresses and without its checksum.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct TcpHeader {
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
    /// Sequence number of the first byte (or of the SYN).
    pub seq: u32,
    /// Acknowledgment number; counts only with [`Flags::ACK`].
    pub ack: u32,
    /// Control bits.
    pub flags: Flags,
    /// Window as sent, not scaled.
    pub window: u16,
    /// Urgent pointer.
    pub urgent: u16,
    /// Options.
    pub options: Options,
}

impl TcpHeader {
    /// Splits a segment into header and payload. Never panics, whatever the bytes.
    pub fn parse(segment: &[u8]) -> Result<(TcpHeader, &[u8]), ParseError> {
        let Some((h, _)) = segment.split_first_chunk::<HEADER_LEN>() else {
            return Err(ParseError::Short);
        };
        let header_len = usize::from(h[12] >> 4) * 4;
        if header_len < HEADER_LEN || header_len > segment.len() {
            return Err(ParseError::Length);
        }
        let (head, payload) = segment.split_at(header_len);
        let header = TcpHeader {
            source: u16::from_be_bytes([h[0], h[1]]),
            destination: u16::from_be_bytes([h[2], h[3]]),
            seq: u32::from_be_bytes([h[4], h[5], h[6], h[7]]),
            ack: u32::from_be_bytes([h[8], h[9], h[10], h[11]]),
            flags: Flags(h[13]),
            window: u16::from_be_bytes([h[14], h[15]]),
            urgent: u16::from_be_bytes([h[18], h[19]]),
            options: Options::parse(&head[HEADER_LEN..]),
        };
        Ok((header, payload))
    }

    /// Appends the header with a checksum of 0 to `out`; returns its length in bytes.
    pub fn emit(&self, out: &mut Vec<u8>) -> usize {
        let mut options = [0; HEADER_LEN_MAX - HEADER_LEN];
        let options_len = self.options.emit(&mut options);
        let header_len = HEADER_LEN + options_len;
        let mut h = [0; HEADER_LEN];
        h[0..2].copy_from_slice(&self.source.to_be_bytes());
        h[2..4].copy_from_slice(&self.destination.to_be_bytes());
        h[4..8].copy_from_slice(&self.seq.to_be_bytes());
        h[8..12].copy_from_slice(&self.ack.to_be_bytes());
        h[12] = ((header_len / 4) as u8) << 4;
        h[13] = self.flags.0;
        h[14..16].copy_from_slice(&self.window.to_be_bytes());
        h[18..20].copy_from_slice(&self.urgent.to_be_bytes());
        out.extend_from_slice(&h);
        out.extend_from_slice(&options[..options_len]);
        header_len
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn full() -> TcpHeader {
        TcpHeader {
            source: 1,
            destination: 65535,
            seq: 0xffff_fff0,
            ack: 7,
            flags: Flags::SYN.with(Flags::ACK),
            window: 64240,
            urgent: 0,
            options: Options {
                mss: Some(1460),
                window_shift: Some(7),
                sack_permitted: true,
                timestamps: Some((1, 2)),
                ..Options::default()
            },
        }
    }

    #[test]
    fn what_is_emitted_is_parsed() {
        let mut bytes = Vec::new();
        let len = full().emit(&mut bytes);
        assert_eq!(len, 40);
        bytes.extend_from_slice(b"hello");
        assert_eq!(TcpHeader::parse(&bytes), Ok((full(), &b"hello"[..])));
    }

    /// RFC 9293 3.1: the header.
    #[test]
    fn another_implementation_reads_what_we_emit() {
        let mut bytes = Vec::new();
        full().emit(&mut bytes);
        let theirs = etherparse::TcpHeaderSlice::from_slice(&bytes).unwrap();
        assert!(theirs.syn() && theirs.ack() && !theirs.fin());
        let options: Vec<_> = theirs.options_iterator().map(Result::unwrap).collect();
        use etherparse::TcpOptionElement::*;
        assert!(options.contains(&MaximumSegmentSize(1460)));
        assert!(options.contains(&WindowScale(7)));
        assert!(options.contains(&SelectiveAcknowledgementPermitted));
        assert!(options.contains(&Timestamp(1, 2)));
    }

    /// RFC 2018 3: three blocks beside timestamps.
    #[test]
    fn three_sack_blocks_fit_beside_timestamps() {
        let mut options = Options { timestamps: Some((9, 8)), ..Options::default() };
        for i in 0..5 {
            options.push_sack(i * 10, i * 10 + 5);
        }
        let header = TcpHeader { options, ..TcpHeader::default() };
        let mut bytes = Vec::new();
        assert_eq!(header.emit(&mut bytes), HEADER_LEN + 12 + 4 + 24);
        let (back, _) = TcpHeader::parse(&bytes).unwrap();
        assert_eq!(back.options.sack_blocks(), &[(0, 5), (10, 15), (20, 25)]);
    }

    /// RFC 9293 3.1 and 3.2: options.
    #[test]
    fn options_of_any_order_and_unknown_kinds() {
        let options = Options::parse(&[254, 6, 1, 2, 3, 4, 3, 3, 9, 1, 2, 4, 5, 180, 4, 2, 0, 99]);
        assert_eq!(options.mss, Some(1460));
        assert_eq!(options.window_shift, Some(9));
        assert!(options.sack_permitted);
        // Lengths that lie end the list.
        for bad in [&[2, 0][..], &[2, 1], &[2, 40, 1], &[2], &[5, 3, 1]] {
            assert_eq!(Options::parse(bad), Options::default());
        }
    }

    /// RFC 7413 4.1.1: kind 34; a cookie of 4 to 16 bytes, an even number, or none.
    #[test]
    fn fast_open_cookies() {
        let stamps = Some((1, 2));
        for len in [0usize, 4, 6, 8, 16] {
            let cookie = Cookie::new(&[7; COOKIE_MAX][..len]);
            let old = cookie.map(|c| Cookie { experimental: true, ..c });
            let mut bytes = Vec::new();
            let options = Options { fast_open: old, ..Options::default() };
            TcpHeader { options, ..full() }.emit(&mut bytes);
            assert_eq!(bytes[20..24], [254, 4 + len as u8, 0xf9, 0x89]);
            assert_eq!(TcpHeader::parse(&bytes).unwrap().0.options.fast_open, old);
            assert!(
                cookie.is_some_and(|c| c.as_bytes().len() == len && c.is_request() == (len == 0))
            );
            let options = Options { fast_open: cookie, timestamps: stamps, ..full().options };
            let header = TcpHeader { options, ..full() };
            let mut bytes = Vec::new();
            assert_eq!(header.emit(&mut bytes) % 4, 0);
            assert_eq!(TcpHeader::parse(&bytes).unwrap().0, header);
        }
        for bad in [&[0; 2][..], &[0; 5], &[0; 18]] {
            assert_eq!(Cookie::new(bad), None);
            let option = [&[34, 2 + bad.len() as u8], bad].concat();
            assert_eq!(Options::parse(&option), Options::default());
        }
    }

    /// RFC 9293 3.1: the data offset.
    #[test]
    fn data_offset_out_of_range() {
        let mut bytes = [0u8; 24];
        assert_eq!(TcpHeader::parse(&bytes), Err(ParseError::Length));
        bytes[12] = 0x70;
        assert_eq!(TcpHeader::parse(&bytes), Err(ParseError::Length));
        assert_eq!(TcpHeader::parse(&bytes[..19]), Err(ParseError::Short));
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            if let Ok((header, payload)) = TcpHeader::parse(&bytes) {
                prop_assert!(payload.len() <= bytes.len() - HEADER_LEN);
                let mut out = Vec::new();
                let len = header.emit(&mut out);
                prop_assert!(len <= HEADER_LEN_MAX && len % 4 == 0);
            }
        }
    }
}
