//! What ours has to reach, as ratios to the others in the same run.

use crate::peer::Peer;
use crate::results::Results;
use crate::row::Row;

/// One demand and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) row: Row,
    pub(crate) demand: String,
    pub(crate) ours: f64,
    pub(crate) limit: f64,
    pub(crate) met: bool,
}

/// Which way a figure has to differ.
#[derive(Clone, Copy)]
enum Bound {
    AtLeast,
    AtMost,
}

use Bound::{AtLeast, AtMost};

/// Demands that need a rival: row, figure, bound, factor, rival.
const RELATIVE: &[(Row, &str, Bound, f64, Peer)] = &[
    (Row::Bulk, "MB/s", AtLeast, 1.1, Peer::Wstunnel),
    (Row::Bulk, "CPU s/GiB", AtMost, 0.9, Peer::Wstunnel),
    (Row::Bulk, "MB/s", AtLeast, 1.0, Peer::Rathole),
    (Row::Bulk, "MB/s", AtLeast, 1.0, Peer::HaproxyTls),
    (Row::Bulk, "MB/s", AtLeast, 1.0, Peer::Ssh),
    (Row::Bulk32, "MB/s", AtLeast, 1.1, Peer::Wstunnel),
    (Row::Bulk32, "CPU s/GiB", AtMost, 0.85, Peer::Wstunnel),
    (Row::Bulk32, "MB/s", AtLeast, 1.0, Peer::Rathole),
    (Row::Bulk32, "MB/s", AtLeast, 1.0, Peer::HaproxyTls),
    (Row::Bulk32, "MB/s", AtLeast, 1.0, Peer::Ssh),
    (Row::KeepAlive, "req/s", AtLeast, 1.25, Peer::Rathole),
    (Row::KeepAlive, "p99 ms", AtMost, 1.0, Peer::Rathole),
    (Row::KeepAlive, "CPU µs/req", AtMost, 0.75, Peer::Rathole),
    (Row::Reconnect, "req/s", AtLeast, 3.4, Peer::Rathole),
    (Row::Reconnect, "CPU µs/req", AtMost, 0.25, Peer::Rathole),
    (Row::Far, "1, no loss", AtLeast, 1.0, Peer::Direct),
    (Row::Far, "32, no loss", AtLeast, 0.95, Peer::Direct),
    (Row::Far, "1, 0.1 %", AtLeast, 1.0, Peer::Direct),
    (Row::Far, "32, 0.1 %", AtLeast, 1.0, Peer::Direct),
    (Row::Far, "1, 1 %", AtLeast, 1.0, Peer::Direct),
    (Row::Far, "32, 1 %", AtLeast, 1.0, Peer::Direct),
];

/// What wstunnel does, as a multiple of what rathole does in the row and figure that are named, by
/// the measurement in the project's issue of both on one machine: for where wstunnel is not
/// installed. Its CPU in row b is known beside rathole's in row a only.
const AS_WSTUNNEL: &[(Row, &str, Bound, f64, f64, Row)] = &[
    (Row::Bulk, "MB/s", AtLeast, 1.1, 907.0 / 583.0, Row::Bulk),
    (Row::Bulk, "CPU s/GiB", AtMost, 0.9, 1.58 / 2.9, Row::Bulk),
    (Row::Bulk32, "MB/s", AtLeast, 1.1, 861.0 / 689.0, Row::Bulk32),
    (Row::Bulk32, "CPU s/GiB", AtMost, 0.85, 1.84 / 2.9, Row::Bulk),
];

/// Demands that are figures: row, figure, bound, limit.
const ABSOLUTE: &[(Row, &str, Bound, f64)] = &[
    (Row::Bulk, "peak MiB", AtMost, 64.0),
    (Row::Bulk32, "slowest/mean", AtLeast, 0.8),
    (Row::Idle, "KiB/stream", AtMost, 7.0),
    (Row::Mixed, "p50 ms", AtMost, 1.0),
    (Row::Mixed, "p99 ms", AtMost, 4.0),
    (Row::Cut, "broken of 16", AtMost, 0.0),
    (Row::Cut, "s until served", AtMost, 0.1),
];

/// All demands that this run can answer.
pub(crate) fn judge(results: &Results) -> Vec<Target> {
    let ours = |row, figure| results.median(row, Peer::Sc, figure);
    let mut targets = Vec::new();
    for &(row, figure, bound, factor, rival) in RELATIVE {
        let pair = ours(row, figure).zip(results.median(row, rival, figure));
        if let Some((ours, theirs)) = pair {
            let demand = format!("{figure} {} {factor} × {}", bound.sign(), rival.name());
            targets.push(bound.judge(row, demand, ours, factor * theirs));
        }
    }
    for &(row, figure, bound, factor, ratio, of) in AS_WSTUNNEL {
        let theirs = results.median(of, Peer::Rathole, figure);
        let known = results.median(row, Peer::Wstunnel, figure).is_some();
        if let Some((ours, theirs)) = ours(row, figure).zip(theirs).filter(|_| !known) {
            let demand = format!(
                "{figure} {} {factor} × wstunnel, taken as {ratio:.2} × rathole in {}",
                bound.sign(),
                of.letter()
            );
            targets.push(bound.judge(row, demand, ours, factor * ratio * theirs));
        }
    }
    for &(row, figure, bound, limit) in ABSOLUTE {
        if let Some(ours) = ours(row, figure) {
            let demand = format!("{figure} {} {limit}", bound.sign());
            targets.push(bound.judge(row, demand, ours, limit));
        }
    }
    let beside = ours(Row::Mixed, "bulk MB/s").zip(ours(Row::Bulk32, "MB/s"));
    if let Some((ours, alone)) = beside {
        let demand = "bulk MB/s ≥ 0.9 × row b".to_owned();
        targets.push(AtLeast.judge(Row::Mixed, demand, ours, 0.9 * alone));
    }
    targets.sort_by_key(|target| target.row);
    targets
}

impl Bound {
    fn sign(self) -> char {
        match self {
            AtLeast => '≥',
            AtMost => '≤',
        }
    }

    fn judge(self, row: Row, demand: String, ours: f64, limit: f64) -> Target {
        let met = match self {
            AtLeast => ours >= limit,
            AtMost => ours <= limit,
        };
        Target { row, demand, ours, limit, met }
    }
}
