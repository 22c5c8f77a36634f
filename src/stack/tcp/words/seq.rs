//! Sequence numbers: arithmetic modulo 2^32 (RFC 9293 3.4).
//!
//! There is no `Ord`: "before" is not transitive on a circle, so a sort or a `max` by `<` would be
//! wrong without a compiler error. Comparisons are methods and hold for distances below 2^31.
use core::ops::{Add, AddAssign, Sub};

/// A sequence number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Seq(pub u32);

impl Seq {
    /// Comes strictly before `other`.
    pub const fn before(self, other: Seq) -> bool {
        (self.0.wrapping_sub(other.0) as i32) < 0
    }
    /// Comes strictly after `other`.
    pub const fn after(self, other: Seq) -> bool {
        other.before(self)
    }
    /// Is `other` or comes before it.
    pub const fn at_or_before(self, other: Seq) -> bool {
        !other.before(self)
    }
    /// Is `other` or comes after it.
    pub const fn at_or_after(self, other: Seq) -> bool {
        !self.before(other)
    }
    /// The later of two.
    pub const fn later(self, other: Seq) -> Seq {
        if self.before(other) { other } else { self }
    }
    /// The earlier of two.
    pub const fn earlier(self, other: Seq) -> Seq {
        if self.before(other) { self } else { other }
    }
    /// Bytes from `from` to here; 0 if `from` is later.
    pub const fn past(self, from: Seq) -> u32 {
        if self.before(from) { 0 } else { self.0.wrapping_sub(from.0) }
    }
}

impl Add<u32> for Seq {
    type Output = Seq;
    fn add(self, bytes: u32) -> Seq {
        Seq(self.0.wrapping_add(bytes))
    }
}

impl AddAssign<u32> for Seq {
    fn add_assign(&mut self, bytes: u32) {
        *self = *self + bytes;
    }
}

impl Sub<u32> for Seq {
    type Output = Seq;
    fn sub(self, bytes: u32) -> Seq {
        Seq(self.0.wrapping_sub(bytes))
    }
}

impl core::fmt::Debug for Seq {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9293 3.4: comparisons are modulo 2^32.
    #[test]
    fn comparisons_wrap() {
        let (a, b) = (Seq(u32::MAX - 1), Seq(3));
        assert!(a.before(b) && b.after(a) && !b.before(a));
        assert!(a.at_or_before(a) && a.at_or_after(a) && !a.before(a));
        assert_eq!(b.past(a), 5);
        assert_eq!(a.past(b), 0);
        assert_eq!(a + 5, b);
        assert_eq!(b - 5, a);
        assert_eq!(a.later(b), b);
        assert_eq!(a.earlier(b), a);
    }
}
