//! Rows in which a load runs and all figures are of one window of time.

use std::thread;
use std::time::Instant;

use super::{Sample, Times};
use crate::load::{Done, Load, Outcome, Plan};
use crate::peer::Running;

const MIB: f64 = 1024.0;
const GIB: f64 = 1024.0 * 1024.0 * 1024.0;

/// What happened in the window.
struct Window {
    seconds: f64,
    cpu_seconds: f64,
    /// Of the end that had more.
    peak_kib: u64,
    /// Of each load.
    parts: Vec<(Done, Outcome)>,
}

/// Downloads.
pub(super) fn bulk(running: &Running, plan: Plan, times: Times) -> Sample {
    let window = window(running, &[plan], times);
    let (done, outcome) = &window.parts[0];
    let mut sample = vec![
        ("MB/s", done.bytes as f64 / window.seconds / 1e6),
        ("CPU s/GiB", window.cpu_seconds / (done.bytes as f64 / GIB)),
        ("peak MiB", window.peak_kib as f64 / MIB),
    ];
    if plan.connections > 1 {
        sample.push(("slowest/mean", outcome.slowest()));
    }
    sample.push(("failed", done.failures as f64));
    sample
}

/// Downloads, of which only the rate is of interest, in MB/s.
pub(super) fn rate(running: &Running, plan: Plan, times: Times) -> f64 {
    let window = window(running, &[plan], times);
    window.parts[0].0.bytes as f64 / window.seconds / 1e6
}

/// Small requests.
pub(super) fn requests(running: &Running, plan: Plan, times: Times) -> Sample {
    let window = window(running, &[plan], times);
    let (done, outcome) = &window.parts[0];
    vec![
        ("req/s", done.requests as f64 / window.seconds),
        ("p50 ms", outcome.quantile(0.5)),
        ("p99 ms", outcome.quantile(0.99)),
        ("CPU µs/req", window.cpu_seconds * 1e6 / done.requests as f64),
        ("peak MiB", window.peak_kib as f64 / MIB),
        ("failed", done.failures as f64),
    ]
}

/// Small requests beside downloads.
pub(super) fn mixed(running: &Running, plans: [Plan; 2], times: Times) -> Sample {
    let window = window(running, &plans, times);
    let [(small, outcome), (bulk, _)] = &window.parts[..] else { unreachable!("two plans") };
    vec![
        ("p50 ms", outcome.quantile(0.5)),
        ("p99 ms", outcome.quantile(0.99)),
        ("req/s", small.requests as f64 / window.seconds),
        ("bulk MB/s", bulk.bytes as f64 / window.seconds / 1e6),
        ("failed", (small.failures + bulk.failures) as f64),
    ]
}

fn window(running: &Running, plans: &[Plan], times: Times) -> Window {
    let loads: Vec<Load> = plans.iter().map(|plan| Load::start(*plan)).collect();
    thread::sleep(times.warm_up);
    running.processes.forget_peak();
    loads.iter().for_each(Load::record);
    let (begin, cpu) = (Instant::now(), running.processes.cpu_seconds());
    let before: Vec<Done> = loads.iter().map(Load::done).collect();
    thread::sleep(times.window);
    let after: Vec<Done> = loads.iter().map(Load::done).collect();
    let (seconds, cpu) = (begin.elapsed().as_secs_f64(), running.processes.cpu_seconds() - cpu);
    let peak_kib = running.processes.peak_kib();
    let outcomes = loads.into_iter().map(Load::end);
    let parts = outcomes.zip(before).zip(after);
    let parts = parts.map(|((outcome, before), after)| (after.since(before), outcome)).collect();
    Window { seconds, cpu_seconds: cpu, peak_kib, parts }
}
