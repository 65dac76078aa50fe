//! The status of a run as others see it, with events that the test makes up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sc_proto::contract::{
    ConnectFailure, ConnectionNumber, DialFailure, Event, Host, SessionId, Target, TransportLoss,
    TunnelEnd, TunnelId, TunnelSecret,
};
use serde_json::Value;

use super::*;
use crate::cli::{AccessKey, Dialect, Exit, Monitoring, RestUrl, TunnelName};
use crate::client::controller::Place;
use crate::monitor::worker::{NoAnswer, WorkerReport};
use crate::monitor::{BasicAuth, ask};

const TUNNEL: TunnelId = TunnelId([0xab; 16]);
const SESSION: SessionId = SessionId([2; 16]);
const SECRET: &str = "very-secret";

/// A run whose data plane answers as long as the test says so.
struct Run {
    status: Status,
    address: ListenAddress,
    answers: Arc<AtomicBool>,
}

fn settings(dialect: Dialect) -> Settings {
    let any = Some(ListenAddress::parse("127.0.0.1:0").unwrap());
    let (status_address, api_address) = match dialect {
        Dialect::V4 => (any, None),
        Dialect::V5 => (None, any),
    };
    let key = AccessKey::new(SECRET.to_owned());
    let rest = RestUrl::parse("http://127.0.0.1:1").unwrap();
    Settings {
        name: TunnelName::new("ci".to_owned()),
        connections: 1,
        monitoring: Monitoring { status_address, api_address, ..Monitoring::default() },
        ..Settings::plain(dialect, "anna".to_owned(), key, rest)
    }
}

impl Run {
    fn start(dialect: Dialect) -> Self {
        Self::start_with(&settings(dialect))
    }

    fn start_with(settings: &Settings) -> Self {
        let answers = Arc::new(AtomicBool::new(true));
        let plane = Arc::clone(&answers);
        let workers: AskWorkers = Arc::new(move || match plane.load(Ordering::Relaxed) {
            true => Ok(vec![WorkerReport::default()]),
            false => Err(NoAnswer),
        });
        let mut status = Status::start(settings, &workers, None, Arc::new(|| None)).unwrap();
        let lines = status.lines();
        let [Line::Monitor { address, .. }] = lines.as_slice() else { panic!("{lines:?}") };
        let address = ListenAddress::parse(address).unwrap();
        Self { status, address, answers }
    }

    fn tell(&mut self, event: Event) {
        self.status.on_input(&Input::Tunnel(event));
    }

    fn connect(&mut self) {
        self.status.on_effect(&Effect::Connect(
            Box::new(Place {
                tunnel: TUNNEL,
                secret: TunnelSecret::new([7; 32]),
                server: Target { host: Host::parse("localhost").unwrap(), port: 4443 },
                server_name: "localhost".to_owned(),
                pin: None,
                proxy: "127.0.0.1:20000".to_owned(),
                launched: None,
            }),
            ConnectionNumber::ONLY,
        ));
        let peer = ([127, 0, 0, 1], 4443).into();
        self.tell(Event::TunnelUp {
            tunnel: TUNNEL,
            session: SESSION,
            connection: ConnectionNumber::ONLY,
            peer,
        });
        self.status.on_effect(&Effect::Say(Line::Ready));
    }

    fn interrupt(&mut self) {
        let cause = TransportLoss::Silent;
        self.tell(Event::TunnelInterrupted {
            tunnel: TUNNEL,
            session: SESSION,
            connection: ConnectionNumber::ONLY,
            cause,
        });
        self.tell(Event::Reconnecting {
            tunnel: TUNNEL,
            session: SESSION,
            connection: ConnectionNumber::ONLY,
            attempt: 1,
            failure: ConnectFailure::Dial(DialFailure::Refused),
            next_try_in: Duration::from_secs(60),
        });
    }

    fn resume(&mut self) {
        self.tell(Event::TunnelResumed {
            tunnel: TUNNEL,
            session: SESSION,
            connection: ConnectionNumber::ONLY,
            replayed: 99,
            streams: 2,
            outage: Duration::from_secs(3),
        });
    }

    /// Status and body.
    fn get(&self, path: &str) -> (u16, String) {
        get(&self.address, path, None)
    }

    fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    fn code(&self, path: &str) -> u16 {
        self.get(path).0
    }
}

fn get(address: &ListenAddress, path: &str, auth: Option<&BasicAuth>) -> (u16, String) {
    let said = ask(address, path, auth, Duration::from_secs(20)).unwrap();
    (said.code, said.body)
}

#[test]
fn version_4_from_start_to_end() {
    let mut run = Run::start(Dialect::V4);
    let (status, text) = run.get("/readiness");
    assert_eq!(status, 503);
    assert!(text.contains("not ready") && text.contains("failed its readiness"), "{text}");
    assert_eq!(run.code("/liveness"), 200, "a start is work");
    assert_eq!(run.json("/api/v1/status")["tunnelStatus"], "disconnected");

    run.connect();
    assert_eq!(run.get("/readiness"), (200, "OK".to_owned()));
    let status = run.json("/api/v1/status");
    assert_eq!(status["tunnelStatus"], "connected");
    assert_eq!(status["tunnelID"], "ab".repeat(16));
    assert_eq!(status["tunnelName"], "ci");
    assert_eq!(status["tunnelServer"], "localhost");
    assert_eq!(status["reconnectCount"], 0);
    assert_eq!(status["firstConnectedTime"], status["lastStatusChange"]);

    run.interrupt();
    assert_eq!((run.code("/readiness"), run.code("/liveness")), (503, 200));
    let status = run.json("/api/v1/status");
    assert_eq!(status["tunnelStatus"], "disconnected");
    let link = &status["link"];
    assert_eq!(link["state"], "reconnecting");
    assert_eq!(link["cause"], "no sign of life from the peer");
    assert_eq!(link["tries"]["failed"], 1);
    let next = link["tries"]["nextInSeconds"].as_f64().unwrap();
    assert!((1.0..=60.0).contains(&next), "{next}");

    run.resume();
    let status = run.json("/api/v1/status");
    assert_eq!(status["tunnelStatus"], "connected");
    assert_eq!(status["reconnectCount"], 1);
    assert_eq!(status["link"]["lastResume"]["replayedBytes"], 99);
    assert_eq!(status["link"]["lastResume"]["streamsKept"], 2);
    let variables = run.json("/debug/vars");
    assert_eq!(variables["kgp"]["Connected"], true);
    assert_eq!(variables["kgp"]["ReconnectCount"], 1);
    assert!(variables["cmdline"].as_array().is_some_and(|words| !words.is_empty()));
    assert_eq!(run.code("/nothing"), 404);

    run.status.on_effect(&Effect::Say(Line::Stopping));
    assert_eq!((run.code("/readiness"), run.code("/liveness")), (503, 200));
    let end = TunnelEnd::Local;
    run.tell(Event::TunnelDown {
        tunnel: TUNNEL,
        session: SESSION,
        connection: ConnectionNumber::ONLY,
        end,
    });
    run.status.on_effect(&Effect::Exit(Exit::Orderly));
    assert_eq!(run.code("/liveness"), 503);
    let status = run.json("/api/v1/status");
    let changes = status["link"]["changes"].as_array().unwrap();
    let names: Vec<_> = changes.iter().map(|change| change["change"].as_str().unwrap()).collect();
    assert_eq!(names, ["connected", "interrupted", "resumed", "ended"]);
}

#[test]
fn version_5_pages() {
    let mut run = Run::start(Dialect::V5);
    assert_eq!(run.get("/readyz"), (503, "Service Unavailable".to_owned()));
    assert_eq!(run.code("/healthz"), 200);
    run.connect();
    assert_eq!(run.get("/readyz"), (200, "OK".to_owned()));
    let info = run.json("/info");
    assert_eq!(info["tunnel_id"], "ab".repeat(16));
    assert_eq!(info["tunnel_name"], "ci");
    assert_eq!(info["tunnel_server"], "127.0.0.1:4443");
    assert_eq!(info["tunnel_host"], "localhost");
    assert_eq!(run.json("/version")["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(run.json("/status")["state"], "connected");
    let (_, index) = run.get("/");
    for (path, why) in [("/pac", "PAC"), ("/cacert", "CA"), ("/debug/pprof/heap", "profiles")] {
        let (status, text) = run.get(path);
        assert_eq!(status, 404);
        assert!(text.contains(why), "{path}: {text}");
    }
    for path in index.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert_eq!(run.code(path), 200, "{path} is in the index");
    }
    run.interrupt();
    assert_eq!((run.code("/readyz"), run.code("/healthz")), (503, 200));
    run.answers.store(false, Ordering::Relaxed);
    let (status, text) = run.get("/healthz");
    assert_eq!((status, text.as_str()), (503, "the data plane does not answer\n"));
    assert!(run.get("/metrics").1.contains("sauce_connect_kgp_link_state"));
}

#[test]
fn no_secret_is_shown() {
    for dialect in [Dialect::V4, Dialect::V5] {
        let password = "other-secret";
        let login = format!("anna:{password}");
        let auth = BasicAuth::parse(&login).unwrap();
        let words = match dialect {
            Dialect::V4 => {
                let line = "sc -u anna -k very-secret -x http://h -w u:other-secret -p h:1 -i ci \
                            --status-address 127.0.0.1:0";
                line.to_owned()
            }
            Dialect::V5 => format!(
                "sc run -u anna -k {SECRET} --rest-url http://h -i ci --api-address 127.0.0.1:0 \
                 --api-basic-auth {login}"
            ),
        };
        let settings = Settings::of_line(&words, &[]).unwrap();
        let run = Run::start_with(&settings);
        let paths = ["/configz", "/info", "/metrics", "/api/v1/status", "/debug/vars", "/status"];
        for path in paths {
            let (_, text) = get(&run.address, path, Some(&auth));
            assert!(!text.contains(SECRET) && !text.contains(password), "{path}: {text}");
        }
        if dialect == Dialect::V5 {
            assert_eq!(run.code("/configz"), 401);
            let (_, text) = get(&run.address, "/configz", Some(&auth));
            for line in ["access-key: ****", "api-basic-auth: ****", "api-idle-timeout: 1h"] {
                assert!(text.lines().any(|got| got == line), "{line} in {text}");
            }
        }
    }
}

#[test]
fn an_address_in_use_is_a_failure_of_its_own() {
    let run = Run::start(Dialect::V4);
    let mut settings = settings(Dialect::V4);
    settings.monitoring.status_address = Some(run.address.clone());
    let workers = Arc::new(|| Ok(Vec::new())) as AskWorkers;
    let Err(failure) = Status::start(&settings, &workers, None, Arc::new(|| None)) else {
        panic!("two servers at {}", run.address);
    };
    assert_eq!(failure.exit(), Exit::Listener);
    assert!(failure.to_string().contains("--status-address"), "{failure}");
}

#[test]
fn metrics_after_a_cut() {
    let mut run = Run::start(Dialect::V5);
    run.connect();
    run.interrupt();
    run.resume();
    let (_, text) = run.get("/metrics");
    for line in [
        "sauce_connect_ready 1",
        "sauce_connect_kgp_link_state{state=\"connected\"} 1",
        "sauce_connect_kgp_link_state{state=\"reconnecting\"} 0",
        "sauce_connect_kgp_link_changes_total{change=\"interrupted\"} 1",
        "sauce_connect_kgp_link_changes_total{change=\"resumed\"} 1",
        "sauce_connect_tunnel_errors_total{type=\"silent\"} 1",
        "sauce_connect_tunnel_errors_total{type=\"dial\"} 1",
        "sauce_connect_tunnel_connect_duration_seconds_count{address=\"localhost:4443\"} 1",
        "sauce_connect_kgp_outage_duration_seconds_sum 3",
        "sauce_connect_kgp_reconnects_total 1",
        "sauce_connect_tunnel_connections_total 1",
    ] {
        assert!(text.lines().any(|got| got == line), "{line} in {text}");
    }
    let info = text.lines().find(|line| line.starts_with("sauce_connect_tunnel_info")).unwrap();
    assert!(info.contains("addr=\"127.0.0.1:4443\"") && info.contains("name=\"ci\""), "{info}");
}
