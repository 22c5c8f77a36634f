//! Time and randomness of the host.
use crate::base::time::{Duration, Instant};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// The monotonic clock.
pub fn now() -> Instant {
    let t = clock_gettime(ClockId::Monotonic);
    Instant::from_nanos(t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64)
}

/// Sleeps for `time`, or less if a signal comes.
pub fn sleep(time: Duration) {
    let wanted = Timespec { tv_sec: time.as_secs() as i64, tv_nsec: time.subsec_nanos().into() };
    let _ = rustix::thread::nanosleep(&wanted);
}

/// Lets another thread run.
pub fn yield_now() {
    rustix::thread::sched_yield();
}

/// Bits that cannot be guessed from outside: for ports (RFC 6056), which need no more. No system
/// call, no lock: the 16 random bytes that the kernel gives to every program, the time, a count.
pub fn random_port_bits() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Relaxed);
    // SAFETY: takes a number.
    let at = unsafe { libc::getauxval(libc::AT_RANDOM) } as *const [u64; 2];
    let key = if at.is_null() {
        [random_u64(), 0]
    } else {
        // SAFETY: the kernel has put 16 bytes there, for as long as the program runs.
        unsafe { at.read_unaligned() }
    };
    let mut hasher = siphasher::sip::SipHasher13::new_with_keys(key[0], key[1]);
    core::hash::Hasher::write_u64(&mut hasher, now().as_nanos());
    core::hash::Hasher::write_u64(&mut hasher, count);
    core::hash::Hasher::finish(&hasher)
}

/// Random bits from the kernel. Never blocks; no lock, no allocation.
pub fn random_u64() -> u64 {
    let mut bytes = [0u8; 8];
    match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::INSECURE) {
        Ok(8) => u64::from_ne_bytes(bytes),
        // An old kernel: the clock and an address are better than a constant.
        _ => now().as_nanos() ^ (&raw const bytes as u64).rotate_left(32),
    }
}
