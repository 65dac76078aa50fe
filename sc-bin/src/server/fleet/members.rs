//! Who of the fleet lives. Nothing here asks anybody, nor reads a clock.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::server::registry::Member;

/// What one server has seen of the others' heartbeats.
#[derive(Debug)]
pub(super) struct Watch {
    /// After so long without a heartbeat a member is dead.
    timeout: Duration,
    seen: BTreeMap<String, Seen>,
    last_look: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    beat: i64,
    /// Since when it stands at that.
    since: Instant,
}

impl Watch {
    /// Nobody is known yet.
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout, seen: BTreeMap::new(), last_look: None }
    }

    /// Looks at all members at `now`, and says whose heart has stood still for too long while this
    /// server looked. One that could not look, since it was stopped or the database was away,
    /// begins anew: the others' hearts could not be seen beating, or could not beat.
    pub(super) fn look(&mut self, members: &[Member], now: Instant) -> Vec<Member> {
        let was_away = self
            .last_look
            .is_none_or(|last| now.saturating_duration_since(last) > self.timeout / 2);
        self.last_look = Some(now);
        let before = std::mem::take(&mut self.seen);
        let mut dead = Vec::new();
        for member in members {
            let seen = match before.get(&member.id) {
                Some(seen) if seen.beat == member.beat && !was_away => *seen,
                _ => Seen { beat: member.beat, since: now },
            };
            if now.saturating_duration_since(seen.since) >= self.timeout {
                dead.push(member.clone());
            }
            self.seen.insert(member.id.clone(), seen);
        }
        dead
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::registry::MemberStatus;

    const SECOND: Duration = Duration::from_secs(1);

    fn member(id: &str, beat: i64) -> Member {
        Member {
            id: id.to_owned(),
            address: format!("{id}:1"),
            status: MemberStatus::Serving,
            capacity: 1,
            tunnels: 0,
            beat,
            // No time that anybody writes down counts.
            last_beat: 0,
        }
    }

    #[test]
    fn whose_heart_stands_still_is_dead() {
        let (mut watch, start) = (Watch::new(6 * SECOND), Instant::now());
        for second in 0..6 {
            let all = [member("a", second), member("b", 7)];
            assert_eq!(watch.look(&all, start + SECOND * second as u32), [], "{second}");
        }
        let all = [member("a", 6), member("b", 7)];
        assert_eq!(watch.look(&all, start + SECOND * 6), [member("b", 7)]);
        // Somebody else may have been faster; or it beats again.
        assert_eq!(watch.look(&[member("a", 7), member("b", 8)], start + SECOND * 7), []);
    }

    #[test]
    fn who_could_not_look_takes_nobody_for_dead() {
        let (mut watch, start) = (Watch::new(6 * SECOND), Instant::now());
        let all = [member("a", 1), member("b", 1)];
        watch.look(&all, start);
        watch.look(&all, start + SECOND);
        // The database was away for a minute. Nobody has had time to come back.
        let back = start + SECOND * 61;
        assert_eq!(watch.look(&all, back), []);
        for second in 1..6 {
            assert_eq!(watch.look(&all, back + SECOND * second), []);
        }
        assert_eq!(watch.look(&all, back + SECOND * 6).len(), 2);
    }
}
