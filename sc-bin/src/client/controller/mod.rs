//! The controller: the life of one tunnel, from the first REST call to the last line.
//!
//! A state machine without I/O: inputs and time go in, effects come out. [`super::event_loop`]
//! carries the effects out and waits. Its stages:
//!
//! ```text
//! Asking ─▶ Provisioning ─▶ Connecting ─▶ Serving ─▶ Closing ─▶ Draining ─▶ Done
//!    └──────────┴───────────────┴────────────┴──────────┴─▶ Leaving ──────────▲
//! ```
//!
//! - `start.rs`: Asking (configuration, create), Provisioning (poll until running), Connecting.
//! - `recover.rs`: making the tunnel again when the server does not have it any more.
//! - `links.rs`: the tunnel's connections, each with a session; `connections.rs`: those beside the
//!   one that keeps the tunnel up.
//! - `serve.rs`: the tunnel's ups and downs, polls and heartbeats.
//! - `end.rs`: signals, waiting for jobs, draining, leaving after a failure.

mod connections;
mod end;
mod links;
mod recover;
mod serve;
mod start;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sc_proto::contract::{
    ConnectFailure, ConnectionNumber, Event, Stop, Target, TunnelId, TunnelSecret,
};

use super::backoff::Backoff;
use super::call::{Answer, Call};
use super::failure::Failure;
use super::line::Line;
use super::reload::Reloaded;
use crate::api::{CertificateSha256, Configuration, CreateTunnel, Rules};
use crate::cli::Exit;
use links::{Link, Links};

/// What can happen to a run.
#[derive(Debug)]
pub(crate) enum Input {
    /// SIGINT or SIGTERM.
    Signal,
    /// SIGHUP. The event loop's affair.
    Hangup,
    /// What the files say now. The event loop's affair, too.
    Reloaded(Box<Reloaded>),
    /// A REST call is done.
    Answer(Answer),
    /// The data plane says something.
    Tunnel(Event),
}

/// What shall be done now.
#[derive(Debug)]
pub(super) enum Effect {
    /// Make this REST call; its answer is an input. At most one of a kind is under way.
    Call(Call),
    /// Make this connection to the tunnel's server; what becomes of it is an input.
    Connect(Box<Place>, ConnectionNumber),
    /// End the sessions of a tunnel that is gone from its server: nothing can be resumed.
    GiveUp(TunnelId),
    /// End all sessions.
    Stop(Stop),
    /// Tell the user.
    Say(Line),
    /// Tell the user why it ends.
    Fail(Failure),
    /// The run is over.
    Exit(Exit),
}

/// Where and how a tunnel is served, from the REST answer.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The tunnel.
    pub(super) tunnel: TunnelId,
    /// Proof of the right to it.
    pub(super) secret: TunnelSecret,
    /// Where its server listens.
    pub(super) server: Target,
    /// The name its certificate is for.
    pub(super) server_name: String,
    /// The one certificate to accept.
    pub(super) pin: Option<CertificateSha256>,
    /// Where browsers reach it, as `host:port`.
    pub(super) proxy: String,
    /// When it was launched: of a record with another moment, another client is the owner.
    pub(super) launched: Option<u64>,
}

/// The times a controller works by.
#[derive(Clone, Copy, Debug)]
struct Timing {
    /// Create to `running`.
    start: Duration,
    /// Between polls of the own record.
    poll: Duration,
    /// Between heartbeats.
    heartbeat: Duration,
    /// For running jobs at the end.
    jobs: Duration,
}

/// Between polls until the tunnel runs.
const PROVISION_POLL: Duration = Duration::from_secs(1);
/// Between counts of running jobs at the end.
const JOBS_POLL: Duration = Duration::from_secs(1);
/// Between polls of the own record while there is no session.
const LOST_POLL: Duration = Duration::from_secs(2);
/// How long connecting for the first time is tried.
const CONNECT_LIMIT: Duration = Duration::from_secs(45);
/// How long streams may go on after the last job.
pub(super) const DRAIN_LIMIT: Duration = Duration::from_secs(30);
/// How long the last words to the server may take.
const LEAVE_LIMIT: Duration = Duration::from_secs(5);
/// The same after a second signal.
const FORCED_LIMIT: Duration = Duration::from_secs(2);

impl Default for Timing {
    fn default() -> Self {
        Self {
            start: Duration::from_secs(45),
            poll: Duration::from_secs(5),
            heartbeat: Duration::from_secs(30),
            jobs: Duration::from_secs(300),
        }
    }
}

impl Timing {
    /// Takes the server's wishes, within bounds: no wish of a server makes a client spin or sleep.
    fn of(wished: &Configuration) -> Self {
        let within = |seconds: u32, least: u64, most: u64| {
            Duration::from_secs(u64::from(seconds).clamp(least, most))
        };
        Self {
            start: within(wished.start_timeout, 5, 300),
            poll: within(wished.server_status_interval, 1, 5),
            heartbeat: within(wished.client_status_interval, 5, 30),
            jobs: within(wished.job_wait_timeout, 0, 300),
        }
    }
}

/// Where the run is.
#[derive(Debug)]
enum Stage {
    /// Waiting for an answer of REST, or for the next try.
    Asking(start::Asking),
    /// The tunnel is made but does not run yet.
    Provisioning { until: Instant, last: String },
    /// Connecting for the first time.
    Connecting { since: Instant },
    /// Ready, or restoring a lost connection. This lasts until someone ends it.
    Serving,
    /// No new jobs; waiting for those that run.
    Closing(end::Closing),
    /// Waiting for the last streams.
    Draining { until: Instant, exit: Exit },
    /// Waiting for the answer to the last words.
    Leaving { until: Instant, exit: Exit },
    /// Over.
    Done,
}

/// Something that is done again and again, one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    Off,
    At(Instant),
    UnderWay,
}

impl Timer {
    fn at(self) -> Option<Instant> {
        match self {
            Self::At(moment) => Some(moment),
            Self::Off | Self::UnderWay => None,
        }
    }

    /// Whether it is due; then it counts as under way.
    fn fires(&mut self, now: Instant) -> bool {
        let due = self.at().is_some_and(|moment| moment <= now);
        if due {
            *self = Self::UnderWay;
        }
        due
    }

    /// Moves it to `moment` unless it is under way: its answer is about to come.
    fn hurry(&mut self, moment: Instant) {
        if *self != Self::UnderWay {
            *self = Self::At(moment);
        }
    }
}

/// The life of one tunnel.
#[derive(Debug)]
pub(super) struct Controller {
    stage: Stage,
    request: CreateTunnel,
    rest_url: String,
    timing: Timing,
    rest_backoff: Backoff,
    /// The tunnel, from its creation until it is known to be gone.
    place: Option<Place>,
    links: Links,
    /// When the tunnel last came up or went down.
    link_changed: Instant,
    /// Connects since then, while it was down.
    dials: u32,
    /// Why it is down.
    link_trouble: Option<Trouble>,
    /// Losses of sessions, not told yet: the record may say that the tunnel was ended.
    untold: Vec<Line>,
    /// Whether the tunnel is being made again; told once.
    recovering: bool,
    /// Whether an answer to a create got lost: the record may then be of that.
    lost_answer: bool,
    /// When a failed try of the core to reconnect was last told, in this outage.
    reconnecting_told: Option<Instant>,
    poll: Timer,
    heartbeat: Timer,
    jobs: Timer,
    effects: VecDeque<Effect>,
}

/// Why there is no session.
#[derive(Clone, Debug)]
enum Trouble {
    /// It was lost.
    Lost(String),
    /// It could not be made.
    Connect(ConnectFailure),
}

impl Controller {
    /// Begins: the first effects are ready. The tunnel is to have so many `connections`. `query`
    /// goes with the question for configuration, `rest_url` into error texts; `seed` makes the
    /// jitter of retries.
    pub(super) fn new(
        connections: u8,
        request: CreateTunnel,
        query: String,
        rest_url: String,
        seed: u64,
        now: Instant,
    ) -> Self {
        let second = Duration::from_secs(1);
        let mut controller = Self {
            stage: Stage::Asking(start::Asking::updates(query, now)),
            request,
            rest_url,
            timing: Timing::default(),
            rest_backoff: Backoff::new(second, 8 * second, seed),
            place: None,
            links: Links::new(connections, seed.rotate_left(32)),
            link_changed: now,
            dials: 0,
            link_trouble: None,
            untold: Vec::new(),
            recovering: false,
            lost_answer: false,
            reconnecting_told: None,
            poll: Timer::Off,
            heartbeat: Timer::Off,
            jobs: Timer::Off,
            effects: VecDeque::new(),
        };
        controller.ask();
        controller
    }

    /// The next thing to do, until there is none.
    pub(super) fn next_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Takes what happened.
    pub(super) fn handle(&mut self, input: Input, now: Instant) {
        match input {
            Input::Signal => self.on_signal(now),
            Input::Hangup | Input::Reloaded(_) => {}
            Input::Answer(answer) => self.on_answer(answer, now),
            Input::Tunnel(event) => self.on_event(event, now),
        }
    }

    fn on_answer(&mut self, answer: Answer, now: Instant) {
        match answer {
            Answer::Updates(result) => self.on_updates(result, now),
            Answer::Created(result) => self.on_created(result, now),
            Answer::Polled(result) => self.on_polled(result, now),
            Answer::Jobs(result) => self.on_jobs(result, now),
            Answer::Heartbeat(result) => self.on_heartbeat(result, now),
            Answer::Rules(Ok(())) => log::info!("the server goes by the new rules, too"),
            Answer::Rules(Err(error)) => {
                log::warn!("the server still goes by the old rules: {error}");
            }
            Answer::Deleted(jobs, result) => self.on_deleted(jobs, result, now),
        }
    }

    fn on_event(&mut self, event: Event, now: Instant) {
        match event {
            Event::TunnelUp { connection, peer, .. } => self.on_link_up(connection, peer, now),
            Event::TunnelDown { connection, end, .. } => self.on_link_down(connection, &end, now),
            Event::TunnelInterrupted { connection, cause, .. } => {
                self.on_interrupted(connection, &cause, now);
            }
            Event::Reconnecting { connection, attempt, failure, next_try_in, .. } => {
                self.on_reconnecting(connection, attempt, &failure, next_try_in, now);
            }
            Event::TunnelResumed { connection, replayed, streams, outage, .. } => {
                let line = Line::Resumed { connection, replayed, streams, outage };
                self.on_resumed(connection, line, now);
            }
            Event::ConnectFailed { connection, failure, .. } => {
                self.on_connect_failed(connection, failure, now);
            }
            Event::Stopped => self.on_stopped(now),
            // A server's affair, and what is not known here. `WayWanted` is answered before it comes here.
            _ => {}
        }
    }

    /// The tunnel is to have other rules: the server is told, now or when it makes the tunnel again.
    pub(super) fn set_rules(&mut self, rules: Rules) {
        if self.request.rules == rules {
            return;
        }
        self.request.rules = rules.clone();
        if let Some(place) = &self.place {
            self.effects.push_back(Effect::Call(Call::Rules(place.tunnel, Box::new(rules))));
        }
    }

    /// When to call [`Controller::on_time`]; `None`: only inputs matter.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let stage = match &self.stage {
            Stage::Asking(asking) => asking.next_try(),
            Stage::Provisioning { until, .. }
            | Stage::Draining { until, .. }
            | Stage::Leaving { until, .. } => Some(*until),
            Stage::Closing(closing) => Some(closing.next()),
            Stage::Connecting { since } => Some(*since + CONNECT_LIMIT),
            Stage::Serving | Stage::Done => None,
        };
        [stage, self.links.next(), self.poll.at(), self.heartbeat.at(), self.jobs.at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// When the next connect of each connection comes, if that is settled.
    pub(super) fn next_connects(
        &self,
    ) -> impl Iterator<Item = (ConnectionNumber, Option<Instant>)> + '_ {
        self.links.waits()
    }

    /// Does what is due at `now`.
    pub(super) fn on_time(&mut self, now: Instant) {
        match &self.stage {
            Stage::Asking(asking) if asking.next_try().is_some_and(|at| at <= now) => self.ask(),
            Stage::Provisioning { until, .. } if *until <= now => self.give_up_provisioning(now),
            Stage::Connecting { since } if *since + CONNECT_LIMIT <= now => {
                self.give_up_connecting(now);
            }
            Stage::Closing(_) => self.on_closing_time(now),
            Stage::Draining { until, exit } if *until <= now => {
                let exit = *exit;
                self.drained(exit, now);
            }
            Stage::Leaving { until, exit } if *until <= now => {
                let exit = *exit;
                self.finish(exit);
            }
            _ => {}
        }
        self.on_link_time(now);
        self.on_timers(now);
    }

    fn on_timers(&mut self, now: Instant) {
        let Some(id) = self.place.as_ref().map(|place| place.tunnel) else {
            return;
        };
        if self.poll.fires(now) {
            self.effects.push_back(Effect::Call(Call::Poll(id)));
        }
        if self.jobs.fires(now) {
            self.effects.push_back(Effect::Call(Call::Jobs(id)));
        }
        if self.heartbeat.fires(now) {
            let beat = self.beat(now);
            self.effects.push_back(Effect::Call(Call::Heartbeat(id, beat)));
        }
    }

    /// Tells what was kept back.
    fn tell_loss(&mut self) {
        for line in std::mem::take(&mut self.untold) {
            self.say(line);
        }
    }

    fn say(&mut self, line: Line) {
        self.effects.push_back(Effect::Say(line));
    }
}

#[cfg(test)]
mod tests;
