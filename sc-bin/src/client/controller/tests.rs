use sc_proto::contract::{DialFailure, Refusal, SessionId, TransportLoss, TunnelEnd};
use serde_json::json;

use super::*;
use crate::api::{CreateAnswer, Status, Tunnel};
use crate::client::call::JobsAtEnd;
use crate::client::rest_error::RestError;

const ID: TunnelId = TunnelId([0xab; 16]);

/// A controller with a clock that the test moves.
struct Run {
    controller: Controller,
    now: Instant,
    seen: Vec<Effect>,
}

fn tunnel(status: Status) -> Tunnel {
    serde_json::from_value(json!({
        "id": ID.to_string(), "owner": "anna", "status": status, "is_ready": false,
        "protocol": "kgp", "tunnel_identifier": "ci", "host": "127.0.0.1", "ssh_port": 4443,
        "proxy_address": "127.0.0.1:4490", "creation_time": 1, "launch_time": null,
        "last_connected": null, "shutdown_time": null, "user_shutdown": null,
        "shutdown_reason": (status > Status::Running).then_some("webui"), "extra_info": null,
    }))
    .unwrap()
}

fn created(status: Status) -> Input {
    let kgp = serde_json::from_value(
        json!({"secret": "cd".repeat(32), "certificate_sha256": "ef".repeat(32)}),
    );
    Input::Answer(Answer::Created(Ok(Box::new(CreateAnswer {
        tunnel: tunnel(status),
        messages: Default::default(),
        kgp: kgp.unwrap(),
    }))))
}

fn create_failed(error: RestError) -> Input {
    Input::Answer(Answer::Created(Err(error)))
}

fn polled(status: Status) -> Input {
    Input::Answer(Answer::Polled(Ok(Box::new(tunnel(status)))))
}

fn status(code: u16) -> RestError {
    RestError::Status {
        code,
        text: String::new(),
    }
}

fn up() -> Input {
    let peer = ([127, 0, 0, 1], 4443).into();
    Input::Tunnel(Event::TunnelUp {
        tunnel: ID,
        session: SessionId([1; 16]),
        peer,
    })
}

fn down() -> Input {
    let end = TunnelEnd::Lost(TransportLoss::Failed);
    Input::Tunnel(Event::TunnelDown {
        tunnel: ID,
        session: SessionId([1; 16]),
        end,
    })
}

fn connect_failed(failure: ConnectFailure) -> Input {
    Input::Tunnel(Event::ConnectFailed {
        tunnel: ID,
        failure,
    })
}

fn refused() -> Input {
    connect_failed(ConnectFailure::Dial(DialFailure::Refused))
}

fn deleted(jobs: JobsAtEnd, running: u32) -> Input {
    Input::Answer(Answer::Deleted(jobs, Ok(running)))
}

impl Run {
    fn new() -> Self {
        let now = Instant::now();
        let url = "http://127.0.0.1:1/rest/v1".to_owned();
        let controller = Controller::new(CreateTunnel::default(), String::new(), url, 1, now);
        let mut run = Self {
            controller,
            now,
            seen: Vec::new(),
        };
        run.collect();
        run
    }

    /// Up to the create call.
    fn creating() -> Self {
        let mut run = Self::new();
        run.give(Input::Answer(Answer::Updates(Err(status(404)))));
        assert!(
            matches!(run.seen.last(), Some(Effect::Call(Call::Create(_)))),
            "{:?}",
            run.seen
        );
        run
    }

    /// Up to the ready line.
    fn serving() -> Self {
        let mut run = Self::creating();
        run.give(created(Status::Running));
        run.give(up());
        assert!(run.said(&Line::Ready));
        run.seen.clear();
        run
    }

    fn collect(&mut self) {
        while let Some(effect) = self.controller.next_effect() {
            self.seen.push(effect);
        }
    }

    fn give(&mut self, input: Input) {
        self.controller.handle(input, self.now);
        self.controller.on_time(self.now);
        self.collect();
    }

    /// Moves the clock to the next deadline and past it. Fails if there is none.
    fn wake(&mut self) {
        let at = self.controller.next_deadline().expect("a deadline");
        self.now = self.now.max(at);
        self.controller.on_time(self.now);
        let next = self.controller.next_deadline();
        assert!(
            next.is_none_or(|next| next > self.now),
            "a deadline must move on"
        );
        self.collect();
    }

    fn said(&self, wanted: &Line) -> bool {
        self.seen
            .iter()
            .any(|effect| matches!(effect, Effect::Say(line) if line == wanted))
    }

    fn count(&self, wanted: impl Fn(&Effect) -> bool) -> usize {
        self.seen.iter().filter(|effect| wanted(effect)).count()
    }

    fn exit(&self) -> Option<Exit> {
        self.seen.iter().find_map(|effect| match effect {
            Effect::Exit(exit) => Some(*exit),
            _ => None,
        })
    }

    fn failure(&self) -> String {
        let texts: Vec<_> = self
            .seen
            .iter()
            .filter_map(|effect| match effect {
                Effect::Fail(failure) => Some(failure.to_string()),
                _ => None,
            })
            .collect();
        assert_eq!(texts.len(), 1, "one failure: {:?}", self.seen);
        texts[0].clone()
    }
}

fn is_delete(effect: &Effect, wanted: JobsAtEnd) -> bool {
    matches!(effect, Effect::Call(Call::Delete { jobs, .. }) if *jobs == wanted)
}

fn is_connect(effect: &Effect) -> bool {
    matches!(effect, Effect::Connect(_))
}

#[test]
fn a_good_start_polls_connects_and_is_ready_once() {
    let mut run = Run::creating();
    run.give(created(Status::Booting));
    assert!(run.said(&Line::Provisioned {
        id: ID,
        proxy: "127.0.0.1:4490".to_owned()
    }));
    run.wake();
    assert_eq!(
        run.count(|effect| matches!(effect, Effect::Call(Call::Poll(_)))),
        1
    );
    assert_eq!(run.count(is_connect), 0);
    run.give(polled(Status::Running));
    assert_eq!(run.count(is_connect), 1);
    run.give(up());
    assert!(run.said(&Line::Ready));
    assert_eq!(
        run.count(|e| matches!(e, Effect::Call(Call::Heartbeat(..)))),
        1
    );
    assert_eq!(run.exit(), None);
}

#[test]
fn the_place_comes_from_the_answer() {
    let mut run = Run::creating();
    run.give(created(Status::Running));
    let place = run.seen.iter().find_map(|effect| match effect {
        Effect::Connect(place) => Some(place),
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
        match run.controller.link {
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
fn a_signal_deletes_waits_for_jobs_and_drains() {
    let mut run = Run::serving();
    run.give(Input::Signal);
    assert!(run.said(&Line::Stopping));
    assert_eq!(run.count(|effect| is_delete(effect, JobsAtEnd::Wait)), 1);
    run.give(deleted(JobsAtEnd::Wait, 2));
    assert!(run.said(&Line::WaitingForJobs {
        jobs: 2,
        limit: Duration::from_secs(300)
    }));
    run.wake();
    run.give(Input::Answer(Answer::Jobs(Ok(0))));
    assert!(
        matches!(run.seen.last(), Some(Effect::Stop(Stop::Drain))),
        "{:?}",
        run.seen
    );
    run.give(Input::Tunnel(Event::Stopped));
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
    assert_eq!(
        run.count(|effect| matches!(effect, Effect::Stop(Stop::Now))),
        1
    );
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
        run.give(Input::Answer(Answer::Deleted(
            JobsAtEnd::Wait,
            Err(RestError::TimedOut),
        )));
        if matches!(run.controller.stage, Stage::Closing(_)) {
            run.wake();
        }
    }
    assert_eq!(run.count(|effect| is_delete(effect, JobsAtEnd::Wait)), 3);
    assert_eq!(
        run.count(|e| matches!(e, Effect::Say(Line::NotDeleted { .. }))),
        1
    );
    assert_eq!(
        run.count(|effect| matches!(effect, Effect::Stop(Stop::Drain))),
        1
    );
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
fn a_lost_session_is_restored() {
    let mut run = Run::serving();
    run.give(down());
    assert_eq!(
        run.count(|effect| matches!(effect, Effect::Call(Call::Poll(_)))),
        1
    );
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
    assert!(
        run.failure().contains("connection refused"),
        "{}",
        run.failure()
    );
    run.give(deleted(JobsAtEnd::Abandon, 0));
    assert_eq!(run.exit(), Some(Exit::ConnectionLost));
}

#[test]
fn an_end_from_elsewhere_is_seen_in_the_record() {
    for ended in [
        polled(Status::Terminated),
        Input::Answer(Answer::Polled(Err(status(404)))),
    ] {
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
fn a_halting_record_lets_jobs_finish() {
    let mut run = Run::serving();
    run.wake();
    run.give(polled(Status::Halting));
    assert!(run.said(&Line::Halting {
        reason: Some("webui".to_owned())
    }));
    assert_eq!(
        run.count(|effect| matches!(effect, Effect::Call(Call::Jobs(_)))),
        1
    );
    run.give(Input::Answer(Answer::Jobs(Ok(1))));
    assert_eq!(run.exit(), None);
    run.wake();
    run.give(Input::Answer(Answer::Jobs(Err(status(404)))));
    run.give(Input::Tunnel(Event::Stopped));
    assert_eq!(run.exit(), Some(Exit::EndedElsewhere));
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
    assert_eq!(
        run.count(|effect| matches!(effect, Effect::Say(_) | Effect::Fail(_))),
        0
    );
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
