//! Abstract unix names: how a descriptor describes itself.
//!
//! Every socket object is bound to a name in the kernel's abstract unix namespace, which is thereby
//! the registry of ports: `EADDRINUSE`, `ECONNREFUSED` and clean-up after a crash are the kernel's.
//! A name is ASCII after the leading NUL, so that `ss -x` and `/proc/net/unix` show it readably:
//!
//! ```text
//! us1<net:8 hex><kind><family><slot:2 hex><local addr hex><local port:4 hex>[<remote addr><port>]
//! ```
use crate::base::addr::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::fmt::Write;

/// Longest name, without the leading NUL (`sun_path` has 108 bytes).
pub const NAME_MAX: usize = 107;
const MAGIC: &str = "us1";

/// Which net: a hash of its name; 0 is `local`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct NetId(pub u32);

/// What a socket object speaks. TCP's names live in another kernel namespace than the others'
/// (stream and datagram sockets); those are told apart by their kind.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Transport {
    /// Streams.
    Tcp,
    /// Datagrams.
    Udp,
    /// Echo requests and their replies ("ping sockets"): the port is the identifier.
    Echo,
    /// Raw ICMP: the port only makes the name unique.
    Raw,
}

impl Transport {
    pub(super) const fn to_byte(self) -> u8 {
        match self {
            Transport::Tcp => 0,
            Transport::Udp => 1,
            Transport::Echo => 2,
            Transport::Raw => 3,
        }
    }
    pub(super) const fn of_datagrams(byte: u8) -> Option<Transport> {
        match byte {
            1 => Some(Transport::Udp),
            2 => Some(Transport::Echo),
            3 => Some(Transport::Raw),
            _ => None,
        }
    }
    /// The kinds of names of its datagram sockets and of the engine's proxies.
    const fn kinds(self) -> (char, char) {
        match self {
            Transport::Tcp | Transport::Udp => ('d', 'p'),
            Transport::Echo => ('i', 'q'),
            Transport::Raw => ('r', 's'),
        }
    }
}

/// Which of several sockets that share one address and port.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Slot {
    /// Bound without `SO_REUSEPORT` (TCP) or `SO_REUSEADDR` (UDP): the only one.
    Exclusive,
    /// The n-th of a group, 0..[`Slot::SHARED`].
    Shared(u8),
}

impl Slot {
    /// How many sockets may share an address and port.
    pub const SHARED: u8 = 16;
    const EXCLUSIVE: u8 = 0xff;

    /// All places of a group, in an order that `seed` says: each is as often the first of those
    /// that are taken, and when one goes, only its share goes to others (rendezvous hashing).
    pub fn group(seed: u64) -> impl Iterator<Item = Slot> + Clone {
        let mut order = [(0, 0); Slot::SHARED as usize];
        for (place, n) in order.iter_mut().zip(0u8..) {
            *place = (mix(seed ^ (u64::from(n) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)), n);
        }
        order.sort_unstable();
        order.into_iter().map(|(_, n)| Slot::Shared(n))
    }

    const fn to_byte(self) -> u8 {
        match self {
            Slot::Exclusive => Self::EXCLUSIVE,
            Slot::Shared(n) => n,
        }
    }
    fn from_byte(byte: u8) -> Option<Slot> {
        match byte {
            Self::EXCLUSIVE => Some(Slot::Exclusive),
            n if n < Self::SHARED => Some(Slot::Shared(n)),
            _ => None,
        }
    }
}

/// A good mixture of all bits (the finalizer of splitmix64).
const fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A seed for [`Slot::group`]: the same for the same two ends.
pub fn spread(local: &SocketAddr, remote: &SocketAddr) -> u64 {
    let one = |end: &SocketAddr| {
        let ip = match end.ip() {
            IpAddr::V4(ip) => u64::from(u32::from(ip)),
            IpAddr::V6(ip) => {
                let bits = u128::from(ip);
                mix(bits as u64) ^ (bits >> 64) as u64
            }
        };
        mix(ip ^ u64::from(end.port()) << 40)
    };
    one(local).wrapping_mul(3) ^ one(remote)
}

/// What a socket object is, as its name says it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// A bound stream socket (kind `l`), listening or about to: `tcp 10.0.0.2:80`.
    Listener {
        /// Its address; unspecified for a wildcard. A v6 wildcard that also takes v4 says so in
        /// `dual`.
        local: SocketAddr,
        /// `::` that also takes IPv4 (`IPV6_V6ONLY` off).
        dual: bool,
        /// Its place in a group.
        slot: Slot,
    },
    /// A connecting stream socket (kind `e`): `tcp 10.0.0.2:50123 > 10.0.0.7:80`.
    Endpoint {
        /// The holder's end.
        local: SocketAddr,
        /// The other end.
        remote: SocketAddr,
    },
    /// The engine's socket that brings a connection from the wire to a listener (kind `w`): it
    /// stands for the remote host, which is `local`; `remote` is the address that was dialled. It
    /// has a kind of its own because with `loopback = "tcp"` the connecting program holds the
    /// `Endpoint` of the same pair, and so that an accepted socket shows that it is a wire
    /// connection.
    Wire {
        /// The host on the wire.
        local: SocketAddr,
        /// The listener's end.
        remote: SocketAddr,
    },
    /// A datagram socket (kind `d`; of ICMP `i` and `r`).
    Datagram {
        /// What it speaks.
        transport: Transport,
        /// Its address; unspecified for a wildcard.
        local: SocketAddr,
        /// `::` that also takes IPv4.
        dual: bool,
        /// Its place in a group.
        slot: Slot,
    },
    /// The engine's datagram socket that stands for a remote host (kind `p`; of ICMP `q` and `s`):
    /// what is sent to it goes out on the wire to `remote`; what comes from it came from there.
    Proxy {
        /// What it speaks.
        transport: Transport,
        /// The program's end.
        local: SocketAddr,
        /// The host on the wire.
        remote: SocketAddr,
    },
    /// Where wire connections (stream) and wire datagrams (datagram) enter the engine (kind `g`).
    Gateway,
    /// The engine's control channel (seqpacket, kind `c`).
    Control,
    /// Who tells a datagram socket that is not connected of an error (kind `x`): an empty datagram
    /// from there means that the error queue has something.
    Alarm,
}

/// A whole name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Name {
    /// The net it belongs to.
    pub net: NetId,
    /// What it is.
    pub role: Role,
}

/// An encoded name (without the leading NUL), on the stack: no allocation.
#[derive(Clone, Copy)]
pub struct NameBuf {
    bytes: [u8; NAME_MAX],
    len: usize,
}

impl NameBuf {
    /// The bytes to put behind `sun_path[0] == 0`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Write for NameBuf {
    fn write_str(&mut self, s: &str) -> core::fmt::Result {
        let room = self.bytes.get_mut(self.len..self.len + s.len()).ok_or(core::fmt::Error)?;
        room.copy_from_slice(s.as_bytes());
        self.len += s.len();
        Ok(())
    }
}

impl Name {
    /// The name as bytes.
    pub fn encode(&self) -> NameBuf {
        let mut out = NameBuf { bytes: [0; NAME_MAX], len: 0 };
        // Cannot fail: the longest name (two v6 ends) has 88 bytes.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut NameBuf) -> core::fmt::Result {
        write!(out, "{MAGIC}{:08x}", self.net.0)?;
        match self.role {
            Role::Listener { local, dual, slot } => write_bound(out, 'l', local, dual, slot),
            Role::Datagram { transport, local, dual, slot } => {
                write_bound(out, transport.kinds().0, local, dual, slot)
            }
            Role::Endpoint { local, remote } => write_pair(out, 'e', local, remote),
            Role::Wire { local, remote } => write_pair(out, 'w', local, remote),
            Role::Proxy { transport, local, remote } => {
                write_pair(out, transport.kinds().1, local, remote)
            }
            Role::Gateway => out.write_char('g'),
            Role::Control => out.write_char('c'),
            Role::Alarm => out.write_char('x'),
        }
    }

    /// The letter of a name's kind, without reading the rest.
    pub fn kind(bytes: &[u8]) -> Option<u8> {
        bytes.strip_prefix(MAGIC.as_bytes())?.get(8).copied()
    }

    /// Reads a name (without the leading NUL). `None`: not one of ours. Never panics.
    pub fn decode(bytes: &[u8]) -> Option<Name> {
        let text = core::str::from_utf8(bytes).ok()?;
        let mut r = Reader(text.strip_prefix(MAGIC)?);
        let net = NetId(r.hex(8)? as u32);
        let kind = r.char()?;
        let transport = match kind {
            'i' | 'q' => Transport::Echo,
            'r' | 's' => Transport::Raw,
            _ => Transport::Udp,
        };
        let role = match kind {
            'l' => {
                let (local, dual, slot) = r.bound()?;
                Role::Listener { local, dual, slot }
            }
            'd' | 'i' | 'r' => {
                let (local, dual, slot) = r.bound()?;
                Role::Datagram { transport, local, dual, slot }
            }
            'e' => {
                let (local, remote) = r.pair()?;
                Role::Endpoint { local, remote }
            }
            'w' => {
                let (local, remote) = r.pair()?;
                Role::Wire { local, remote }
            }
            'p' | 'q' | 's' => {
                let (local, remote) = r.pair()?;
                Role::Proxy { transport, local, remote }
            }
            'g' => Role::Gateway,
            'c' => Role::Control,
            'x' => Role::Alarm,
            _ => return None,
        };
        r.0.is_empty().then_some(Name { net, role })
    }
}

fn write_bound(
    out: &mut NameBuf,
    kind: char,
    local: SocketAddr,
    dual: bool,
    slot: Slot,
) -> core::fmt::Result {
    let family = match (local.is_ipv4(), dual) {
        (true, _) => '4',
        (false, false) => '6',
        (false, true) => 'd',
    };
    write!(out, "{kind}{family}{:02x}", slot.to_byte())?;
    write_addr(out, local)
}

fn write_pair(
    out: &mut NameBuf,
    kind: char,
    local: SocketAddr,
    remote: SocketAddr,
) -> core::fmt::Result {
    write!(out, "{kind}{}", if local.is_ipv4() { '4' } else { '6' })?;
    write_addr(out, local)?;
    write_addr(out, remote)
}

fn write_addr(out: &mut NameBuf, addr: SocketAddr) -> core::fmt::Result {
    match addr.ip() {
        IpAddr::V4(ip) => write!(out, "{:08x}", u32::from(ip))?,
        IpAddr::V6(ip) => write!(out, "{:032x}", u128::from(ip))?,
    }
    write!(out, "{:04x}", addr.port())
}

struct Reader<'a>(&'a str);

impl Reader<'_> {
    fn char(&mut self) -> Option<char> {
        let c = self.0.chars().next()?;
        self.0 = &self.0[c.len_utf8()..];
        Some(c)
    }
    fn hex(&mut self, digits: usize) -> Option<u128> {
        let (head, tail) = (self.0.get(..digits)?, self.0.get(digits..)?);
        // `from_str_radix` takes a sign; a name has none.
        if !head.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        self.0 = tail;
        u128::from_str_radix(head, 16).ok()
    }
    fn addr(&mut self, v4: bool) -> Option<SocketAddr> {
        let ip: IpAddr = if v4 {
            Ipv4Addr::from(self.hex(8)? as u32).into()
        } else {
            Ipv6Addr::from(self.hex(32)?).into()
        };
        Some(SocketAddr::new(ip, self.hex(4)? as u16))
    }
    fn bound(&mut self) -> Option<(SocketAddr, bool, Slot)> {
        let family = self.char()?;
        let slot = Slot::from_byte(self.hex(2)? as u8)?;
        match family {
            '4' => Some((self.addr(true)?, false, slot)),
            '6' => Some((self.addr(false)?, false, slot)),
            'd' => Some((self.addr(false)?, true, slot)),
            _ => None,
        }
    }
    fn pair(&mut self) -> Option<(SocketAddr, SocketAddr)> {
        let v4 = match self.char()? {
            '4' => true,
            '6' => false,
            _ => return None,
        };
        Some((self.addr(v4)?, self.addr(v4)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_shares_evenly_whatever_places_are_taken() {
        for taken in [&[0u8][..], &[0, 1], &[0, 1, 2], &[3, 7, 9, 15, 2]] {
            let mut got = [0; Slot::SHARED as usize];
            for port in 0..3_000u16 {
                let seed = spread(
                    &"10.0.0.1:53".parse().unwrap(),
                    &SocketAddr::new("10.0.0.2".parse().unwrap(), port),
                );
                let first = Slot::group(seed).find_map(|slot| match slot {
                    Slot::Shared(n) if taken.contains(&n) => Some(n),
                    _ => None,
                });
                got[usize::from(first.unwrap())] += 1;
            }
            let fair = 3_000 / taken.len();
            for n in taken {
                let share = got[usize::from(*n)];
                assert!(share * 10 > fair * 8 && share * 10 < fair * 12, "{taken:?} {got:?}");
            }
        }
    }

    #[test]
    fn names_survive_the_round_trip() {
        let v4: SocketAddr = "10.0.0.2:80".parse().unwrap();
        let v6: SocketAddr = "[fd00::7]:50123".parse().unwrap();
        let far: SocketAddr = "[2001:db8::1]:443".parse().unwrap();
        for role in [
            Role::Listener { local: v4, dual: false, slot: Slot::Exclusive },
            Role::Listener { local: v6, dual: true, slot: Slot::Shared(3) },
            Role::Endpoint { local: v4, remote: "1.2.3.4:5".parse().unwrap() },
            Role::Endpoint { local: v6, remote: far },
            Role::Wire { local: far, remote: v6 },
            Role::Datagram {
                transport: Transport::Udp,
                local: v6,
                dual: false,
                slot: Slot::Shared(15),
            },
            Role::Datagram {
                transport: Transport::Echo,
                local: v4,
                dual: false,
                slot: Slot::Exclusive,
            },
            Role::Proxy { transport: Transport::Udp, local: v6, remote: far },
            Role::Proxy { transport: Transport::Echo, local: v6, remote: far },
            Role::Proxy { transport: Transport::Raw, local: v6, remote: far },
            Role::Gateway,
            Role::Control,
            Role::Alarm,
        ] {
            let name = Name { net: NetId(0xdead_beef), role };
            let bytes = name.encode();
            assert!(bytes.as_bytes().len() < NAME_MAX);
            assert_eq!(Name::decode(bytes.as_bytes()), Some(name));
        }
    }

    proptest::proptest! {
        #[test]
        fn decode_never_panics(bytes in proptest::collection::vec(0u8..=255, 0..120)) {
            let _ = Name::decode(&bytes);
        }
        #[test]
        fn decode_of_damaged_names_never_panics(at in 0usize..60, byte in 0u8..=255) {
            let name = Name { net: NetId(7), role: Role::Endpoint {
                local: "10.0.0.2:80".parse().unwrap(), remote: "10.0.0.3:81".parse().unwrap() } };
            let mut bytes = name.encode().as_bytes().to_vec();
            if at < bytes.len() { bytes[at] = byte; }
            let _ = Name::decode(&bytes);
        }
    }
}
