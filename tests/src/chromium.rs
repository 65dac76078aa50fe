//! Headless Chromium.

mod devtools;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

pub use devtools::DevTools;

use crate::process::Process;
use crate::wait::PATIENCE;

/// A new profile, in a home of its own.
#[derive(Debug)]
pub struct Profile {
    home: TempDir,
}

impl Profile {
    /// One that knows nothing.
    ///
    /// # Panics
    /// If there is no room for it.
    pub fn new() -> Self {
        Self { home: tempfile::tempdir().expect("a temporary folder") }
    }

    /// One that trusts the CA of a PEM file, as a person makes it trust one: by the NSS database of
    /// the home.
    ///
    /// # Panics
    /// If certutil does not take it.
    pub fn trusting(ca: &Path) -> Self {
        let profile = Self::new();
        let folder = profile.home.path().join(".pki/nssdb");
        std::fs::create_dir_all(&folder).expect("a folder in our own");
        let database = format!("sql:{}", folder.display());
        let certutil = |arguments: &[&str]| {
            let mut command = Command::new("certutil");
            let done = command.args(["-d", &database]).args(arguments).output();
            let output = done.expect("certutil runs");
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "certutil {arguments:?}: {errors}");
        };
        certutil(&["-N", "--empty-password"]);
        let ca = ca.to_str().expect("temporary paths are text");
        certutil(&["-A", "-n", "sc", "-t", "C,,", "-i", ca]);
        profile
    }

    fn command(&self, proxy: SocketAddr) -> Command {
        let mut command = Command::new("chromium");
        command
            .env("HOME", self.home.path())
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-sync"])
            .args(["--disable-component-update", "--disable-dev-shm-usage"])
            .arg("--disable-default-apps")
            .arg(format!("--user-data-dir={}", self.home.path().join("profile").display()))
            .arg(format!("--proxy-server=http://{proxy}"))
            // Without this Chromium goes to local addresses directly.
            .arg("--proxy-bypass-list=<-loopback>");
        command
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::new()
    }
}

/// Loads `url` by way of `proxy` in a new profile and returns the page as it is after its `load`
/// event, scripts having run.
///
/// # Panics
/// If Chromium does not end in time.
pub fn dump_dom(proxy: SocketAddr, url: &str) -> String {
    let profile = Profile::new();
    let mut command = profile.command(proxy);
    command.args(["--dump-dom", url]);
    let chromium = Process::start("chromium", command);
    chromium.wait_exit(PATIENCE);
    chromium.lines().join("\n")
}
