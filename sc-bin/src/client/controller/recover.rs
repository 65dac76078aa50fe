//! Back to a tunnel of the same name, and where the server can, of the same id and proxy port.
//!
//! A server that restarted, or waited in vain for this client, has no tunnel of it any more: the
//! record says so, and it is made again. The record is read before every try, so that a tunnel
//! that someone ended, or that a newer client took over, stays with them.

use std::time::Instant;

use super::start::{Asking, Purpose};
use super::{Controller, Effect, LOST_POLL, Link, Stage, Timer};
use crate::api::Tunnel;
use crate::client::failure::Failure;
use crate::client::line::Line;
use crate::client::rest_error::RestError;

impl Controller {
    /// The server has no such tunnel any more, for reasons of its own.
    pub(super) fn recover(&mut self, now: Instant) {
        match self.links.all() {
            // What works is kept: perhaps the others only took its server for dead.
            Link::Up | Link::Dialling => self.poll = Timer::At(now + LOST_POLL),
            // The server may be gone for good, so the core must not wait for it; its word that the
            // session is over brings this here again.
            Link::Interrupted => {
                let tunnel = self.place.as_ref().map(|place| place.tunnel);
                self.effects.extend(tunnel.map(Effect::GiveUp));
                self.poll = Timer::At(now + LOST_POLL);
            }
            Link::Down | Link::Waiting(_) => {
                self.tell_loss();
                if !self.recovering {
                    self.recovering = true;
                    self.say(Line::Recovering);
                }
                self.links.forget();
                self.poll = Timer::Off;
                self.stage = Stage::Asking(Asking::create(Purpose::Recover, now));
                self.ask();
            }
        }
    }

    /// The tunnel is made again: to be connected to.
    pub(super) fn recovered(&mut self, now: Instant) {
        self.lost_answer = false;
        self.rest_backoff.reset();
        self.links.reset_waits();
        self.stage = Stage::Serving;
        self.poll = Timer::At(now + self.timing.poll);
        self.heartbeat.hurry(now);
        self.dial(self.links.first());
    }

    /// The tunnel could not be made again. Its record is read before the next try.
    pub(super) fn recovery_failed(&mut self, error: RestError, now: Instant) {
        if error.is_unauthorized() {
            self.place = None;
            return self.fail(Failure::KeyVoid { server: self.rest_url.clone() }, now);
        }
        self.lost_answer |= error.may_have_been_done();
        let wait = self.rest_backoff.next_wait();
        self.say(Line::Retry { step: "making the tunnel again", error: error.to_string(), wait });
        self.stage = Stage::Serving;
        self.poll = Timer::At(now + wait);
    }

    /// The record shows a tunnel that runs. Whether it is another client's: one of the same user
    /// and name that came while this one was away.
    pub(super) fn is_taken_over(&self, record: &Tunnel) -> bool {
        let own = self.place.as_ref().and_then(|place| place.launched);
        own.is_some() && record.launch_time.is_some() && own != record.launch_time
    }
}
