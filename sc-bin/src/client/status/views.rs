//! What both versions' servers answer from.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use super::board::{Board, Phase, Snapshot};
use super::link::{Change, Outage, Resumed, State, Trying};
use super::{configuration, metrics, rounded, seconds_until};
use crate::cli::Settings;
use crate::monitor::worker::AskWorkers;
use crate::monitor::{Answer, Status};

/// Who answers questions about a run.
pub(super) struct Views {
    board: Arc<Board>,
    workers: AskWorkers,
    configuration: String,
}

impl Views {
    pub(super) fn new(settings: &Settings, board: Arc<Board>, workers: AskWorkers) -> Self {
        Self { board, workers, configuration: configuration::text(settings) }
    }

    /// How the run stands.
    pub(super) fn snapshot(&self) -> Snapshot {
        self.board.read()
    }

    /// Every option and value in effect, without secrets.
    pub(super) fn configuration(&self) -> Answer {
        Answer::text(Status::Ok, self.configuration.as_str())
    }

    /// Whether the process does its work. A link that is being restored is work: who asks may
    /// kill the process for a no, and with it the streams that wait.
    pub(super) fn alive(&self) -> Answer {
        let snapshot = self.snapshot();
        if snapshot.phase == Phase::Ended {
            return Answer::text(Status::Unavailable, "the tunnel has ended");
        }
        match (self.workers)() {
            Ok(_) if snapshot.link.is_connected() => Answer::bare(Status::Ok, "OK"),
            Ok(_) => {
                let state = snapshot.link.state().name();
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
        if let Some(session) = workers.iter().flat_map(|worker| &worker.sessions).next()
            && let Some(fields) = link.as_object_mut()
        {
            fields.insert("rttSeconds".to_owned(), json!(session.rtt.map(|rtt| rtt.as_secs_f64())));
            fields.insert("unacknowledgedBytes".to_owned(), json!(session.unacknowledged));
            let streams = session.streams;
            let all = streams.opening + streams.open + streams.half_closed;
            fields.insert("streams".to_owned(), json!(all));
        }
        link
    }
}

/// The link as JSON.
fn link(snapshot: &Snapshot, now: Instant) -> Value {
    let link = &snapshot.link;
    let mut fields = json!({
        "state": link.state().name(),
        "since": link.since().unix,
        "reconnects": link.reconnects(),
        "secondsDown": rounded(link.down_until(now)),
        "lastResume": link.last_resume().map(resumed),
        "changes": link.changes().map(|(at, change)| change_json(*at, change)).collect::<Vec<_>>(),
        "changesInAll": link.changes_in_all(),
    });
    let details = match link.state() {
        State::Starting(trying) => Some((None, trying)),
        State::Reconnecting(Outage { cause, trying }) | State::Lost(Outage { cause, trying }) => {
            Some((Some(cause), trying))
        }
        State::Connected { .. } | State::Ended => None,
    };
    if let (Some((cause, trying)), Some(fields)) = (details, fields.as_object_mut()) {
        fields.insert("cause".to_owned(), json!(cause));
        fields.insert("tries".to_owned(), tries(trying, now));
    }
    fields
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

fn change_json(at: u64, change: &Change) -> Value {
    let mut fields = json!({ "at": at, "change": change.name() });
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
