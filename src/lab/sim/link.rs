//! One direction of a link: a queue in front of a wire with a rate, a delay and faults.
use super::loss::{Loss, LossState};
use super::packet;
use crate::base::{Instant, Rng, time::Duration};
use std::collections::VecDeque;

/// A direction of a link.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkSpec {
    /// Bits per second; 0 for no limit.
    pub rate: u64,
    /// Propagation, one way.
    pub delay: Duration,
    /// More delay, uniform in `0..=jitter`; it reorders.
    pub jitter: Duration,
    /// What waits at most for the wire.
    pub queue: QueueLimit,
    /// Largest IP packet, bytes.
    pub mtu: u16,
    /// Bytes on the wire around each packet that take time as well (Ethernet: 38, its header, FCS,
    /// preamble and gap).
    pub overhead: u32,
    /// Which packets are lost on the wire.
    pub loss: Loss,
    /// Chance that a packet comes `late_by` later than it should.
    pub reorder: f64,
    /// See `reorder`.
    pub late_by: Duration,
    /// Chance that a packet comes twice.
    pub duplicate: f64,
    /// Chance that a bit of a packet is turned.
    pub corrupt: f64,
    /// Active queue management.
    pub mark: Mark,
}

/// What a queue holds at most, the packet on the wire not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueLimit {
    /// Bytes of IP packets.
    Bytes(u64),
    /// Packets.
    Packets(usize),
}

/// Marks (RFC 3168: CE) on packets that allow it, drops of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Mark {
    /// None: drop-tail.
    #[default]
    None,
    /// When so many packets wait (as DCTCP's switches, RFC 8257 3.1).
    Threshold(usize),
    /// RED: with a chance that grows from 0 at `min` waiting packets to `chance` at `max`, and 1
    /// behind it. By the queue as it is, not its average.
    Red {
        /// Packets.
        min: usize,
        /// Packets.
        max: usize,
        /// At `max`.
        chance: f64,
    },
}

/// What became of a packet on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Still under way.
    Flying,
    /// It came.
    Arrived,
    /// Lost on the wire.
    Lost,
    /// The queue was full.
    QueueFull,
    /// Dropped by the queue before it was full ([`Mark`]).
    EarlyDrop,
    /// Larger than the next link takes.
    TooBig,
    /// Nobody has that address, or its time to live was over.
    Unroutable,
}

impl Fate {
    /// It will not come.
    pub fn is_loss(self) -> bool {
        !matches!(self, Fate::Flying | Fate::Arrived)
    }
}

impl Default for LinkSpec {
    fn default() -> Self {
        LinkSpec {
            rate: 0,
            delay: Duration::from_millis(10),
            jitter: Duration::ZERO,
            queue: QueueLimit::Bytes(1 << 20),
            mtu: 1500,
            overhead: 0,
            loss: Loss::None,
            reorder: 0.0,
            late_by: Duration::ZERO,
            duplicate: 0.0,
            corrupt: 0.0,
            mark: Mark::None,
        }
    }
}

/// A direction at work.
#[derive(Debug)]
pub(super) struct Link {
    pub spec: LinkSpec,
    /// Places: where it begins and ends.
    pub ends: (usize, usize),
    loss: LossState,
    /// Packets that wait or are being sent: when each has left, and its length.
    waiting: VecDeque<(Instant, u64)>,
}

/// When a packet comes, twice if duplicated, or why not.
pub(super) type Offered = Result<(Instant, Option<Instant>), Fate>;

impl Link {
    pub(super) fn new(spec: LinkSpec, ends: (usize, usize)) -> Link {
        let loss = LossState::new(spec.loss.clone());
        Link { spec, ends, loss, waiting: VecDeque::new() }
    }

    /// Packets and bytes that wait for the wire or are on it.
    pub(super) fn queued(&mut self, now: Instant) -> (usize, u64) {
        while self.waiting.front().is_some_and(|(leaves, _)| *leaves <= now) {
            self.waiting.pop_front();
        }
        (self.waiting.len(), self.waiting.iter().map(|(_, len)| len).sum())
    }

    /// A packet is to go. It may be changed (marked, damaged).
    pub(super) fn offer(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        bytes: &mut [u8],
        data: bool,
    ) -> Offered {
        let len = bytes.len() as u64;
        let (packets, queued) = self.queued(now);
        let full = match self.spec.queue {
            QueueLimit::Bytes(most) => packets > 0 && queued + len > most,
            QueueLimit::Packets(most) => packets > most,
        };
        if full {
            return Err(Fate::QueueFull);
        }
        let noticed = match self.spec.mark {
            Mark::None => false,
            Mark::Threshold(at) => packets >= at,
            Mark::Red { min, max, .. } if packets < min || max <= min => false,
            Mark::Red { max, .. } if packets >= max => true,
            Mark::Red { min, max, chance } => {
                rng.chance(chance * (packets - min) as f64 / (max - min) as f64)
            }
        };
        if noticed && !packet::mark_congestion(bytes) {
            return Err(Fate::EarlyDrop);
        }
        let mut leaves = now;
        if self.spec.rate > 0 {
            let bits = (len + u64::from(self.spec.overhead)) * 8;
            let time = u128::from(bits) * 1_000_000_000 / u128::from(self.spec.rate);
            let free = self.waiting.back().map_or(now, |(at, _)| (*at).max(now));
            leaves = free + Duration::from_nanos(time as u64);
            self.waiting.push_back((leaves, len));
        }
        // A packet that is lost on the wire has taken its time all the same.
        if self.loss.strikes(rng, data) {
            return Err(Fate::Lost);
        }
        if self.spec.corrupt > 0.0 && rng.chance(self.spec.corrupt) {
            let at = rng.below(len * 8) as usize;
            bytes[at / 8] ^= 1 << (at % 8);
        }
        let jitter = self.spec.jitter.as_nanos() as u64;
        let mut arrives = leaves + self.spec.delay + Duration::from_nanos(rng.below(jitter + 1));
        if self.spec.reorder > 0.0 && rng.chance(self.spec.reorder) {
            arrives = arrives + self.spec.late_by;
        }
        let again = self.spec.duplicate > 0.0 && rng.chance(self.spec.duplicate);
        Ok((arrives, again.then_some(arrives + Duration::from_micros(10))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(link: &mut Link, at: Instant) -> Offered {
        link.offer(at, &mut Rng::seeded(1), &mut [0x40; 1000], true)
    }

    #[test]
    fn a_wire_takes_its_time_and_a_queue_is_finite() {
        let spec = LinkSpec {
            rate: 8_000_000,
            delay: Duration::from_millis(5),
            queue: QueueLimit::Packets(2),
            ..LinkSpec::default()
        };
        let mut link = Link::new(spec, (0, 1));
        let at = Instant::from_millis(100);
        // 1000 bytes take 1 ms at 8 Mb/s: one on the wire, two wait, the fourth is dropped.
        for n in 1..=3 {
            let arrives = Instant::from_millis(105 + n);
            assert_eq!(send(&mut link, at), Ok((arrives, None)));
        }
        assert_eq!(send(&mut link, at), Err(Fate::QueueFull));
        assert_eq!(link.queued(Instant::from_millis(102)), (1, 1000));
        assert!(send(&mut link, Instant::from_millis(102)).is_ok());
    }

    #[test]
    fn marks_spare_packets_that_allow_them() {
        let spec = LinkSpec { rate: 1000, mark: Mark::Threshold(1), ..LinkSpec::default() };
        let mut link = Link::new(spec, (0, 1));
        assert!(send(&mut link, Instant::ZERO).is_ok());
        assert_eq!(send(&mut link, Instant::ZERO), Err(Fate::EarlyDrop));
        let mut ect = [0; 60];
        (ect[0], ect[1]) = (0x45, 2);
        let sent = link.offer(Instant::ZERO, &mut Rng::seeded(1), &mut ect, true);
        assert!(sent.is_ok() && ect[1] == 3);
    }
}
