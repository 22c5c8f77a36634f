//! The Internet checksum (RFC 1071): the ones-complement of the ones-complement sum of 16-bit
//! words.
//!
//! The sum does not depend on the byte order that it is computed in (RFC 1071 2 B), so bytes are
//! added in native order, 64 bits at a time, and swapped once at the end.
use crate::base::addr::IpAddr;

/// A ones-complement sum in progress. Pieces are added in any order; all but the last must have an
/// even length.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sum(u64);

impl Sum {
    /// Nothing yet.
    pub const ZERO: Sum = Sum(0);

    /// Adds bytes; an odd one at the end is padded with zero.
    pub fn bytes(self, bytes: &[u8]) -> Sum {
        // Both halves of each word go to accumulators that cannot overflow before 2^32 words; four
        // words at a time, so that the compiler can use vectors.
        let (mut low, mut high) = ([0u64; 4], [0u64; 4]);
        let mut blocks = bytes.chunks_exact(32);
        for block in &mut blocks {
            for (i, word) in block.chunks_exact(8).enumerate() {
                let word = word.first_chunk().map_or(0, |w| u64::from_ne_bytes(*w));
                low[i & 3] += word & 0xffff_ffff;
                high[i & 3] += word >> 32;
            }
        }
        let mut sum: u64 = low.iter().chain(&high).map(|s| (s & 0xffff_ffff) + (s >> 32)).sum();
        let mut words = blocks.remainder().chunks_exact(2);
        for word in &mut words {
            sum += u64::from(word.first_chunk().map_or(0, |w| u16::from_ne_bytes(*w)));
        }
        if let [last] = words.remainder() {
            sum += u64::from(u16::from_ne_bytes([*last, 0]));
        }
        self.add(sum)
    }
    /// Adds one 16-bit word, given in host order.
    pub fn word(self, word: u16) -> Sum {
        self.add(u64::from(word.to_be()))
    }
    /// Adds two 16-bit words, given as one number in host order.
    pub fn long(self, long: u32) -> Sum {
        self.add(u64::from(long.to_be()))
    }
    fn add(self, value: u64) -> Sum {
        let (sum, carry) = self.0.overflowing_add(value);
        Sum(sum + u64::from(carry))
    }
    /// The sum in 16 bits, not complemented: what goes into the checksum field when the link
    /// completes it.
    pub fn fold(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        u16::from_be(sum as u16)
    }
    /// The checksum.
    pub fn finish(self) -> u16 {
        !self.fold()
    }
    /// Whether the sum of everything, its checksum field included, says that nothing was damaged.
    pub fn is_right(self) -> bool {
        self.fold() == 0xffff
    }
}

/// The checksum of one piece.
pub fn of(bytes: &[u8]) -> u16 {
    Sum::ZERO.bytes(bytes).finish()
}

/// The sum of the pseudo header of a transport packet of `len` bytes (RFC 9293 3.1, RFC 8200 8.1).
/// Addresses of different families give a sum that fits neither.
pub fn pseudo_header(src: IpAddr, dst: IpAddr, protocol: u8, len: usize) -> Sum {
    let sum = Sum::ZERO.word(u16::from(protocol)).long(u32::try_from(len).unwrap_or(u32::MAX));
    address(address(sum, src), dst)
}

fn address(sum: Sum, ip: IpAddr) -> Sum {
    match ip {
        IpAddr::V4(v4) => sum.bytes(&v4.octets()),
        IpAddr::V6(v6) => sum.bytes(&v6.octets()),
    }
}

/// `checksum` after one 16-bit word under it changed from `old` to `new`.
pub fn update(checksum: u16, old: u16, new: u16) -> u16 {
    // RFC 1624 3, equation 3: HC' = ~(~HC + ~m + m').
    Sum::ZERO.word(!checksum).word(!old).word(new).finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 1071 in the simplest way.
    fn slow(bytes: &[u8]) -> u16 {
        let mut sum = 0u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    /// RFC 1071 3: the example.
    #[test]
    fn rfc_1071_example() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::ZERO.bytes(&bytes).fold(), 0xddf2);
    }

    #[test]
    fn largest_values_do_not_overflow() {
        let bytes = vec![0xff; 65_535];
        assert_eq!(of(&bytes), slow(&bytes));
        assert_eq!(Sum(u64::MAX).bytes(&[0xff; 2]).fold(), 0xffff);
    }

    proptest! {
        #[test]
        fn same_as_the_simple_way(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(of(&bytes), slow(&bytes));
        }

        #[test]
        fn pieces_add_up(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0usize..150) {
            let (a, b) = bytes.split_at((cut * 2).min(bytes.len() & !1));
            prop_assert_eq!(Sum::ZERO.bytes(a).bytes(b).finish(), of(&bytes));
        }

        /// RFC 1624 3: an update gives what computing anew gives.
        #[test]
        fn update_is_recomputation(
            mut bytes in prop::collection::vec(any::<u8>(), 4..60), new: u16,
        ) {
            // All-zero data has no unique ones-complement zero (RFC 1624 4), so keep one bit set.
            bytes[3] |= 1;
            let before = of(&bytes);
            let old = u16::from_be_bytes([bytes[0], bytes[1]]);
            bytes[..2].copy_from_slice(&new.to_be_bytes());
            prop_assert_eq!(update(before, old, new), of(&bytes));
        }

        #[test]
        fn right_after_finish(mut bytes in prop::collection::vec(any::<u8>(), 2..100)) {
            bytes[..2].fill(0);
            let sum = of(&bytes);
            bytes[..2].copy_from_slice(&sum.to_be_bytes());
            prop_assert!(Sum::ZERO.bytes(&bytes).is_right());
        }
    }
}
