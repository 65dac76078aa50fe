//! How a run shows its state to others.
//!
//! `link` is the state of a connection as data, `links` of all of them, `board` where it hangs; `signs` are what other
//! processes watch (ready file, pid file, service manager); `views` answers questions by HTTP in
//! the words of `v4` and `v5`, `metrics` and `meters` the
//! figures.

mod board;
mod exchanges;
#[cfg(feature = "operations")]
mod figures;
mod link;
mod links;
mod meters;
mod metrics;
mod signs;
#[cfg(test)]
mod tests;
mod v4;
mod v5;
mod views;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sc_proto::contract::ConnectionNumber;

use super::controller::{Effect, Input};
use super::failure::Failure;
use super::inspect::watched;
use super::line::Line;
use crate::cli::Settings;
use crate::monitor::worker::AskWorkers;
use crate::monitor::{ListenAddress, Listener, Monitor, Options};
use board::Board;
use signs::Signs;
#[cfg(feature = "pool")]
pub(super) use signs::{OwnFile, failed, remove_left_over};
pub(super) use views::AskScript;
use views::Views;
pub(super) use views::configuration;

/// The status of one run: the event loop tells it everything, and it tells the others. All that
/// it serves and has written ends with it.
pub(super) struct Status {
    board: Arc<Board>,
    views: Arc<Views>,
    signs: Signs,
    #[cfg(feature = "operations")]
    figures: Option<figures::Figures>,
    // Kept for their end.
    _monitors: Vec<Monitor>,
    /// What was started, to be told.
    lines: Vec<Line>,
}

impl Status {
    /// Starts what the settings ask for. `local_proxy`: where the client's own proxy port is.
    /// `script`: asks for the PAC script.
    ///
    /// # Errors
    ///
    /// An address cannot be had, or a file cannot be written.
    pub(super) fn start(
        settings: &Settings,
        workers: &AskWorkers,
        local_proxy: Option<SocketAddr>,
        script: AskScript,
    ) -> Result<Self, Failure> {
        let board = Arc::new(Board::new(
            settings.name.as_ref().map(|name| name.as_str().into()),
            settings.connections,
        ));
        let views = Arc::new(Views::new(settings, Arc::clone(&board), Arc::clone(workers), script));
        let mut status = Self {
            signs: Signs::new(&settings.monitoring, Arc::clone(workers), local_proxy)?,
            #[cfg(feature = "operations")]
            figures: settings
                .logging
                .stats
                .map(|every| figures::Figures::new(every, Arc::clone(workers))),
            board,
            views: Arc::clone(&views),
            _monitors: Vec::new(),
            lines: Vec::new(),
        };
        let monitoring = &settings.monitoring;
        let v5_options = Options {
            auth: monitoring.api_basic_auth.clone(),
            idle: monitoring.api_idle_timeout.unwrap_or(Options::default().idle),
        };
        for (name, flag, address, options, handler) in [
            (
                "status server",
                "--status-address",
                &monitoring.status_address,
                Options::default(),
                v4::handler(&views),
            ),
            (
                "metrics server",
                "--metrics-address",
                &monitoring.metrics_address,
                Options::default(),
                v4::handler(&views),
            ),
            (
                "API server",
                "--api-address",
                &monitoring.api_address,
                v5_options,
                v5::handler(&views),
            ),
        ] {
            let Some(address) = address else { continue };
            let handler = watched(settings, handler);
            let monitor = listen(flag, address)
                .and_then(|listener| Monitor::start(listener, options, handler).map_err(threads))?;
            let address = monitor.address().to_string();
            status.lines.push(Line::Monitor { name, address });
            status._monitors.push(monitor);
        }
        Ok(status)
    }

    /// Other options are in effect.
    pub(super) fn set_configuration(&self, text: String) {
        self.views.set_configuration(text);
    }

    /// What was started, to be told.
    pub(super) fn lines(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.lines)
    }

    /// Something happens to the run.
    pub(super) fn on_input(&mut self, input: &Input) {
        match input {
            Input::Tunnel(event) => {
                if self.board.on_event(event).is_some() {
                    self.signs.on_change(&self.board.read());
                }
            }
            Input::Signal | Input::Hangup | Input::Reloaded(_) | Input::Answer(_) => {}
        }
    }

    /// The controller has dealt with it.
    pub(super) fn on_handled(
        &mut self,
        next_tries: impl Iterator<Item = (ConnectionNumber, Option<Instant>)>,
    ) {
        self.board.set_next_tries(next_tries);
    }

    /// Something is done.
    pub(super) fn on_effect(&mut self, effect: &Effect) {
        match effect {
            Effect::Connect(place, connection) => self.board.on_connect(place, *connection),
            Effect::Say(Line::Ready) => {
                self.board.on_ready();
                self.signs.on_ready(&self.board.read());
            }
            Effect::Say(Line::Stopping | Line::Halting { .. } | Line::Goodbye)
            | Effect::Fail(_) => {
                self.board.on_stopping();
                self.signs.on_stopping();
            }
            Effect::Exit(_) => {
                self.board.on_end();
                self.signs.on_end();
            }
            Effect::Say(_) | Effect::Call(_) | Effect::GiveUp(_) | Effect::Stop(_) => {}
        }
    }

    /// When [`Status::on_time`] is due, if a service manager wants signs of life, or the log
    /// figures.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let signs = self.signs.next_deadline();
        #[cfg(feature = "operations")]
        let signs =
            signs.into_iter().chain(self.figures.as_ref().map(figures::Figures::next)).min();
        signs
    }

    /// Gives a sign of life and logs figures if they are due.
    pub(super) fn on_time(&mut self, now: Instant) {
        self.signs.on_time(now);
        #[cfg(feature = "operations")]
        if let Some(figures) = &mut self.figures {
            figures.on_time(&self.board.read(), now);
        }
    }
}

fn listen(flag: &'static str, address: &ListenAddress) -> Result<Listener, Failure> {
    Listener::bind(address).map_err(|error| Failure::Listen {
        flag,
        address: address.to_string(),
        error: error.to_string(),
    })
}

fn threads(error: std::io::Error) -> Failure {
    Failure::Machine { what: "the status server does not start", error: error.to_string() }
}

/// A moment from now in seconds, not below zero.
fn seconds_until(moment: Instant, now: Instant) -> f64 {
    moment.saturating_duration_since(now).as_secs_f64()
}

/// Seconds with three places: nobody needs more.
fn rounded(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}
