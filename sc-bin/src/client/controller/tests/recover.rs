//! Getting the tunnel back.

use super::*;

/// A record as a server leaves it that ended the tunnel for reasons of its own.
fn ended_by_server(status: Status, reason: &str) -> Input {
    let mut record = tunnel(status);
    record.shutdown_reason = Some(reason.to_owned());
    record.user_shutdown = Some(false);
    Input::Answer(Answer::Polled(Ok(Box::new(record))))
}

fn launched(at: u64) -> Input {
    let mut record = tunnel(Status::Running);
    record.launch_time = Some(at);
    Input::Answer(Answer::Polled(Ok(Box::new(record))))
}

fn is_create(effect: &Effect) -> bool {
    matches!(effect, Effect::Call(Call::Create(_)))
}

/// A run whose session was lost, with a poll under way.
fn lost() -> Run {
    let mut run = Run::serving();
    run.controller.place.as_mut().unwrap().launched = Some(100);
    run.give(down());
    assert_eq!(run.controller.poll, Timer::UnderWay);
    run
}

#[test]
fn what_the_server_gave_up_is_made_again() {
    for ended in [
        ended_by_server(Status::Terminated, "serverRestart"),
        ended_by_server(Status::Terminated, "serverTimeout"),
        Input::Answer(Answer::Polled(Err(status(404)))),
    ] {
        let mut run = lost();
        run.give(ended);
        assert!(run.said(&Line::Recovering));
        assert_eq!(run.count(is_create), 1);
        run.give(created(Status::Running));
        assert_eq!(run.count(is_connect), 1);
        run.give(up());
        assert!(run.said(&Line::Restored));
        let news = |e: &Effect| matches!(e, Effect::Say(Line::Ready | Line::Provisioned { .. }));
        assert_eq!(run.count(news), 0, "id and proxy are the same");
        assert_eq!(run.exit(), None);
    }
}

#[test]
fn the_record_is_read_before_every_try() {
    let mut run = lost();
    run.give(ended_by_server(Status::Terminated, "serverShutdown"));
    for _ in 0..50 {
        run.give(create_failed(status(503)));
        run.wake();
        assert_eq!(run.controller.poll, Timer::UnderWay);
        run.give(ended_by_server(Status::Terminated, "serverShutdown"));
    }
    assert_eq!(run.count(is_create), 51);
    assert_eq!(run.count(|e| matches!(e, Effect::Say(Line::Recovering))), 1);
    run.give(create_failed(status(401)));
    assert_eq!(run.exit(), Some(Exit::EndedElsewhere));
}

#[test]
fn a_newer_client_of_the_name_keeps_the_tunnel() {
    let mut run = lost();
    run.give(launched(200));
    assert!(run.failure().contains("collision"));
    assert_eq!(run.exit(), Some(Exit::EndedElsewhere));
    assert_eq!(run.count(|effect| is_delete(effect, JobsAtEnd::Abandon)), 0);
}

#[test]
fn a_lost_answer_is_not_taken_for_a_newer_client() {
    let mut run = lost();
    run.give(ended_by_server(Status::Terminated, "serverRestart"));
    run.give(create_failed(RestError::TimedOut));
    run.wake();
    run.give(launched(200));
    assert_eq!(run.count(is_create), 2);
    assert_eq!(run.exit(), None);
}

#[test]
fn a_server_that_stops_is_waited_for() {
    let mut run = Run::serving();
    run.wake();
    run.give(ended_by_server(Status::Halting, "serverShutdown"));
    assert!(matches!(run.controller.stage, Stage::Serving));
    assert_eq!(run.count(|effect| matches!(effect, Effect::Say(_))), 0);
}

#[test]
fn a_session_that_may_be_resumed_is_not_overtaken() {
    let mut run = Run::serving();
    let (tunnel, session, connection) = (ID, SESSION, ONLY);
    let cause = TransportLoss::Failed;
    run.give(Input::Tunnel(Event::TunnelInterrupted { tunnel, session, connection, cause }));
    run.give(ended_by_server(Status::Terminated, "serverRestart"));
    assert_eq!(run.count(is_create), 0);
    assert_eq!(run.count(|effect| matches!(effect, Effect::GiveUp(ID))), 1);
    let end = TunnelEnd::Lost(TransportLoss::Refused(Refusal::Session));
    run.give(Input::Tunnel(Event::TunnelDown { tunnel, session, connection, end }));
    run.give(ended_by_server(Status::Terminated, "serverRestart"));
    assert_eq!(run.count(is_create), 1);
}

#[test]
fn a_signal_while_making_it_again_undoes_it() {
    let mut run = lost();
    run.give(ended_by_server(Status::Terminated, "serverRestart"));
    run.give(Input::Signal);
    run.give(created(Status::Running));
    assert_eq!(run.count(|effect| is_delete(effect, JobsAtEnd::Abandon)), 1);
    run.give(deleted(JobsAtEnd::Abandon, 0));
    assert_eq!(run.exit(), Some(Exit::Orderly));
}
