//! Keepalive and round trip time of one transport.

use core::time::Duration;

use super::Settings;
use crate::Time;

/// A PING is awaited so many round trips, and within these limits.
const ANSWER_ROUND_TRIPS: u32 = 2;
const SHORTEST_ANSWER: Duration = Duration::from_secs(1);
const LONGEST_ANSWER: Duration = Duration::from_secs(15);

/// While data flows, the round trip time is measured about this often.
const MEASURE: Duration = Duration::from_secs(1);

/// Whether somebody waits for what the transport carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Traffic {
    /// Nothing but keepalives since the last PONG.
    Idle,
    /// Streams move.
    Flowing,
}

/// What the clock says about a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pulse {
    /// Nothing to do.
    Fine,
    /// Send a PING.
    Ping,
    /// Give it up.
    Dead,
}

/// From this round trip time on a path is long. Two busy machines side by side take less.
const LONG_PATH: Duration = Duration::from_millis(10);

/// What is known of the path's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    /// There was no round trip yet.
    Unknown,
    /// The first one has been looked at.
    Known,
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Liveness {
    keepalive: Duration,
    max_missed: u32,
    traffic: Traffic,
    last_heard: Time,
    /// When this side last sent a frame that overtakes the ring.
    last_said: Time,
    /// The PING under way: its token and when it was sent.
    pinged: Option<(u64, Time)>,
    /// PINGs sent since anything was heard.
    missed: u32,
    next: Time,
    tokens: u64,
    rtt: Option<Duration>,
    best_rtt: Option<Duration>,
    path: Path,
    measured: Time,
}

impl Liveness {
    /// For a transport attached `now`; `peer_keepalive` is what the peer said of itself.
    pub(crate) fn new(settings: &Settings, peer_keepalive: Duration, now: Time) -> Self {
        let keepalive = settings.keepalive.min(peer_keepalive);
        Self {
            keepalive,
            max_missed: settings.max_missed_acks.max(1),
            traffic: Traffic::Idle,
            last_heard: now,
            last_said: now,
            pinged: None,
            missed: 0,
            next: now.after(keepalive),
            tokens: 0,
            rtt: None,
            best_rtt: None,
            path: Path::Unknown,
            measured: now,
        }
    }

    /// The smoothed round trip time, once there was one.
    pub(crate) fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    /// The shortest round trip time so far: that of the path without what waits on it.
    pub(crate) fn best_rtt(&self) -> Option<Duration> {
        self.best_rtt
    }

    /// Whether the first round trip has shown a long path. Asked until there was one; then the
    /// answer is no.
    pub(crate) fn finds_path_long(&mut self) -> bool {
        match (self.path, self.best_rtt) {
            (Path::Unknown, Some(rtt)) => {
                self.path = Path::Known;
                rtt >= LONG_PATH
            }
            _ => false,
        }
    }

    pub(crate) fn deadline(&self) -> Time {
        self.speak_at().map_or(self.next, |at| at.min(self.next))
    }

    /// When the peer should hear of this side again: it may be sending a frame that takes long,
    /// and cannot know that its bytes arrive.
    fn speak_at(&self) -> Option<Time> {
        (self.last_heard > self.last_said).then(|| self.last_said.after(self.quiet()))
    }

    /// How long the transport may be quiet before a PING: half the keepalive while streams move,
    /// since a link that comes back soon is to be found by then, and an answer's time at least.
    fn quiet(&self) -> Duration {
        match self.traffic {
            Traffic::Idle => self.keepalive,
            Traffic::Flowing => (self.keepalive / 2).max(SHORTEST_ANSWER).min(self.keepalive),
        }
    }

    /// Whether a frame should go for no other reason than that none has gone for long. Asked
    /// once; then its time begins anew.
    pub(crate) fn wants_to_speak(&mut self, now: Time) -> bool {
        let due = self.speak_at().is_some_and(|at| at <= now);
        if due {
            self.last_said = now;
        }
        due
    }

    /// A frame that overtakes the ring goes to the peer.
    pub(crate) fn said(&mut self, now: Time) {
        self.last_said = now;
    }

    /// Anything came from the peer.
    pub(crate) fn heard(&mut self, now: Time) {
        self.last_heard = now;
        self.missed = 0;
    }

    /// A frame of a stream came, or an acknowledgement of what was sent for one.
    pub(crate) fn flows(&mut self, now: Time) {
        self.traffic = Traffic::Flowing;
        if self.missed == 0 {
            self.next = self.next.min(now.after(self.quiet()));
        }
    }

    /// The deadline may be due. Afterwards it is later than `now`.
    pub(crate) fn check(&mut self, now: Time) -> Pulse {
        if now < self.next {
            return Pulse::Fine;
        }
        let quiet_until = self.last_heard.after(self.quiet());
        if self.missed == 0 && now < quiet_until {
            self.next = quiet_until;
            return Pulse::Fine;
        }
        if self.missed >= self.max_missed {
            self.next = now.after(self.keepalive);
            return Pulse::Dead;
        }
        self.missed += 1;
        self.next = now.after(self.answer_time());
        Pulse::Ping
    }

    /// How long the answer to a PING may take: some round trips, so that a slow link is not taken
    /// for a dead one. Two are enough, since any byte counts and several PINGs must be missed; more
    /// would be seconds on a line that is full, where a PING waits behind the data before it.
    fn answer_time(&self) -> Duration {
        let usual = self.rtt.map_or(SHORTEST_ANSWER, |rtt| ANSWER_ROUND_TRIPS * rtt);
        let shortest = SHORTEST_ANSWER.min(self.keepalive);
        usual.clamp(shortest, LONGEST_ANSWER)
    }

    /// Whether a measurement is worth sending along with data that goes anyway.
    pub(crate) fn wants_measurement(&self, now: Time) -> bool {
        self.pinged.is_none() && (self.rtt.is_none() || now.since(self.measured) >= MEASURE)
    }

    /// The token for a PING that is sent now.
    pub(crate) fn ping(&mut self, now: Time) -> u64 {
        self.tokens += 1;
        self.pinged = Some((self.tokens, now));
        self.measured = now;
        self.tokens
    }

    /// A PONG came. Others than the answer to the latest PING count for nothing but life.
    pub(crate) fn pong(&mut self, token: u64, now: Time) {
        self.traffic = Traffic::Idle;
        if let Some((sent_token, sent)) = self.pinged
            && sent_token == token
        {
            let sample = now.since(sent);
            // RFC 6298, section 2: one eighth of the new sample.
            self.rtt = Some(self.rtt.map_or(sample, |rtt| (rtt * 7 + sample) / 8));
            self.best_rtt = Some(self.best_rtt.map_or(sample, |best| best.min(sample)));
            self.pinged = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::from_nanos(ms * 1_000_000)
    }

    fn liveness() -> Liveness {
        let settings = Settings {
            keepalive: Duration::from_secs(1),
            max_missed_acks: 3,
            ..Settings::default()
        };
        Liveness::new(&settings, Duration::from_secs(9), at(0))
    }

    #[test]
    fn a_silent_peer_is_pinged_and_given_up() {
        let mut l = liveness();
        assert_eq!(l.check(at(500)), Pulse::Fine);
        for ms in [1000, 2000, 3000] {
            assert_eq!(l.deadline(), at(ms), "each PING is awaited a second");
            assert_eq!(l.check(at(ms)), Pulse::Ping);
        }
        assert_eq!(l.check(at(4000)), Pulse::Dead);
        assert!(l.deadline() > at(4000));
    }

    #[test]
    fn with_the_defaults_a_dead_link_is_noticed_within_five_seconds() {
        let mut l = Liveness::new(&Settings::default(), Duration::from_secs(3600), at(0));
        let mut pings = 0;
        loop {
            let now = l.deadline();
            match l.check(now) {
                Pulse::Ping => pings += 1,
                Pulse::Fine => {}
                Pulse::Dead => {
                    assert!(now <= at(5000), "{now}");
                    assert_eq!(pings, Settings::default().max_missed_acks);
                    return;
                }
            }
        }
    }

    #[test]
    fn while_streams_move_silence_is_noticed_within_three_seconds() {
        let mut l = Liveness::new(&Settings::default(), Duration::from_secs(3600), at(0));
        for i in 0..50 {
            l.heard(at(i * 100));
            l.flows(at(i * 100));
            l.said(at(i * 100));
            assert_eq!(l.check(at(i * 100)), Pulse::Fine);
        }
        // The last byte came at 4.9 s.
        assert_eq!(l.check(at(5899)), Pulse::Fine);
        for ms in [5900, 6900] {
            assert_eq!(l.deadline(), at(ms));
            assert_eq!(l.check(at(ms)), Pulse::Ping);
        }
        assert_eq!(l.deadline(), at(7900));
        assert_eq!(l.check(at(7900)), Pulse::Dead);
    }

    #[test]
    fn streams_at_rest_are_asked_about_at_the_keepalive_s_pace() {
        let mut l = Liveness::new(&Settings::default(), Duration::from_secs(3600), at(0));
        l.heard(at(100));
        l.flows(at(100));
        l.said(at(100));
        assert_eq!(l.deadline(), at(1100));
        assert_eq!(l.check(at(1100)), Pulse::Ping);
        l.said(at(1100));
        let token = l.ping(at(1100));
        l.heard(at(1110));
        l.pong(token, at(1110));
        assert_eq!(l.check(at(2100)), Pulse::Fine);
        assert_eq!(l.deadline(), at(3100), "2 s after this side has spoken");
        assert_eq!(l.check(at(3110)), Pulse::Ping);
    }

    #[test]
    fn a_keepalive_shorter_than_an_answer_stays_as_it_is() {
        let settings = Settings { keepalive: Duration::from_millis(200), ..Settings::default() };
        let mut l = Liveness::new(&settings, Duration::from_secs(9), at(0));
        l.heard(at(50));
        l.flows(at(50));
        assert_eq!(l.check(at(200)), Pulse::Fine);
        assert_eq!(l.check(at(250)), Pulse::Ping);
    }

    #[test]
    fn a_slow_link_gets_more_time() {
        let mut l = liveness();
        let token = l.ping(at(0));
        l.heard(at(2500));
        l.pong(token, at(2500));
        assert!(l.wants_to_speak(at(3500)));
        assert_eq!(l.check(at(3500)), Pulse::Ping);
        assert_eq!(l.deadline(), at(8_500), "two round trips of 2.5 s");
    }

    #[test]
    fn who_listens_for_long_says_something_now_and_then() {
        let mut l = liveness();
        assert!(!l.wants_to_speak(at(5000)), "nothing was heard");
        l.said(at(5000));
        l.heard(at(5300));
        l.heard(at(5900));
        assert_eq!(l.deadline(), at(1000), "the check comes first");
        assert_eq!(l.check(at(5900)), Pulse::Fine);
        assert_eq!(l.deadline(), at(6000));
        assert!(!l.wants_to_speak(at(5999)));
        assert!(l.wants_to_speak(at(6000)));
        assert!(!l.wants_to_speak(at(6000)), "once");
        assert_eq!(l.deadline(), at(6900));
    }

    #[test]
    fn a_peer_that_talks_is_left_alone() {
        let mut l = liveness();
        for i in 1..20 {
            l.heard(at(i * 900));
            assert_eq!(l.check(at(i * 900 + 100)), Pulse::Fine);
        }
    }

    #[test]
    fn a_long_path_is_found_once() {
        for (ms, long) in [(9, false), (10, true), (80, true)] {
            let mut l = liveness();
            assert!(!l.finds_path_long(), "nothing is known yet");
            let token = l.ping(at(0));
            l.pong(token, at(ms));
            assert_eq!(l.finds_path_long(), long, "{ms} ms");
            assert!(!l.finds_path_long());
        }
    }

    #[test]
    fn the_round_trip_time_is_smoothed_and_odd_pongs_are_ignored() {
        let mut l = liveness();
        assert!(l.wants_measurement(at(0)));
        let token = l.ping(at(0));
        l.pong(token + 7, at(1));
        assert_eq!(l.rtt(), None);
        l.pong(token, at(80));
        assert_eq!(l.rtt(), Some(Duration::from_millis(80)));
        let token = l.ping(at(1000));
        l.pong(token, at(1000));
        assert_eq!(l.rtt(), Some(Duration::from_millis(70)));
        assert_eq!(l.best_rtt(), Some(Duration::ZERO));
        assert!(!l.finds_path_long(), "by then a shorter one came");
        assert!(!l.wants_measurement(at(1500)));
        assert!(l.wants_measurement(at(2000)));
    }
}
