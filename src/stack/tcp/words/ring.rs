//! A byte ring that grows on demand, in powers of two. It serves both directions: what waits to be
//! acknowledged (so the send buffer is the retransmission queue), and what waits to be read, where
//! out-of-order data is written where it belongs, behind a gap.
//!
//! A connection that never carries data owns no memory here.

/// Smallest allocation, bytes.
const FIRST: usize = 4096;

/// Bytes `0..len` are valid; those behind may have been written by [`Ring::write_at`].
#[derive(Default)]
pub(crate) struct Ring {
    buf: Vec<u8>,
    head: usize,
    len: usize,
}

impl Ring {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Makes room for at least `bytes` bytes in all, valid ones included.
    pub fn reserve(&mut self, bytes: usize) {
        if bytes <= self.buf.len() {
            return;
        }
        let mut buf = vec![0; bytes.next_power_of_two().max(FIRST)];
        // All of the old ring is kept in order: there may be out-of-order data behind `len`.
        let (left, right) = self.buf.split_at(self.head);
        buf[..right.len()].copy_from_slice(right);
        buf[right.len()..right.len() + left.len()].copy_from_slice(left);
        self.buf = buf;
        self.head = 0;
    }

    /// Gives the memory back. Only for an empty ring with nothing out of order.
    pub fn free(&mut self) {
        *self = Ring::default();
    }

    fn place(&self, offset: usize) -> usize {
        (self.head + offset) & self.buf.len().wrapping_sub(1)
    }

    /// Bytes from `offset`, at most `count`, at most to the end of the valid ones, in two pieces.
    pub fn slices(&self, offset: usize, count: usize) -> [&[u8]; 2] {
        let count = count.min(self.len.saturating_sub(offset));
        if count == 0 {
            return [&[], &[]];
        }
        let start = self.place(offset);
        let first = count.min(self.buf.len() - start);
        [&self.buf[start..start + first], &self.buf[..count - first]]
    }

    /// Free bytes after the valid ones, until `limit` bytes would be held in all. Allocates.
    pub fn space(&mut self, limit: usize) -> [&mut [u8]; 2] {
        if self.len >= limit {
            return [&mut [], &mut []];
        }
        if self.buf.len() - self.len < limit - self.len && self.len * 2 >= self.buf.len() {
            self.reserve((self.buf.len() * 2).max(FIRST).min(limit.next_power_of_two()));
        }
        let free = (self.buf.len() - self.len).min(limit - self.len);
        let start = self.place(self.len);
        let first = free.min(self.buf.len() - start);
        let (left, right) = self.buf.split_at_mut(start);
        [&mut right[..first], &mut left[..free - first]]
    }

    /// `count` bytes were written behind the valid ones.
    pub fn commit(&mut self, count: usize) {
        self.len = (self.len + count).min(self.buf.len());
    }

    /// Drops up to `count` bytes from the front; says how many.
    pub fn consume(&mut self, count: usize) -> usize {
        let count = count.min(self.len);
        self.head = self.place(count);
        self.len -= count;
        count
    }

    /// Appends; grows as needed.
    pub fn write(&mut self, data: &[u8]) {
        self.write_at(self.len, data);
        self.commit(data.len());
    }

    /// Writes at `offset` from the front without making it valid; grows as needed.
    pub fn write_at(&mut self, offset: usize, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        self.reserve(offset + data.len());
        let start = self.place(offset);
        let first = data.len().min(self.buf.len() - start);
        self.buf[start..start + first].copy_from_slice(&data[..first]);
        self.buf[..data.len() - first].copy_from_slice(&data[first..]);
    }
}

impl core::fmt::Debug for Ring {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Ring({} of {})", self.len, self.buf.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(ring: &Ring) -> Vec<u8> {
        ring.slices(0, ring.len()).concat()
    }

    #[test]
    fn wraps_and_grows_with_data_behind_a_gap() {
        let mut ring = Ring::default();
        ring.write(&[7; 4000]);
        assert_eq!(ring.consume(3990), 3990);
        ring.write(&(0..100).collect::<Vec<u8>>());
        ring.write_at(ring.len() + 10, b"later");
        ring.reserve(10_000);
        ring.write(&[9; 10]);
        ring.commit(5);
        let mut want = vec![7; 10];
        want.extend(0..100);
        want.extend([9; 10]);
        want.extend(b"later");
        assert_eq!(all(&ring), want);
        assert_eq!(ring.slices(120, 99).concat(), b"later");
        assert_eq!(ring.slices(125, 99).concat(), b"");
    }

    #[test]
    fn space_stops_at_the_limit() {
        let mut ring = Ring::default();
        let mut total = 0;
        loop {
            let [a, b] = ring.space(10_000);
            let n = a.len() + b.len();
            if n == 0 {
                break;
            }
            ring.commit(n);
            total += n;
        }
        assert_eq!(total, 10_000);
        assert_eq!(ring.len(), 10_000);
    }
}
