//! Every limit of the project, in one place. A queue without a limit here is a defect.

/// Lowest port chosen for a program that did not bind (RFC 6335: the dynamic range).
pub const EPHEMERAL_FIRST: u16 = 49152;
/// Highest such port.
pub const EPHEMERAL_LAST: u16 = 65535;

/// TCP connections in one engine.
pub const TCP_CONNECTIONS: usize = 65_536;
/// Half-open connections (SYN received) of one listener (Linux `somaxconn`), and of all of them.
pub const TCP_SYN_QUEUE: usize = 4_096;
/// See above.
pub const TCP_HALF_OPEN: usize = 16_384;
/// SYN-ACKs that wait to leave: as many SYNs as a flood brings while the engine sleeps for a
/// moment.
pub const TCP_SYN_ACKS: usize = 4_096;
/// Connections whose program is gone.
pub const TCP_ORPHANS: usize = 16_384;
/// Connections in TIME-WAIT.
pub const TCP_TIME_WAIT: usize = 32_768;
/// Hosts whose fast open cookie (RFC 7413) is remembered.
pub const FAST_OPEN_COOKIES: usize = 1_024;
/// What a connection's send buffer may grow to, bytes (Linux `tcp_wmem[2]`).
pub const TCP_SEND_BUFFER: usize = 4 << 20;
/// What a connection's receive buffer may grow to, bytes (Linux `tcp_rmem[2]`: 6 MiB for long).
pub const TCP_RECEIVE_BUFFER: usize = 6 << 20;
/// Disjoint out-of-order ranges remembered for one connection.
pub const TCP_OUT_OF_ORDER_RANGES: usize = 64;

/// Acknowledgments that one burst of segments gets, but for the last one.
pub const TCP_ACKS_OF_A_BURST: usize = 16;

/// Ends of records (`MSG_EOR`) that one connection remembers; further ones are no ends.
pub const TCP_RECORD_ENDS: usize = 1_024;

/// Pieces in which one connection remembers what is outstanding; then they get longer.
pub const TCP_FLIGHT_RECORDS: usize = 8_192;

/// Neighbours (ARP and ND) remembered for one interface.
pub const NEIGHBORS: usize = 1_024;
/// Packets that wait for one neighbour to be resolved.
pub const NEIGHBOR_PENDING: usize = 128;
/// Bytes of them (Linux `unres_qlen_bytes`): room for the fragments of a few large datagrams.
pub const NEIGHBOR_PENDING_BYTES: usize = 212_992;
/// Default routers, prefixes, addresses of its own making and name servers that an interface
/// remembers from advertisements: of each.
pub const ADVERTISED: usize = 16;
/// Destinations whose first hop was redirected.
pub const REDIRECTS: usize = 256;
/// Groups joined on one interface.
pub const GROUPS: usize = 256;
/// Datagrams under reassembly at once.
pub const REASSEMBLIES: usize = 64;
/// Bytes held for reassembly in all.
pub const REASSEMBLY_BYTES: usize = 4 << 20;
/// Fragments of one datagram.
pub const REASSEMBLY_FRAGMENTS: usize = 256;
/// Destinations whose path MTU is remembered.
pub const PATH_MTUS: usize = 256;
/// Packets to our own addresses that wait to be fed back.
pub const LOOPBACK_QUEUE: usize = 1_024;
/// ICMP errors sent per second, at most.
pub const ICMP_ERRORS_PER_SECOND: u32 = 1_000;
/// Frames that wait to leave (TCP segments do not wait here: they are made when there is room).
pub const TRANSMIT_QUEUE: usize = 1_024;
/// UDP datagrams that wait for the engine.
pub const UDP_QUEUE: usize = 1_024;
/// Largest IP packet, and so the largest frame buffer without its Ethernet header.
pub const IP_PACKET_MAX: usize = 65_535;
/// Frames under way on one direction of an impaired wire.
pub const IMPAIR_FRAMES: usize = 100_000;
/// Their bytes.
pub const IMPAIR_BYTES: usize = 64 << 20;
/// Bytes that wait for one slow reader of a capture; above it frames are left out.
pub const CAPTURE_BACKLOG: usize = 4 << 20;
