//! Ends, asked for or not.

use super::*;

#[test]
fn a_signal_deletes_waits_for_jobs_and_drains() {
    let mut run = Run::serving();
    run.give(Input::Signal);
    assert!(run.said(&Line::Stopping));
    assert_eq!(run.count(|effect| is_delete(effect, JobsAtEnd::Wait)), 1);
    run.give(deleted(JobsAtEnd::Wait, 2));
    assert!(run.said(&Line::WaitingForJobs { jobs: 2, limit: Duration::from_secs(300) }));
    run.wake();
    run.give(Input::Answer(Answer::Jobs(Ok(0))));
    assert!(matches!(run.seen.last(), Some(Effect::Stop(Stop::Drain))), "{:?}", run.seen);
    run.give(Input::Tunnel(Event::Stopped));
    assert_eq!(run.exit(), None, "the server has ended it before the process ends");
    assert_eq!(run.count(|effect| is_delete(effect, JobsAtEnd::Abandon)), 1);
    run.give(deleted(JobsAtEnd::Abandon, 0));
    assert_eq!(run.exit(), Some(Exit::Orderly));
    assert!(run.said(&Line::Goodbye));
}

#[test]
fn jobs_are_waited_for_300_seconds_at_most() {
    let mut run = Run::serving();
    run.give(Input::Signal);
    run.give(deleted(JobsAtEnd::Wait, 1));
    let begin = run.now;
    while !run.said(&Line::JobsLeft) {
        run.wake();
        if run.controller.jobs == Timer::UnderWay {
            run.give(Input::Answer(Answer::Jobs(Ok(1))));
        }
    }
    assert_eq!(run.now - begin, Duration::from_secs(300));
    run.give(deleted(JobsAtEnd::Abandon, 0));
    assert_eq!(run.exit(), Some(Exit::Orderly));
}

#[test]
fn a_second_signal_leaves_at_once() {
    let mut run = Run::serving();
    run.give(Input::Signal);
    run.give(Input::Signal);
    assert_eq!(run.count(|effect| is_delete(effect, JobsAtEnd::Abandon)), 1);
    assert_eq!(run.count(|effect| matches!(effect, Effect::Stop(Stop::Now))), 1);
    // The answer to the first one is not what is waited for.
    run.give(deleted(JobsAtEnd::Wait, 0));
    assert_eq!(run.exit(), None);
    let begin = run.now;
    run.wake();
    assert_eq!(run.exit(), Some(Exit::Forced));
    assert!(run.now - begin <= FORCED_LIMIT);
}

#[test]
fn a_server_that_cannot_be_told_is_told_three_times() {
    let mut run = Run::serving();
    run.give(Input::Signal);
    for _ in 0..3 {
        run.give(Input::Answer(Answer::Deleted(JobsAtEnd::Wait, Err(RestError::TimedOut))));
        if matches!(run.controller.stage, Stage::Closing(_)) {
            run.wake();
        }
    }
    assert_eq!(run.count(|effect| is_delete(effect, JobsAtEnd::Wait)), 3);
    assert_eq!(run.count(|e| matches!(e, Effect::Say(Line::NotDeleted { .. }))), 1);
    assert_eq!(run.count(|effect| matches!(effect, Effect::Stop(Stop::Drain))), 1);
}

#[test]
fn a_signal_while_creating_undoes_what_comes() {
    let mut run = Run::creating();
    run.give(Input::Signal);
    assert_eq!(run.exit(), None);
    run.give(created(Status::Running));
    assert_eq!(run.count(|effect| is_delete(effect, JobsAtEnd::Abandon)), 1);
    assert_eq!(run.count(is_connect), 0);
    run.give(deleted(JobsAtEnd::Abandon, 0));
    assert_eq!(run.exit(), Some(Exit::Orderly));
}

#[test]
fn a_signal_between_tries_ends_at_once() {
    let mut run = Run::creating();
    run.give(create_failed(status(500)));
    run.give(Input::Signal);
    assert_eq!(run.exit(), Some(Exit::Orderly));
}

#[test]
fn a_servers_restart_is_told_from_a_wish() {
    let mut record = tunnel(Status::Terminated);
    record.shutdown_reason = Some("serverRestart".to_owned());
    record.user_shutdown = Some(false);
    let mut run = Run::serving();
    run.wake();
    run.give(Input::Answer(Answer::Polled(Ok(Box::new(record)))));
    assert!(run.failure().contains("serverRestart"));
    assert_eq!(run.exit(), Some(Exit::ConnectionLost));
}

#[test]
fn a_user_who_is_gone_does_not_reconnect() {
    let mut run = Run::serving();
    run.give(down());
    run.give(Input::Answer(Answer::Polled(Err(status(401)))));
    assert!(run.failure().contains("does not take this user"));
    assert_eq!(run.count(|effect| is_delete(effect, JobsAtEnd::Abandon)), 0);
    assert_eq!(run.exit(), Some(Exit::EndedElsewhere));
}

#[test]
fn an_end_from_elsewhere_is_seen_in_the_record() {
    for ended in [polled(Status::Terminated), Input::Answer(Answer::Polled(Err(status(404))))] {
        let mut run = Run::serving();
        run.wake();
        run.give(ended);
        assert!(run.failure().contains("ended from elsewhere"));
        assert_eq!(run.exit(), Some(Exit::EndedElsewhere));
        assert_eq!(run.count(|effect| is_delete(effect, JobsAtEnd::Abandon)), 0);
        assert!(run.said(&Line::Goodbye));
    }
}

#[test]
fn a_halting_server_that_vanishes_is_not_waited_for() {
    let mut record = tunnel(Status::Halting);
    record.shutdown_reason = None;
    let mut run = Run::serving();
    run.give(down());
    run.give(Input::Answer(Answer::Polled(Ok(Box::new(record)))));
    let gone = RestError::Unreachable("connection refused".to_owned());
    run.give(Input::Answer(Answer::Jobs(Err(gone))));
    assert_eq!(run.exit(), Some(Exit::ConnectionLost));
    assert!(run.failure().contains("the server ended the tunnel"));
}

#[test]
fn a_halting_record_lets_jobs_finish() {
    let mut run = Run::serving();
    run.wake();
    run.give(polled(Status::Halting));
    assert!(run.said(&Line::Halting { reason: Some("webui".to_owned()) }));
    assert_eq!(run.count(|effect| matches!(effect, Effect::Call(Call::Jobs(_)))), 1);
    run.give(Input::Answer(Answer::Jobs(Ok(1))));
    assert_eq!(run.exit(), None);
    run.wake();
    run.give(Input::Answer(Answer::Jobs(Err(status(404)))));
    run.give(Input::Tunnel(Event::Stopped));
    assert_eq!(run.exit(), Some(Exit::EndedElsewhere));
}
