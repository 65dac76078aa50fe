//! Waiting for a condition, never longer than a deadline.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything that should happen "at once" may take. Generous: a debug build on a loaded
/// machine of 2 cores must not fail a test that is right.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition outside our process is looked at again. Nothing can notify us of
/// another process's memory or descriptors, so these are polled.
const INTERVAL: Duration = Duration::from_millis(20);

/// Asks `condition` until it gives a value.
///
/// # Panics
/// After [`PATIENCE`], naming `what` was waited for.
pub fn until<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, condition)
}

/// As [`until`], with a limit of its own.
///
/// # Panics
/// After `limit`, naming `what` was waited for.
pub fn until_within<T>(limit: Duration, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} in vain for {what}");
        thread::sleep(INTERVAL);
    }
}

/// Asks `condition` until it gives a value, or `limit` is over, which is no failure.
pub fn for_at_most<T>(limit: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        let value = condition();
        let left = deadline.saturating_duration_since(Instant::now());
        if value.is_some() || left.is_zero() {
            return value;
        }
        thread::sleep(INTERVAL.min(left));
    }
}

/// Waits until `value` has stayed the same for `calm`, and returns it: how a test knows that
/// something has come to rest.
///
/// # Panics
/// After [`PATIENCE`] without such rest, naming `what`.
pub fn until_steady<T: PartialEq>(what: &str, calm: Duration, mut value: impl FnMut() -> T) -> T {
    let mut last = value();
    let mut since = Instant::now();
    until(what, || {
        let now = value();
        if now != last {
            last = now;
            since = Instant::now();
            return None;
        }
        (since.elapsed() >= calm).then_some(now)
    })
}
