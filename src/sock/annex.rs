//! The annex: state of a socket object that does not fit in its tag.
//!
//! It is rarely there: the logical peer of a datagram socket, and values of options that mean
//! nothing to a unix socket but must be read back. It lives with the socket in the kernel, as the
//! tag does: as a classic BPF filter that does nothing (`LD #word` over and over, then `RET -1`:
//! take every packet whole), which `SO_GET_FILTER` reads back. The flag [`Tag::ANNEX`] says that
//! there is one, so that a socket without one costs nothing.
//!
//! Words: for each entry `key << 16 | count`, then `count` words.
use super::object::Sock;
use super::tag::Tag;
use crate::base::addr::{IpAddr, SocketAddr};
use crate::host::{Errno, filter};

/// Most words that an annex holds.
const WORDS_MAX: usize = 192;
/// The first word: it is an annex, of this form.
const MAGIC: u32 = 0x7573_0001;

/// What a value is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key(u16);

impl Key {
    /// The logical peer of a datagram socket.
    pub const PEER: Key = Key(1);
    /// Errors that wait to be read (`MSG_ERRQUEUE`).
    pub const ERRORS: Key = Key(2);
    /// The filter of a raw ICMP socket.
    pub const ICMP_FILTER: Key = Key(3);

    /// The groups that a datagram socket is in.
    pub const GROUPS: Key = Key(4);

    /// The value of a socket option. `level` and `name` are below 256, as all of Linux' are but for
    /// `SOL_*` above the protocols' numbers; `None` otherwise.
    pub fn option(level: i32, name: i32) -> Option<Key> {
        let (level, name) = (u8::try_from(level).ok()?, u8::try_from(name).ok()?);
        // Level 0 (IPPROTO_IP) must not meet the keys above.
        Some(Key(u16::from(level | 0x80) << 8 | u16::from(name)))
    }
}

/// An annex in memory. No allocation: it is read while data is sent and received.
#[derive(Clone, Copy)]
pub struct Annex {
    words: [u32; WORDS_MAX],
    len: usize,
}

impl Annex {
    /// Nothing in it.
    pub const fn new() -> Annex {
        Annex { words: [0; WORDS_MAX], len: 0 }
    }

    /// Reads the socket's annex; empty if it has none.
    pub fn of(sock: &Sock) -> Annex {
        let mut annex = Annex::new();
        if sock.has(Tag::ANNEX) {
            let mut words = [0; WORDS_MAX + 1];
            if let Ok(len) = filter::get(sock.fd, &mut words)
                && let Some((&MAGIC, rest)) = words[..len].split_first()
            {
                annex.words[..rest.len()].copy_from_slice(rest);
                annex.len = rest.len();
            }
        }
        annex
    }

    /// Stores it in the kernel, instead of the one before.
    pub fn store(&self, sock: &mut Sock) -> Result<(), Errno> {
        let mut words = [0; WORDS_MAX + 1];
        words[0] = MAGIC;
        words[1..=self.len].copy_from_slice(&self.words[..self.len]);
        filter::set(sock.fd, &words[..=self.len])?;
        sock.add(Tag::ANNEX);
        Ok(())
    }

    /// Where the entry of `key` is: its first word and its length with it.
    fn find(&self, key: Key) -> Option<(usize, usize)> {
        let mut at = 0;
        while at < self.len {
            let head = self.words[at];
            let len = 1 + (head & 0xffff) as usize;
            if at + len > self.len {
                return None;
            }
            if head >> 16 == u32::from(key.0) {
                return Some((at, len));
            }
            at += len;
        }
        None
    }

    /// The value of `key`.
    pub fn get(&self, key: Key) -> Option<&[u32]> {
        let (at, len) = self.find(key)?;
        Some(&self.words[at + 1..at + len])
    }

    /// The value of `key` if it is one word, as an `int`.
    pub fn int(&self, key: Key) -> Option<i32> {
        match self.get(key)? {
            [word] => Some(*word as i32),
            _ => None,
        }
    }

    /// All options that are kept as one word: level, name and value.
    pub fn int_options(&self) -> impl Iterator<Item = (i32, i32, i32)> + '_ {
        let mut at = 0;
        core::iter::from_fn(move || {
            while at < self.len {
                let head = self.words[at];
                let (key, count) = ((head >> 16) as u16, (head & 0xffff) as usize);
                let value = self.words.get(at + 1).copied();
                at += 1 + count;
                if key & 0x8000 != 0 && count == 1 && at <= self.len {
                    let (level, name) = (i32::from(key >> 8 & 0x7f), i32::from(key & 0xff));
                    return value.map(|value| (level, name, value as i32));
                }
            }
            None
        })
    }

    /// Takes the value of `key` out.
    pub fn remove(&mut self, key: Key) {
        if let Some((at, len)) = self.find(key) {
            self.words.copy_within(at + len..self.len, at);
            self.len -= len;
        }
    }

    /// Sets the value of `key`. `ENOBUFS` if the annex is full.
    pub fn set(&mut self, key: Key, value: &[u32]) -> Result<(), Errno> {
        self.remove(key);
        let end = self.len + 1 + value.len();
        let room = self.words.get_mut(self.len..end).ok_or(Errno::NOBUFS)?;
        room[0] = u32::from(key.0) << 16 | value.len() as u32;
        room[1..].copy_from_slice(value);
        self.len = end;
        Ok(())
    }

    /// The logical peer of a datagram socket, v4-mapped addresses as v4.
    pub fn peer(&self) -> Option<SocketAddr> {
        let (ip, port): (IpAddr, u32) = match *self.get(Key::PEER)? {
            [port, a] => (a.to_be_bytes().into(), port),
            [port, a, b, c, d] => {
                let mut octets = [0; 16];
                for (chunk, word) in octets.chunks_exact_mut(4).zip([a, b, c, d]) {
                    chunk.copy_from_slice(&word.to_be_bytes());
                }
                (octets.into(), port)
            }
            _ => return None,
        };
        Some(SocketAddr::new(ip, port as u16))
    }

    /// Sets or removes the logical peer.
    pub fn set_peer(&mut self, peer: Option<SocketAddr>) -> Result<(), Errno> {
        let Some(peer) = peer else {
            self.remove(Key::PEER);
            return Ok(());
        };
        let port = u32::from(peer.port());
        match peer.ip() {
            IpAddr::V4(ip) => self.set(Key::PEER, &[port, u32::from(ip)]),
            IpAddr::V6(ip) => {
                let mut words = [port; 5];
                for (word, chunk) in words[1..].iter_mut().zip(ip.octets().chunks_exact(4)) {
                    *word = chunk.iter().fold(0, |w, b| w << 8 | u32::from(*b));
                }
                self.set(Key::PEER, &words)
            }
        }
    }
}

impl Default for Annex {
    fn default() -> Self {
        Annex::new()
    }
}

/// Copies the annex of `from` to `to`, which has none yet.
pub fn copy(from: &Sock, to: &mut Sock) -> Result<(), Errno> {
    if from.has(Tag::ANNEX) {
        to.remove(Tag::ANNEX);
        Annex::of(from).store(to)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::unix;

    #[test]
    fn it_stays_with_the_socket() {
        for kind in [libc::SOCK_STREAM, libc::SOCK_DGRAM] {
            let file = unix::socket(libc::AF_UNIX, kind, 0).unwrap();
            let mut sock = Sock { fd: file.raw(), tag: Tag::new(0) };
            assert_eq!(Annex::of(&sock).get(Key::PEER), None);
            let ttl = Key::option(0, 2).unwrap();
            let mut annex = Annex::new();
            for peer in ["1.2.3.4:5", "[2001:db8::1:2]:65535"] {
                let peer: SocketAddr = peer.parse().unwrap();
                annex.set_peer(Some(peer)).unwrap();
                annex.set(ttl, &[64]).unwrap();
                annex.store(&mut sock).unwrap();
                let again = Sock::of(file.raw()).unwrap();
                assert_eq!(Annex::of(&again).peer(), Some(peer));
                assert_eq!(Annex::of(&again).int(ttl), Some(64));
            }
            annex.set_peer(None).unwrap();
            annex.store(&mut sock).unwrap();
            assert_eq!(Annex::of(&sock).peer(), None);
            assert_eq!(Annex::of(&sock).int(ttl), Some(64));
            assert_eq!(Annex::of(&sock).int_options().collect::<Vec<_>>(), [(0, 2, 64)]);
        }
    }

    #[test]
    fn it_is_bounded() {
        let mut annex = Annex::new();
        let mut set = 0;
        while annex.set(Key(set), &[1, 2, 3]).is_ok() {
            set += 1;
        }
        assert_eq!(usize::from(set), WORDS_MAX / 4);
        assert_eq!(annex.get(Key(set - 1)), Some(&[1, 2, 3][..]));
        annex.remove(Key(0));
        assert_eq!(annex.get(Key(1)), Some(&[1, 2, 3][..]));
        assert!(annex.set(Key(0), &[]).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn nonsense_never_panics(words in proptest::collection::vec(0u32..0x40_0000, 0..40)) {
            let mut annex = Annex::new();
            annex.words[..words.len()].copy_from_slice(&words);
            annex.len = words.len();
            for key in 0..64 {
                let _ = annex.get(Key(key));
            }
            let _ = annex.peer();
        }
    }
}
