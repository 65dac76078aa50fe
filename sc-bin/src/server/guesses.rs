//! Guessing access keys is slowed, for each account and for each address. The REST API and
//! whatever else takes access keys ask here before they look at one, and tell how it went.
//!
//! Keys have 128 random bits, so nobody guesses one; this keeps the attempts from costing others
//! anything. Whoever is slowed is answered without a look at the key. A key that was right a while
//! ago is no guess: a user is never locked out by strangers, nor by an own script with an old key.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::access_key::sha256_of_key;

/// Wrong keys of one account from one address until the next has to wait.
const FREE_OF_PAIR: u32 = 10;
/// Of any account, from one address.
const FREE_OF_ADDRESS: u32 = 50;
/// Of one account, from anywhere.
const FREE_OF_ACCOUNT: u32 = 200;
/// The first wait. Each wrong key after it doubles the wait.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait for an address.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The longest wait for an account, whatever others try: a new key of its user comes through.
const LONGEST_OF_ACCOUNT: Duration = Duration::from_secs(2);
/// After so long without a wrong key all is forgotten.
const MEMORY: Duration = Duration::from_secs(900);
/// Most entries of each kind. The oldest make room.
const MAX_ENTRIES: usize = 10_000;

/// One more try has to wait so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many wrong access keys: wait {} s", .0.as_secs().max(1))]
pub(crate) struct Wait(pub(crate) Duration);

/// Wrong keys of late.
#[derive(Debug, Default)]
pub(crate) struct Guesses {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    pairs: HashMap<(String, IpAddr), Trail>,
    addresses: HashMap<IpAddr, Trail>,
    accounts: HashMap<String, Trail>,
    /// The hash of the key that was right last, by account.
    right: HashMap<String, ([u8; 32], Instant)>,
}

/// Wrong keys in a row.
#[derive(Clone, Copy, Debug)]
struct Trail {
    wrong: u32,
    last: Instant,
}

impl Guesses {
    /// Whether a key may be looked at now.
    pub(crate) fn admit(
        &self,
        user: &str,
        key: &str,
        peer: IpAddr,
        now: Instant,
    ) -> Result<(), Wait> {
        let (seen, peer) = (self.seen(), network(peer));
        if seen.right.get(user).is_some_and(|(hash, _)| *hash == sha256_of_key(key)) {
            return Ok(());
        }
        let pair = seen.pairs.get(&(user.to_owned(), peer));
        let waits = [
            wait(pair, FREE_OF_PAIR, LONGEST_WAIT, now),
            wait(seen.addresses.get(&peer), FREE_OF_ADDRESS, LONGEST_WAIT, now),
            wait(seen.accounts.get(user), FREE_OF_ACCOUNT, LONGEST_OF_ACCOUNT, now),
        ];
        match waits.into_iter().max() {
            Some(longest) if !longest.is_zero() => Err(Wait(longest)),
            _ => Ok(()),
        }
    }

    /// The key was wrong, or there is no such user.
    pub(crate) fn wrong(&self, user: &str, peer: IpAddr, now: Instant) {
        let (mut seen, peer) = (self.seen(), network(peer));
        one_more(&mut seen.pairs, (user.to_owned(), peer), now);
        one_more(&mut seen.addresses, peer, now);
        one_more(&mut seen.accounts, user.to_owned(), now);
    }

    /// The key was right.
    pub(crate) fn right(&self, user: &str, key: &str, now: Instant) {
        let mut seen = self.seen();
        if !seen.right.contains_key(user) {
            make_room(&mut seen.right, |(_, at)| *at, now);
        }
        seen.right.insert(user.to_owned(), (sha256_of_key(key), now));
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a trail makes the next try wait.
fn wait(trail: Option<&Trail>, free: u32, longest: Duration, now: Instant) -> Duration {
    let Some(trail) = trail.filter(|trail| trail.wrong >= free) else {
        return Duration::ZERO;
    };
    let doublings = (trail.wrong - free).min(16);
    let span = FIRST_WAIT.saturating_mul(1 << doublings).min(longest);
    span.saturating_sub(now.saturating_duration_since(trail.last))
}

fn one_more<K: Hash + Eq + Clone>(trails: &mut HashMap<K, Trail>, key: K, now: Instant) {
    if !trails.contains_key(&key) {
        make_room(trails, |trail| trail.last, now);
    }
    let trail = trails.entry(key).or_insert(Trail { wrong: 0, last: now });
    if now.saturating_duration_since(trail.last) >= MEMORY {
        trail.wrong = 0;
    }
    *trail = Trail { wrong: trail.wrong.saturating_add(1), last: now };
}

/// Forgets what is old when there are too many; if nothing is, the older half.
fn make_room<K: Hash + Eq + Clone, V>(
    entries: &mut HashMap<K, V>,
    at: impl Fn(&V) -> Instant,
    now: Instant,
) {
    if entries.len() < MAX_ENTRIES {
        return;
    }
    entries.retain(|_, entry| now.saturating_duration_since(at(entry)) < MEMORY);
    if entries.len() < MAX_ENTRIES {
        return;
    }
    let mut moments: Vec<Instant> = entries.values().map(&at).collect();
    moments.sort_unstable();
    let middle = moments[moments.len() / 2];
    entries.retain(|_, entry| at(entry) > middle);
}

/// Who has an IPv6 address usually has the 2^64 beside it.
pub(super) fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() >> 64 << 64).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_guesser_waits_longer_each_time() {
        let (guesses, begun) = (Guesses::default(), Instant::now());
        let peer = ip("192.0.2.1");
        for _ in 0..FREE_OF_PAIR {
            guesses.admit("jane", "x", peer, begun).unwrap();
            guesses.wrong("jane", peer, begun);
        }
        assert_eq!(guesses.admit("jane", "x", peer, begun), Err(Wait(FIRST_WAIT)));
        let mut now = begun + FIRST_WAIT;
        guesses.admit("jane", "x", peer, now).unwrap();
        guesses.wrong("jane", peer, now);
        assert_eq!(guesses.admit("jane", "x", peer, now), Err(Wait(2 * FIRST_WAIT)));
        for _ in 0..20 {
            guesses.wrong("jane", peer, now);
        }
        assert_eq!(guesses.admit("jane", "x", peer, now), Err(Wait(LONGEST_WAIT)));
        // Nobody else is slowed, from there or elsewhere.
        guesses.admit("bob", "x", peer, now).unwrap();
        guesses.admit("jane", "x", ip("192.0.2.2"), now).unwrap();
        now += MEMORY;
        guesses.wrong("jane", peer, now);
        guesses.admit("jane", "x", peer, now).unwrap();
    }

    #[test]
    fn a_scan_over_accounts_or_addresses_is_slowed_too() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        let peer = ip("2001:db8::1");
        for number in 0..FREE_OF_ADDRESS {
            guesses.wrong(&format!("user{number}"), peer, now);
        }
        assert!(guesses.admit("other", "x", ip("2001:db8::2"), now).is_err(), "its network");
        for number in 0..FREE_OF_ACCOUNT {
            guesses.wrong("jane", ip(&format!("10.0.0.{}", number % 250)), now);
        }
        assert_eq!(guesses.admit("jane", "x", ip("192.0.2.9"), now), Err(Wait(FIRST_WAIT)));
    }

    #[test]
    fn who_has_had_the_right_key_is_not_slowed() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        let peer = ip("192.0.2.1");
        guesses.right("jane", "right", now);
        for _ in 0..10_000 {
            guesses.wrong("jane", peer, now);
        }
        guesses.admit("jane", "right", peer, now).unwrap();
        assert!(guesses.admit("jane", "wrong", peer, now).is_err());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        for number in 0..2 * MAX_ENTRIES {
            let at = now + Duration::from_millis(number as u64);
            guesses.wrong(&format!("user{number}"), ip("192.0.2.1"), at);
        }
        let seen = guesses.seen();
        assert!(seen.pairs.len() <= MAX_ENTRIES && seen.accounts.len() <= MAX_ENTRIES);
    }
}
