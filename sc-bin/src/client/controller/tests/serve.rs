//! While the tunnel serves.

use super::*;

#[test]
fn a_lost_session_is_restored() {
    let mut run = Run::serving();
    run.give(down());
    assert_eq!(run.count(|effect| matches!(effect, Effect::Call(Call::Poll(_)))), 1);
    run.wake();
    assert_eq!(run.count(is_connect), 1);
    run.give(refused());
    run.wake();
    assert_eq!(run.count(is_connect), 2);
    run.give(up());
    assert!(run.said(&Line::Restored));
    assert!(!run.said(&Line::Ready));
    assert_eq!(run.exit(), None);
}

#[test]
fn a_loss_is_told_once_the_record_says_that_the_tunnel_lives() {
    let lost = Line::Lost { why: TunnelEnd::Lost(TransportLoss::Failed).to_string() };
    let mut run = Run::serving();
    run.give(down());
    assert!(!run.said(&lost));
    run.give(polled(Status::Running));
    assert!(run.said(&lost));
    let mut run = Run::serving();
    run.give(down());
    run.give(polled(Status::Terminated));
    assert!(!run.said(&lost));
}

#[test]
fn a_session_that_stays_lost_is_tried_to_be_restored_for_hours() {
    let mut run = Run::serving();
    let begin = run.now;
    run.give(down());
    while run.now - begin < Duration::from_secs(3 * 3600) {
        if run.controller.links.all() == Link::Dialling {
            run.give(refused());
        }
        if run.controller.poll == Timer::UnderWay {
            run.give(Input::Answer(Answer::Polled(Err(RestError::TimedOut))));
        }
        if run.controller.heartbeat == Timer::UnderWay {
            run.give(Input::Answer(Answer::Heartbeat(Err(RestError::TimedOut))));
        }
        run.wake();
    }
    assert_eq!(run.exit(), None);
    assert_eq!(run.count(|effect| matches!(effect, Effect::Fail(_))), 0);
    run.give(Input::Signal);
    assert_eq!(run.count(|effect| is_delete(effect, JobsAtEnd::Wait)), 1);
}

fn interrupted() -> Input {
    let cause = TransportLoss::Silent;
    let (tunnel, session, connection) = (ID, SESSION, ONLY);
    Input::Tunnel(Event::TunnelInterrupted { tunnel, session, connection, cause })
}

fn reconnecting(attempt: u32) -> Input {
    Input::Tunnel(Event::Reconnecting {
        tunnel: ID,
        session: SESSION,
        connection: ONLY,
        attempt,
        failure: ConnectFailure::Dial(DialFailure::Refused),
        next_try_in: Duration::from_secs(1),
    })
}

#[test]
fn an_outage_is_told_once_per_change_and_tries_now_and_then() {
    let mut run = Run::serving();
    run.give(interrupted());
    let cause = TransportLoss::Silent.to_string();
    assert!(run.said(&Line::Interrupted { connection: ONLY, left: 0, cause }));
    for attempt in 1..=21 {
        run.give(reconnecting(attempt));
        run.now += Duration::from_millis(500);
    }
    assert_eq!(run.count(|e| matches!(e, Effect::Say(Line::Reconnecting { .. }))), 3);
    assert_eq!(run.count(is_connect), 0, "the core dials by itself");
    let (replayed, streams, outage) = (7, 3, Duration::from_secs(10));
    let (tunnel, session, connection) = (ID, SESSION, ONLY);
    let event = Event::TunnelResumed { tunnel, session, connection, replayed, streams, outage };
    run.give(Input::Tunnel(event));
    assert!(run.said(&Line::Resumed { connection, replayed, streams, outage }));
    assert_eq!(run.count(|effect| matches!(effect, Effect::Say(_))), 5);
    assert_eq!(run.controller.links.all(), Link::Up);
}

#[test]
fn rest_trouble_does_not_end_a_working_tunnel() {
    let mut run = Run::serving();
    for _ in 0..100 {
        run.wake();
        if run.controller.poll == Timer::UnderWay {
            run.give(Input::Answer(Answer::Polled(Err(status(500)))));
        }
        if run.controller.heartbeat == Timer::UnderWay {
            run.give(Input::Answer(Answer::Heartbeat(Err(status(401)))));
        }
    }
    assert_eq!(run.exit(), None);
    assert_eq!(run.count(|effect| matches!(effect, Effect::Say(_) | Effect::Fail(_))), 0);
}
