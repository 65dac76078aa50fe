//! What is counted for metrics and nowhere else.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounterVec, Opts};

use super::board::seconds;
use super::link::Change;
use crate::monitor::exposition::Exposition;

/// The prefix of all names of a client.
pub(super) const PREFIX: &str = "sauce_connect_";

/// Bounds of a histogram of connects, in seconds: from a loopback to a start that nearly failed.
const CONNECT_BUCKETS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Bounds of a histogram of outages, in seconds: up to the grace and beyond.
const OUTAGE_BUCKETS: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// The metrics. `None` where a definition is wrong, which a test rules out.
#[derive(Debug)]
pub(crate) struct Meters {
    connect_seconds: Option<HistogramVec>,
    outage_seconds: Option<Histogram>,
    troubles: Option<IntCounterVec>,
    changes: Option<IntCounterVec>,
}

impl Meters {
    pub(super) fn new() -> Self {
        let name = |name: &str| format!("{PREFIX}{name}");
        let connect = HistogramOpts::new(
            name("tunnel_connect_duration_seconds"),
            "From the beginning of a connect to the session, for each server.",
        );
        let outage = HistogramOpts::new(
            name("kgp_outage_duration_seconds"),
            "How long a session that went on was without a transport.",
        );
        let troubles = Opts::new(
            name("tunnel_errors_total"),
            "Losses of the connection to the server, and failed tries to connect, by what it was.",
        );
        let changes = Opts::new(
            name("kgp_link_changes_total"),
            "Changes of the link's state: connected, interrupted, resumed, lost, restored, ended.",
        );
        let connect = connect.buckets(CONNECT_BUCKETS.to_vec());
        Self {
            connect_seconds: HistogramVec::new(connect, &["address"]).ok(),
            outage_seconds: Histogram::with_opts(outage.buckets(OUTAGE_BUCKETS.to_vec())).ok(),
            troubles: IntCounterVec::new(troubles, &["type"]).ok(),
            changes: IntCounterVec::new(changes, &["change"]).ok(),
        }
    }

    /// A session came up after so long.
    pub(super) fn connected(&self, address: &str, after: Duration) {
        if let Some(histogram) = &self.connect_seconds {
            histogram.with_label_values(&[address]).observe(seconds(after));
        }
    }

    /// A session went on after so long.
    pub(super) fn resumed(&self, outage: Duration) {
        if let Some(histogram) = &self.outage_seconds {
            histogram.observe(seconds(outage));
        }
    }

    /// A connection was lost, or could not be made.
    pub(super) fn trouble(&self, kind: &str) {
        if let Some(counter) = &self.troubles {
            counter.with_label_values(&[kind]).inc();
        }
    }

    /// The link has changed, if it has.
    pub(super) fn count(&self, change: Option<&Change>) {
        if let (Some(counter), Some(change)) = (&self.changes, change) {
            counter.with_label_values(&[change.name()]).inc();
        }
    }

    /// Adds all of it.
    pub(super) fn expose(&self, all: &mut Exposition) {
        let Self { connect_seconds, outage_seconds, troubles, changes } = self;
        if let Some(collector) = connect_seconds {
            all.collect(collector);
        }
        if let Some(collector) = outage_seconds {
            all.collect(collector);
        }
        if let Some(collector) = troubles {
            all.collect(collector);
        }
        if let Some(collector) = changes {
            all.collect(collector);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_them_are_well_defined_and_there_once_they_count() {
        let meters = Meters::new();
        let text = |meters: &Meters| {
            let mut all = Exposition::new(PREFIX);
            meters.expose(&mut all);
            all.text()
        };
        assert!(!text(&meters).contains("tunnel_errors_total"), "nothing happened yet");
        meters.connected("sc.example:443", Duration::from_millis(30));
        meters.resumed(Duration::from_secs(2));
        meters.trouble("silent");
        meters.count(Some(&Change::Connected));
        meters.count(None);
        let text = text(&meters);
        for line in [
            "sauce_connect_tunnel_connect_duration_seconds_bucket{address=\"sc.example:443\",le=\"0.05\"} 1",
            "sauce_connect_kgp_outage_duration_seconds_sum 2",
            "sauce_connect_tunnel_errors_total{type=\"silent\"} 1",
            "sauce_connect_kgp_link_changes_total{change=\"connected\"} 1",
        ] {
            assert!(text.lines().any(|got| got == line), "{line} in {text}");
        }
    }
}
