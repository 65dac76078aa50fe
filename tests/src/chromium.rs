//! Headless Chromium.

use std::net::SocketAddr;
use std::process::Command;

use crate::process::Process;
use crate::wait::PATIENCE;

/// Loads `url` by way of `proxy` in a new profile and returns the page as it is after its `load`
/// event, scripts having run.
///
/// # Panics
/// If Chromium does not end in time.
pub fn dump_dom(proxy: SocketAddr, url: &str) -> String {
    let profile = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new("chromium");
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--disable-dev-shm-usage", "--disable-default-apps"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--proxy-server=http://{proxy}"))
        // Without this Chromium goes to local addresses directly.
        .arg("--proxy-bypass-list=<-loopback>")
        .args(["--dump-dom", url]);
    let chromium = Process::start("chromium", command);
    chromium.wait_exit(PATIENCE);
    chromium.lines().join("\n")
}
