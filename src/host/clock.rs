//! Time and randomness of the host.
use crate::base::time::{Duration, Instant};
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

/// Random bits from the kernel. Never blocks; no lock, no allocation.
pub fn random_u64() -> u64 {
    let mut bytes = [0u8; 8];
    match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::INSECURE) {
        Ok(8) => u64::from_ne_bytes(bytes),
        // An old kernel: the clock and an address are better than a constant.
        _ => now().as_nanos() ^ (&raw const bytes as u64).rotate_left(32),
    }
}
