//! The link with events that the test makes up, and a clock that it moves.

use sc_proto::contract::{
    ConnectFailure, ConnectionNumber, DialFailure, SessionId, TransportLoss, TunnelId,
};

use super::*;

const TUNNEL: TunnelId = TunnelId([1; 16]);
const SESSION: SessionId = SessionId([2; 16]);

fn up() -> Event {
    let peer = ([127, 0, 0, 1], 443).into();
    Event::TunnelUp { tunnel: TUNNEL, session: SESSION, connection: ConnectionNumber::ONLY, peer }
}

fn interrupted() -> Event {
    let cause = TransportLoss::Silent;
    Event::TunnelInterrupted {
        tunnel: TUNNEL,
        session: SESSION,
        connection: ConnectionNumber::ONLY,
        cause,
    }
}

fn reconnecting(attempt: u32) -> Event {
    Event::Reconnecting {
        tunnel: TUNNEL,
        session: SESSION,
        connection: ConnectionNumber::ONLY,
        attempt,
        failure: ConnectFailure::Dial(DialFailure::Refused),
        next_try_in: Duration::from_secs(2),
    }
}

fn resumed() -> Event {
    Event::TunnelResumed {
        tunnel: TUNNEL,
        session: SESSION,
        connection: ConnectionNumber::ONLY,
        replayed: 7,
        streams: 3,
        outage: Duration::from_secs(4),
    }
}

fn down() -> Event {
    let end = TunnelEnd::Lost(TransportLoss::Silent);
    Event::TunnelDown { tunnel: TUNNEL, session: SESSION, connection: ConnectionNumber::ONLY, end }
}

fn failed() -> Event {
    let failure = ConnectFailure::Dial(DialFailure::TimedOut);
    Event::ConnectFailed { tunnel: TUNNEL, connection: ConnectionNumber::ONLY, failure }
}

/// A link with a clock that each event moves by a second.
struct Run {
    link: Link,
    now: At,
}

impl Run {
    fn new() -> Self {
        let now = At { instant: Instant::now(), unix: 1000 };
        Self { link: Link::new(now), now }
    }

    fn give(&mut self, event: &Event) -> Option<Change> {
        self.now.instant += Duration::from_secs(1);
        self.now.unix += 1;
        self.link.on_event(event, self.now)
    }

    fn changes(&self) -> Vec<&'static str> {
        self.link.changes().map(|(_, change)| change.name()).collect()
    }
}

#[test]
fn each_transition_is_there_once() {
    let mut run = Run::new();
    for event in [
        failed(),
        up(),
        interrupted(),
        reconnecting(1),
        reconnecting(2),
        resumed(),
        interrupted(),
        down(),
        failed(),
        up(),
        down(),
    ] {
        run.give(&event);
    }
    let expected =
        ["connected", "interrupted", "resumed", "interrupted", "lost", "restored", "lost"];
    assert_eq!(run.changes(), expected);
    assert_eq!(run.link.changes_in_all(), 7);
    assert_eq!(run.link.end(run.now).map(|change| change.name()), Some("ended"));
    assert_eq!(run.link.end(run.now), None);
    assert_eq!(run.link.reconnects(), 2);
    assert_eq!(run.link.first_connected(), Some(1002));
}

#[test]
fn what_is_told_twice_is_one_change() {
    let mut run = Run::new();
    for event in [up(), interrupted(), resumed(), interrupted(), down()] {
        assert!(run.give(&event).is_some(), "{event:?}");
        assert_eq!(run.give(&event), None, "{event:?}");
    }
    assert_eq!(run.link.changes_in_all(), 5);
}

#[test]
fn a_reconnecting_link_tells_cause_attempt_and_next_try() {
    let mut run = Run::new();
    run.give(&up());
    run.give(&interrupted());
    let began = run.now;
    run.give(&reconnecting(1));
    let State::Reconnecting(outage) = run.link.state().clone() else { panic!("{:?}", run.link) };
    assert_eq!(outage.cause, "no sign of life from the peer");
    assert_eq!(outage.trying.failed, 1);
    let failure = outage.trying.failure.unwrap();
    assert_eq!(failure, "cannot reach the server: connection refused");
    assert_eq!(outage.trying.next, Some(run.now.instant + Duration::from_secs(2)));
    assert_eq!(run.link.since(), began, "a failed try is no change");
    assert_eq!(run.link.down_until(run.now.instant), Duration::from_secs(1));

    run.give(&resumed());
    let resume = run.link.last_resume().unwrap();
    assert_eq!((resume.replayed, resume.streams), (7, 3));
    assert!(run.link.is_connected());
    let later = run.now.instant + Duration::from_secs(100);
    assert_eq!(run.link.down_until(later), Duration::from_secs(2));
}

#[test]
fn without_a_session_the_controller_says_when_the_next_try_is() {
    let mut run = Run::new();
    run.give(&failed());
    let next = Some(run.now.instant + Duration::from_secs(1));
    run.link.set_next_try(next);
    let State::Starting(trying) = run.link.state() else { panic!("{:?}", run.link) };
    assert_eq!((trying.failed, trying.next), (1, next));
    run.give(&up());
    run.link.set_next_try(next);
    assert!(run.link.is_connected());
}

#[test]
fn only_the_latest_changes_are_kept() {
    let mut run = Run::new();
    run.give(&up());
    for _ in 0..100 {
        run.give(&interrupted());
        run.give(&resumed());
    }
    assert_eq!(run.link.changes().count(), KEPT_CHANGES);
    assert_eq!(run.link.changes_in_all(), 201);
}

/// The event of another connection of the tunnel.
fn of_the_second(event: Event) -> Event {
    let second = ConnectionNumber::new(1, 2).unwrap();
    match event {
        Event::TunnelUp { tunnel, session, peer, .. } => {
            Event::TunnelUp { tunnel, session, connection: second, peer }
        }
        Event::TunnelInterrupted { tunnel, session, cause, .. } => {
            Event::TunnelInterrupted { tunnel, session, connection: second, cause }
        }
        Event::TunnelDown { tunnel, session, end, .. } => {
            Event::TunnelDown { tunnel, session, connection: second, end }
        }
        other => other,
    }
}

#[test]
fn the_link_is_as_its_best_connection() {
    let mut link = Link::new(At { instant: Instant::now(), unix: 1000 });
    let mut told = |event: Event| {
        let now = At { instant: Instant::now(), unix: 1000 };
        link.on_event(&event, now).map(|change| change.name())
    };
    assert_eq!(told(up()), Some("connected"));
    assert_eq!(told(of_the_second(up())), None);
    assert_eq!(told(interrupted()), None, "the second carries on");
    assert_eq!(told(of_the_second(interrupted())), Some("interrupted"));
    assert_eq!(told(resumed()), Some("resumed"));
    assert_eq!(told(of_the_second(down())), None);
    assert_eq!(told(interrupted()), Some("interrupted"));
    assert_eq!(told(down()), Some("lost"));
    assert_eq!(told(of_the_second(up())), Some("restored"));
    assert_eq!(link.reconnects(), 2);
}
