//! ChromeDriver: the WebDriver endpoint of a real Chromium.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use crate::http::Connection;
use crate::process::Process;
use crate::wait::for_at_most;

/// How long its browsers get to end.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// A running ChromeDriver. When dropped it ends with its browsers, which a test that failed may have
/// left open.
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

impl Drop for Chromedriver {
    fn drop(&mut self) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let request = format!("GET /shutdown HTTP/1.1\r\nHost: {address}\r\n\r\n");
        // If it has ended already there is nobody to tell.
        if let Ok(mut connection) = Connection::open(address) {
            let _ = connection.exchange(&request);
            for_at_most(SHUTDOWN, || (!self.process.is_running()).then_some(()));
        }
    }
}
