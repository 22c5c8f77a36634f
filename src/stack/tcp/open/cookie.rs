//! SYN cookies (RFC 4987 3.6): the SYN queue is full, so what a SYN said is not kept here but given
//! to the peer, which brings it back with its ACK.
//!
//! | where | what |
//! |---|---|
//! | initial sequence number | a keyed hash of both ends and the peer's number, the tick (8 bits), the MSS as a place in a table |
//! | low 6 bits of the timestamp | window scale (4 bits), SACK, ECN; as Linux has them |
//!
//! A peer without timestamps brings back nothing but the MSS: it is offered neither window scaling
//! nor SACK. A cookie is good for one to two ticks, and only where one was given of late (see
//! [`super::listen`]), so that guessing has little time: one guess in 2^28 is right.
use crate::base::rng::Secret;
use crate::base::time::Duration;
use crate::base::{FourTuple, Instant};
use crate::stack::tcp::words::{Segment, Seq};
use crate::wire::tcp::{Flags, Options};

/// How long a tick is.
const TICK: Duration = Duration::from_secs(64);

/// Ticks for which a cookie is good, the one that it was made in included.
const TICKS_VALID: u32 = 2;

/// How long after the last cookie was given one may still come back.
pub(crate) const VALID: Duration = Duration::from_secs(64 * TICKS_VALID as u64);

/// The values of MSS that a cookie can carry; the next lower one is taken. Most hosts have
/// Ethernet's, or that of a tunnel over it.
const MSS_V4: [u16; 8] = [64, 536, 1200, 1300, 1380, 1440, 1460, 8960];

const MSS_V6: [u16; 8] = [64, 536, 1220, 1300, 1380, 1420, 1440, 8940];

/// The low bits of the timestamp: 4 of window scale (15: none), SACK, ECN.
const STAMP_BITS: u32 = 6;

const STAMP_MASK: u32 = (1 << STAMP_BITS) - 1;

const NO_SHIFT: u32 = 0xf;

const SACK: u32 = 1 << 4;

const ECN: u32 = 1 << 5;

/// RFC 3168 6.1.1: both bits in a SYN ask for ECN.
const ECE_CWR: Flags = Flags::ECE.with(Flags::CWR);

fn table(tuple: &FourTuple) -> &'static [u16; 8] {
    if tuple.remote.is_ipv4() { &MSS_V4 } else { &MSS_V6 }
}

fn tick(now: Instant) -> u32 {
    (now.as_nanos() / TICK.as_nanos() as u64) as u32
}

/// The part that only we can know, and the part that changes with the tick.
fn hashes(secret: &Secret, tuple: &FourTuple, irs: Seq, tick: u32) -> (u32, u32) {
    let whole = secret.hash(&("syn cookie", tuple, irs.0)) as u32;
    let timely = secret.hash(&("syn cookie, tick", tuple, irs.0, tick)) as u32;
    (whole, timely)
}

/// The initial sequence number that answers a SYN with this MSS.
pub(crate) fn make(secret: &Secret, tuple: &FourTuple, irs: Seq, mss: u16, now: Instant) -> Seq {
    let index = table(tuple).iter().rposition(|&known| known <= mss).unwrap_or(0);
    let tick = tick(now);
    let (whole, timely) = hashes(secret, tuple, irs, tick);
    let low = timely.wrapping_add(index as u32) & 0x00ff_ffff;
    Seq(whole.wrapping_add(tick << 24).wrapping_add(low))
}

/// The MSS that a cookie carries; `None`: it is not ours, or too old.
pub(crate) fn open(
    secret: &Secret,
    tuple: &FourTuple,
    irs: Seq,
    cookie: Seq,
    now: Instant,
) -> Option<u16> {
    let current = tick(now);
    let (whole, _) = hashes(secret, tuple, irs, current);
    let rest = cookie.0.wrapping_sub(whole);
    let age = current.wrapping_sub(rest >> 24) & 0xff;
    if age >= TICKS_VALID {
        return None;
    }
    let (_, timely) = hashes(secret, tuple, irs, current.wrapping_sub(age));
    let index = rest.wrapping_sub(timely) & 0x00ff_ffff;
    table(tuple).get(index as usize).copied()
}

/// What a SYN says of options, in the low bits of a timestamp that is not later than `value`.
pub(crate) fn stamp(value: u32, syn: &Segment<'_>) -> u32 {
    let mut bits = syn.options.window_shift.map_or(NO_SHIFT, |shift| u32::from(shift.min(14)));
    if syn.options.sack_permitted {
        bits |= SACK;
    }
    if syn.flags.has(ECE_CWR) {
        bits |= ECN;
    }
    let stamped = value & !STAMP_MASK | bits;
    if stamped.wrapping_sub(value) as i32 > 0 {
        stamped.wrapping_sub(1 << STAMP_BITS)
    } else {
        stamped
    }
}

/// The SYN's flags and options, from the timestamp that came back (if one did).
pub(crate) fn unstamp(mss: u16, stamps: Option<(u32, u32)>) -> (Flags, Options) {
    let plain = Options { mss: Some(mss), ..Options::default() };
    let Some((value, echo)) = stamps else { return (Flags::SYN, plain) };
    let shift = echo & NO_SHIFT;
    let options = Options {
        window_shift: (shift != NO_SHIFT).then_some(shift as u8),
        sack_permitted: echo & SACK != 0,
        timestamps: Some((value, 0)),
        ..plain
    };
    let flags = if echo & ECN != 0 { Flags::SYN.with(ECE_CWR) } else { Flags::SYN };
    (flags, options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(text: &str) -> FourTuple {
        FourTuple { local: "10.0.0.1:80".parse().unwrap(), remote: text.parse().unwrap() }
    }

    /// RFC 4987 3.6: the MSS survives (rounded down to the table), for this peer and this number.
    #[test]
    fn a_cookie_carries_the_mss_of_its_own_syn_only() {
        let secret = Secret::new([1; 16]);
        let now = Instant::from_millis(1_000_000_000);
        let (ours, other) = (tuple("10.0.0.2:5000"), tuple("10.0.0.3:5000"));
        for (mss, carried) in [(0, 64), (536, 536), (1000, 536), (1460, 1460), (u16::MAX, 8960)] {
            let cookie = make(&secret, &ours, Seq(7), mss, now);
            assert_eq!(open(&secret, &ours, Seq(7), cookie, now), Some(carried), "{mss}");
            assert_eq!(open(&secret, &ours, Seq(8), cookie, now), None);
            assert_eq!(open(&secret, &other, Seq(7), cookie, now), None);
            assert_eq!(open(&secret, &ours, Seq(7), cookie + 9, now), None);
            assert_eq!(open(&Secret::new([2; 16]), &ours, Seq(7), cookie, now), None);
        }
        let six =
            FourTuple { local: "[::1]:1".parse().unwrap(), remote: "[::2]:2".parse().unwrap() };
        let cookie = make(&secret, &six, Seq(7), 1440, now);
        assert_eq!(open(&secret, &six, Seq(7), cookie, now), Some(1440));
    }

    /// RFC 4987 3.6: a cookie is good for a limited time.
    #[test]
    fn a_cookie_ages() {
        let (secret, ours) = (Secret::new([1; 16]), tuple("10.0.0.2:5000"));
        // The beginning of a tick.
        let now = Instant::ZERO + TICK * 1000;
        let cookie = make(&secret, &ours, Seq(7), 1460, now);
        let after = |time| open(&secret, &ours, Seq(7), cookie, now + time).is_some();
        assert!(after(TICK) && after(VALID - Duration::from_millis(1)));
        assert!(!after(VALID) && !after(TICK * 100) && !after(TICK * 255));
    }

    /// One guess in 2^28 or so is right: of a million none.
    #[test]
    fn guessing_does_not_pay() {
        let (secret, ours) = (Secret::new([1; 16]), tuple("10.0.0.2:5000"));
        let now = Instant::from_millis(1_000_000_000);
        let right = |guess: u32| open(&secret, &ours, Seq(7), Seq(guess), now).is_some();
        assert_eq!((0..1_000_000u32).filter(|i| right(i.wrapping_mul(4_294_967))).count(), 0);
    }

    /// RFC 7323 5.4: the timestamp stays near the clock and never runs ahead of it.
    #[test]
    fn options_survive_in_the_timestamp() {
        for value in [0u32, 1, 63, 64, 1_000_003, u32::MAX] {
            for bits in 0..64u8 {
                let shift = (bits & 15 != 15).then_some(bits & 15);
                let options = Options {
                    window_shift: shift,
                    sack_permitted: bits & 16 != 0,
                    ..Options::default()
                };
                let flags = Flags(if bits & 32 != 0 { 0xc2 } else { 0x02 });
                let syn = crate::stack::tcp::open::syn(Seq(0), flags, 0, options);
                let stamped = stamp(value, &syn);
                assert!(value.wrapping_sub(stamped) < 128, "{value} {stamped}");
                let (back_flags, back) = unstamp(1460, Some((5, stamped)));
                assert_eq!(back_flags, flags);
                assert_eq!(back.window_shift, shift.filter(|s| *s <= 14));
                assert_eq!(back.sack_permitted, options.sack_permitted);
                assert_eq!((back.mss, back.timestamps), (Some(1460), Some((5, 0))));
            }
        }
        let (flags, plain) = unstamp(536, None);
        assert_eq!((flags, plain.window_shift, plain.sack_permitted), (Flags::SYN, None, false));
    }
}
