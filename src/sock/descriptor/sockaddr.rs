//! `struct sockaddr_in` and `sockaddr_in6`: bytes to addresses and back.
use crate::base::addr::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use crate::host::Errno;
use core::net::SocketAddrV6;

/// Longest address that the kernel takes (`sizeof(struct sockaddr_storage)`).
pub const STORAGE: usize = 128;
/// `sizeof(struct sockaddr_in)`.
pub const IN_SIZE: usize = 16;
/// `sizeof(struct sockaddr_in6)`.
pub const IN6_SIZE: usize = 28;
/// Shortest `sockaddr_in6` that Linux takes (`SIN6_LEN_RFC2133`: without the scope).
const IN6_MIN: usize = 24;

/// What a program's address says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Given {
    /// An IPv4 or IPv6 address. A v6 one may be v4-mapped.
    Inet(SocketAddr),
    /// `AF_UNSPEC`, with its bytes read as `sockaddr_in` when there are enough.
    Unspec(Option<SocketAddr>),
}

/// Reads the address that a program gave to a socket of this family, as Linux does: first
/// `AF_UNSPEC`, then the length (`EINVAL`), then the family (`EAFNOSUPPORT`).
pub fn decode(bytes: &[u8], ipv6: bool) -> Result<Given, Errno> {
    let family = bytes.first_chunk::<2>().ok_or(Errno::INVAL)?;
    let family = i32::from(u16::from_ne_bytes(*family));
    if family == libc::AF_UNSPEC {
        return Ok(Given::Unspec(inet(bytes).ok()));
    }
    let (wanted, address) = match ipv6 {
        true => (libc::AF_INET6, inet6(bytes)?),
        false => (libc::AF_INET, inet(bytes)?),
    };
    if family != wanted {
        return Err(Errno::AFNOSUPPORT);
    }
    Ok(Given::Inet(address))
}

/// Reads `struct sockaddr_in`, its family unseen.
pub fn inet(bytes: &[u8]) -> Result<SocketAddr, Errno> {
    match bytes.first_chunk::<IN_SIZE>() {
        Some(&[_, _, p0, p1, a, b, c, d, ..]) => {
            let ip = Ipv4Addr::new(a, b, c, d);
            Ok(SocketAddr::new(IpAddr::V4(ip), u16::from_be_bytes([p0, p1])))
        }
        None => Err(Errno::INVAL),
    }
}

/// Reads `struct sockaddr_in6`, its family unseen.
pub fn inet6(bytes: &[u8]) -> Result<SocketAddr, Errno> {
    let head = bytes.first_chunk::<IN6_MIN>().ok_or(Errno::INVAL)?;
    let octets: [u8; 16] = head[8..24].try_into().map_err(|_| Errno::INVAL)?;
    let port = u16::from_be_bytes([head[2], head[3]]);
    let flow = u32::from_ne_bytes([head[4], head[5], head[6], head[7]]);
    let scope = bytes.get(24..28).and_then(|b| b.try_into().ok()).map_or(0, u32::from_ne_bytes);
    Ok(SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from(octets), port, flow, scope)))
}

/// An encoded address.
#[derive(Clone, Copy)]
pub struct Encoded {
    bytes: [u8; IN6_SIZE],
    len: usize,
}

impl Encoded {
    /// The bytes of the C structure.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Writes an address as its C structure.
pub fn encode(address: SocketAddr) -> Encoded {
    let mut bytes = [0; IN6_SIZE];
    bytes[2..4].copy_from_slice(&address.port().to_be_bytes());
    let (family, len) = match address {
        SocketAddr::V4(v4) => {
            bytes[4..8].copy_from_slice(&v4.ip().octets());
            (libc::AF_INET, IN_SIZE)
        }
        SocketAddr::V6(v6) => {
            bytes[8..24].copy_from_slice(&v6.ip().octets());
            bytes[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
            (libc::AF_INET6, IN6_SIZE)
        }
    };
    bytes[..2].copy_from_slice(&(family as u16).to_ne_bytes());
    Encoded { bytes, len }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_round_trip() {
        for text in ["1.2.3.4:5", "[2001:db8::7]:443", "[::ffff:1.2.3.4]:80"] {
            let address: SocketAddr = text.parse().unwrap();
            let bytes = encode(address);
            assert_eq!(decode(bytes.as_bytes(), address.is_ipv6()), Ok(Given::Inet(address)));
        }
    }

    #[test]
    fn short_and_foreign_addresses_are_refused_as_linux_does() {
        let v4 = encode("1.2.3.4:5".parse().unwrap());
        assert_eq!(decode(&v4.as_bytes()[..8], false), Err(Errno::INVAL));
        assert_eq!(decode(&[], false), Err(Errno::INVAL));
        assert_eq!(decode(v4.as_bytes(), true), Err(Errno::INVAL));
        let v6 = encode("[::1]:5".parse().unwrap());
        assert_eq!(decode(v6.as_bytes(), false), Err(Errno::AFNOSUPPORT));
    }
}
