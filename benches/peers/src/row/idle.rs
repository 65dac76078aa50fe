//! Memory of connections that do nothing.

use std::thread;
use std::time::{Duration, Instant};

use super::Sample;
use crate::load::{Load, Plan};
use crate::peer::Running;

/// How long all connections may take to be there.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long they are left alone before the memory is read: keep-alives and clean-ups happen.
const REST: Duration = Duration::from_secs(2);

pub(super) fn measure(running: &Running, plan: Plan) -> Sample {
    let before = running.processes.resident_kib();
    let load = Load::start(plan);
    let limit = Instant::now() + PATIENCE;
    while (load.done().requests as usize) < plan.connections && Instant::now() < limit {
        thread::sleep(Duration::from_millis(10));
    }
    thread::sleep(REST);
    let after = running.processes.resident_kib();
    let done = load.done();
    load.end();
    let streams = done.requests.max(1) as f64;
    vec![
        ("KiB/stream", after.saturating_sub(before) as f64 / streams),
        ("streams", streams),
        ("failed", done.failures as f64),
    ]
}
