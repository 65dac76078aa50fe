//! The controller with a clock that the test moves.

mod connections;
mod end;
mod recover;
mod serve;
mod start;

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
    RestError::Status { code, text: String::new() }
}

const ONLY: ConnectionNumber = ConnectionNumber::ONLY;
const SESSION: SessionId = SessionId([1; 16]);

fn up() -> Input {
    up_of(ONLY)
}

fn up_of(connection: ConnectionNumber) -> Input {
    let peer = ([127, 0, 0, 1], 4443).into();
    Input::Tunnel(Event::TunnelUp { tunnel: ID, session: SESSION, connection, peer })
}

fn down() -> Input {
    down_of(ONLY)
}

fn down_of(connection: ConnectionNumber) -> Input {
    let end = TunnelEnd::Lost(TransportLoss::Failed);
    Input::Tunnel(Event::TunnelDown { tunnel: ID, session: SESSION, connection, end })
}

fn connect_failed(failure: ConnectFailure) -> Input {
    connect_failed_of(ONLY, failure)
}

fn connect_failed_of(connection: ConnectionNumber, failure: ConnectFailure) -> Input {
    Input::Tunnel(Event::ConnectFailed { tunnel: ID, connection, failure })
}

fn refused() -> Input {
    connect_failed(ConnectFailure::Dial(DialFailure::Refused))
}

fn deleted(jobs: JobsAtEnd, running: u32) -> Input {
    Input::Answer(Answer::Deleted(jobs, Ok(running)))
}

impl Run {
    fn new() -> Self {
        Self::with_connections(1)
    }

    fn with_connections(count: u8) -> Self {
        let now = Instant::now();
        let url = "http://127.0.0.1:1/rest/v1".to_owned();
        let controller =
            Controller::new(count, CreateTunnel::default(), String::new(), url, 1, now);
        let mut run = Self { controller, now, seen: Vec::new() };
        run.collect();
        run
    }

    /// Up to the create call.
    fn creating() -> Self {
        Self::new().create()
    }

    fn create(self) -> Self {
        let mut run = self;
        run.give(Input::Answer(Answer::Updates(Err(status(404)))));
        assert!(matches!(run.seen.last(), Some(Effect::Call(Call::Create(_)))), "{:?}", run.seen);
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
        assert!(next.is_none_or(|next| next > self.now), "a deadline must move on");
        self.collect();
    }

    fn said(&self, wanted: &Line) -> bool {
        self.seen.iter().any(|effect| matches!(effect, Effect::Say(line) if line == wanted))
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
    matches!(effect, Effect::Connect(..))
}
