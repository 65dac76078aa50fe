//! Answers of name servers, for as long as they hold (RFC 1035, section 3.2.1; RFC 2308).

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::net::IpAddr;
use core::time::Duration;

use crate::time::Time;

/// Most names that are kept.
const MAX_NAMES: usize = 1024;
/// The longest that addresses are kept: who changes a record does not want to wait a day.
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// The longest that a name's absence is kept: it is often made a moment later.
const LONGEST_ABSENT: Duration = Duration::from_secs(60);

/// What is known of names.
#[derive(Debug, Default)]
pub(super) struct Cache {
    names: BTreeMap<Box<str>, Entry>,
}

#[derive(Debug)]
struct Entry {
    /// None: it has no address.
    addresses: Box<[IpAddr]>,
    until: Time,
}

impl Cache {
    /// What is known of a name; an empty list: it has no address.
    pub(super) fn get(&self, name: &str, now: Time) -> Option<&[IpAddr]> {
        let entry = self.names.get(name).filter(|entry| now < entry.until)?;
        Some(&entry.addresses)
    }

    /// Keeps what holds for `seconds`; an empty list: the name has no address.
    pub(super) fn put(&mut self, name: &str, addresses: &[IpAddr], seconds: u32, now: Time) {
        let longest = if addresses.is_empty() { LONGEST_ABSENT } else { LONGEST };
        let span = Duration::from_secs(seconds.into()).min(longest);
        if span.is_zero() {
            self.names.remove(name);
            return;
        }
        if self.names.len() >= MAX_NAMES && !self.names.contains_key(name) {
            self.make_room(now);
        }
        let entry = Entry { addresses: addresses.into(), until: now.after(span) };
        self.names.insert(name.into(), entry);
    }

    /// Forgets what is over; if nothing is, what is over first.
    fn make_room(&mut self, now: Time) {
        self.names.retain(|_, entry| now < entry.until);
        if self.names.len() >= MAX_NAMES {
            let first = self.names.iter().min_by_key(|(_, entry)| entry.until);
            if let Some(name) = first.map(|(name, _)| name.clone()) {
                self.names.remove(&name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    const ADDRESS: [IpAddr; 1] = [IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 1))];

    fn at(seconds: u64) -> Time {
        Time::ZERO.after(Duration::from_secs(seconds))
    }

    #[test]
    fn an_answer_holds_for_its_time_and_an_absence_for_a_minute() {
        let mut cache = Cache::default();
        cache.put("a.test", &ADDRESS, 10, at(0));
        assert_eq!(cache.get("a.test", at(9)), Some(&ADDRESS[..]));
        assert_eq!(cache.get("a.test", at(10)), None);
        cache.put("a.test", &ADDRESS, u32::MAX, at(0));
        assert_eq!(cache.get("a.test", at(3600)), None);
        cache.put("none.test", &[], 1000, at(0));
        assert_eq!(cache.get("none.test", at(59)), Some(&[][..]));
        assert_eq!(cache.get("none.test", at(60)), None);
        cache.put("a.test", &ADDRESS, 0, at(0));
        assert_eq!(cache.get("a.test", at(0)), None);
    }

    #[test]
    fn it_is_bounded_and_forgets_what_is_over_first() {
        let mut cache = Cache::default();
        for n in 0..MAX_NAMES {
            cache.put(&format!("{n}.test"), &ADDRESS, 100 + n as u32, at(0));
        }
        cache.put("more.test", &ADDRESS, 500, at(0));
        assert_eq!(cache.names.len(), MAX_NAMES);
        assert_eq!(cache.get("0.test", at(0)), None);
        assert!(cache.get("1.test", at(0)).is_some());
        // Those that are over go together.
        cache.put("late.test", &ADDRESS, 500, at(200));
        assert!(cache.names.len() < MAX_NAMES - 90);
    }
}
