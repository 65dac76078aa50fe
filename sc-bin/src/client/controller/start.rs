//! From the first question to the first session.

use std::time::{Duration, Instant};

use sc_proto::contract::{ConnectionNumber, Host, Target};

use super::{CONNECT_LIMIT, Controller, Effect, Link, PROVISION_POLL, Place, Stage, Timer, Timing};
use crate::api::{CreateAnswer, Status, Tunnel, Updates};
use crate::cli::Exit;
use crate::client::call::Call;
use crate::client::failure::Failure;
use crate::client::line::Line;
use crate::client::rest::printable;
use crate::client::rest_error::RestError;

/// A question to REST that is repeated while that may help.
#[derive(Debug)]
pub(super) struct Asking {
    question: Question,
    first_try: Instant,
    tries: u32,
    state: AskState,
    wish: Wish,
    purpose: Purpose,
}

/// What a tunnel is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It is the first.
    Start,
    /// It takes the place of one that the server gave up.
    Recover,
}

#[derive(Clone, Debug)]
enum Question {
    Updates { query: String },
    Create,
}

#[derive(Clone, Copy, Debug)]
enum AskState {
    UnderWay,
    Again(Instant),
}

/// What the user wants of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    GoOn,
    /// A signal came: undo what the answer brings.
    Undo,
}

impl Question {
    fn step(&self) -> &'static str {
        match self {
            Self::Updates { .. } => "asking for the configuration",
            Self::Create => "create tunnel",
        }
    }
}

impl Asking {
    fn new(question: Question, purpose: Purpose, now: Instant) -> Self {
        let state = AskState::Again(now);
        Self { question, first_try: now, tries: 0, state, wish: Wish::GoOn, purpose }
    }

    pub(super) fn updates(query: String, now: Instant) -> Self {
        Self::new(Question::Updates { query }, Purpose::Start, now)
    }

    pub(super) fn create(purpose: Purpose, now: Instant) -> Self {
        Self::new(Question::Create, purpose, now)
    }

    pub(super) fn next_try(&self) -> Option<Instant> {
        match self.state {
            AskState::Again(moment) => Some(moment),
            AskState::UnderWay => None,
        }
    }
}

impl Controller {
    /// Asks, or asks again.
    pub(super) fn ask(&mut self) {
        let Stage::Asking(asking) = &mut self.stage else {
            return;
        };
        asking.tries += 1;
        asking.state = AskState::UnderWay;
        let call = match &asking.question {
            Question::Updates { query } => Call::Updates { query: query.clone() },
            Question::Create => Call::Create(Box::new(self.request.clone())),
        };
        self.effects.push_back(Effect::Call(call));
    }

    /// A signal while asking: an answer under way may bring a tunnel that must be undone.
    pub(super) fn stop_asking(&mut self) {
        let Stage::Asking(asking) = &mut self.stage else {
            return;
        };
        let creating = matches!(asking.question, Question::Create);
        match (asking.state, asking.wish) {
            (AskState::UnderWay, Wish::GoOn) if creating => asking.wish = Wish::Undo,
            (AskState::UnderWay, Wish::Undo) => self.finish(Exit::Forced),
            (AskState::UnderWay, Wish::GoOn) | (AskState::Again(_), _) => {
                self.finish(Exit::Orderly);
            }
        }
    }

    pub(super) fn on_updates(&mut self, result: Result<Box<Updates>, RestError>, now: Instant) {
        let Stage::Asking(Asking { question: Question::Updates { .. }, .. }) = &self.stage else {
            return;
        };
        match result {
            Ok(updates) => {
                self.timing = Timing::of(&updates.configuration);
                for text in updates.warning.iter().chain(&updates.info) {
                    self.say(Line::ServerSays(printable(text)));
                }
                if let Some(text) = updates.fatal.first() {
                    return self.fail(Failure::Fatal(printable(text)), now);
                }
            }
            // A server that does not have this has no wishes.
            Err(error) if error.is_gone() => {}
            Err(error) => return self.ask_again(error, now),
        }
        self.rest_backoff.reset();
        self.stage = Stage::Asking(Asking::create(Purpose::Start, now));
        self.ask();
    }

    fn ask_again(&mut self, error: RestError, now: Instant) {
        let Stage::Asking(asking) = &mut self.stage else {
            return;
        };
        if asking.wish == Wish::Undo {
            return self.finish(Exit::Orderly);
        }
        if asking.purpose == Purpose::Recover {
            return self.recovery_failed(error, now);
        }
        let step = asking.question.step();
        let over = now.saturating_duration_since(asking.first_try);
        let wait = self.rest_backoff.next_wait();
        match error.retry_limit() {
            Some(limit) if over + wait <= limit => {
                asking.state = AskState::Again(now + wait);
                self.say(Line::Retry { step, error: error.to_string(), wait });
            }
            _ => {
                let failure = Failure::Rest {
                    step,
                    url: self.rest_url.clone(),
                    error,
                    tries: asking.tries,
                    over,
                };
                self.fail(failure, now);
            }
        }
    }

    pub(super) fn on_created(
        &mut self,
        result: Result<Box<CreateAnswer>, RestError>,
        now: Instant,
    ) {
        let Stage::Asking(Asking { question: Question::Create, wish, purpose, .. }) = &self.stage
        else {
            return;
        };
        let (wish, purpose) = (*wish, *purpose);
        let answer = match result {
            Ok(answer) => answer,
            Err(error) => return self.ask_again(error, now),
        };
        let place = match place(&answer) {
            Ok(place) => place,
            Err(failure) => return self.fail(failure, now),
        };
        let (id, proxy) = (place.tunnel, place.proxy.clone());
        let before = self.place.replace(place);
        if wish == Wish::Undo {
            return self.leave("sigterm", Exit::Orderly, now);
        }
        for text in answer.messages.warning.iter().chain(&answer.messages.info) {
            self.say(Line::ServerSays(printable(text)));
        }
        if let Some(text) = answer.messages.fatal.first() {
            return self.fail(Failure::Fatal(printable(text)), now);
        }
        if before.is_none_or(|before| (before.tunnel, &before.proxy) != (id, &proxy)) {
            self.say(Line::Provisioned { id, proxy });
        }
        if purpose == Purpose::Recover {
            return self.recovered(now);
        }
        let until = now + self.timing.start;
        self.stage = Stage::Provisioning { until, last: "no answer yet".to_owned() };
        self.provisioned(&answer.tunnel, now);
    }

    /// What the record says while it is waited for.
    pub(super) fn provisioned(&mut self, tunnel: &Tunnel, now: Instant) {
        match tunnel.status {
            Status::Booting => self.poll = Timer::At(now + PROVISION_POLL),
            Status::Running => {
                self.poll = Timer::At(now + self.timing.poll);
                self.link_changed = now;
                self.stage = Stage::Connecting { since: now };
                self.dial(self.links.first());
            }
            Status::Halting | Status::Terminated => self.gone(Some(tunnel), now),
        }
        if let Stage::Provisioning { last, .. } = &mut self.stage {
            "it is still booting".clone_into(last);
        }
    }

    pub(super) fn provisioning_unclear(&mut self, error: &RestError, now: Instant) {
        if let Stage::Provisioning { last, .. } = &mut self.stage {
            *last = format!("REST: {error}");
            self.poll = Timer::At(now + PROVISION_POLL);
        }
    }

    pub(super) fn give_up_provisioning(&mut self, now: Instant) {
        if let Stage::Provisioning { last, .. } = &self.stage {
            let failure = Failure::NotRunning { limit: self.timing.start, last: last.clone() };
            self.fail(failure, now);
        }
    }

    /// Makes one of the connections, for the first time or again.
    pub(super) fn dial(&mut self, connection: ConnectionNumber) {
        let Some(place) = self.place.clone() else {
            return;
        };
        if self.links.all().is_lost() {
            self.dials = self.dials.saturating_add(1);
        }
        self.links.set(connection, Link::Dialling);
        if matches!(self.stage, Stage::Connecting { .. }) && self.dials == 1 {
            self.say(Line::Connecting { server: place.server.to_string() });
        }
        self.effects.push_back(Effect::Connect(Box::new(place), connection));
    }

    /// Whether the first connection may still be tried after another `wait`.
    pub(super) fn may_connect(since: Instant, wait: Duration, now: Instant) -> bool {
        now.saturating_duration_since(since) + wait <= CONNECT_LIMIT
    }
}

/// Where the answer says that the tunnel is served.
fn place(answer: &CreateAnswer) -> Result<Place, Failure> {
    let tunnel = &answer.tunnel;
    let unusable = || Failure::Address(printable(&format!("{}:{}", tunnel.host, tunnel.ssh_port)));
    // A record's IPv6 address has no brackets.
    let host = match tunnel.host.parse() {
        Ok(ip) => Host::Ip(ip),
        Err(_) => Host::parse(&tunnel.host).map_err(|_| unusable())?,
    };
    if tunnel.ssh_port == 0 {
        return Err(unusable());
    }
    let server_name = match &host {
        Host::Name(name) => name.to_string(),
        Host::Ip(ip) => ip.to_string(),
    };
    Ok(Place {
        tunnel: tunnel.id,
        secret: answer.kgp.secret.clone(),
        server: Target { host, port: tunnel.ssh_port },
        server_name,
        pin: answer.kgp.certificate_sha256,
        proxy: printable(&tunnel.proxy_address),
        launched: tunnel.launch_time,
    })
}
