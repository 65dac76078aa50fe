//! The end: asked for by a signal, by someone else, or by a failure.

use std::time::{Duration, Instant};

use sc_proto::contract::Stop;

use super::{
    Controller, DRAIN_LIMIT, Effect, FORCED_LIMIT, JOBS_POLL, LEAVE_LIMIT, Link, Stage, Timer,
};
use crate::api::Tunnel;
use crate::cli::Exit;
use crate::client::call::{Call, JobsAtEnd};
use crate::client::failure::Failure;
use crate::client::line::Line;
use crate::client::rest::printable;
use crate::client::rest_error::RestError;

/// How often the server is asked to end the tunnel.
const DELETE_TRIES: u32 = 3;

/// How long jobs that are known to run are waited for without REST and without a session.
const BLIND_LIMIT: Duration = Duration::from_secs(10);

/// Waiting for running jobs.
#[derive(Debug)]
pub(super) struct Closing {
    until: Instant,
    /// Why, if it was not asked for by a signal.
    cause: Option<Failure>,
    /// `None`: not known yet.
    jobs: Option<u32>,
    deletes: u32,
    /// When to ask the server again to end the tunnel.
    again: Option<Instant>,
}

impl Closing {
    /// When something is due.
    pub(super) fn next(&self) -> Instant {
        self.again.map_or(self.until, |again| again.min(self.until))
    }

    /// Jobs run, or that is not known.
    pub(super) fn jobs_may_run(&self) -> bool {
        self.jobs != Some(0)
    }
}

impl Controller {
    pub(super) fn on_signal(&mut self, now: Instant) {
        match &self.stage {
            Stage::Asking(_) => self.stop_asking(),
            Stage::Provisioning { .. } | Stage::Connecting { .. } | Stage::Serving => {
                self.say(Line::Stopping);
                self.close(None, 1, now);
                self.delete(JobsAtEnd::Wait, "sigterm");
            }
            Stage::Closing(_) | Stage::Draining { .. } => {
                self.say(Line::Forced);
                self.leave("sigterm", Exit::Forced, now);
                self.hurry_leaving(now);
            }
            Stage::Leaving { exit, .. } => {
                let exit = *exit;
                self.finish(exit);
            }
            Stage::Done => {}
        }
    }

    /// Someone else asked for the end, and jobs may still run.
    pub(super) fn halting(&mut self, record: &Tunnel, now: Instant) {
        let reason = record.shutdown_reason.as_deref().map(printable);
        self.say(Line::Halting { reason });
        self.close(Some(ended(record)), DELETE_TRIES, now);
        self.jobs = Timer::At(now);
    }

    /// The tunnel is no more, as its record says if there is one.
    pub(super) fn gone(&mut self, record: Option<&Tunnel>, now: Instant) {
        let failure = record.map(ended);
        let by_server = matches!(failure, None | Some(Failure::EndedByServer { .. }));
        if matches!(self.stage, Stage::Serving) && by_server {
            return self.recover(now);
        }
        self.place = None;
        let failure = failure.unwrap_or(Failure::EndedElsewhere { reason: None });
        self.fail(failure, now);
    }

    fn close(&mut self, cause: Option<Failure>, deletes: u32, now: Instant) {
        let until = now + self.timing.jobs;
        self.poll = Timer::Off;
        self.stage = Stage::Closing(Closing { until, cause, jobs: None, deletes, again: None });
    }

    /// Tells the cause of the end, if there is one to be told, and what the process returns.
    fn conclude(&mut self) -> Exit {
        let Stage::Closing(closing) = &mut self.stage else {
            return Exit::Orderly;
        };
        let Some(failure) = closing.cause.take() else {
            return Exit::Orderly;
        };
        let exit = failure.exit();
        self.effects.push_back(Effect::Fail(failure));
        exit
    }

    fn delete(&mut self, jobs: JobsAtEnd, reason: &'static str) {
        if let Some(place) = &self.place {
            let id = place.tunnel;
            self.effects.push_back(Effect::Call(Call::Delete { id, jobs, reason }));
        }
    }

    /// The answer to the last words of one kind. Those of the other kind may still be under way.
    pub(super) fn on_deleted(
        &mut self,
        jobs: JobsAtEnd,
        result: Result<u32, RestError>,
        now: Instant,
    ) {
        match (&mut self.stage, jobs, result) {
            (Stage::Closing(_), JobsAtEnd::Wait, Ok(running)) => self.counted(running, now),
            (Stage::Closing(_), JobsAtEnd::Wait, Err(error)) if error.is_gone() => {
                self.counted(0, now);
            }
            (Stage::Closing(closing), JobsAtEnd::Wait, Err(error)) => {
                if error.retry_limit().is_some() && closing.deletes < DELETE_TRIES {
                    closing.again = Some(now + JOBS_POLL);
                } else {
                    self.say(Line::NotDeleted { error: error.to_string() });
                    self.counted(0, now);
                }
            }
            (Stage::Leaving { exit, .. }, JobsAtEnd::Abandon, _) => {
                let exit = *exit;
                self.finish(exit);
            }
            _ => {}
        }
    }

    /// While closing: asks the server again, or stops waiting, when that is due.
    pub(super) fn on_closing_time(&mut self, now: Instant) {
        let Stage::Closing(closing) = &mut self.stage else {
            return;
        };
        if closing.until <= now {
            self.say(Line::JobsLeft);
            let exit = self.conclude();
            self.leave("jobWaitTimeout", exit, now);
        } else if closing.again.is_some_and(|again| again <= now) {
            closing.again = None;
            closing.deletes += 1;
            self.delete(JobsAtEnd::Wait, "sigterm");
        }
    }

    pub(super) fn on_jobs(&mut self, result: Result<u32, RestError>, now: Instant) {
        self.jobs = Timer::Off;
        let Stage::Closing(closing) = &self.stage else {
            return;
        };
        let any_known = closing.jobs.is_some();
        let down_for = now.saturating_duration_since(self.link_changed);
        match result {
            Ok(jobs) => self.counted(jobs, now),
            Err(error) if error.is_gone() => self.counted(0, now),
            // Neither REST nor a session: whatever runs has lost its tunnel.
            Err(_) if self.links.all() != Link::Up && (!any_known || down_for > BLIND_LIMIT) => {
                self.drain(now);
            }
            Err(error) => {
                log::info!("running jobs cannot be counted: {error}");
                self.jobs = Timer::At(now + JOBS_POLL);
            }
        }
    }

    /// So many jobs still run.
    fn counted(&mut self, jobs: u32, now: Instant) {
        let limit = self.timing.jobs;
        let Stage::Closing(closing) = &mut self.stage else {
            return;
        };
        let news = closing.jobs != Some(jobs);
        closing.jobs = Some(jobs);
        if jobs == 0 {
            return self.drain(now);
        }
        self.jobs = Timer::At(now + JOBS_POLL);
        if news {
            self.say(Line::WaitingForJobs { jobs, limit });
        }
    }

    fn drain(&mut self, now: Instant) {
        let exit = self.conclude();
        self.silence();
        match self.links.all() {
            Link::Up | Link::Interrupted | Link::Dialling => {
                self.effects.push_back(Effect::Stop(Stop::Drain));
                self.stage = Stage::Draining { until: now + DRAIN_LIMIT, exit };
            }
            Link::Down | Link::Waiting(_) => self.drained(exit, now),
        }
    }

    /// The last stream is done, or has had its time.
    pub(super) fn drained(&mut self, exit: Exit, now: Instant) {
        if exit == Exit::Orderly {
            // Streams could go on until now. When this process has ended the tunnel has, too.
            self.leave("sigterm", exit, now);
        } else {
            // Someone else ends it.
            self.finish(exit);
        }
    }

    pub(super) fn on_stopped(&mut self, now: Instant) {
        if let Stage::Draining { exit, .. } = self.stage {
            self.drained(exit, now);
        }
    }

    /// Ends with a cause.
    pub(super) fn fail(&mut self, failure: Failure, now: Instant) {
        let exit = failure.exit();
        self.effects.push_back(Effect::Fail(failure));
        self.leave("clientFailure", exit, now);
    }

    /// Ends the tunnel, if there is one, and then the run, without waiting for streams or jobs.
    pub(super) fn leave(&mut self, reason: &'static str, exit: Exit, now: Instant) {
        self.silence();
        self.effects.push_back(Effect::Stop(Stop::Now));
        if self.place.is_none() {
            return self.finish(exit);
        }
        self.delete(JobsAtEnd::Abandon, reason);
        self.stage = Stage::Leaving { until: now + LEAVE_LIMIT, exit };
    }

    fn hurry_leaving(&mut self, now: Instant) {
        if let Stage::Leaving { until, .. } = &mut self.stage {
            *until = now + FORCED_LIMIT;
        }
    }

    /// No more polls and heartbeats.
    fn silence(&mut self) {
        self.poll = Timer::Off;
        self.heartbeat = Timer::Off;
        self.jobs = Timer::Off;
    }

    pub(super) fn finish(&mut self, exit: Exit) {
        self.silence();
        self.links.forget();
        self.stage = Stage::Done;
        self.say(Line::Goodbye);
        self.effects.push_back(Effect::Exit(exit));
    }
}

/// Whether a tunnel is being ended by its server, for reasons of its own.
pub(super) fn is_by_server(record: &Tunnel) -> bool {
    matches!(ended(record), Failure::EndedByServer { .. })
}

/// Who ended a tunnel, as its record says.
fn ended(record: &Tunnel) -> Failure {
    let reason = record.shutdown_reason.as_deref().map(printable);
    let by_server = match &reason {
        Some(reason) => reason.starts_with("server"),
        None => true,
    };
    if by_server && record.user_shutdown != Some(true) {
        Failure::EndedByServer { reason }
    } else {
        Failure::EndedElsewhere { reason }
    }
}
