//! This machine: ports and files that the settings ask for.

use std::fs::{self, OpenOptions};
use std::path::Path;

use crate::cli::Settings;
use crate::doctor::Report;
use crate::logs::Destination;
use crate::monitor::Listener;

pub(super) fn check(settings: &Settings, report: &mut Report) {
    let monitoring = &settings.monitoring;
    for (flag, address) in [
        ("--status-address", &monitoring.status_address),
        ("--metrics-address", &monitoring.metrics_address),
        ("--api-address", &monitoring.api_address),
    ] {
        let Some(address) = address else { continue };
        match Listener::bind(address) {
            Ok(_) => report.good("ports", format!("{flag} {address} is free")),
            Err(error) => report.wrong(
                "ports",
                format!("{flag} {address} cannot be listened on: {error}"),
                "give another address, or port 0 for any free one; another client may have this",
            ),
        }
    }
    let log = match &settings.logging.log.to {
        Destination::File(flag, path) => Some((*flag, path.as_path())),
        Destination::Stdout | Destination::Stderr | Destination::Usual(_) => None,
    };
    let files = [
        log,
        monitoring.pid_file.as_deref().map(|path| ("--pidfile", path)),
        monitoring.ready_file.as_deref().map(|path| ("--readyfile", path)),
    ];
    for (flag, path) in files.into_iter().flatten() {
        match writable(path) {
            Ok(()) => report.good("files", format!("{flag} {} can be written", path.display())),
            Err(error) => report.wrong(
                "files",
                format!("{flag} {} cannot be written: {error}", path.display()),
                "give a path in a folder that can be written",
            ),
        }
    }
}

/// Looks without changing anything: a file that is there is opened, else its folder gets one for a
/// moment.
fn writable(path: &Path) -> std::io::Result<()> {
    if path.exists() {
        return OpenOptions::new().append(true).open(path).map(drop);
    }
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".doctor.{}", std::process::id()));
    OpenOptions::new().write(true).create_new(true).open(&draft)?;
    fs::remove_file(&draft)
}
