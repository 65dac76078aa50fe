//! What both versions' servers answer from.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::board::{Board, Phase, Snapshot};
use super::link::{Change, Link, Outage, Resumed, State, Trying};
use super::links::Recorded;
use super::{metrics, rounded, seconds_until};
use crate::cli::Settings;
use crate::monitor::worker::AskWorkers;
use crate::monitor::{Answer, Status};

/// Who answers questions about a run.
pub(super) struct Views {
    board: Arc<Board>,
    workers: AskWorkers,
    script: AskScript,
    configuration: Mutex<String>,
}

/// Asks for the PAC script in use.
pub(crate) type AskScript = Arc<dyn Fn() -> Option<Arc<str>> + Send + Sync>;

/// Every option and value in effect, a line each.
pub(in crate::client) fn configuration(settings: &Settings) -> String {
    settings.shown.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
}

impl Views {
    pub(super) fn new(
        settings: &Settings,
        board: Arc<Board>,
        workers: AskWorkers,
        script: AskScript,
    ) -> Self {
        Self { board, workers, script, configuration: Mutex::new(configuration(settings)) }
    }

    /// Other options are in effect.
    pub(super) fn set_configuration(&self, text: String) {
        *self.configuration.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }

    /// The PAC script in use, if there is one.
    pub(super) fn script(&self) -> Option<Answer> {
        (self.script)().map(|script| Answer::script(&script))
    }

    /// How the run stands.
    pub(super) fn snapshot(&self) -> Snapshot {
        self.board.read()
    }

    /// Every option and value in effect, without secrets.
    pub(super) fn configuration(&self) -> Answer {
        let text = self.configuration.lock().unwrap_or_else(PoisonError::into_inner);
        Answer::text(Status::Ok, text.as_str())
    }

    /// Whether the process does its work. A link that is being restored is work: who asks may
    /// kill the process for a no, and with it the streams that wait.
    pub(super) fn alive(&self) -> Answer {
        let snapshot = self.snapshot();
        if snapshot.phase == Phase::Ended {
            return Answer::text(Status::Unavailable, "the tunnel has ended");
        }
        match (self.workers)() {
            Ok(_) if snapshot.links.is_connected() => Answer::bare(Status::Ok, "OK"),
            Ok(_) => {
                let state = snapshot.links.state().name();
                Answer::text(Status::Ok, format!("OK, though the tunnel is not connected: {state}"))
            }
            Err(error) => Answer::text(Status::Unavailable, error.to_string()),
        }
    }

    /// All metrics.
    pub(super) fn metrics(&self) -> Answer {
        // What the data plane does not tell is left out, the rest is told.
        let workers = (self.workers)().unwrap_or_default();
        Answer::metrics(metrics::text(&self.snapshot(), &self.board.meters, &workers))
    }

    /// The link with all details, and what the session holds at this moment.
    pub(super) fn link(&self, snapshot: &Snapshot) -> Value {
        let mut link = link(snapshot, Instant::now());
        let workers = (self.workers)().unwrap_or_default();
        let sessions = || workers.iter().flat_map(|worker| &worker.sessions);
        if sessions().next().is_some()
            && let Some(fields) = link.as_object_mut()
        {
            let rtt = sessions().filter_map(|session| session.rtt).max();
            fields.insert("rttSeconds".to_owned(), json!(rtt.map(|rtt| rtt.as_secs_f64())));
            let kept: u64 = sessions().map(|session| session.unacknowledged).sum();
            fields.insert("unacknowledgedBytes".to_owned(), json!(kept));
            let streams: usize = sessions().map(|session| session.streams.all()).sum();
            fields.insert("streams".to_owned(), json!(streams));
        }
        link
    }
}

/// The link as JSON: all connections together, and each if there are several.
fn link(snapshot: &Snapshot, now: Instant) -> Value {
    let links = &snapshot.links;
    let mut fields = json!({
        "state": links.state().name(),
        "since": links.since().unix,
        "reconnects": links.reconnects(),
        "secondsDown": rounded(links.down_until(now)),
        "lastResume": links.last_resume().map(resumed),
        "changes": links.changes().map(change_json).collect::<Vec<_>>(),
        "changesInAll": links.changes_in_all(),
    });
    if let Some(fields) = fields.as_object_mut() {
        insert_details(fields, links.state(), now);
        if links.each().len() > 1 {
            let each: Vec<Value> = links.each().iter().map(|link| one(link, now)).collect();
            fields.insert("connected".to_owned(), json!(links.connected()));
            fields.insert("connections".to_owned(), json!(each));
        }
    }
    fields
}

/// One connection of several.
fn one(link: &Link, now: Instant) -> Value {
    let mut fields = json!({
        "state": link.state().name(),
        "since": link.since().unix,
        "reconnects": link.reconnects(),
    });
    if let Some(fields) = fields.as_object_mut() {
        insert_details(fields, link.state(), now);
    }
    fields
}

/// Why it is not connected, and what is done about it.
fn insert_details(fields: &mut Map<String, Value>, state: &State, now: Instant) {
    let (cause, trying) = match state {
        State::Starting(trying) => (None, trying),
        State::Reconnecting(Outage { cause, trying }) | State::Lost(Outage { cause, trying }) => {
            (Some(cause), trying)
        }
        State::Connected { .. } | State::Ended => return,
    };
    fields.insert("cause".to_owned(), json!(cause));
    fields.insert("tries".to_owned(), tries(trying, now));
}

fn tries(trying: &Trying, now: Instant) -> Value {
    json!({
        "failed": trying.failed,
        "lastFailure": trying.failure,
        "nextInSeconds": trying.next.map(|next| seconds_until(next, now)),
    })
}

fn resumed(resumed: Resumed) -> Value {
    let Resumed { replayed, streams, outage } = resumed;
    json!({ "replayedBytes": replayed, "streamsKept": streams, "outageSeconds": rounded(outage) })
}

fn change_json(recorded: &Recorded) -> Value {
    let Recorded { at, connection, change } = recorded;
    let mut fields = json!({ "at": at, "connection": connection, "change": change.name() });
    let more = match change {
        Change::Interrupted { cause } | Change::Lost { cause } => Some(("cause", json!(cause))),
        Change::Resumed(how) => Some(("resumed", resumed(*how))),
        Change::Connected | Change::Restored | Change::Ended => None,
    };
    if let (Some((name, value)), Some(fields)) = (more, fields.as_object_mut()) {
        fields.insert(name.to_owned(), value);
    }
    fields
}
