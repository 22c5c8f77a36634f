//! The extra state of a socket: what does not fit in its flags.
//!
//! It is rarely there: the logical peer of a datagram socket, and values of options that mean
//! nothing to a unix socket but must be read back. It lives with the file in the kernel, as the
//! flags do: as a classic BPF filter that takes every packet ([`crate::host::filter`]). The flag
//! [`SocketFlags::EXTRA`] says that there is one, so that a socket without one costs nothing.
//!
//! Words: [`MAGIC`], then for each entry `key << 16 | count` and `count` words.
use super::flags::SocketFlags;
use super::lock::{self, Change};
use super::socket::Socket;
use crate::base::addr::{IpAddr, SocketAddr};
use crate::host::filter::{Word, Words};
use crate::host::{Errno, fd::Raw};

/// Most words of all entries.
const WORDS_MAX: usize = 190;
/// The first word: it is extra state, of this form.
const MAGIC: u32 = 0x7573_0001;

/// What a value is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key(u16);

impl Key {
    /// The logical peer of a datagram socket, or the remote end of a stream.
    pub const PEER: Key = Key(1);
    /// Errors that wait to be read (`MSG_ERRQUEUE`).
    pub const ERRORS: Key = Key(2);
    /// The filter of a raw ICMP socket.
    pub const ICMP_FILTER: Key = Key(3);
    /// The groups that a datagram socket is in.
    pub const GROUPS: Key = Key(4);

    /// The value of a socket option. `level` and `name` are below 256, as all of Linux's are but
    /// for `SOL_*` above the protocols' numbers; `None` otherwise.
    pub fn option(level: i32, name: i32) -> Option<Key> {
        let (level, name) = (u8::try_from(level).ok()?, u8::try_from(name).ok()?);
        // Level 0 (IPPROTO_IP) must not meet the keys above.
        Some(Key(u16::from(level | 0x80) << 8 | u16::from(name)))
    }
}

/// Extra state in memory.
pub struct SocketExtra {
    words: Words<{ WORDS_MAX + 2 }>,
}

impl SocketExtra {
    /// Nothing in it.
    pub fn new() -> SocketExtra {
        SocketExtra { words: Words::starting_with(Word::new(MAGIC)) }
    }

    /// That of a socket; nothing in it if it has none. Takes twice its size of the stack; where
    /// that matters, make a new one and [`SocketExtra::read`] into it.
    #[inline(never)]
    pub fn of(sock: &Socket) -> SocketExtra {
        let mut extra = SocketExtra::new();
        extra.read(sock);
        extra
    }

    /// Reads that of a socket.
    pub fn read(&mut self, sock: &Socket) {
        match sock.has(SocketFlags::EXTRA) {
            true => self.read_file(sock.fd),
            false => self.clear(),
        }
    }

    #[inline(never)]
    fn read_file(&mut self, fd: Raw) {
        let read = self.words.get(fd);
        if read.is_err() || self.words.as_slice().first() != Some(&Word::new(MAGIC)) {
            self.clear();
        }
    }

    fn clear(&mut self) {
        if let Ok([first]) = self.words.resize(1) {
            *first = Word::new(MAGIC);
        }
    }

    /// Changes that of a socket: reads it, lets `edit` change it, and stores it.
    pub fn edit<T>(
        sock: &mut Socket,
        edit: impl FnOnce(&mut SocketExtra) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let fd = sock.fd;
        let result = lock::exclusively(|| {
            let mut extra = SocketExtra::new();
            extra.read_file(fd);
            let result = edit(&mut extra)?;
            extra.words.set(fd)?;
            Ok(result)
        })?;
        sock.add(SocketFlags::EXTRA);
        Ok(result)
    }

    /// Sets a value of one word.
    pub fn set_word(sock: &mut Socket, key: Key, word: u32) -> Result<(), Errno> {
        lock::change(Change::Word(sock.fd, key.0, word), |change| match change {
            Change::Word(fd, key, word) => {
                let mut extra = SocketExtra::new();
                extra.read_file(fd);
                extra.set(Key(key), &[word])?;
                extra.words.set(fd)
            }
            Change::Flags(fd, clear, set) => super::socket::change_flags(fd, clear, set).map(drop),
        })?;
        sock.add(SocketFlags::EXTRA);
        Ok(())
    }

    /// Gives `to`, which has none yet, a copy of that of `from`, without the entry of `but`.
    pub fn copy(from: &Socket, to: &mut Socket, but: Option<Key>) -> Result<(), Errno> {
        let mut extra = SocketExtra::of(from);
        if let Some(key) = but {
            extra.remove(key);
        }
        extra.words.set(to.fd)?;
        to.add(SocketFlags::EXTRA);
        Ok(())
    }

    fn entries(&self) -> &[Word] {
        self.words.as_slice().get(1..).unwrap_or_default()
    }

    /// Where the entry of `key` is: its first word and its length with it.
    fn find(&self, key: Key) -> Option<(usize, usize)> {
        let entries = self.entries();
        let mut at = 0;
        while at < entries.len() {
            let head = entries[at].get();
            let len = 1 + (head & 0xffff) as usize;
            if at + len > entries.len() {
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
    pub fn get(&self, key: Key) -> Option<Value<'_>> {
        let (at, len) = self.find(key)?;
        Some(Value(&self.entries()[at + 1..at + len]))
    }

    /// The value of `key` if it is one word, as an `int`.
    pub fn int(&self, key: Key) -> Option<i32> {
        match self.get(key)?.0 {
            [word] => Some(word.get() as i32),
            _ => None,
        }
    }

    /// The value of an option that is kept as one word.
    pub fn option(&self, level: i32, name: i32) -> Option<i32> {
        self.int(Key::option(level, name)?)
    }

    /// All options that are kept as one word: level, name and value.
    pub fn int_options(&self) -> impl Iterator<Item = (i32, i32, i32)> + '_ {
        let entries = self.entries();
        let mut at = 0;
        core::iter::from_fn(move || {
            while at < entries.len() {
                let head = entries[at].get();
                let (key, count) = ((head >> 16) as u16, (head & 0xffff) as usize);
                let value = entries.get(at + 1).map(|word| word.get());
                at += 1 + count;
                if key & 0x8000 != 0 && count == 1 && at <= entries.len() {
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
            let whole = self.words.as_slice().len();
            // One word before the entries is the magic.
            if let Ok(words) = self.words.resize(whole) {
                words.copy_within(at + 1 + len.., at + 1);
            }
            let _ = self.words.resize(whole - len);
        }
    }

    /// Sets the value of `key`. `ENOBUFS` if there is no room.
    pub fn set(&mut self, key: Key, value: &[u32]) -> Result<(), Errno> {
        self.set_all(key, value.len(), |i| value[i])
    }

    /// Sets the value of `key` to `count` words, each made by `word`.
    pub fn set_all(
        &mut self,
        key: Key,
        count: usize,
        word: impl Fn(usize) -> u32,
    ) -> Result<(), Errno> {
        self.remove(key);
        let old = self.words.as_slice().len();
        let words = self.words.resize(old + 1 + count)?;
        words[old] = Word::new(u32::from(key.0) << 16 | count as u32);
        for (i, place) in words[old + 1..].iter_mut().enumerate() {
            *place = Word::new(word(i));
        }
        Ok(())
    }

    /// The logical peer of a datagram socket, or the remote end of a stream; v4-mapped addresses
    /// are v4.
    pub fn peer(&self) -> Option<SocketAddr> {
        let value = self.get(Key::PEER)?;
        let (ip, port): (IpAddr, u32) = match value.array::<5>() {
            None => {
                let [port, a] = value.array()?;
                (a.to_be_bytes().into(), port)
            }
            Some([port, words @ ..]) => {
                let mut octets = [0; 16];
                for (chunk, word) in octets.chunks_exact_mut(4).zip(words) {
                    chunk.copy_from_slice(&word.to_be_bytes());
                }
                (octets.into(), port)
            }
        };
        Some(SocketAddr::new(ip, port as u16))
    }

    /// Sets or removes it.
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

impl Default for SocketExtra {
    fn default() -> Self {
        SocketExtra::new()
    }
}

/// The words of a value.
#[derive(Clone, Copy)]
pub struct Value<'a>(&'a [Word]);

impl Value<'_> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// The `index`-th one.
    pub fn word(&self, index: usize) -> Option<u32> {
        self.0.get(index).map(|word| word.get())
    }
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().map(|word| word.get())
    }
    /// All of them, if there are `N`.
    pub fn array<const N: usize>(&self) -> Option<[u32; N]> {
        let words: &[Word; N] = self.0.try_into().ok()?;
        Some(words.map(Word::get))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::unix;

    fn socket() -> (crate::host::fd::Owned, Socket) {
        let file = unix::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0).unwrap();
        let sock = Socket::new(file.raw(), SocketFlags::new(0));
        sock.store_flags().unwrap();
        (file, sock)
    }

    #[test]
    fn values_are_kept_with_the_file() {
        let (_file, mut sock) = socket();
        let (a, b) = (Key::option(6, 4).unwrap(), Key::option(0, 2).unwrap());
        assert!(SocketExtra::of(&sock).get(a).is_none());
        SocketExtra::set_word(&mut sock, a, 7).unwrap();
        SocketExtra::set_word(&mut sock, b, 8).unwrap();
        SocketExtra::set_word(&mut sock, a, 9).unwrap();
        let peer: SocketAddr = "[fd00::1]:53".parse().unwrap();
        SocketExtra::edit(&mut sock, |extra| extra.set_peer(Some(peer))).unwrap();
        let again = Socket::of(sock.fd).unwrap();
        let extra = SocketExtra::of(&again);
        assert_eq!((extra.int(a), extra.int(b), extra.peer()), (Some(9), Some(8), Some(peer)));
        let mut options: Vec<_> = extra.int_options().collect();
        options.sort_unstable();
        assert_eq!(options, [(0, 2, 8), (6, 4, 9)]);
    }

    #[test]
    fn a_full_one_says_so_and_stays() {
        let (_file, mut sock) = socket();
        SocketExtra::set_word(&mut sock, Key::PEER, 1).unwrap();
        let full = SocketExtra::edit(&mut sock, |extra| extra.set(Key::GROUPS, &[0; WORDS_MAX]));
        assert_eq!(full, Err(Errno::NOBUFS));
        assert_eq!(SocketExtra::of(&sock).int(Key::PEER), Some(1));
        let most = SocketExtra::edit(&mut sock, |e| e.set(Key::GROUPS, &[0; WORDS_MAX - 3]));
        assert_eq!(most, Ok(()));
    }

    #[test]
    fn removing_closes_the_gap() {
        let mut extra = SocketExtra::new();
        extra.set(Key::ERRORS, &[1, 2, 3]).unwrap();
        extra.set(Key::GROUPS, &[4]).unwrap();
        extra.set_peer(Some("10.0.0.1:5".parse().unwrap())).unwrap();
        extra.remove(Key::ERRORS);
        assert_eq!((extra.int(Key::GROUPS), extra.get(Key::ERRORS).is_none()), (Some(4), true));
        assert_eq!(extra.peer(), Some("10.0.0.1:5".parse().unwrap()));
        extra.set_peer(None).unwrap();
        assert_eq!(extra.peer(), None);
    }
}
