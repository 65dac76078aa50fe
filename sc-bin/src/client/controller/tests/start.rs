//! From the first question to the first session.

use super::*;

#[test]
fn a_good_start_polls_connects_and_is_ready_once() {
    let mut run = Run::creating();
    run.give(created(Status::Booting));
    assert!(run.said(&Line::Provisioned { id: ID, proxy: "127.0.0.1:4490".to_owned() }));
    run.wake();
    assert_eq!(run.count(|effect| matches!(effect, Effect::Call(Call::Poll(_)))), 1);
    assert_eq!(run.count(is_connect), 0);
    run.give(polled(Status::Running));
    assert_eq!(run.count(is_connect), 1);
    run.give(up());
    assert!(run.said(&Line::Ready));
    assert_eq!(run.count(|e| matches!(e, Effect::Call(Call::Heartbeat(..)))), 1);
    assert_eq!(run.exit(), None);
}

#[test]
fn the_place_comes_from_the_answer() {
    let mut run = Run::creating();
    run.give(created(Status::Running));
    let place = run.seen.iter().find_map(|effect| match effect {
        Effect::Connect(place, _) => Some(place),
        _ => None,
    });
    let place = place.unwrap();
    assert_eq!(place.server.to_string(), "127.0.0.1:4443");
    assert_eq!(place.server_name, "127.0.0.1");
    assert_eq!(place.secret.expose(), &[0xcd; 32]);
    assert_eq!(place.pin.unwrap().0, [0xef; 32]);
}

#[test]
fn what_may_pass_is_tried_again_with_growing_waits_and_a_limit() {
    let mut run = Run::creating();
    let begin = run.now;
    let mut tries = 0;
    while run.exit().is_none() {
        run.seen.clear();
        run.give(create_failed(status(503)));
        tries += 1;
        if run.exit().is_none() {
            run.wake();
        }
    }
    assert!(tries > 4, "{tries}");
    assert!(run.now - begin <= Duration::from_secs(45));
    assert_eq!(run.exit(), Some(Exit::Failed));
    assert!(run.failure().contains("503"));
}

#[test]
fn a_later_success_goes_on() {
    let mut run = Run::creating();
    run.give(create_failed(status(500)));
    run.wake();
    run.give(created(Status::Running));
    run.give(up());
    assert!(run.said(&Line::Ready));
}

#[test]
fn what_will_not_pass_ends_at_once() {
    for code in [400, 401, 404] {
        let mut run = Run::creating();
        run.give(create_failed(status(code)));
        assert_eq!(run.exit(), Some(Exit::Failed));
        assert!(run.failure().contains(&code.to_string()));
        assert_eq!(run.count(|effect| is_delete(effect, JobsAtEnd::Abandon)), 0);
    }
}

#[test]
fn a_tunnel_that_never_runs_is_given_up_and_deleted() {
    let mut run = Run::creating();
    run.give(created(Status::Booting));
    let begin = run.now;
    while run.count(|effect| matches!(effect, Effect::Fail(_))) == 0 {
        run.wake();
        run.give(polled(Status::Booting));
    }
    assert_eq!(run.now - begin, Duration::from_secs(45));
    assert!(run.failure().contains("still booting"), "{}", run.failure());
    assert_eq!(run.count(|effect| is_delete(effect, JobsAtEnd::Abandon)), 1);
    run.give(deleted(JobsAtEnd::Abandon, 0));
    assert_eq!(run.exit(), Some(Exit::Failed));
}

#[test]
fn the_first_connection_is_tried_again_but_not_for_ever() {
    let mut run = Run::creating();
    run.give(created(Status::Running));
    let begin = run.now;
    while run.count(|effect| matches!(effect, Effect::Fail(_))) == 0 {
        match run.controller.links.all() {
            Link::Dialling => run.give(refused()),
            _ => run.wake(),
        }
        if run.controller.poll == Timer::UnderWay {
            run.give(polled(Status::Running));
        }
    }
    assert!(run.now - begin <= CONNECT_LIMIT);
    assert!(run.count(is_connect) > 5);
    assert!(run.failure().contains("could not establish a connection"));
}

#[test]
fn a_connection_that_never_answers_is_given_up() {
    let mut run = Run::creating();
    run.give(created(Status::Running));
    let begin = run.now;
    while run.count(|effect| matches!(effect, Effect::Fail(_))) == 0 {
        run.wake();
        if run.controller.poll == Timer::UnderWay {
            run.give(polled(Status::Running));
        }
    }
    assert_eq!(run.now - begin, CONNECT_LIMIT);
    assert!(run.failure().contains("in time"), "{}", run.failure());
}

#[test]
fn a_refused_version_is_not_tried_again() {
    let mut run = Run::creating();
    run.give(created(Status::Running));
    let loss = TransportLoss::Refused(Refusal::Version);
    run.give(connect_failed(ConnectFailure::Transport(loss)));
    assert!(run.failure().contains("version"), "{}", run.failure());
}

#[test]
fn the_servers_fatal_text_ends_the_start() {
    let mut run = Run::new();
    let updates = serde_json::from_value(json!({"fatal": ["too old\u{1b}[31m"]})).unwrap();
    run.give(Input::Answer(Answer::Updates(Ok(Box::new(updates)))));
    assert_eq!(run.failure(), "the server refuses: too old [31m");
    assert_eq!(run.exit(), Some(Exit::Failed));
}

#[test]
fn no_wish_of_a_server_makes_a_client_spin() {
    let wish = serde_json::from_value(json!({
        "server_status_interval": 0, "client_status_interval": 0, "job_wait_timeout": 4_000_000_000u32,
        "start_timeout": 0,
    }));
    let timing = Timing::of(&wish.unwrap());
    assert!(timing.poll >= Duration::from_secs(1) && timing.heartbeat >= Duration::from_secs(5));
    assert!(timing.jobs <= Duration::from_secs(300) && timing.start >= Duration::from_secs(5));
}
