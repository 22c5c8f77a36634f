//! Words kept with an open file, in the kernel: where its locks of byte ranges lie.
//!
//! Locks of an open file description (`F_OFD_SETLK`, fcntl(2)) belong to the file as everybody has
//! it: copies of the descriptor, children and receivers of it share them, and they go with it.
//! Every file takes them, also a socket, and a lock only stops those that lock too. So
//! the place and the length of a lock are two numbers that stay with the file:
//!
//! | bits of the place | what |
//! |---|---|
//! | 48..63 | the key, below [`KEY_END`] |
//! | 47 | which of two places: a new value is there in whole before the old one goes |
//! | 41..47 | the number of the pair |
//! | 32..40 | in the first pair: how many words the value has |
//! | 0..32 | the first word of the pair |
//!
//! The length is one more than the second word of the pair. Locks of one file that touch each other
//! become one; these cannot, since the half of each pair's range is never reached.
use super::{Errno, fd::Raw, raw::call};

/// Keys are below this.
pub const KEY_END: u16 = 1 << 15;
/// Most words of a value.
pub const VALUE_MAX: usize = 128;

const KEY: u32 = 48;
const PLACE: u64 = 1 << 47;
const PAIR: u32 = 41;
const COUNT: u32 = 32;

/// A lock: where it begins, and its length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Range {
    start: u64,
    len: u64,
}

impl Range {
    /// All values of one key, in both places.
    const fn of_key(key: u16) -> Range {
        Range { start: (key as u64) << KEY, len: 1 << KEY }
    }

    /// The value of one key in one place.
    const fn of_place(key: u16, place: u64) -> Range {
        Range { start: (key as u64) << KEY | place, len: PLACE }
    }

    const fn end(self) -> u64 {
        self.start + self.len
    }
}

/// Two words of a value, and whose they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pair {
    /// The key of the value.
    pub key: u16,
    place: u64,
    /// Which pair of the value this is.
    pub index: usize,
    /// How many words the value has; only the first pair says so.
    pub count: usize,
    /// The words; of a value with an odd number of them the last one is 0.
    pub words: [u32; 2],
}

impl Pair {
    fn range(self) -> Range {
        let start = u64::from(self.key) << KEY
            | self.place
            | (self.index as u64) << PAIR
            | (self.count as u64) << COUNT
            | u64::from(self.words[0]);
        Range { start, len: u64::from(self.words[1]) + 1 }
    }

    fn of(range: Range) -> Pair {
        let Range { start, len } = range;
        Pair {
            key: (start >> KEY) as u16,
            place: start & PLACE,
            index: (start >> PAIR) as usize & 0x3f,
            count: (start >> COUNT) as usize & 0xff,
            words: [start as u32, len.wrapping_sub(1) as u32],
        }
    }
}

/// Every pair that is kept with a file, those of a value one after another. A value that is being
/// changed may come twice; the first one counts.
pub fn all(fd: Raw) -> Pairs {
    Pairs { fd, rest: Range { start: 0, len: u64::from(KEY_END) << KEY } }
}

/// Those of one value.
pub fn of_key(fd: Raw, key: u16) -> Pairs {
    Pairs { fd, rest: Range::of_key(key) }
}

/// See [`all`].
pub struct Pairs {
    fd: Raw,
    rest: Range,
}

impl Iterator for Pairs {
    type Item = Pair;

    fn next(&mut self) -> Option<Pair> {
        let found = first(self.fd, self.rest).ok()??;
        let (end, next) =
            (self.rest.end(), found.end().max(self.rest.start + 1).min(self.rest.end()));
        self.rest = Range { start: next, len: end - next };
        Some(Pair::of(found))
    }
}

/// Keeps a value of `count` words (1 to [`VALUE_MAX`]), each given by `word`, instead of the one
/// before. A reader at the same time gets the old value or the new one. `ENOBUFS`: there is no
/// room.
pub fn set(fd: Raw, key: u16, count: usize, word: impl Fn(usize) -> u32) -> Result<(), Errno> {
    let old = first(fd, Range::of_key(key))?.map(Pair::of);
    let place = match old {
        Some(Pair { place: 0, .. }) => {
            // What a writer may have left that was killed here.
            clear(fd, Range::of_place(key, PLACE))?;
            PLACE
        }
        _ => 0,
    };
    add(fd, key, place, count, word)?;
    match old {
        Some(old) => clear(fd, Range::of_place(key, old.place)),
        None => Ok(()),
    }
}

/// Keeps a value whose key has none yet. Errors as of [`set`].
pub fn set_new(fd: Raw, key: u16, count: usize, word: impl Fn(usize) -> u32) -> Result<(), Errno> {
    add(fd, key, 0, count, word)
}

/// Takes a value away.
pub fn remove(fd: Raw, key: u16) -> Result<(), Errno> {
    clear(fd, Range::of_key(key))
}

fn add(
    fd: Raw,
    key: u16,
    place: u64,
    count: usize,
    word: impl Fn(usize) -> u32,
) -> Result<(), Errno> {
    if count == 0 || count > VALUE_MAX || key >= KEY_END {
        return Err(Errno::NOBUFS);
    }
    // The first pair comes last: it says that the value is there.
    for index in (0..count.div_ceil(2)).rev() {
        let second = if 2 * index + 1 < count { word(2 * index + 1) } else { 0 };
        let (count, words) = (if index == 0 { count } else { 0 }, [word(2 * index), second]);
        let pair = Pair { key, place, index, count, words };
        if lock(fd, libc::F_WRLCK, pair.range()).is_err() {
            clear(fd, Range::of_place(key, place))?;
            return Err(Errno::NOBUFS);
        }
    }
    Ok(())
}

fn clear(fd: Raw, range: Range) -> Result<(), Errno> {
    lock(fd, libc::F_UNLCK, range)
}

fn flock(kind: i32, range: Range) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: range.start as i64,
        // 0 is to the end of all; the length of everything is no number of an `off_t`.
        l_len: if range.end() > i64::MAX as u64 { 0 } else { range.len as i64 },
        l_pid: 0,
    }
}

fn lock(fd: Raw, kind: i32, range: Range) -> Result<(), Errno> {
    let lock = flock(kind, range);
    // SAFETY: the kernel reads `lock`.
    unsafe { call!(libc::SYS_fcntl, fd, libc::F_OFD_SETLK, &raw const lock) }.map(drop)
}

/// The first lock in a range. Asked for the process, which is another owner than the file.
fn first(fd: Raw, range: Range) -> Result<Option<Range>, Errno> {
    if range.len == 0 {
        return Ok(None);
    }
    let mut lock = flock(libc::F_WRLCK, range);
    // SAFETY: the kernel reads and writes `lock`.
    unsafe { call!(libc::SYS_fcntl, fd, libc::F_GETLK, &raw mut lock) }?;
    // Such a lock belongs to no process.
    let ours = lock.l_type == libc::F_WRLCK as libc::c_short && lock.l_pid == -1;
    Ok(ours.then_some(Range { start: lock.l_start as u64, len: lock.l_len as u64 }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{fd::Owned, unix};

    fn file() -> Owned {
        unix::socket(libc::AF_UNIX, libc::SOCK_DGRAM, 0).unwrap()
    }

    fn value(fd: Raw, key: u16) -> Vec<[u32; 2]> {
        of_key(fd, key).map(|pair| pair.words).collect()
    }

    #[test]
    fn a_pair_is_where_its_lock_lies() {
        for words in [[0, 0], [u32::MAX, u32::MAX], [7, 0], [0, u32::MAX]] {
            let pair = Pair { key: KEY_END - 1, place: PLACE, index: 63, count: 128, words };
            assert_eq!(Pair::of(pair.range()), pair);
            assert!(pair.range().end() <= i64::MAX as u64);
        }
    }

    #[test]
    fn a_value_replaces_the_one_before_and_goes() {
        let file = file();
        let fd = file.raw();
        for round in [5, u32::MAX, u32::MAX, 0, 1, 2] {
            set(fd, 9, 3, |i| round.wrapping_add(i as u32)).unwrap();
            let words = [0, 1, 2].map(|i| round.wrapping_add(i));
            assert_eq!(value(fd, 9), [[words[0], words[1]], [words[2], 0]]);
            assert_eq!(of_key(fd, 9).next().unwrap().count, 3);
        }
        set_new(fd, 10, 1, |_| 4).unwrap();
        remove(fd, 9).unwrap();
        let left: Vec<_> = all(fd).map(|pair| (pair.key, pair.words)).collect();
        assert_eq!(left, [(10, [4, 0])]);
    }

    #[test]
    fn neighbours_stay_apart() {
        let file = file();
        let most = |_| u32::MAX;
        for key in 0..3 {
            set(file.raw(), key, VALUE_MAX, most).unwrap();
            set(file.raw(), key, VALUE_MAX, most).unwrap();
        }
        assert_eq!(all(file.raw()).count(), 3 * VALUE_MAX / 2);
        assert!(all(file.raw()).all(|pair| pair.words == [u32::MAX; 2]));
        assert_eq!(set(file.raw(), 0, VALUE_MAX + 1, most), Err(Errno::NOBUFS));
    }

    #[test]
    fn whoever_reads_meanwhile_gets_either() {
        let file = file();
        let fd = file.raw();
        set(fd, 1, 2, |_| 0).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| (0..2_000).for_each(|n| set(fd, 1, 2, |_| n % 2).unwrap()));
            for _ in 0..2_000 {
                let words = of_key(fd, 1).next().map(|pair| pair.words);
                assert!(matches!(words, Some([0, 0] | [1, 1])), "{words:?}");
            }
        });
    }
}
