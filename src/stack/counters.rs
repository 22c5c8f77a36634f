//! What happened how often. Every packet that is dropped is counted under its reason.

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A thing that is counted.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Count { $($(#[$doc])* $name,)* }

        const NAMES: &[&str] = &[$($text,)*];
    };
}

counters! {
    /// Frames that arrived.
    FramesIn = "frames_in",
    /// Frames given to links.
    FramesOut = "frames_out",
    /// ICMP messages that programs sent.
    EchoOut = "icmp_out",
    /// Packets fed back inside.
    Loopback = "loopback",
    /// Loopback queue full.
    LoopbackFull = "drop_loopback_full",
    /// A frame for an interface that does not exist.
    NoInterface = "drop_no_interface",
    /// Not even an Ethernet header.
    EthernetShort = "drop_ethernet_short",
    /// Unicast to another station.
    EthernetOther = "drop_ethernet_other_station",
    /// Neither IP nor ARP.
    EthernetType = "drop_ethernet_type",
    /// ARP that is not for IPv4 over Ethernet, or cut short.
    ArpMalformed = "drop_arp_malformed",
    /// Somebody else says that he has an address of ours.
    AddressConflict = "address_conflict",
    /// Addresses given up because somebody has them already.
    DadFailed = "address_duplicate",
    /// Router advertisements taken.
    RouterAdvertisements = "router_advertisements_in",
    /// Redirects followed.
    Redirects = "redirects_in",
    /// Redirects that break the rules, or that are not wanted.
    RedirectInvalid = "drop_redirect",
    /// A group that nobody here has joined.
    IpNotJoined = "drop_ip_not_joined",
    /// IGMP or MLD cut short, or not from this link.
    GroupInvalid = "drop_group_message_invalid",
    /// IGMP and MLD reports sent.
    GroupReports = "group_reports_out",
    /// DHCP messages sent.
    DhcpOut = "dhcp_out",
    /// DHCP messages taken.
    DhcpIn = "dhcp_in",
    /// DHCP messages that are broken, or not for us.
    DhcpInvalid = "drop_dhcp",
    /// Leases that ended, or were taken back.
    LeaseLost = "dhcp_leases_lost",
    /// IP header with wrong version or lengths.
    IpMalformed = "drop_ip_malformed",
    /// IPv4 header checksum wrong.
    IpChecksum = "drop_ip_checksum",
    /// A source that cannot be one: multicast, broadcast, loopback or our own address on the wire.
    IpMartian = "drop_ip_martian",
    /// Not for us.
    IpNotOurs = "drop_ip_not_ours",
    /// Source routes are not followed.
    IpSourceRoute = "drop_ip_source_route",
    /// Bad options or extension headers, or too many of them.
    IpOptions = "drop_ip_options",
    /// A protocol that we do not speak.
    IpProtocol = "drop_ip_protocol",
    /// Fragments that arrived.
    Fragments = "fragments_in",
    /// Datagrams put together.
    Reassembled = "reassembled",
    /// A fragment with impossible bounds.
    FragmentMalformed = "drop_fragment_malformed",
    /// Overlapping fragments: the datagram is dropped.
    FragmentOverlap = "drop_fragment_overlap",
    /// The same fragment twice.
    FragmentDuplicate = "drop_fragment_duplicate",
    /// Too many fragments, datagrams or bytes under reassembly.
    FragmentLimit = "drop_fragment_limit",
    /// Fragments with ECT and without in one datagram (RFC 3168 5.3).
    FragmentEcn = "drop_fragment_ecn",
    /// Not complete in time.
    FragmentTimeout = "drop_fragment_timeout",
    /// Packets cut into fragments.
    Fragmented = "fragmented",
    /// ICMP cut short or with a wrong checksum.
    IcmpMalformed = "drop_icmp_malformed",
    /// ICMP of a type that means nothing to us.
    IcmpIgnored = "drop_icmp_ignored",
    /// An ICMP error about something that we did not send.
    IcmpStrange = "drop_icmp_strange",
    /// ICMP errors taken.
    IcmpErrorsIn = "icmp_errors_in",
    /// ICMP errors sent.
    IcmpErrorsOut = "icmp_errors_out",
    /// ICMP errors not sent because of the rate limit.
    IcmpLimited = "icmp_errors_limited",
    /// Echo requests answered.
    EchoReplies = "echo_replies",
    /// Neighbour discovery that breaks RFC 4861 7.1.
    NdInvalid = "drop_nd_invalid",
    /// A neighbour did not answer.
    NeighborFailed = "neighbor_failed",
    /// Packets dropped because their neighbour is being looked for and too many wait already.
    NeighborPending = "drop_neighbor_pending",
    /// Packets dropped because the neighbour did not answer.
    NeighborUnreachable = "drop_neighbor_unreachable",
    /// Neighbour table full.
    NeighborFull = "drop_neighbor_table_full",
    /// TCP checksum wrong.
    TcpChecksum = "drop_tcp_checksum",
    /// TCP to a multicast or broadcast address.
    TcpNotUnicast = "drop_tcp_not_unicast",
    /// UDP with wrong lengths.
    UdpMalformed = "drop_udp_malformed",
    /// UDP checksum wrong, or none over IPv6.
    UdpChecksum = "drop_udp_checksum",
    /// The driver does not take datagrams fast enough.
    UdpFull = "drop_udp_queue_full",
    /// Datagrams received.
    UdpIn = "udp_in",
    /// Datagrams sent.
    UdpOut = "udp_out",
    /// No route for a packet of ours.
    NoRoute = "drop_no_route",
    /// The transmit queue is full.
    TransmitFull = "drop_transmit_full",
    /// A packet of ours that does not fit through its link.
    TransmitTooBig = "drop_transmit_too_big",
}

/// All counters.
#[derive(Clone, Debug)]
pub struct Counters([u64; NAMES.len()]);

impl Counters {
    /// All zero.
    pub const fn new() -> Counters {
        Counters([0; NAMES.len()])
    }
    /// One more.
    pub fn add(&mut self, what: Count) {
        if let Some(value) = self.0.get_mut(what as usize) {
            *value = value.wrapping_add(1);
        }
    }
    /// Name and value of each.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        NAMES.iter().copied().zip(self.0.iter().copied())
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self::new()
    }
}
