//! The extra state of a socket: what does not fit in its flags.
//!
//! It is rarely there: the logical peer of a datagram socket, and values of options that mean
//! nothing to a unix socket but must be read back. It lives with the file in the kernel, as the
//! flags do: in where locks of the file lie ([`numbered_locks`]). The flag [`SocketFlags::EXTRA`]
//! says that there is some, so that a socket without any costs nothing.
//!
//! In memory: for each value `key << 16 | count`, and `count` words.
use super::flags::SocketFlags;
use super::lock::{self, Change};
use super::socket::Socket;
use crate::base::addr::{IpAddr, SocketAddr};
use crate::host::numbered_locks::{self, Pair, Pairs};
use crate::host::{Errno, fd::Raw};

/// Most words of all values.
const WORDS_MAX: usize = 190;
/// Stands for the level where a key is not an option's.
const NO_LEVEL: u8 = 0x7f;
/// Readings of a value that somebody is changing.
const TRIES: usize = 4;

/// What a value is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key(u16);

impl Key {
    /// The logical peer of a datagram socket, or the remote end of a stream.
    pub const PEER: Key = Key::of(NO_LEVEL, 1);
    /// Errors that wait to be read (`MSG_ERRQUEUE`).
    pub const ERRORS: Key = Key::of(NO_LEVEL, 2);
    /// The filter of a raw ICMP socket.
    pub const ICMP_FILTER: Key = Key::of(NO_LEVEL, 3);
    /// The groups that a datagram socket is in.
    pub const GROUPS: Key = Key::of(NO_LEVEL, 4);

    /// The value of a socket option. `None`: the level is not below 127 or the name not below 256,
    /// as all of Linux's are but for the `SOL_*` above the protocols' numbers.
    pub fn option(level: i32, name: i32) -> Option<Key> {
        let (level, name) = (u8::try_from(level).ok()?, u8::try_from(name).ok()?);
        (level < NO_LEVEL).then_some(Key::of(level, name))
    }

    const fn of(level: u8, name: u8) -> Key {
        Key((level as u16) << 8 | name as u16)
    }

    /// The option whose value this is: level and name.
    fn of_option(self) -> Option<(i32, i32)> {
        let [level, name] = self.0.to_be_bytes();
        (level != NO_LEVEL).then_some((i32::from(level), i32::from(name)))
    }
}

/// Extra state in memory, and of which file it is.
pub struct SocketExtra {
    words: [u32; WORDS_MAX],
    len: usize,
    /// What is changed is changed there too.
    file: Option<Raw>,
}

impl SocketExtra {
    /// Nothing in it, and of no file.
    pub fn new() -> SocketExtra {
        SocketExtra { words: [0; WORDS_MAX], len: 0, file: None }
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
            false => self.len = 0,
        }
    }

    /// Whether there is a value of `key`; that one alone is looked for.
    pub fn has(sock: &Socket, key: Key) -> bool {
        sock.has(SocketFlags::EXTRA) && numbered_locks::of_key(sock.fd, key.0).next().is_some()
    }

    /// Reads the value of one key alone, for fewer system calls.
    #[inline(never)]
    pub fn read_one(&mut self, sock: &Socket, key: Key) {
        self.len = 0;
        if sock.has(SocketFlags::EXTRA) {
            // It is not whole where a writer is just taking it away.
            let mut read = || self.read_pairs(numbered_locks::of_key(sock.fd, key.0), true);
            let _ = (0..TRIES).any(|_| read());
        }
    }

    /// The value of an option that is kept as one word; that one alone is read.
    pub fn option_of(sock: &Socket, level: i32, name: i32) -> Option<i32> {
        if !sock.has(SocketFlags::EXTRA) {
            return None;
        }
        let pair = numbered_locks::of_key(sock.fd, Key::option(level, name)?.0).next()?;
        ((pair.index, pair.count) == (0, 1)).then_some(pair.words[0] as i32)
    }

    #[inline(never)]
    fn read_file(&mut self, fd: Raw) {
        for _ in 0..TRIES {
            if self.read_pairs(numbered_locks::all(fd), false) {
                return;
            }
        }
    }

    /// Reads values, or `only_one`. Whether all were there in whole: somebody may be changing one.
    fn read_pairs(&mut self, mut pairs: Pairs, only_one: bool) -> bool {
        self.len = 0;
        let mut whole = true;
        while let Some(first) = pairs.next() {
            // One that comes again is on its way out.
            if self.find(Key(first.key)).is_none() {
                whole &= self.read_value(first, &mut pairs).is_some();
                if only_one {
                    break;
                }
            }
        }
        whole
    }

    /// Reads the value that begins with a pair; `None`: it does not go on as that says.
    fn read_value(&mut self, first: Pair, pairs: &mut Pairs) -> Option<()> {
        let end = self.len + 1 + first.count;
        let (head, value) = self.words.get_mut(self.len..end)?.split_first_mut()?;
        let mut pair = first;
        for (index, words) in value.chunks_mut(2).enumerate() {
            if index > 0 {
                pair = pairs.next()?;
            }
            if (pair.key, pair.index) != (first.key, index) {
                return None;
            }
            words.copy_from_slice(&pair.words[..words.len()]);
        }
        *head = u32::from(first.key) << 16 | first.count as u32;
        self.len = end;
        (first.count > 0).then_some(())
    }

    /// Changes that of a socket: `edit` gets what is there, and what it sets is kept at once.
    pub fn edit<T>(
        sock: &mut Socket,
        edit: impl FnOnce(&mut SocketExtra) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let result = lock::exclusively(|| {
            let mut extra = SocketExtra::new();
            extra.read(sock);
            extra.file = Some(sock.fd);
            edit(&mut extra)
        })?;
        sock.add(SocketFlags::EXTRA);
        Ok(result)
    }

    /// Sets a value of one word.
    pub fn set_word(sock: &mut Socket, key: Key, word: u32) -> Result<(), Errno> {
        lock::change(Change::Word(sock.fd, key.0, word), |change| match change {
            Change::Word(fd, key, word) => numbered_locks::set(fd, key, 1, |_| word),
            Change::Flags(fd, clear, set) => super::socket::change_flags(fd, clear, set).map(drop),
        })?;
        sock.add(SocketFlags::EXTRA);
        Ok(())
    }

    /// Gives `to`, which has none yet, a copy of that of `from`, without the value of `but`.
    pub fn copy(from: &Socket, to: &mut Socket, but: Option<Key>) -> Result<(), Errno> {
        for (key, Value(words)) in SocketExtra::of(from).values() {
            if but != Some(key) {
                numbered_locks::set_new(to.fd, key.0, words.len(), |i| words[i])?;
            }
        }
        to.add(SocketFlags::EXTRA);
        Ok(())
    }

    /// All values.
    fn values(&self) -> impl Iterator<Item = (Key, Value<'_>)> {
        let mut rest = &self.words[..self.len];
        core::iter::from_fn(move || {
            let (head, behind) = rest.split_first()?;
            let (value, others) = behind.split_at_checked((head & 0xffff) as usize)?;
            rest = others;
            Some((Key((head >> 16) as u16), Value(value)))
        })
    }

    /// Where the value of `key` is: its head, and the length of both.
    fn find(&self, key: Key) -> Option<(usize, usize)> {
        let mut at = 0;
        for (of, Value(words)) in self.values() {
            let len = 1 + words.len();
            if of == key {
                return Some((at, len));
            }
            at += len;
        }
        None
    }

    /// The value of `key`.
    pub fn get(&self, key: Key) -> Option<Value<'_>> {
        self.values().find(|(of, _)| *of == key).map(|(_, value)| value)
    }

    /// The value of `key` if it is one word, as an `int`.
    pub fn int(&self, key: Key) -> Option<i32> {
        self.get(key)?.int()
    }

    /// The value of an option that is kept as one word.
    pub fn option(&self, level: i32, name: i32) -> Option<i32> {
        self.int(Key::option(level, name)?)
    }

    /// All options that are kept as one word: level, name and value.
    pub fn int_options(&self) -> impl Iterator<Item = (i32, i32, i32)> + '_ {
        self.values().filter_map(|(key, value)| {
            let ((level, name), value) = (key.of_option()?, value.int()?);
            Some((level, name, value))
        })
    }

    /// Takes the value of `key` out.
    pub fn remove(&mut self, key: Key) {
        if let (Some(fd), true) = (self.file, self.get(key).is_some()) {
            let _ = numbered_locks::remove(fd, key.0);
        }
        self.forget(key);
    }

    /// Takes it out in memory alone.
    fn forget(&mut self, key: Key) {
        if let Some((at, len)) = self.find(key) {
            self.words.copy_within(at + len..self.len, at);
            self.len -= len;
        }
    }

    /// Sets the value of `key`. `ENOBUFS` if there is no room.
    pub fn set(&mut self, key: Key, value: &[u32]) -> Result<(), Errno> {
        let freed = self.find(key).map_or(0, |(_, len)| len);
        if self.len - freed + 1 + value.len() > WORDS_MAX {
            return Err(Errno::NOBUFS);
        }
        match self.file {
            Some(fd) if freed > 0 => numbered_locks::set(fd, key.0, value.len(), |i| value[i])?,
            Some(fd) => numbered_locks::set_new(fd, key.0, value.len(), |i| value[i])?,
            None => {}
        }
        self.forget(key);
        let end = self.len + 1 + value.len();
        self.words[self.len] = u32::from(key.0) << 16 | value.len() as u32;
        self.words[self.len + 1..end].copy_from_slice(value);
        self.len = end;
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
pub struct Value<'a>(&'a [u32]);

impl Value<'_> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// The only one, as an `int`.
    fn int(&self) -> Option<i32> {
        self.array().map(|[word]| word as i32)
    }
    /// The `index`-th one.
    pub fn word(&self, index: usize) -> Option<u32> {
        self.0.get(index).copied()
    }
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().copied()
    }
    /// All of them, if there are `N`.
    pub fn array<const N: usize>(&self) -> Option<[u32; N]> {
        self.0.try_into().ok()
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
        let most = numbered_locks::VALUE_MAX;
        let mut set = |key, count| {
            SocketExtra::edit(&mut sock, |extra| extra.set(key, &[7; WORDS_MAX][..count]))
        };
        assert_eq!(set(Key::GROUPS, most + 1), Err(Errno::NOBUFS));
        assert_eq!(set(Key::GROUPS, most), Ok(()));
        assert_eq!(set(Key::ERRORS, WORDS_MAX - most - 3), Err(Errno::NOBUFS));
        assert_eq!(set(Key::ERRORS, WORDS_MAX - most - 4), Ok(()));
        let extra = SocketExtra::of(&sock);
        let lengths =
            [Key::PEER, Key::GROUPS, Key::ERRORS].map(|key| extra.get(key).unwrap().len());
        assert_eq!(lengths, [1, most, WORDS_MAX - most - 4]);
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
