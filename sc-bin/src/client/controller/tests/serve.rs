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
fn a_session_that_stays_lost_ends_the_run_after_60_seconds() {
    let mut run = Run::serving();
    let begin = run.now;
    run.give(down());
    while run.count(|effect| matches!(effect, Effect::Fail(_))) == 0 {
        if run.controller.link == Link::Dialling {
            run.give(refused());
        }
        if run.controller.poll == Timer::UnderWay {
            run.give(Input::Answer(Answer::Polled(Err(RestError::TimedOut))));
        }
        run.wake();
    }
    assert_eq!(run.now - begin, RESTORE_LIMIT);
    assert!(run.failure().contains("connection refused"), "{}", run.failure());
    run.give(deleted(JobsAtEnd::Abandon, 0));
    assert_eq!(run.exit(), Some(Exit::ConnectionLost));
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
