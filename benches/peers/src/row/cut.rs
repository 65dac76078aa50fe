//! What a cut of the tunnel's own connection costs.

use std::thread;
use std::time::{Duration, Instant};

use sc_tests::link::{Cut, Dials, Link};

use super::{Sample, Times};
use crate::load::{Load, Plan, Work};
use crate::peer::{Running, serves};

/// How long the link is away.
const AWAY: Duration = Duration::from_secs(1);
/// How long new requests may be refused after it is back, before that is the figure.
const PATIENCE: Duration = Duration::from_secs(20);
/// Connections that are busy when it happens.
const CONNECTIONS: usize = 16;

pub(super) fn measure(running: &Running, link: &Link, times: Times) -> Sample {
    let load =
        Load::start(Plan { entry: running.entry, work: Work::KeepAlive, connections: CONNECTIONS });
    thread::sleep(times.warm_up);
    load.record();
    // No new connections first, so that none slips through between the two.
    link.silence(Dials::Refused);
    link.cut(Cut::Reset);
    thread::sleep(AWAY);
    link.come_back();
    let back = Instant::now();
    while !serves(running.entry) && back.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(2));
    }
    let served = back.elapsed();
    // A connection that has been answered after the cut has survived it.
    thread::sleep(AWAY);
    let outcome = load.end();
    vec![("broken of 16", outcome.broken as f64), ("s until served", served.as_secs_f64())]
}
