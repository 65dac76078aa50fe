//! The thread that runs a controller: carries its effects out and waits for inputs.
//!
//! It never polls and never sleeps: signals, REST answers and the data plane's events come through
//! one bounded channel, and the controller names the next moment it wants to be woken.

use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::Instant;

use super::call::{Answer, Call};
use super::controller::{Controller, Effect, Input};
use super::inputs::{Receiver, Sender};
use super::line::{Speaker, Waiting};
use super::plane::DataPlane;
use super::reload::{self, Hangup, Meaning};
use super::rest_error::RestError;
use super::status::Status;
use crate::cli::Exit;

/// Something that makes REST calls, on any thread.
pub(super) trait Rest: Clone + Send + 'static {
    /// Makes the call and waits for its answer.
    fn make(&self, call: &Call) -> Answer;
}

impl Rest for super::rest::Rest {
    fn make(&self, call: &Call) -> Answer {
        Self::make(self, call)
    }
}

/// What a run works with.
pub(super) struct EventLoop<'a, R, P> {
    pub(super) controller: Controller,
    pub(super) rest: R,
    pub(super) plane: P,
    pub(super) speaker: &'a mut dyn Speaker,
    pub(super) status: Status,
    pub(super) sender: Sender,
    pub(super) inputs: Receiver,
    pub(super) hangup: Hangup,
}

impl<R: Rest, P: DataPlane> EventLoop<'_, R, P> {
    /// Runs until the controller says that it is over.
    pub(super) fn run(mut self) -> Exit {
        for line in self.status.lines() {
            self.speaker.say(&line);
        }
        loop {
            while let Some(effect) = self.controller.next_effect() {
                if let Some(exit) = self.carry_out(effect) {
                    return exit;
                }
            }
            self.status.on_handled(self.controller.next_connects());
            let input = match self.next_deadline() {
                Some(at) => {
                    let wait = at.saturating_duration_since(Instant::now());
                    self.inputs.recv_timeout(wait)
                }
                None => self.inputs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match input {
                Ok(Input::Hangup) => self.hang_up(),
                Ok(Input::Reloaded(mut reloaded)) => {
                    self.controller.set_rules(std::mem::take(&mut reloaded.rules));
                    self.status.set_configuration(std::mem::take(&mut reloaded.configuration));
                    self.plane.reload(*reloaded);
                }
                Ok(input) => self.take(input),
                Err(RecvTimeoutError::Timeout) => {}
                // Cannot be: this loop holds a sender itself.
                Err(RecvTimeoutError::Disconnected) => return Exit::Failed,
            }
            self.controller.on_time(Instant::now());
            self.status.on_time(Instant::now());
            self.speaker.on_time(Instant::now());
        }
    }

    fn take(&mut self, input: Input) {
        self.status.on_input(&input);
        self.controller.handle(input, Instant::now());
    }

    fn hang_up(&mut self) {
        match self.hangup.meaning() {
            Meaning::Reload => reload::begin(&self.sender),
            Meaning::End => self.take(Input::Signal),
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let status = self.status.next_deadline();
        let deadlines = [self.controller.next_deadline(), status, self.speaker.next_deadline()];
        deadlines.into_iter().flatten().min()
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Exit> {
        self.status.on_effect(&effect);
        match effect {
            Effect::Say(line) => self.speaker.say(&line),
            Effect::Fail(failure) => self.speaker.fail(&failure),
            Effect::Call(call) => {
                if let Some(what) = awaited(&call) {
                    self.speaker.wait_for(what);
                }
                self.call(call);
            }
            Effect::Connect(place, connection) => {
                self.speaker.wait_for(Waiting::Connection(place.server.to_string()));
                if let Err(failure) = self.plane.connect(&place, connection) {
                    self.controller.cannot_connect(connection, failure, Instant::now());
                }
            }
            Effect::GiveUp(tunnel) => self.plane.give_up(tunnel),
            Effect::Stop(stop) => self.plane.stop(stop),
            Effect::Exit(exit) => return Some(exit),
        }
        None
    }

    /// Makes a call on a thread of its own, so that a slow server holds nothing else up. The
    /// controller has at most one call of a kind under way, which bounds the threads.
    fn call(&mut self, call: Call) {
        let (rest, sender) = (self.rest.clone(), self.sender.clone());
        let copy = call.clone();
        let thread = thread::Builder::new().name("sc-rest".to_owned()).spawn(move || {
            // An answer after the end interests nobody.
            let _ = sender.send(Input::Answer(rest.make(&copy)));
        });
        if let Err(error) = thread {
            let answer = call.failed(RestError::Local(error.to_string()));
            self.controller.handle(Input::Answer(answer), Instant::now());
        }
    }
}

/// What a call's answer brings to a start.
fn awaited(call: &Call) -> Option<Waiting> {
    match call {
        Call::Updates { .. } => Some(Waiting::Configuration),
        Call::Create(_) => Some(Waiting::Tunnel),
        Call::Poll(_) => Some(Waiting::Running),
        Call::Jobs(_) | Call::Heartbeat(..) | Call::Rules(..) | Call::Delete { .. } => None,
    }
}

#[cfg(test)]
mod tests;
