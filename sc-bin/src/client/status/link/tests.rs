//! Links with events that the test makes up, and a clock that each of them moves by a second.

use sc_proto::contract::{
    ConnectFailure, ConnectionNumber, DialFailure, SessionId, TransportLoss, TunnelId,
};

use super::*;
use crate::client::status::links::Links;

const TUNNEL: TunnelId = TunnelId([1; 16]);
const SESSION: SessionId = SessionId([2; 16]);
const ONLY: ConnectionNumber = ConnectionNumber::ONLY;

fn up(connection: ConnectionNumber) -> Event {
    let peer = ([127, 0, 0, 1], 443).into();
    Event::TunnelUp { tunnel: TUNNEL, session: SESSION, connection, peer }
}

fn interrupted(connection: ConnectionNumber) -> Event {
    let cause = TransportLoss::Silent;
    Event::TunnelInterrupted { tunnel: TUNNEL, session: SESSION, connection, cause }
}

fn reconnecting(attempt: u32) -> Event {
    Event::Reconnecting {
        tunnel: TUNNEL,
        session: SESSION,
        connection: ONLY,
        attempt,
        failure: ConnectFailure::Dial(DialFailure::Refused),
        next_try_in: Duration::from_secs(2),
    }
}

fn resumed(connection: ConnectionNumber) -> Event {
    Event::TunnelResumed {
        tunnel: TUNNEL,
        session: SESSION,
        connection,
        replayed: 7,
        streams: 3,
        outage: Duration::from_secs(4),
    }
}

fn down(connection: ConnectionNumber) -> Event {
    let end = TunnelEnd::Lost(TransportLoss::Silent);
    Event::TunnelDown { tunnel: TUNNEL, session: SESSION, connection, end }
}

fn failed() -> Event {
    let failure = ConnectFailure::Dial(DialFailure::TimedOut);
    Event::ConnectFailed { tunnel: TUNNEL, connection: ONLY, failure }
}

struct Run {
    links: Links,
    now: At,
}

impl Run {
    fn new(count: u8) -> Self {
        let now = At { instant: Instant::now(), unix: 1000 };
        Self { links: Links::new(count, now), now }
    }

    fn give(&mut self, event: &Event) -> Option<Change> {
        self.now.instant += Duration::from_secs(1);
        self.now.unix += 1;
        self.links.on_event(event, self.now)
    }

    fn changes(&self) -> Vec<(usize, &'static str)> {
        self.links.changes().map(|entry| (entry.connection, entry.change.name())).collect()
    }
}

#[test]
fn each_transition_is_there_once() {
    let mut run = Run::new(1);
    for event in [
        failed(),
        up(ONLY),
        interrupted(ONLY),
        reconnecting(1),
        reconnecting(2),
        resumed(ONLY),
        interrupted(ONLY),
        down(ONLY),
        failed(),
        up(ONLY),
        down(ONLY),
    ] {
        run.give(&event);
    }
    let expected =
        ["connected", "interrupted", "resumed", "interrupted", "lost", "restored", "lost"];
    assert_eq!(run.changes(), expected.map(|name| (0, name)));
    assert_eq!(run.links.changes_in_all(), 7);
    assert_eq!(run.links.end(run.now), [Change::Ended]);
    assert_eq!(run.links.end(run.now), []);
    assert_eq!(run.links.reconnects(), 2);
    assert_eq!(run.links.first_connected(), Some(1002));
}

#[test]
fn what_is_told_twice_is_one_change() {
    let mut run = Run::new(1);
    for event in [up(ONLY), interrupted(ONLY), resumed(ONLY), interrupted(ONLY), down(ONLY)] {
        assert!(run.give(&event).is_some(), "{event:?}");
        assert_eq!(run.give(&event), None, "{event:?}");
    }
    assert_eq!(run.links.changes_in_all(), 5);
}

#[test]
fn a_reconnecting_link_tells_cause_attempt_and_next_try() {
    let mut run = Run::new(1);
    run.give(&up(ONLY));
    run.give(&interrupted(ONLY));
    let began = run.now;
    run.give(&reconnecting(1));
    let State::Reconnecting(outage) = run.links.state().clone() else { panic!("{:?}", run.links) };
    assert_eq!(outage.cause, "no sign of life from the peer");
    assert_eq!(outage.trying.failed, 1);
    let failure = outage.trying.failure.unwrap();
    assert_eq!(failure, "cannot reach the server: connection refused");
    assert_eq!(outage.trying.next, Some(run.now.instant + Duration::from_secs(2)));
    assert_eq!(run.links.since(), began, "a failed try is no change");
    assert_eq!(run.links.down_until(run.now.instant), Duration::from_secs(1));

    run.give(&resumed(ONLY));
    let resume = run.links.last_resume().unwrap();
    assert_eq!((resume.replayed, resume.streams), (7, 3));
    assert!(run.links.is_connected());
    let later = run.now.instant + Duration::from_secs(100);
    assert_eq!(run.links.down_until(later), Duration::from_secs(2));
}

#[test]
fn without_a_session_the_controller_says_when_the_next_try_is() {
    let mut run = Run::new(1);
    run.give(&failed());
    let next = Some(run.now.instant + Duration::from_secs(1));
    run.links.set_next_tries([(ONLY, next)].into_iter());
    let State::Starting(trying) = run.links.state() else { panic!("{:?}", run.links) };
    assert_eq!((trying.failed, trying.next), (1, next));
    run.give(&up(ONLY));
    run.links.set_next_tries([(ONLY, next)].into_iter());
    assert!(run.links.is_connected());
}

#[test]
fn a_tunnel_is_as_well_as_its_best_connection() {
    let [one, two] = [0, 1].map(|index| ConnectionNumber::new(index, 2).unwrap());
    let mut run = Run::new(2);
    run.give(&up(one));
    let since = run.links.since();
    run.give(&up(two));
    run.give(&interrupted(one));
    assert_eq!((run.links.state().name(), run.links.connected()), ("connected", 1));
    assert_eq!(run.links.since(), since, "nothing changed for the tunnel");
    run.give(&down(two));
    assert_eq!(run.links.state().name(), "reconnecting");
    assert_eq!(run.links.since(), run.now);
    run.give(&resumed(one));
    assert_eq!(run.links.state().name(), "connected");
    assert_eq!(run.links.down_until(run.now.instant), Duration::from_secs(1));
    let expected =
        [(0, "connected"), (1, "connected"), (0, "interrupted"), (1, "lost"), (0, "resumed")];
    assert_eq!(run.changes(), expected);
}

#[test]
fn only_the_latest_changes_are_kept() {
    let mut run = Run::new(1);
    run.give(&up(ONLY));
    for _ in 0..100 {
        run.give(&interrupted(ONLY));
        run.give(&resumed(ONLY));
    }
    assert_eq!(run.links.changes().count(), 64);
    assert_eq!(run.links.changes_in_all(), 201);
}
