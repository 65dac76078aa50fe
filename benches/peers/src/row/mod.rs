//! The rows of the table: what is asked of every tunnel, and which figures come of it.

mod cut;
mod far;
mod idle;
mod steady;

use std::net::SocketAddr;
use std::time::Duration;

use crate::load::{Plan, Work};
use crate::peer::{Layout, Peer};

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Row {
    /// One download.
    Bulk,
    /// 32 downloads.
    Bulk32,
    /// Small requests on 64 connections that stay.
    KeepAlive,
    /// Small requests, each on a new connection, 32 at a time.
    Reconnect,
    /// Connections that do nothing.
    Idle,
    /// Small requests on 4 connections beside 32 downloads.
    Mixed,
    /// The tunnel's own connection is cut.
    Cut,
    /// Downloads over a long line that loses packets.
    Far,
}

/// How long things are measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// Before anything is counted.
    pub(crate) warm_up: Duration,
    /// While it is counted.
    pub(crate) window: Duration,
}

/// One run's figures, in the order of the columns.
pub(crate) type Sample = Vec<(&'static str, f64)>;

impl Row {
    /// All of them.
    pub(crate) const ALL: [Self; 8] = [
        Self::Bulk,
        Self::Bulk32,
        Self::KeepAlive,
        Self::Reconnect,
        Self::Idle,
        Self::Mixed,
        Self::Cut,
        Self::Far,
    ];

    /// The one of this letter.
    pub(crate) fn named(letter: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|row| letter == row.letter().to_string())
    }

    /// The letter in tables and options.
    pub(crate) fn letter(self) -> char {
        match self {
            Self::Bulk => 'a',
            Self::Bulk32 => 'b',
            Self::KeepAlive => 'c',
            Self::Reconnect => 'd',
            Self::Idle => 'e',
            Self::Mixed => 'f',
            Self::Cut => 'g',
            Self::Far => 'h',
        }
    }

    /// What is done.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Bulk => "bulk, one stream",
            Self::Bulk32 => "bulk, 32 streams",
            Self::KeepAlive => "keep-alive, 1 KiB, 64 connections",
            Self::Reconnect => "new connection per request, 1 KiB, 32 at a time",
            Self::Idle => "2,000 idle streams",
            Self::Mixed => "4 small connections beside a 32-stream download",
            Self::Cut => "the tunnel's connection is reset, and away for a second",
            Self::Far => "50 ms away, 1 Gbit/s, cubic: MB/s of 1 and of 32 downloads",
        }
    }

    /// Whether this row says anything about `peer`.
    pub(crate) fn concerns(self, peer: Peer) -> bool {
        match self {
            // The core is the same: what it holds for a stream, and what a cut costs.
            Self::Idle => !matches!(peer, Peer::Direct | Peer::ScSmol),
            // Neither has a connection of its own that could be cut.
            Self::Cut => !matches!(peer, Peer::Direct | Peer::HaproxyPlain | Peer::ScSmol),
            // Each takes long, and the others' connections are like one of these.
            Self::Far => {
                matches!(
                    peer,
                    Peer::Sc | Peer::ScOther | Peer::Rathole | Peer::Wstunnel | Peer::Direct
                )
            }
            Self::Mixed => peer != Peer::ScSmol,
            Self::Bulk | Self::Bulk32 | Self::KeepAlive | Self::Reconnect => true,
        }
    }

    /// Starts `peer`, measures, and ends it.
    ///
    /// # Panics
    /// If it does not come up.
    pub(crate) fn measure(self, peer: Peer, origin: SocketAddr, times: Times) -> Sample {
        if self == Self::Far {
            return far::measure(peer, times);
        }
        if self == Self::Cut {
            let (layout, link) = Layout::over_link(origin);
            return cut::measure(&peer.start(&layout), &link, times);
        }
        let running = peer.start(&Layout::on_loopback(origin));
        let plan = |work, connections| Plan { entry: running.entry, work, connections };
        match self {
            Self::Bulk => steady::bulk(&running, plan(Work::Bulk, 1), times),
            Self::Bulk32 => steady::bulk(&running, plan(Work::Bulk, 32), times),
            Self::KeepAlive => steady::requests(&running, plan(Work::KeepAlive, 64), times),
            Self::Reconnect => steady::requests(&running, plan(Work::Reconnect, 32), times),
            Self::Mixed => {
                let plans = [plan(Work::KeepAlive, 4), plan(Work::Bulk, 32)];
                steady::mixed(&running, plans, times)
            }
            Self::Idle | Self::Cut | Self::Far => idle::measure(&running, plan(Work::Idle, 2000)),
        }
    }
}
