//! Options of a wire connection, as the library tells them to the engine.

/// Options of a wire connection that a program can set. Times in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum OptionKind {
    NoDelay = 1,
    Cork = 2,
    KeepAlive = 3,
    KeepIdleMs = 4,
    KeepIntervalMs = 5,
    KeepCount = 6,
    UserTimeoutMs = 7,
    MaxSegment = 8,
    SynCount = 9,
    Ttl = 10,
    Tos = 11,
    /// 1: send what is left, but with RST instead of FIN at close (`SO_LINGER` 0).
    LingerZero = 12,
    /// `TCP_QUICKACK`, as given; asked for: 1 while ACKs are not held back for data to ride on.
    QuickAck = 13,
    /// `TCP_NOTSENT_LOWAT`, bytes; 0 for none.
    NotSentLowat = 14,
    /// `TCP_WINDOW_CLAMP`, bytes; 0 for none.
    WindowClamp = 15,
    /// `SO_SNDBUF` as the program set it, doubled as Linux does, bytes; 0: never set.
    SendBuffer = 16,
    /// `SO_RCVBUF`, likewise.
    ReceiveBuffer = 17,
    /// `SO_RCVLOWAT`, bytes.
    ReceiveLowat = 18,
    /// The program is about to send its first urgent data (`MSG_OOB`): look for marks from now on.
    Urgent = 19,
    /// `IP_MTU_DISCOVER`, `IPV6_MTU_DISCOVER`: Linux's `IP_PMTUDISC_*`.
    MtuDiscover = 20,
    /// To be asked for: payload of a full segment, bytes.
    SegmentSize = 21,
    /// To be asked for: MTU of the path, bytes.
    PathMtu = 22,
    /// To be asked for: bytes written and not acknowledged (`SIOCOUTQ`).
    Unacknowledged = 23,
    /// To be asked for: bytes written and not sent (`SIOCOUTQNSD`).
    Unsent = 24,
    /// `TCP_CONGESTION`: `base::congestion::code` of the name.
    Congestion = 25,
    /// `SO_MAX_PACING_RATE`, bytes per second; `u32::MAX` (34 Gb/s) and above is none.
    MaxPacingRate = 26,
    /// `TCP_DEFER_ACCEPT` of a listener, seconds.
    DeferAccept = 40,
    /// `TCP_LINGER2`, seconds, as an `i32`.
    Linger2 = 41,
    /// Fast open as a client: a value of [`fast_open`].
    FastOpen = 42,
    /// `TCP_FASTOPEN` of a listener: connections.
    FastOpenQueue = 43,
    /// `TCP_FASTOPEN_NO_COOKIE`.
    NoFastOpenCookie = 44,
}

/// Values of [`OptionKind::FastOpen`].
pub mod fast_open {
    /// Ask for a cookie, or show it; the data is in the request.
    pub const NOW: u32 = 1;
    /// The same with the first data that the program writes: until then the connection is taken
    /// to be there (`TCP_FASTOPEN_CONNECT`).
    pub const WITH_DATA: u32 = 2;
    /// As `NOW`, and the program waits for the handshake to write more.
    pub const NOW_AND_MORE: u32 = 3;
}

impl OptionKind {
    /// `None`: there is no such option.
    pub fn from_byte(byte: u8) -> Option<OptionKind> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }

    const ALL: [OptionKind; 31] = [
        Self::NoDelay,
        Self::Cork,
        Self::KeepAlive,
        Self::KeepIdleMs,
        Self::KeepIntervalMs,
        Self::KeepCount,
        Self::UserTimeoutMs,
        Self::MaxSegment,
        Self::SynCount,
        Self::Ttl,
        Self::Tos,
        Self::LingerZero,
        Self::QuickAck,
        Self::NotSentLowat,
        Self::WindowClamp,
        Self::SendBuffer,
        Self::ReceiveBuffer,
        Self::ReceiveLowat,
        Self::Urgent,
        Self::MtuDiscover,
        Self::SegmentSize,
        Self::PathMtu,
        Self::Unacknowledged,
        Self::Unsent,
        Self::Congestion,
        Self::MaxPacingRate,
        Self::DeferAccept,
        Self::Linger2,
        Self::FastOpen,
        Self::FastOpenQueue,
        Self::NoFastOpenCookie,
    ];
}

/// One option and its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WireOption {
    /// Which.
    pub kind: OptionKind,
    /// Its value.
    pub value: u32,
}

/// Options for one connection: of each kind at most one, in a buffer of fixed size.
#[derive(Clone, Copy)]
pub struct OptionList {
    items: [WireOption; OptionList::MAX],
    len: usize,
}

impl OptionList {
    /// The most options in a list.
    pub const MAX: usize = OptionKind::ALL.len();

    /// An empty list.
    pub const fn new() -> OptionList {
        OptionList {
            items: [WireOption { kind: OptionKind::NoDelay, value: 0 }; Self::MAX],
            len: 0,
        }
    }
    /// Adds an option. A later value of the same kind takes the place of an earlier one.
    pub fn push(&mut self, option: WireOption) {
        if let Some(old) = self.items[..self.len].iter_mut().find(|o| o.kind == option.kind) {
            old.value = option.value;
        } else if let Some(place) = self.items.get_mut(self.len) {
            *place = option;
            self.len += 1;
        }
    }
}

impl Default for OptionList {
    fn default() -> OptionList {
        OptionList::new()
    }
}

impl core::ops::Deref for OptionList {
    type Target = [WireOption];
    fn deref(&self) -> &[WireOption] {
        &self.items[..self.len]
    }
}

impl PartialEq for OptionList {
    fn eq(&self, other: &OptionList) -> bool {
        self[..] == other[..]
    }
}

impl Eq for OptionList {}

impl core::fmt::Debug for OptionList {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl FromIterator<WireOption> for OptionList {
    fn from_iter<I: IntoIterator<Item = WireOption>>(options: I) -> OptionList {
        let mut list = OptionList::new();
        options.into_iter().for_each(|option| list.push(option));
        list
    }
}
