//! Connections beside the one that keeps the tunnel up: they come, go and come back by themselves.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sc_proto::contract::{ConnectFailure, ConnectionNumber, TunnelEnd};

use super::links::Told;
use super::{Controller, Link, Stage, Timer};
use crate::client::failure::{ConnectRemedy, remedy};
use crate::client::line::Line;

/// Losses that wait to be told, at most: twice as many as there may be connections.
const MAX_UNTOLD: usize = 64;

impl Controller {
    /// A connection is up while the tunnel has others.
    pub(super) fn on_another_up(
        &mut self,
        connection: ConnectionNumber,
        peer: SocketAddr,
        now: Instant,
    ) {
        self.note_complete();
        let (up, told) = (self.links.up(), self.links.tell(connection, Told::No));
        if let Stage::Serving | Stage::Closing(_) = self.stage {
            match told {
                Told::Missing => self.say(Line::ConnectionBack { connection, up }),
                Told::No => self.say(Line::Established { connection, up, peer }),
            }
            if up == 1 {
                // The others have no transport: it is this one that brings the tunnel back.
                self.link_changed = now;
                self.heartbeat.hurry(now);
            }
        }
    }

    /// The session of a connection has ended, and others go on.
    pub(super) fn on_one_lost(
        &mut self,
        connection: ConnectionNumber,
        end: &TunnelEnd,
        now: Instant,
    ) {
        if !self.wants_connections() {
            return;
        }
        // The record may say that the tunnel was ended.
        self.poll.hurry(now);
        if *end == TunnelEnd::PeerDrained {
            // It will; if not, the connection is made again then.
            return;
        }
        self.links.tell(connection, Told::Missing);
        self.untold.push(Line::ConnectionLost { connection, why: end.to_string() });
        if self.untold.len() >= MAX_UNTOLD {
            self.tell_loss();
        }
        self.dial_later(connection, now);
    }

    /// A connection could not be made, and the tunnel has others.
    pub(super) fn on_one_failed(
        &mut self,
        connection: ConnectionNumber,
        failure: ConnectFailure,
        now: Instant,
    ) {
        if !self.wants_connections() {
            return;
        }
        let attempt = self.links.count_failure(connection);
        let wait = self.dial_later(connection, now);
        match remedy(&failure) {
            ConnectRemedy::AskRecord if matches!(self.poll, Timer::At(_)) => self.poll.hurry(now),
            ConnectRemedy::AskRecord => {}
            ConnectRemedy::TryAgain | ConnectRemedy::GiveUp => {
                self.tell_loss();
                self.links.tell(connection, Told::Missing);
                self.on_reconnecting(connection, attempt, &failure, wait, now);
            }
        }
    }

    /// Makes all connections that nothing is done about.
    pub(super) fn dial_missing(&mut self) {
        if self.wants_connections() {
            for connection in self.links.down() {
                self.dial(connection);
            }
        }
    }

    /// The connection is made after a while; says how long that is.
    pub(super) fn dial_later(&mut self, connection: ConnectionNumber, now: Instant) -> Duration {
        let wait = self.links.next_wait(connection);
        self.links.set(connection, Link::Waiting(now + wait));
        wait
    }

    /// When all are up, the next failure is news.
    pub(super) fn note_complete(&mut self) {
        if self.links.is_complete() {
            self.reconnecting_told = None;
        }
    }

    fn wants_connections(&self) -> bool {
        match &self.stage {
            Stage::Serving => true,
            Stage::Closing(closing) => closing.jobs_may_run(),
            _ => false,
        }
    }
}
