//! Frames between links and the stack, and the work that a link may do on them.

/// What kind of frames an interface carries.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Medium {
    /// Ethernet frames without FCS; neighbours are resolved by ARP and ND.
    Ethernet,
    /// Bare IP packets (TUN, loopback); no neighbours.
    Ip,
}

/// Work that the link does for us.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Offload {
    /// The link fills in TCP and UDP checksums (we leave the pseudo-header sum there).
    pub checksum: bool,
    /// Largest TCP super-segment (IP packet length, bytes) that the link cuts for us; 0 for none.
    pub tso_max: u32,
}

/// What the link knows of a received frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum RxChecksum {
    /// Nothing: verify the transport checksum.
    #[default]
    Unknown,
    /// The transport checksum is right, or only half done because the frame never touched a wire
    /// (`VIRTIO_NET_HDR_F_NEEDS_CSUM`, `_DATA_VALID`): do not look at it.
    Trusted,
}

/// How a frame that we send is to be finished by the link.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct TxOffload {
    /// If set, the link sums from `checksum_start` to the end and stores at `checksum_start +
    /// checksum_offset` (offsets in bytes from the start of the frame). That field holds the
    /// pseudo-header sum.
    pub needs_checksum: bool,
    /// See `needs_checksum`.
    pub checksum_start: u16,
    /// See `needs_checksum`.
    pub checksum_offset: u16,
    /// If not 0: a TCP super-segment, to be cut into segments of this many payload bytes.
    pub gso_size: u16,
    /// Length in bytes of all headers (Ethernet, IP, TCP) in front of the payload, when `gso_size`
    /// is set.
    pub header_len: u16,
    /// IPv6 rather than IPv4, when `gso_size` is set.
    pub ipv6: bool,
}

/// One frame on its way out. Reused: the buffer keeps its capacity.
#[derive(Clone, Debug, Default)]
pub struct TxFrame {
    /// The whole frame: Ethernet header first on [`Medium::Ethernet`], IP header first on
    /// [`Medium::Ip`].
    pub bytes: Vec<u8>,
    /// What the link has still to do.
    pub offload: TxOffload,
}
