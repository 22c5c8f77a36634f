//! Names of options that `libc` lacks.

/// `UDP_SEGMENT`.
pub const UDP_SEGMENT: i32 = 103;
/// `UDP_GRO`.
pub const UDP_GRO: i32 = 104;
/// `UDP_NO_CHECK6_TX`.
pub const UDP_NO_CHECK6_TX: i32 = 101;
/// `UDP_NO_CHECK6_RX`.
pub const UDP_NO_CHECK6_RX: i32 = 102;
/// `SO_NO_CHECK`.
pub const SO_NO_CHECK: i32 = 11;
/// `SO_PASSPIDFD`.
pub const SO_PASSPIDFD: i32 = 76;
/// `SO_PEERPIDFD`.
pub const SO_PEERPIDFD: i32 = 77;
/// `SO_PASSRIGHTS`.
pub const SO_PASSRIGHTS: i32 = 83;
/// `SO_TIMESTAMPING_NEW`.
pub const SO_TIMESTAMPING_NEW: i32 = 65;
/// `IP_ORIGDSTADDR`: what is asked for, and what comes.
pub const IP_ORIGDSTADDR: i32 = 20;
/// `IPV6_ORIGDSTADDR`: likewise.
pub const IPV6_ORIGDSTADDR: i32 = 74;
/// `IPV6_HOPLIMIT` as RFC 2292 had it: asked for and given under one name.
pub const IPV6_2292HOPLIMIT: i32 = 8;
/// `IP_MULTICAST_ALL`.
pub const IP_MULTICAST_ALL: i32 = 49;
/// `IPV6_MULTICAST_ALL`.
pub const IPV6_MULTICAST_ALL: i32 = 29;
/// `IPV6_AUTOFLOWLABEL`.
pub const IPV6_AUTOFLOWLABEL: i32 = 70;
/// `IPV6_CHECKSUM`.
pub const IPV6_CHECKSUM: i32 = 7;
/// `TCP_FASTOPEN_NO_COOKIE`.
pub const TCP_FASTOPEN_NO_COOKIE: i32 = 34;
/// `TCP_INQ`: how much more lies there, told by recvmsg(2); `TCP_CM_INQ` is the same number.
pub const TCP_INQ: i32 = 36;
/// `ICMP_FILTER` of `SOL_RAW`, and `ICMPV6_FILTER` of `IPPROTO_ICMPV6`.
pub const ICMP_FILTER: i32 = 1;
/// Where the index is kept that came with `IP_MULTICAST_IF`: a number that no option of Linux has.
pub const MULTICAST_INDEX: i32 = 250;
/// Where is kept what `SO_SNDBUF` is to show while `TCP_NOTSENT_LOWAT` has made it smaller. (That
/// option only root can set, and no socket of ours has it.)
pub const SHOWN_SEND_BUFFER: i32 = libc::SO_SNDBUFFORCE;
