//! ChromeDriver: the WebDriver endpoint of a real Chromium.

use std::process::Command;

use crate::process::Process;

/// A running ChromeDriver.
#[derive(Debug)]
pub struct Chromedriver {
    /// Its process.
    pub process: Process,
    port: u16,
}

impl Chromedriver {
    /// Starts one on a port of its own.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn start() -> Self {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0");
        let process = Process::start("chromedriver", command);
        let port = process.wait_for("its port", |line| {
            let after = line.strip_prefix("ChromeDriver was started successfully on port ")?;
            after.trim_end_matches('.').parse().ok()
        });
        Self { process, port }
    }

    /// What a server is told.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
