//! While the tunnel serves: its ups and downs, its record, its heartbeat.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sc_proto::contract::{ConnectFailure, ConnectionNumber, TransportLoss, TunnelEnd};

use super::end::is_by_server;
use super::links::Told;
use super::{Controller, LOST_POLL, Link, Stage, Timer, Trouble};
use crate::api::{Heartbeat, Status, Tunnel};
use crate::client::failure::{ConnectRemedy, Failure, may_pass, remedy};
use crate::client::line::Line;
use crate::client::rest_error::RestError;

/// The least time between two lines about failed tries to reconnect.
const RECONNECTING_LINES: Duration = Duration::from_secs(5);

impl Controller {
    pub(super) fn on_link_up(
        &mut self,
        connection: ConnectionNumber,
        peer: SocketAddr,
        now: Instant,
    ) {
        let was_lost = self.links.all().is_lost();
        self.links.set(connection, Link::Up);
        if !was_lost {
            return self.on_another_up(connection, peer, now);
        }
        self.links.tell(connection, Told::No);
        self.link_changed = now;
        self.link_trouble = None;
        self.dials = 0;
        self.reconnecting_told = None;
        self.recovering = false;
        match self.stage {
            Stage::Connecting { .. } => {
                self.stage = Stage::Serving;
                self.say(Line::Established { connection, up: self.links.up(), peer });
                self.say(Line::Ready);
            }
            Stage::Serving | Stage::Closing(_) => {
                self.tell_loss();
                self.say(Line::Restored);
            }
            // Too late to be of use; what ends the run ends it too.
            Stage::Asking(_)
            | Stage::Provisioning { .. }
            | Stage::Draining { .. }
            | Stage::Leaving { .. }
            | Stage::Done => return,
        }
        self.heartbeat.hurry(now);
        self.dial_missing();
    }

    pub(super) fn on_link_down(
        &mut self,
        connection: ConnectionNumber,
        end: &TunnelEnd,
        now: Instant,
    ) {
        let was_lost = self.links.all().is_lost();
        self.links.set(connection, Link::Down);
        if !self.links.all().is_lost() {
            return self.on_one_lost(connection, end, now);
        }
        if !was_lost {
            self.link_changed = now;
        }
        self.link_trouble = Some(Trouble::Lost(end.to_string()));
        match &self.stage {
            Stage::Serving => {
                self.untold.push(Line::Lost { why: end.to_string() });
                self.dial_later(connection, now);
                // The record may say that the tunnel was ended.
                self.poll.hurry(now);
                self.heartbeat.hurry(now);
            }
            Stage::Closing(closing) if closing.jobs_may_run() => {
                self.dial_later(connection, now);
                self.jobs.hurry(now);
            }
            Stage::Draining { exit, .. } => {
                let exit = *exit;
                self.drained(exit, now);
            }
            _ => {}
        }
    }

    /// A transport is gone, its session is not: the core dials for another.
    pub(super) fn on_interrupted(
        &mut self,
        connection: ConnectionNumber,
        cause: &TransportLoss,
        now: Instant,
    ) {
        self.links.set(connection, Link::Interrupted);
        let (left, cause) = (self.links.up(), cause.to_string());
        self.say(Line::Interrupted { connection, left, cause });
        if left > 0 {
            return;
        }
        self.link_changed = now;
        if let Stage::Serving = self.stage {
            // The record may say that the tunnel was ended.
            self.poll.hurry(now);
            self.heartbeat.hurry(now);
        }
    }

    pub(super) fn on_reconnecting(
        &mut self,
        connection: ConnectionNumber,
        attempt: u32,
        failure: &ConnectFailure,
        wait: Duration,
        now: Instant,
    ) {
        let told = self.reconnecting_told;
        let is_due =
            told.is_none_or(|told| now.saturating_duration_since(told) >= RECONNECTING_LINES);
        if is_due {
            self.reconnecting_told = Some(now);
            let cause = failure.to_string();
            self.say(Line::Reconnecting { connection, attempt, cause, wait });
        }
    }

    /// A session has a transport again.
    pub(super) fn on_resumed(&mut self, connection: ConnectionNumber, line: Line, now: Instant) {
        let was_up = self.links.all() == Link::Up;
        self.links.set(connection, Link::Up);
        self.note_complete();
        self.say(line);
        if was_up {
            return;
        }
        self.link_changed = now;
        if let Stage::Serving | Stage::Closing(_) = self.stage {
            self.heartbeat.hurry(now);
        }
    }

    pub(super) fn on_connect_failed(
        &mut self,
        connection: ConnectionNumber,
        failure: ConnectFailure,
        now: Instant,
    ) {
        log::debug!("{connection}: connect failed: {failure}");
        self.links.set(connection, Link::Down);
        match self.links.all() {
            Link::Up | Link::Interrupted => return self.on_one_failed(connection, failure, now),
            // While there is no session one try at a time is enough.
            Link::Dialling | Link::Waiting(_) => return,
            Link::Down => {}
        }
        let wait = self.dial_later(connection, now);
        let remedy = remedy(&failure);
        match &self.stage {
            Stage::Connecting { since } => {
                let may = Self::may_connect(*since, wait, now);
                if remedy == ConnectRemedy::GiveUp || !may {
                    let since = *since;
                    return self.connect_failed(failure, since, now);
                }
                let error = failure.to_string();
                self.say(Line::Retry { step: "connecting", error, wait });
            }
            Stage::Serving if remedy == ConnectRemedy::GiveUp && !may_pass(&failure) => {
                self.link_trouble = Some(Trouble::Connect(failure));
                return self.lost(now);
            }
            Stage::Serving if remedy == ConnectRemedy::AskRecord => {}
            Stage::Serving => {
                self.tell_loss();
                self.on_reconnecting(connection, self.dials, &failure, wait, now);
            }
            Stage::Closing(closing) if closing.jobs_may_run() => {}
            Stage::Draining { exit, .. } => {
                let exit = *exit;
                self.links.set(connection, Link::Down);
                return self.drained(exit, now);
            }
            _ => self.links.set(connection, Link::Down),
        }
        if remedy != ConnectRemedy::TryAgain && matches!(self.poll, Timer::At(_)) {
            self.poll.hurry(now);
        }
        self.link_trouble = Some(Trouble::Connect(failure));
    }

    /// This machine lacks what a connection needs.
    pub(in crate::client) fn cannot_connect(
        &mut self,
        connection: ConnectionNumber,
        failure: Failure,
        now: Instant,
    ) {
        self.links.set(connection, Link::Down);
        if self.links.all().is_lost() {
            self.fail(failure, now);
        } else {
            // The tunnel does without, for now.
            log::warn!("{connection} cannot be made: {failure}");
            self.dial_later(connection, now);
        }
    }

    /// The first connection took too long.
    pub(super) fn give_up_connecting(&mut self, now: Instant) {
        let Stage::Connecting { since } = self.stage else {
            return;
        };
        let failure = match self.link_trouble.take() {
            Some(Trouble::Connect(failure)) => failure,
            Some(Trouble::Lost(_)) | None => {
                ConnectFailure::Transport(TransportLoss::HandshakeTimeout)
            }
        };
        self.connect_failed(failure, since, now);
    }

    fn connect_failed(&mut self, failure: ConnectFailure, since: Instant, now: Instant) {
        let failure = Failure::Connect {
            server: self.server(),
            failure,
            tries: self.dials,
            over: now.saturating_duration_since(since),
        };
        self.fail(failure, now);
    }

    fn server(&self) -> String {
        self.place.as_ref().map_or(String::new(), |place| place.server.to_string())
    }

    /// Connects again when that is due.
    pub(super) fn on_link_time(&mut self, now: Instant) {
        for connection in self.links.due(now) {
            match self.stage {
                Stage::Connecting { .. } | Stage::Serving | Stage::Closing(_) => {
                    self.dial(connection);
                }
                _ => self.links.set(connection, Link::Down),
            }
        }
    }

    fn lost(&mut self, now: Instant) {
        let last = match &self.link_trouble {
            Some(Trouble::Lost(why)) => why.clone(),
            Some(Trouble::Connect(failure)) => failure.to_string(),
            None => "no reason known".to_owned(),
        };
        let failure = Failure::Lost {
            server: self.server(),
            last,
            tries: self.dials,
            over: now.saturating_duration_since(self.link_changed),
        };
        self.fail(failure, now);
    }

    pub(super) fn on_polled(&mut self, result: Result<Box<Tunnel>, RestError>, now: Instant) {
        self.poll = Timer::Off;
        match (&self.stage, result) {
            (Stage::Provisioning { .. }, Ok(tunnel)) => self.provisioned(&tunnel, now),
            (
                Stage::Provisioning { .. } | Stage::Connecting { .. } | Stage::Serving,
                Err(error),
            ) if error.is_gone() => self.gone(None, now),
            (Stage::Provisioning { .. }, Err(error)) => self.provisioning_unclear(&error, now),
            (Stage::Connecting { .. } | Stage::Serving, result) => self.watched(result, now),
            // What the record says of a tunnel that is ending is no news.
            _ => {}
        }
    }

    /// What the record says while the tunnel serves.
    fn watched(&mut self, result: Result<Box<Tunnel>, RestError>, now: Instant) {
        let lost = self.links.all().is_lost() && matches!(self.stage, Stage::Serving);
        let interval = if lost { self.timing.poll.min(LOST_POLL) } else { self.timing.poll };
        self.poll = Timer::At(now + interval);
        match result {
            Ok(tunnel) => match tunnel.status {
                Status::Running | Status::Booting if self.is_taken_over(&tunnel) => {
                    self.taken_over(now);
                }
                Status::Running | Status::Booting => self.runs(now),
                // When it is back, so is the tunnel.
                Status::Halting if is_by_server(&tunnel) => self.tell_loss(),
                Status::Halting => self.halting(&tunnel, now),
                Status::Terminated => self.gone(Some(&tunnel), now),
            },
            Err(error) if error.is_unauthorized() && self.links.all() != Link::Up => {
                // Nor would it take the wish to end the tunnel.
                self.place = None;
                self.fail(Failure::KeyVoid { server: self.rest_url.clone() }, now);
            }
            // The tunnel itself works without REST.
            Err(error) => {
                log::info!("the tunnel's record cannot be read: {error}");
                self.tell_loss();
            }
        }
    }

    /// The record says that the tunnel runs.
    fn runs(&mut self, now: Instant) {
        self.tell_loss();
        match (&self.stage, self.links.all()) {
            // A try to make it again found it there.
            (Stage::Serving, Link::Down) => self.links.set(self.links.first(), Link::Waiting(now)),
            (Stage::Serving, Link::Up | Link::Interrupted) => self.dial_missing(),
            _ => {}
        }
    }

    /// The record is of a tunnel that was made after this client's.
    fn taken_over(&mut self, now: Instant) {
        if self.lost_answer {
            // By this client, perhaps, which cannot know its secret.
            self.recover(now);
        } else {
            self.place = None;
            self.fail(Failure::EndedElsewhere { reason: Some("collision".to_owned()) }, now);
        }
    }

    /// What a heartbeat says.
    pub(super) fn beat(&self, now: Instant) -> Heartbeat {
        Heartbeat {
            kgp_is_connected: self.links.all() == Link::Up,
            kgp_seconds_since_last_status_change: now
                .saturating_duration_since(self.link_changed)
                .as_secs(),
            memory: None,
        }
    }

    pub(super) fn on_heartbeat(&mut self, result: Result<(), RestError>, now: Instant) {
        if let Err(error) = result {
            log::info!("the heartbeat failed: {error}");
        }
        self.heartbeat = match self.stage {
            Stage::Serving | Stage::Closing(_) => Timer::At(now + self.timing.heartbeat),
            _ => Timer::Off,
        };
    }
}
