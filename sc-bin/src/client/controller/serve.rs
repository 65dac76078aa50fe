//! While the tunnel serves: its session, its record, its heartbeat.

use std::net::SocketAddr;
use std::time::Instant;

use sc_proto::contract::{ConnectFailure, TransportLoss, TunnelEnd};

use super::{Controller, Link, RESTORE_LIMIT, Stage, Timer, Trouble};
use crate::api::{Heartbeat, Status, Tunnel};
use crate::client::failure::{ConnectRemedy, Failure, remedy};
use crate::client::line::Line;
use crate::client::rest_error::RestError;

impl Controller {
    pub(super) fn on_link_up(&mut self, peer: SocketAddr, now: Instant) {
        self.link = Link::Up;
        self.link_changed = now;
        self.link_trouble = None;
        self.link_backoff.reset();
        self.dials = 0;
        match self.stage {
            Stage::Connecting { .. } => {
                self.stage = Stage::Serving;
                self.say(Line::Established { peer });
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
    }

    pub(super) fn on_link_down(&mut self, end: &TunnelEnd, now: Instant) {
        if self.link == Link::Up {
            self.link_changed = now;
        }
        self.link_trouble = Some(Trouble::Lost(end.to_string()));
        match &self.stage {
            Stage::Serving => {
                self.untold = Some(Line::Lost { why: end.to_string() });
                self.link = Link::Waiting(now + self.link_backoff.next_wait());
                // The record may say that the tunnel was ended.
                self.poll.hurry(now);
                self.heartbeat.hurry(now);
            }
            Stage::Closing(closing) if closing.jobs_may_run() => {
                self.link = Link::Waiting(now + self.link_backoff.next_wait());
                self.jobs.hurry(now);
            }
            Stage::Draining { exit, .. } => {
                let exit = *exit;
                self.link = Link::Down;
                self.drained(exit, now);
            }
            _ => self.link = Link::Down,
        }
    }

    pub(super) fn on_connect_failed(&mut self, failure: ConnectFailure, now: Instant) {
        let wait = self.link_backoff.next_wait();
        self.link = Link::Waiting(now + wait);
        let remedy = remedy(&failure);
        log::debug!("connect failed: {failure}");
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
            Stage::Serving if remedy == ConnectRemedy::GiveUp => {
                self.link_trouble = Some(Trouble::Connect(failure));
                return self.lost(now);
            }
            Stage::Serving if remedy == ConnectRemedy::TryAgain => self.tell_loss(),
            Stage::Serving => {}
            Stage::Closing(closing) if closing.jobs_may_run() => {}
            Stage::Draining { exit, .. } => {
                let exit = *exit;
                self.link = Link::Down;
                return self.drained(exit, now);
            }
            _ => self.link = Link::Down,
        }
        if remedy == ConnectRemedy::AskRecord && matches!(self.poll, Timer::At(_)) {
            self.poll.hurry(now);
        }
        self.link_trouble = Some(Trouble::Connect(failure));
    }

    /// This machine lacks what a connection needs.
    pub(in crate::client) fn cannot_connect(&mut self, failure: Failure, now: Instant) {
        self.link = Link::Down;
        self.fail(failure, now);
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
        if matches!(self.link, Link::Waiting(moment) if moment <= now) {
            match self.stage {
                Stage::Connecting { .. } | Stage::Serving | Stage::Closing(_) => self.dial(),
                _ => self.link = Link::Down,
            }
        }
    }

    /// Gives a lost session up when it has been lost for too long.
    pub(super) fn check_restoring(&mut self, now: Instant) {
        if now.saturating_duration_since(self.link_changed) >= RESTORE_LIMIT {
            self.lost(now);
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
        self.poll = Timer::At(now + self.timing.poll);
        match result {
            Ok(tunnel) => match tunnel.status {
                Status::Running | Status::Booting => self.tell_loss(),
                Status::Halting => self.halting(&tunnel, now),
                Status::Terminated => self.gone(Some(&tunnel), now),
            },
            Err(error) if error.is_unauthorized() && self.link != Link::Up => {
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

    /// What a heartbeat says.
    pub(super) fn beat(&self, now: Instant) -> Heartbeat {
        Heartbeat {
            kgp_is_connected: self.link == Link::Up,
            kgp_seconds_since_last_status_change: now
                .saturating_duration_since(self.link_changed)
                .as_secs(),
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
