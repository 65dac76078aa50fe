//! What every driver has to pass. Each scenario builds what it needs, on one driver, and panics
//! when something is wrong.

mod descriptors;
mod dials;
mod drain;
mod entry;
mod many;
mod resume;
mod streams;

use std::time::Duration;

use crate::driver::Driver;

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// What it is called there.
    pub name: &'static str,
    /// When it counts as failed, on a slow machine too.
    pub limit: Duration,
    /// Plays it. It panics when the driver is wrong.
    pub run: fn(&Driver) -> Verdict,
}

/// What came of a scenario that did not panic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The driver passed.
    Passed,
    /// The driver passed, and there is something to say.
    PassedWith(String),
    /// The driver does not have what is looked at.
    NotForThis(&'static str),
}

/// All scenarios, in the order of the table.
pub const ALL: &[Scenario] = &[
    scenario("echo", 30, streams::echo),
    scenario("bulk up", 60, streams::bulk_up),
    scenario("bulk down", 60, streams::bulk_down),
    scenario("bulk both ways", 60, streams::bulk_both_ways),
    scenario("half-close", 30, streams::half_close),
    scenario("reset", 30, streams::reset),
    scenario("slow reader", 60, streams::slow_reader),
    scenario("500 side by side", 60, streams::side_by_side),
    scenario("dial failures", 60, dials::failures),
    scenario("names", 30, dials::names),
    scenario("refused client", 30, entry::refused_client),
    scenario("hand-over", 30, entry::hand_over),
    scenario("resume after 5 cuts", 90, resume::cut_again_and_again),
    scenario("drain of the client", 60, drain::client),
    scenario("drain of the tunnel", 60, drain::tunnel),
    scenario("2,000 come and go", 120, descriptors::come_and_go),
    scenario("EMFILE at the server", 90, descriptors::server_runs_out),
    scenario("EMFILE at the client", 90, descriptors::client_runs_out),
    scenario("10,000 streams", 240, many::ten_thousand),
];

const fn scenario(name: &'static str, seconds: u64, run: fn(&Driver) -> Verdict) -> Scenario {
    Scenario { name, limit: Duration::from_secs(seconds), run }
}
