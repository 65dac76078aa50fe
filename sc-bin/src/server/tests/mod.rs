//! The whole server in this process, spoken to over loopback.

mod deploy;
mod http_limits;
mod jobs;
mod life;
mod metrics;
mod page;
mod polling;
mod real_client;
mod rest_api;
mod rights;
mod start_stop;
mod users;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{Running, Settings, start};

/// A server and a user of it.
struct TestServer {
    running: Running,
    dir: tempfile::TempDir,
    key: String,
}

/// Status and JSON body of an answer.
type Answer = (u16, Value);

const USER: &str = "jane";

impl TestServer {
    fn start() -> Self {
        Self::start_with(|_| {})
    }

    fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = Settings::local(dir.path().join("data"));
        change(&mut settings);
        let running = start(settings).unwrap();
        let key = running.add_user(USER).unwrap().expose().to_owned();
        Self { running, dir, key }
    }

    fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A call as the user of [`TestServer`], below the user's own path.
    fn call(&self, method: &str, path: &str, body: Option<&str>) -> Answer {
        let basic = basic(USER, &self.key);
        request(&self.running, method, &format!("/{USER}{path}"), Some(&basic), body)
    }

    fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None)
    }

    /// Makes a tunnel, which must work.
    fn create(&self, body: &str) -> Value {
        let (status, tunnel) = self.call("POST", "/tunnels", Some(body));
        assert_eq!(status, 200, "{tunnel}");
        tunnel
    }

    /// The record of a tunnel, which must be there.
    fn record(&self, id: &Value) -> Value {
        let (status, tunnel) = self.get(&format!("/tunnels/{}", id.as_str().unwrap()));
        assert_eq!(status, 200, "{tunnel}");
        tunnel
    }

    fn stop(self) -> tempfile::TempDir {
        self.running.stop();
        self.dir
    }
}

fn basic(user: &str, key: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{key}")))
}

/// A call to any path below the base.
fn request(
    running: &Running,
    method: &str,
    path: &str,
    authorization: Option<&str>,
    body: Option<&str>,
) -> Answer {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .proxy(None)
        .build()
        .into();
    let mut request =
        ureq::http::Request::builder().method(method).uri(format!("{}{path}", running.rest_url()));
    if let Some(authorization) = authorization {
        request = request.header("Authorization", authorization);
    }
    let mut answer = match body {
        Some(body) => agent.run(request.body(body.to_owned()).unwrap()).unwrap(),
        None => agent.run(request.body(()).unwrap()).unwrap(),
    };
    let status = answer.status().as_u16();
    let text = answer.body_mut().read_to_string().unwrap();
    let json = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{method} {path}: {error} in {text:?}"));
    (status, json)
}

/// Waits until something is so.
fn until(is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "too long");
        std::thread::yield_now();
    }
}

/// Whether any file below `dir` contains `needle`.
fn is_in_files(dir: &Path, needle: &str) -> bool {
    let entries = std::fs::read_dir(dir).unwrap();
    entries.map(|entry| entry.unwrap().path()).any(|path| {
        let content = std::fs::read(&path).unwrap();
        content.windows(needle.len()).any(|window| window == needle.as_bytes())
    })
}
