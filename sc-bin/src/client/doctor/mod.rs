//! `sc doctor`: what a tunnel needs, looked at one by one, without starting it. The last check is a
//! tunnel of its own for a moment, and what goes through it.
//!
//! `local` is this machine, `network` names, hosts and connections, `rest` the REST API, `ways` the
//! proxies of the three kinds of traffic, `whole` the temporary tunnel, `site` what it leads to.

mod local;
mod network;
mod rest;
mod site;
mod ways;
mod whole;

use crate::cli::Settings;
use crate::doctor::{Report, Severity, Shown, open_files};

/// Checks all, prints what it finds, and says the exit code.
pub(crate) fn doctor(settings: &Settings, shown: Shown) -> u8 {
    let mut report = Report::new(shown);
    local::check(settings, &mut report);
    open_files(&mut report);
    ways::check(settings, &mut report);
    rest::check(settings, &mut report);
    match report.worst() {
        Severity::Ok | Severity::Warning => whole::check(settings, &mut report),
        // It would say the same once more.
        Severity::Error => report.warn(
            "tunnel",
            "not tried, because of the errors above",
            "put them right and run the doctor again",
        ),
    }
    report.end()
}
