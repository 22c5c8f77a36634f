//! Waiting for a condition, with a bound. The only place in the tests that sleeps.
use std::time::{Duration, Instant};

/// How long anything may take that should take milliseconds.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Looks until `condition` gives a value; `None` when `limit` has passed first.
pub fn wait_within<T>(limit: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(value) = condition() {
            return Some(value);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Looks until `condition` holds; fails the test when [`LIMIT`] has passed first.
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    if wait_within(LIMIT, || condition().then_some(())).is_none() {
        panic!("waited {} s in vain for: {what}", LIMIT.as_secs());
    }
}
