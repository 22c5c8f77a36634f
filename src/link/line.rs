//! One direction of an impaired wire, without any link: frames go in with the time, and come out
//! when their time has come. The same seed and the same frames at the same times have the same
//! fate.
//!
//! A frame meets, in this order: chance of loss (alone or in bursts); the bottleneck of `rate` with
//! its `queue` (drop tail, or ECN marks before that); the way, which takes `delay` ± `jitter` and
//! keeps the order unless the frame is one of
//! those that overtake; duplication and damage on that way. Every frame draws the same number of
//! random values, so changing one chance does not change the fate that the others give.
use super::{Medium, finish::Layout};
use crate::base::{Instant, Rng, limits, time::Duration};
use crate::net::link_spec::ImpairSpec;
use crate::wire::checksum;
use std::collections::{BTreeMap, VecDeque};

/// Frames that wait for a bottleneck if the user does not say.
const QUEUE_DEFAULT: usize = 1_000;
/// How long a frame waits to be overtaken, on a wire without delay.
const HOLD: Duration = Duration::from_millis(10);

/// What happened to frames.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Fates {
    /// Went in.
    pub frames: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Lost because a queue was full.
    pub overflowed: u64,
    /// Overtook others (or were overtaken, without delay).
    pub reordered: u64,
    /// Came twice.
    pub duplicated: u64,
    /// Were damaged.
    pub corrupted: u64,
    /// Were marked (ECN).
    pub marked: u64,
}

/// See the module.
pub(super) struct Line {
    spec: ImpairSpec,
    rng: Rng,
    medium: Medium,
    /// Frames under way, by when they arrive; equal times by number.
    under_way: BTreeMap<(Instant, u64), Vec<u8>>,
    bytes: usize,
    number: u64,
    /// The last frame was lost by chance.
    bad: bool,
    /// When frames leave the bottleneck; only times still to come matter.
    departures: VecDeque<Instant>,
    /// When the last frame that kept the order arrives.
    last: Instant,
    /// A frame that waits to be overtaken, and until when.
    held: Option<(Instant, Vec<u8>)>,
    fates: Fates,
}

/// The random values of one frame.
struct Draw {
    lose: bool,
    reorder: bool,
    duplicate: bool,
    corrupt: bool,
    jitter: u64,
    damage: u64,
}

impl Line {
    /// A wire for frames of `medium`.
    pub(super) fn new(spec: &ImpairSpec, medium: Medium, seed: u64) -> Line {
        Line {
            spec: *spec,
            rng: Rng::seeded(seed),
            medium,
            under_way: BTreeMap::new(),
            bytes: 0,
            number: 0,
            bad: false,
            departures: VecDeque::new(),
            last: Instant::ZERO,
            held: None,
            fates: Fates::default(),
        }
    }

    /// What has happened so far.
    pub(super) fn fates(&self) -> Fates {
        self.fates
    }

    /// A frame goes in.
    pub(super) fn push(&mut self, now: Instant, frame: &[u8]) {
        self.fates.frames += 1;
        let draw = self.draw();
        if draw.lose {
            self.fates.lost += 1;
            return;
        }
        let Some(departure) = self.bottleneck(now, frame.len()) else {
            self.fates.overflowed += 1;
            return;
        };
        let mut bytes = frame.to_vec();
        // The one that is being sent does not wait.
        let waiting = self.departures.len().saturating_sub(2);
        let full = self.spec.mark.is_some_and(|mark| waiting >= mark as usize);
        if full && self.spec.rate.is_some() {
            self.mark(&mut bytes);
        }
        if draw.corrupt && !self.damage(&mut bytes, draw.damage) {
            return;
        }
        let copy = draw.duplicate.then(|| bytes.clone());
        if draw.reorder && self.spec.delay.is_zero() && self.held.is_none() {
            self.fates.reordered += 1;
            self.bytes += bytes.len();
            self.held = Some((departure + HOLD, bytes));
        } else if draw.reorder && !self.spec.delay.is_zero() {
            self.fates.reordered += 1;
            self.insert(departure, bytes);
        } else {
            let arrival = (departure + self.spec.delay + self.jitter(draw.jitter))
                - self.spec.jitter.min(self.spec.delay);
            self.last = arrival.max(self.last);
            self.insert(self.last, bytes);
            if let Some((_, held)) = self.held.take() {
                self.bytes -= held.len();
                self.insert(self.last, held);
            }
        }
        if let Some(copy) = copy {
            self.fates.duplicated += 1;
            self.insert(self.last.max(departure), copy);
        }
    }

    /// A frame that has arrived by `now`: the earliest.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Vec<u8>> {
        if let Some((_, held)) = self.held.take_if(|(until, _)| *until <= now) {
            // Nobody came to overtake it.
            self.bytes -= held.len();
            self.insert(now, held);
        }
        let entry = self.under_way.first_entry().filter(|entry| entry.key().0 <= now)?;
        let frame = entry.remove();
        self.bytes -= frame.len();
        Some(frame)
    }

    /// Puts back a frame that [`Line::pop`] gave, in front of all others.
    pub(super) fn put_back(&mut self, frame: Vec<u8>) {
        self.bytes += frame.len();
        // No other has this key: numbers begin at 1, and only one frame is outside at a time.
        self.under_way.insert((Instant::ZERO, 0), frame);
    }

    /// When [`Line::pop`] will have something.
    pub(super) fn next(&self) -> Option<Instant> {
        let first = self.under_way.first_key_value().map(|((at, _), _)| *at);
        let held = self.held.as_ref().map(|(until, _)| *until);
        first.into_iter().chain(held).min()
    }

    fn draw(&mut self) -> Draw {
        let (spec, rng) = (&self.spec, &mut self.rng);
        // Gilbert's model: a bad wire stays bad for `burst` frames on average.
        let chance = match spec.burst {
            Some(burst) if self.bad => 1.0 - 1.0 / f64::from(burst),
            Some(burst) if spec.loss < 1.0 => spec.loss / (f64::from(burst) * (1.0 - spec.loss)),
            _ => spec.loss,
        };
        self.bad = rng.chance(chance.min(1.0));
        Draw {
            lose: self.bad,
            reorder: rng.chance(spec.reorder),
            duplicate: rng.chance(spec.duplicate),
            corrupt: rng.chance(spec.corrupt),
            jitter: rng.u64(),
            damage: rng.u64(),
        }
    }

    /// When a frame leaves the bottleneck; `None` if it finds the queue full.
    fn bottleneck(&mut self, now: Instant, len: usize) -> Option<Instant> {
        let frames = self.under_way.len() + usize::from(self.held.is_some());
        if frames >= limits::IMPAIR_FRAMES || self.bytes + len > limits::IMPAIR_BYTES {
            return None;
        }
        let queue = self.spec.queue.map(|queue| queue as usize);
        let Some(rate) = self.spec.rate else {
            return queue.is_none_or(|queue| frames < queue).then_some(now);
        };
        while self.departures.front().is_some_and(|departure| *departure <= now) {
            self.departures.pop_front();
        }
        // The frame that is being sent does not wait.
        if self.departures.len() > queue.unwrap_or(QUEUE_DEFAULT) {
            return None;
        }
        let nanos = len as u64 * 8 * 1_000_000_000 / rate.max(1);
        let free = self.departures.back().copied().unwrap_or(now);
        let departure = free + Duration::from_nanos(nanos);
        self.departures.push_back(departure);
        Some(departure)
    }

    /// Uniform in `0..=2 * jitter`; the caller subtracts `jitter`.
    fn jitter(&self, random: u64) -> Duration {
        let jitter = self.spec.jitter;
        let span = (jitter.min(self.spec.delay) + jitter).as_nanos() as u64;
        Duration::from_nanos(random % span.saturating_add(1).max(1))
    }

    /// Changes one byte of the IP packet in a frame; `false` if the frame is lost instead. A
    /// damaged Ethernet header, or a frame that nothing protects (ARP), would not pass the
    /// Ethernet's own check sum, which frames here do not carry.
    fn damage(&mut self, frame: &mut [u8], random: u64) -> bool {
        self.fates.corrupted += 1;
        let Some(layout) = Layout::of(frame, self.medium) else { return false };
        let len = (layout.end - layout.ip) as u64;
        let at = layout.ip + (random >> 8) as usize % len as usize;
        // Never zero: that would change nothing.
        frame[at] ^= (random as u8).max(1);
        true
    }

    /// RFC 3168 5: a router that is congested sets CE instead of dropping, if the sender said ECT.
    fn mark(&mut self, frame: &mut [u8]) {
        let Some(layout) = Layout::of(frame, self.medium) else { return };
        let ip = &mut frame[layout.ip..];
        let old = u16::from_be_bytes([ip[0], ip[1]]);
        let (at, ce) = if layout.ipv6 { (4, 0x30) } else { (0, 0x03) };
        if old >> at & 3 == 0 || old >> at & 3 == 3 {
            return;
        }
        ip[1] |= ce;
        self.fates.marked += 1;
        if !layout.ipv6 {
            // RFC 1624 3: the header's checksum follows.
            let new = u16::from_be_bytes([ip[0], ip[1]]);
            let sum = checksum::update(u16::from_be_bytes([ip[10], ip[11]]), old, new);
            ip[10..12].copy_from_slice(&sum.to_be_bytes());
        }
    }

    fn insert(&mut self, at: Instant, frame: Vec<u8>) {
        self.number += 1;
        self.bytes += frame.len();
        self.under_way.insert((at, self.number), frame);
    }
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
