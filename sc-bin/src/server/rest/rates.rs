//! How many calls a user may make: one script in a loop does not take the API from the others.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Calls a second that one user may make for long. A client makes one in 4 s.
pub(super) const CALLS_A_SECOND: u32 = 200;
/// Calls that may come at once after a rest.
const AT_ONCE: u32 = 1_000;
/// Users whose calls are remembered; whoever has rested is forgotten first.
const MAX_USERS: usize = 10_000;

/// What is left to each user.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    users: Mutex<HashMap<String, Bucket>>,
}

/// Calls that are left to a user at a moment.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Rates {
    /// Whether a user may make one more call now. To be asked once for each, of users who are
    /// known.
    pub(super) fn admits(&self, user: &str, now: Instant) -> bool {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if users.len() >= MAX_USERS && !users.contains_key(user) {
            let rested = Duration::from_secs(u64::from(AT_ONCE / CALLS_A_SECOND));
            users.retain(|_, bucket| now.saturating_duration_since(bucket.at) < rested);
            if users.len() >= MAX_USERS {
                return true;
            }
        }
        let full = Bucket { left: f64::from(AT_ONCE), at: now };
        let bucket = users.entry(user.to_owned()).or_insert(full);
        let since = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.left = (bucket.left + since * f64::from(CALLS_A_SECOND)).min(f64::from(AT_ONCE));
        bucket.at = now;
        if bucket.left < 1.0 {
            return false;
        }
        bucket.left -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_s_loop_is_slowed_and_nobody_else() {
        let (rates, now) = (Rates::default(), Instant::now());
        let admitted = |user: &str, at| (0..5000).filter(|_| rates.admits(user, at)).count();
        assert_eq!(admitted("jane", now), AT_ONCE as usize);
        assert!(rates.admits("bob", now));
        let later = now + Duration::from_secs(1);
        assert_eq!(admitted("jane", later), CALLS_A_SECOND as usize);
    }
}
