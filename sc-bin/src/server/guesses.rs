//! How often somebody may guess an access key: bounded for each address and for each account.
//!
//! A wrong key puts a debt on the address it came from and on the account it was for, which is paid
//! off by time. An address that owes too much is held back. An account that owes too much is looked
//! at only for addresses that owe nothing: so many addresses together get one guess each, and the
//! account's user, who comes from another address with the right key, is let in all the same.
//! Whoever guesses from the user's own address locks that address out, and no other.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// What a wrong key costs an address, and how much it may owe: ten, then ten a minute.
const ADDRESS: Price = Price { each: Duration::from_secs(6), most: Duration::from_secs(60) };
/// What it costs the account: thirty, then thirty a minute.
const ACCOUNT: Price = Price { each: Duration::from_secs(2), most: Duration::from_secs(60) };
/// Most addresses, and most accounts, whose debts are kept.
const MAX_DEBTORS: usize = 4096;
/// No user has a longer name.
const MAX_ACCOUNT: usize = 64;

#[derive(Clone, Copy, Debug)]
struct Price {
    each: Duration,
    most: Duration,
}

/// All debts. Time comes in as an argument, and does not go back.
#[derive(Debug, Default)]
pub(crate) struct Guesses {
    addresses: Debts<IpAddr>,
    accounts: Debts<String>,
}

/// It is not looked at a key for so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeldBack {
    /// Until the next try counts.
    pub(crate) retry_after: Duration,
}

impl Guesses {
    /// Whether to look at a key from there for that account.
    pub(crate) fn may_try(
        &self,
        from: IpAddr,
        account: &str,
        now: Instant,
    ) -> Result<(), HeldBack> {
        let address = self.addresses.owed(&network(from), now);
        if let Some(retry_after) = ADDRESS.wait(address) {
            return Err(HeldBack { retry_after });
        }
        let of_account = self.accounts.owed(account, now);
        match ACCOUNT.wait(of_account) {
            Some(retry_after) if !address.is_zero() => {
                Err(HeldBack { retry_after: retry_after.max(address) })
            }
            _ => Ok(()),
        }
    }

    /// The key was wrong.
    pub(crate) fn was_wrong(&mut self, from: IpAddr, account: &str, now: Instant) {
        self.addresses.charge(network(from), ADDRESS, now);
        if account.len() <= MAX_ACCOUNT {
            self.accounts.charge(account.to_owned(), ACCOUNT, now);
        }
    }
}

impl Price {
    /// How long who owes so much has to wait, if at all.
    fn wait(self, owed: Duration) -> Option<Duration> {
        let room = self.most - self.each;
        (owed > room).then(|| owed.saturating_sub(room))
    }
}

/// Until when each debtor pays.
#[derive(Debug)]
struct Debts<K>(HashMap<K, Instant>);

impl<K> Default for Debts<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash + Clone> Debts<K> {
    fn owed<Q>(&self, debtor: &Q, now: Instant) -> Duration
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let until = self.0.get(debtor);
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    fn charge(&mut self, debtor: K, price: Price, now: Instant) {
        if self.0.len() >= MAX_DEBTORS && !self.0.contains_key(&debtor) {
            self.make_room(now);
        }
        let until = self.0.entry(debtor).or_insert(now);
        *until = (*until).max(now) + price.each;
        *until = (*until).min(now + price.most + price.each);
    }

    /// Forgets who has paid, or who owes least.
    fn make_room(&mut self, now: Instant) {
        self.0.retain(|_, until| *until > now);
        if self.0.len() >= MAX_DEBTORS
            && let Some(least) = self.0.iter().min_by_key(|(_, until)| **until)
        {
            let least = least.0.clone();
            self.0.remove(&least);
        }
    }
}

/// Who has an IPv6 address usually has the 2^64 beside it.
fn network(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() >> 64 << 64).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u32) -> IpAddr {
        IpAddr::V4(last.into())
    }

    /// Guesses until held back; says how often.
    fn guess(guesses: &mut Guesses, from: IpAddr, account: &str, now: Instant) -> usize {
        let mut tries = 0;
        while tries < 1000 && guesses.may_try(from, account, now).is_ok() {
            guesses.was_wrong(from, account, now);
            tries += 1;
        }
        tries
    }

    #[test]
    fn an_address_has_ten_guesses_and_then_ten_a_minute() {
        let (mut guesses, now) = (Guesses::default(), Instant::now());
        let mut account = 0;
        let mut tries = |guesses: &mut Guesses, now| {
            account += 1;
            guess(guesses, ip(1), &account.to_string(), now)
        };
        assert_eq!(tries(&mut guesses, now), 10);
        let held_back = guesses.may_try(ip(1), "x", now).unwrap_err();
        assert_eq!(held_back.retry_after, Duration::from_secs(6));
        assert_eq!(tries(&mut guesses, now + Duration::from_secs(6)), 1);
        assert_eq!(tries(&mut guesses, now + Duration::from_secs(66)), 10);
        // Others are not held back by it, but its neighbours in its network are.
        assert_eq!(guesses.may_try(ip(2), "1", now), Ok(()));
        let six = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(guess(&mut guesses, six("2001:db8::1"), "y", now), 10);
        assert!(guesses.may_try(six("2001:db8::2"), "z", now).is_err());
        assert!(guesses.may_try(six("2001:db8:0:1::2"), "z", now).is_ok());
    }

    #[test]
    fn many_addresses_get_one_guess_each_and_the_user_is_not_locked_out() {
        let (mut guesses, now) = (Guesses::default(), Instant::now());
        let tries: usize = (0..100).map(|at| guess(&mut guesses, ip(at), "jane", now)).sum();
        assert_eq!(tries, 30 + 97, "thirty by three addresses, then one by each");
        // An address that has not guessed is looked at, and so is another account.
        assert_eq!(guesses.may_try(ip(1000), "jane", now), Ok(()));
        assert_eq!(guesses.may_try(ip(50), "bob", now), Ok(()));
        assert!(guesses.may_try(ip(50), "jane", now).is_err());
        // It is over when nobody guesses any more.
        let later = now + Duration::from_secs(120);
        assert_eq!(guesses.may_try(ip(50), "jane", later), Ok(()));
    }

    #[test]
    fn the_table_is_bounded_and_the_worst_stay_in_it() {
        let (mut guesses, now) = (Guesses::default(), Instant::now());
        assert_eq!(guess(&mut guesses, ip(0), "jane", now), 10);
        for at in 1..2 * MAX_DEBTORS as u32 {
            guesses.was_wrong(ip(at), &at.to_string(), now);
        }
        assert_eq!(guesses.addresses.0.len(), MAX_DEBTORS);
        assert_eq!(guesses.accounts.0.len(), MAX_DEBTORS);
        assert!(guesses.may_try(ip(0), "x", now).is_err());
        guesses.was_wrong(ip(7), &"x".repeat(MAX_ACCOUNT + 1), now);
        assert!(guesses.accounts.0.keys().all(|name| name.len() <= MAX_ACCOUNT));
    }
}
