//! Fragments put together (RFC 791 3.2, RFC 815, RFC 8200 4.5), with limits.
//!
//! Overlapping fragments are never right: they kill their datagram (RFC 5722, RFC 8200 4.5), for
//! IPv4 too, and its later fragments fall into the same grave until the time is over. An exact
//! duplicate, which networks do make, is ignored. Limits: datagrams, bytes in all, fragments of one
//! datagram, time. When the table is full the oldest datagram goes: a flood of fragments delays but
//! does not lock out.
use crate::base::Instant;
use crate::base::addr::IpAddr;
use crate::base::limits::{IP_PACKET_MAX, REASSEMBLIES, REASSEMBLY_BYTES, REASSEMBLY_FRAGMENTS};
use crate::base::time::Duration;
use crate::stack::api::*;
use crate::stack::counters::Count;

/// Linux's 30 s for IPv4 (RFC 1122 3.3.2 wants 60 to 120), RFC 8200 4.5's 60 s for IPv6.
const fn lifetime(key: &Key) -> Duration {
    if key.src.is_ipv4() { Duration::from_secs(30) } else { Duration::from_secs(60) }
}

/// The ECN field, and its value "congestion experienced" (RFC 3168 5).
const CE: u8 = 3;
/// The bit of "not ECN-capable" among the codepoints seen.
const NOT_ECT: u8 = 1;

/// What fragments of one datagram have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::stack) struct Key {
    /// Source.
    pub src: IpAddr,
    /// Destination.
    pub dst: IpAddr,
    /// Identification.
    pub id: u32,
    /// Protocol; 0 for IPv6, where it does not count.
    pub protocol: u8,
}

/// One fragment.
#[derive(Clone, Copy, Debug)]
pub(in crate::stack) struct Fragment<'a> {
    /// Which datagram.
    pub key: Key,
    /// Where its payload belongs, in bytes.
    pub offset: usize,
    /// Not the last.
    pub more: bool,
    /// What the datagram's payload starts with.
    pub protocol: u8,
    /// The headers in front.
    pub head: &'a [u8],
    /// Its part of the datagram's payload.
    pub payload: &'a [u8],
    /// As [`super::Received::interface`].
    pub interface: IfIndex,
    /// As [`super::Received::unicast`].
    pub unicast: bool,
    /// As [`super::Received::tos`].
    pub tos: u8,
}

/// A datagram put together, or given up.
#[derive(Debug)]
pub(in crate::stack) struct Assembled {
    /// Source and destination.
    pub key: Key,
    /// What the payload is.
    pub protocol: u8,
    /// The first fragment's headers, then the payload.
    pub packet: Vec<u8>,
    /// Where the payload starts.
    pub at: usize,
    /// Where from.
    pub interface: IfIndex,
    /// To us alone.
    pub unicast: bool,
    /// Type of service or traffic class: the first fragment's, and the mark of any.
    pub tos: u8,
}

#[derive(Debug)]
struct Datagram {
    key: Key,
    deadline: Instant,
    protocol: u8,
    /// Empty until the first fragment comes.
    head: Vec<u8>,
    data: Vec<u8>,
    /// What of `data` is there: start and end of each fragment, sorted.
    pieces: Vec<(usize, usize)>,
    /// Sum of the pieces.
    received: usize,
    total: Option<usize>,
    interface: IfIndex,
    unicast: bool,
    /// Of the first fragment.
    tos: u8,
    /// Which of the four ECN codepoints fragments had, a bit each.
    ecn: u8,
    /// Overlapping: wait for the end of time.
    dead: bool,
}

/// What became of a fragment.
#[derive(Debug)]
pub(in crate::stack) enum Fate {
    /// Others are missing.
    Kept,
    /// Dropped, with or without its datagram.
    Dropped(Count),
    /// It was the last one missing.
    Complete(Assembled),
}

/// Datagrams under reassembly, oldest first.
#[derive(Debug, Default)]
pub(in crate::stack) struct Reassembly {
    datagrams: Vec<Datagram>,
    bytes: usize,
}

impl Reassembly {
    /// A fragment arrived.
    pub fn insert(&mut self, now: Instant, fragment: &Fragment<'_>) -> Fate {
        let len = fragment.payload.len();
        let end = fragment.offset + len;
        // RFC 8200 4.5: all but the last are multiples of 8; nothing goes beyond the largest
        // packet.
        if len == 0 || end > IP_PACKET_MAX || (fragment.more && len & 7 != 0) {
            return Fate::Dropped(Count::FragmentMalformed);
        }
        let at = self.datagrams.iter().position(|d| d.key == fragment.key);
        let at = at.unwrap_or_else(|| self.begin(now, fragment));
        let Some(datagram) = self.datagrams.get_mut(at) else {
            return Fate::Dropped(Count::FragmentLimit);
        };
        let before = datagram.data.len();
        let verdict = datagram.insert(fragment, end);
        // Over the limit by one datagram at most, until `shrink_to_limit`.
        self.bytes = self.bytes - before + datagram.data.len();
        if let Err(reason) = verdict {
            return Fate::Dropped(reason);
        }
        if datagram.total != Some(datagram.received) || datagram.head.is_empty() {
            self.shrink_to_limit(fragment.key);
            return Fate::Kept;
        }
        let whole = self.remove(at);
        // RFC 3168 5.3: fragments with ECT and without do not belong together (Linux
        // `ip_frag_ecn_table`).
        if whole.ecn & NOT_ECT != 0 && whole.ecn != NOT_ECT {
            return Fate::Dropped(Count::FragmentEcn);
        }
        Fate::Complete(whole.assemble())
    }
    /// Gives up the first datagram whose time is over at `now`.
    pub fn expire(&mut self, now: Instant) -> Option<Assembled> {
        let at = self.datagrams.iter().position(|d| d.deadline <= now)?;
        Some(self.remove(at).assemble())
    }
    /// When the first datagram is to be given up.
    pub fn deadline(&self) -> Option<Instant> {
        self.datagrams.iter().map(|d| d.deadline).min()
    }

    fn begin(&mut self, now: Instant, fragment: &Fragment<'_>) -> usize {
        if self.datagrams.len() >= REASSEMBLIES {
            self.remove(0);
        }
        self.datagrams.push(Datagram {
            key: fragment.key,
            deadline: now + lifetime(&fragment.key),
            protocol: fragment.protocol,
            head: Vec::new(),
            data: Vec::new(),
            pieces: Vec::new(),
            received: 0,
            total: None,
            interface: fragment.interface,
            unicast: fragment.unicast,
            tos: fragment.tos,
            ecn: 0,
            dead: false,
        });
        self.datagrams.len() - 1
    }
    /// Gives up the oldest datagrams but `keep` until the bytes are within the limit.
    fn shrink_to_limit(&mut self, keep: Key) {
        while self.bytes > REASSEMBLY_BYTES {
            let Some(at) = self.datagrams.iter().position(|d| d.key != keep) else { return };
            self.remove(at);
        }
    }
    fn remove(&mut self, at: usize) -> Datagram {
        let datagram = self.datagrams.remove(at);
        self.bytes -= datagram.data.len();
        datagram
    }
}

impl Datagram {
    fn insert(&mut self, fragment: &Fragment<'_>, end: usize) -> Result<(), Count> {
        if self.dead {
            return Err(Count::FragmentOverlap);
        }
        let start = fragment.offset;
        let at = self.pieces.partition_point(|piece| piece.0 < start);
        if self.pieces.get(at) == Some(&(start, end))
            && self.data.get(start..end) == Some(fragment.payload)
        {
            return Err(Count::FragmentDuplicate);
        }
        let before_overlaps = at.checked_sub(1).is_some_and(|b| self.pieces[b].1 > start);
        let after_overlaps = self.pieces.get(at).is_some_and(|piece| piece.0 < end);
        // A second end, or bytes behind the end, are an overlap of another kind.
        let last = self.pieces.last().map_or(0, |piece| piece.1).max(end);
        let total = if fragment.more { self.total } else { Some(self.total.unwrap_or(end)) };
        let ends_differ =
            total.is_some_and(|total| last > total || (!fragment.more && end != total));
        if before_overlaps || after_overlaps || ends_differ {
            return Err(self.kill(Count::FragmentOverlap));
        }
        if self.pieces.len() >= REASSEMBLY_FRAGMENTS {
            return Err(self.kill(Count::FragmentLimit));
        }
        if self.data.len() < end {
            self.data.resize(end, 0);
        }
        if let Some(place) = self.data.get_mut(start..end) {
            place.copy_from_slice(fragment.payload);
        }
        self.pieces.insert(at, (start, end));
        self.received += end - start;
        self.total = total;
        self.ecn |= 1 << (fragment.tos & CE);
        if start == 0 {
            self.tos = fragment.tos;
            self.head = fragment.head.to_vec();
            self.protocol = fragment.protocol; // RFC 8200 4.5: the first fragment's counts.
        }
        // One that came as a link-layer broadcast makes the whole datagram one.
        self.unicast &= fragment.unicast;
        Ok(())
    }
    fn kill(&mut self, reason: Count) -> Count {
        self.dead = true;
        self.head = Vec::new();
        self.data = Vec::new();
        self.pieces = Vec::new();
        reason
    }
    fn assemble(self) -> Assembled {
        let Datagram { key, protocol, head, data, interface, unicast, tos, ecn, .. } = self;
        // RFC 3168 5.3: congestion that one fragment met is the datagram's.
        let tos = if ecn & (1 << CE) != 0 { tos | CE } else { tos };
        let at = head.len();
        let mut packet = head;
        packet.extend_from_slice(&data);
        Assembled { key, protocol, packet, at, interface, unicast, tos }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Rng;
    use proptest::prelude::*;

    fn key(id: u32) -> Key {
        Key { src: [10, 0, 0, 1].into(), dst: [10, 0, 0, 2].into(), id, protocol: 17 }
    }
    fn fragment(id: u32, offset: usize, more: bool, payload: &[u8]) -> Fragment<'_> {
        Fragment {
            key: key(id),
            offset,
            more,
            protocol: 17,
            head: b"head",
            payload,
            interface: IfIndex(1),
            unicast: true,
            tos: 0,
        }
    }
    fn cut(data: &[u8], size: usize) -> Vec<(usize, bool, &[u8])> {
        let pieces = data.chunks(size).enumerate();
        pieces.map(|(i, p)| (i * size, i * size + p.len() < data.len(), p)).collect()
    }

    proptest! {
        /// RFC 791 3.2, RFC 815 3, RFC 8200 4.5: fragments in any order, some of them twice.
        #[test]
        fn any_order_with_duplicates(
            data in prop::collection::vec(any::<u8>(), 1..3000), units in 4usize..40, seed: u64,
        ) {
            let mut pieces = cut(&data, units * 8);
            let mut rng = Rng::seeded(seed);
            let again = pieces[rng.below(pieces.len() as u64) as usize];
            for i in (1..pieces.len()).rev() {
                pieces.swap(i, rng.below(i as u64 + 1) as usize);
            }
            // Duplicates come before the datagram is complete.
            if pieces.len() > 1 && pieces.last() != Some(&again) {
                pieces.insert(pieces.len() - 1, again);
            }
            let mut table = Reassembly::default();
            let mut whole = None;
            for (offset, more, payload) in pieces {
                match table.insert(Instant::ZERO, &fragment(7, offset, more, payload)) {
                    Fate::Complete(assembled) => whole = Some(assembled),
                    Fate::Kept | Fate::Dropped(Count::FragmentDuplicate) => {}
                    other => prop_assert!(false, "{:?}", other),
                }
            }
            let whole = whole.expect("complete");
            prop_assert_eq!(&whole.packet[..whole.at], b"head");
            prop_assert_eq!(&whole.packet[whole.at..], &data[..]);
            prop_assert_eq!((table.bytes, table.datagrams.len()), (0, 0));
        }

        /// RFC 1122 3.2.1.4: memory is bounded, whatever comes.
        #[test]
        fn any_fragments_stay_within_limits(
            all in prop::collection::vec(
                (0u32..100, 0usize..8192, any::<bool>(), 0usize..200), 0..500,
            ),
        ) {
            let mut table = Reassembly::default();
            for (i, (id, units, more, len)) in all.into_iter().enumerate() {
                let data = vec![i as u8; if more { len & !7 } else { len }];
                table.insert(Instant::ZERO, &fragment(id, units * 8, more, &data));
                prop_assert!(table.bytes <= REASSEMBLY_BYTES);
                prop_assert!(table.datagrams.len() <= REASSEMBLIES);
                let sum: usize = table.datagrams.iter().map(|d| d.data.len()).sum();
                prop_assert_eq!(sum, table.bytes);
            }
        }
    }

    /// RFC 5722 4: an overlap ends the whole datagram.
    #[test]
    fn overlap_kills_the_datagram() {
        let mut table = Reassembly::default();
        let insert = |table: &mut Reassembly, offset, more, data: &[u8]| {
            table.insert(Instant::ZERO, &fragment(1, offset, more, data))
        };
        assert!(matches!(insert(&mut table, 0, true, &[1; 16]), Fate::Kept));
        let fate = insert(&mut table, 8, true, &[2; 16]);
        assert!(matches!(fate, Fate::Dropped(Count::FragmentOverlap)));
        for (offset, more) in [(0, true), (16, false)] {
            let fate = insert(&mut table, offset, more, &[1; 16]);
            assert!(matches!(fate, Fate::Dropped(Count::FragmentOverlap)), "{fate:?}");
        }
        // After its time another datagram may use the identification.
        let later = Instant::from_millis(30_000);
        assert!(table.expire(later).is_some());
        assert!(matches!(table.insert(later, &fragment(1, 0, true, &[1; 16])), Fate::Kept));
    }

    /// RFC 5722 4: so does a fragment that comes again with other bytes.
    #[test]
    fn same_place_other_bytes_is_an_overlap() {
        let mut table = Reassembly::default();
        table.insert(Instant::ZERO, &fragment(1, 0, true, &[1; 16]));
        let fate = table.insert(Instant::ZERO, &fragment(1, 0, true, &[2; 16]));
        assert!(matches!(fate, Fate::Dropped(Count::FragmentOverlap)));
    }

    /// RFC 815 3: only one fragment can be the last.
    #[test]
    fn two_ends_or_bytes_behind_the_end() {
        for (offset, more, len) in [(24, false, 8), (32, true, 8), (8, false, 4)] {
            let mut table = Reassembly::default();
            table.insert(Instant::ZERO, &fragment(1, 16, false, &[1; 8]));
            let data = vec![1; len];
            let fate = table.insert(Instant::ZERO, &fragment(1, offset, more, &data));
            assert!(matches!(fate, Fate::Dropped(Count::FragmentOverlap)), "{offset} {fate:?}");
        }
    }

    /// RFC 8200 4.5: no fragment reaches beyond 65,535 bytes, and all but the last have whole
    /// units.
    #[test]
    fn impossible_bounds() {
        let mut table = Reassembly::default();
        for (offset, more, len) in [(0, true, 12), (65_528, false, 16), (0, true, 0), (8, false, 0)]
        {
            let data = vec![1; len];
            let fate = table.insert(Instant::ZERO, &fragment(1, offset, more, &data));
            assert!(matches!(fate, Fate::Dropped(Count::FragmentMalformed)), "{fate:?}");
        }
        assert!(table.datagrams.is_empty());
    }

    /// RFC 3168 5.3: a mark on any fragment is one on the datagram; marked ones and others that are
    /// not ECN-capable give none at all.
    #[test]
    fn marks_of_fragments() {
        const ECT: u8 = 0xb8 | 2;
        for (tos, expected) in [
            ([ECT, ECT, ECT], Some(ECT)),
            ([ECT, 0xb8 | CE, ECT], Some(0xb8 | CE)),
            ([0xb8 | CE, ECT, ECT], Some(0xb8 | CE)),
            ([0xb8, 0xb8, 0xb8], Some(0xb8)),
            ([0xb8, 0xb8, 0xb8 | CE], None),
            ([ECT, 0xb8, ECT], None),
        ] {
            let mut table = Reassembly::default();
            let mut fate = Fate::Kept;
            for (i, tos) in tos.into_iter().enumerate() {
                let piece = fragment(1, i * 8, i < 2, &[1; 8]);
                fate = table.insert(Instant::ZERO, &Fragment { tos, ..piece });
            }
            let got = match fate {
                Fate::Complete(whole) => Some(whole.tos),
                Fate::Dropped(Count::FragmentEcn) => None,
                other => panic!("{other:?}"),
            };
            assert_eq!(got, expected, "{tos:?}");
            assert_eq!((table.bytes, table.datagrams.len()), (0, 0));
        }
    }

    /// RFC 1122 3.3.2: a datagram has a bounded number of fragments.
    #[test]
    fn too_many_fragments_of_one_datagram() {
        let mut table = Reassembly::default();
        let mut last = Fate::Kept;
        for i in 0..=REASSEMBLY_FRAGMENTS {
            last = table.insert(Instant::ZERO, &fragment(1, i * 8, true, &[1; 8]));
        }
        assert!(matches!(last, Fate::Dropped(Count::FragmentLimit)), "{last:?}");
    }
}
