//! The Grafana dashboard: each query of each panel is asked of a real Prometheus that scrapes a
//! running client and server, and each has an answer.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use sc_tests::http::{self, Connection};
use sc_tests::link::Dials;
use sc_tests::linked::{Linked, LinkedOptions};
use sc_tests::process::Process;
use sc_tests::site::Site;
use sc_tests::{figures, ports, wait};
use serde_json::Value;

/// Panels that the dashboard has at least: those of the original, and ours.
const PANELS: usize = 50;
/// What a panel's rate looks back over, here: some scrapes.
const RATE_INTERVAL: &str = "8s";

fn dashboard() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/grafana/sc.json");
    let text = fs::read_to_string(path).expect("the dashboard");
    serde_json::from_str(&text).expect("JSON")
}

/// Title and query of each panel.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut all = Vec::new();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let title = panel["title"].as_str().expect("a title");
        let targets = panel["targets"].as_array().expect("targets");
        assert!(!targets.is_empty(), "{title} asks for nothing");
        for target in targets {
            let query = target["expr"].as_str().expect("a query");
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            all.push((title.to_owned(), query.to_owned()));
        }
    }
    all
}

/// With what Grafana puts in for its variables.
fn filled_in(query: &str) -> String {
    let mut query = query.replace("$__rate_interval", RATE_INTERVAL);
    for variable in ["$server_job", "$server_instance", "$job", "$instance"] {
        query = query.replace(variable, ".*");
    }
    assert!(!query.contains('$'), "a variable that nobody fills in: {query}");
    query
}

#[test]
fn panels_are_told_apart_and_variables_are_there() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().expect("panels");
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len());
    let titles: BTreeSet<_> = queries(&dashboard).into_iter().map(|(title, _)| title).collect();
    assert!(titles.len() >= PANELS, "{} panels", titles.len());
    for (_, query) in queries(&dashboard) {
        filled_in(&query);
    }
}

/// A Prometheus of the test's own.
struct Prometheus {
    _process: Process,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    fn start(client: SocketAddr, server: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let address = SocketAddr::from(([127, 0, 0, 1], ports::one()));
        let configuration = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
             scrape_configs:\n\
             - {{job_name: client, static_configs: [{{targets: ['{client}']}}]}}\n\
             - {{job_name: server, static_configs: [{{targets: ['{server}']}}]}}\n"
        );
        let file = folder.path().join("prometheus.yml");
        fs::write(&file, configuration).expect("a file");
        let option = |name: &str, path: &Path| format!("--{name}={}", path.display());
        let mut command = Command::new("prometheus");
        command
            .arg(option("config.file", &file))
            .arg(option("storage.tsdb.path", &folder.path().join("data")))
            .arg(format!("--web.listen-address={address}"));
        let process = Process::start("prometheus", command);
        process.wait_for_text("Server is ready to receive web requests");
        Self { _process: process, address, _folder: folder }
    }

    /// The result of a query: none, or some samples.
    fn ask(&self, title: &str, query: &str) -> Option<usize> {
        let mut escaped = String::new();
        for byte in query.bytes() {
            // Writing to a string does not fail.
            let _ = match byte.is_ascii_alphanumeric() {
                true => write!(escaped, "{}", char::from(byte)),
                false => write!(escaped, "%{byte:02X}"),
            };
        }
        let address = self.address;
        let request = format!(
            "GET /api/v1/query?query={escaped} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        );
        let answer = Connection::open(address).and_then(|mut c| c.exchange(&request));
        let json: Value = answer.map_or(Value::Null, |answer| {
            serde_json::from_slice(&answer.body).unwrap_or(Value::Null)
        });
        assert_eq!(json["status"], "success", "{title}: {query}: {json}");
        let found = json["data"]["result"].as_array().map_or(0, Vec::len);
        (found > 0).then_some(found)
    }
}

/// Ends the traffic, also when the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A bit of everything, so that all figures move.
fn traffic(proxy: SocketAddr, site: &Site, is_over: &AtomicBool) {
    let closed = format!("127.0.0.1:{}", ports::one());
    while !is_over.load(Ordering::Relaxed) {
        // While the link is cut these wait or fail, as they may.
        let _ = http::get(proxy, &site.url("/bytes/1000"));
        let _ = http::get(proxy, &site.url("/no-such-page"));
        let _ = http::get(proxy, &format!("http://{closed}/"));
        let _ = Connection::through(proxy, &site.address().to_string());
        let _ = Connection::through(proxy, &closed);
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
#[cfg_attr(missing_prometheus, ignore = "needs prometheus: .ci/run install")]
fn every_query_of_every_panel_has_an_answer() {
    let (status, metrics) = (ports::one(), ports::one());
    let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let (status, metrics) = (address(status), address(metrics));
    let linked = Linked::start_with(LinkedOptions {
        server: &["--metrics-address", &metrics.to_string()],
        client: &["--keepalive", "1", "--status-address", &status.to_string()],
    });
    let prometheus = Prometheus::start(status, metrics);
    let (site, is_over) = (Site::start(), AtomicBool::new(false));
    let proxy = linked.tunnel.proxy;
    thread::scope(|scope| {
        scope.spawn(|| traffic(proxy, &site, &is_over));
        let _over = Over(&is_over);
        // An outage that a resume ends, so that its figures are there, too.
        linked.link.silence(Dials::Refused);
        linked.tunnel.client.process.wait_for_text("Connection interrupted");
        linked.link.come_back();
        linked.tunnel.client.process.wait_for_text("Connection resumed after ");
        let all = queries(&dashboard());
        for (title, query) in &all {
            let query = filled_in(query);
            wait::until(&format!("data for {title:?}: {query}"), || prometheus.ask(title, &query));
        }
        figures::tell(&format!("{} queries answered by a real Prometheus", all.len()));
    });
}
