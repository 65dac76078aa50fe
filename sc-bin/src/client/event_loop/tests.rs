//! Whole runs against a REST server on loopback. The data plane is a stand-in; time is real.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use sc_proto::contract::{ConnectionNumber, Event, SessionId, Stop, TunnelId};
use serde_json::{Value, json};

use super::*;
use crate::api::CreateTunnel;
use crate::cli::{AccessKey, Dialect, RestUrl, Settings};
use crate::client::controller::Place;
use crate::client::failure::Failure;
use crate::client::inputs::Inputs;
use crate::client::line::Line;
use crate::client::reload::Reloaded;

const ID: &str = "0123456789abcdef0123456789abcdef";

/// A request as the server saw it.
#[derive(Clone, Debug)]
struct Request {
    /// Method and path with query, below the user's path.
    line: String,
    authorization: String,
    agent: String,
    body: Value,
}

type Reply = (u16, Value);

/// Answers each request by `reply`, which is also told how many requests of the same method and
/// path came before.
struct FakeRest {
    url: RestUrl,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl FakeRest {
    fn start(reply: impl Fn(&Request, usize) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::<Request>::new()));
        let log = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = read_request(&stream) else {
                    continue;
                };
                let mut log = log.lock().unwrap();
                let before = log.iter().filter(|old| old.line == request.line).count();
                log.push(request.clone());
                drop(log);
                let (status, body) = reply(&request, before);
                let body = body.to_string();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n\
                     Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        Self { url: RestUrl::parse(&url).unwrap(), seen }
    }

    fn lines(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|request| request.line.clone()).collect()
    }
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut text = String::new();
    reader.read_line(&mut text).ok()?;
    let mut words = text.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    let line = format!("{method} {}", path.strip_prefix("/rest/v1/anna")?);
    let (mut authorization, mut agent, mut length) = (String::new(), String::new(), 0);
    loop {
        let mut field = String::new();
        reader.read_line(&mut field).ok()?;
        let Some((name, value)) = field.trim().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => value.clone_into(&mut authorization),
            "user-agent" => value.clone_into(&mut agent),
            "content-length" => length = value.parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Some(Request { line, authorization, agent, body })
}

fn tunnel(status: &str) -> Value {
    json!({
        "id": ID, "owner": "anna", "status": status, "is_ready": false, "protocol": "kgp",
        "tunnel_identifier": null, "host": "localhost", "ssh_port": 4443,
        "proxy_address": "127.0.0.1:4490", "creation_time": 1, "metadata": {},
        "kgp": {"secret": "ab".repeat(32), "certificate_sha256": null},
    })
}

fn error(text: &str) -> Value {
    json!({ "error": text })
}

/// The answers of a server where all is well.
fn good(request: &Request, _before: usize) -> Reply {
    match request.line.split(['?', ' ']).nth(1).unwrap() {
        "/tunnels/info/updates" => (200, json!({"configuration": {"server_status_interval": 1}})),
        "/tunnels" => (201, tunnel("running")),
        path if path.ends_with("/connected") => (200, json!({"result": true, "id": ID})),
        path if path.ends_with("/num_jobs") => (200, json!({"id": ID, "jobs_running": 0})),
        _ if request.line.starts_with("DELETE") => {
            (200, json!({"result": true, "id": ID, "jobs_running": 0}))
        }
        _ => (200, tunnel("running")),
    }
}

/// A data plane that is up at once.
struct FakePlane(Sender);

impl DataPlane for FakePlane {
    fn connect(&mut self, place: &Place, connection: ConnectionNumber) -> Result<(), Failure> {
        let peer = ([127, 0, 0, 1], place.server.port).into();
        let (tunnel, session) = (place.tunnel, SessionId([0; 16]));
        let up = Event::TunnelUp { tunnel, session, connection, peer };
        // Nobody listens after the end.
        let _ = self.0.send(Input::Tunnel(up));
        Ok(())
    }

    fn give_up(&mut self, _: TunnelId) {}

    fn stop(&mut self, stop: Stop) {
        if stop == Stop::Drain {
            self.0.send(Input::Tunnel(Event::Stopped)).unwrap();
        }
    }

    fn reload(&mut self, _: Reloaded) {}
}

/// Records what is told, and passes it on.
struct Recorder<F> {
    lines: Vec<Line>,
    failures: Vec<String>,
    on_line: F,
}

impl<F: FnMut(&Line)> Speaker for Recorder<F> {
    fn say(&mut self, line: &Line) {
        self.lines.push(line.clone());
        (self.on_line)(line);
    }

    fn fail(&mut self, failure: &Failure) {
        self.failures.push(failure.to_string());
    }
}

struct Outcome {
    exit: Exit,
    lines: Vec<Line>,
    failures: Vec<String>,
}

/// A run with so many signals once it is ready.
fn run(url: &RestUrl, signals: usize) -> Outcome {
    let Inputs { sender, receiver: inputs } = Inputs::new().unwrap();
    let signal = sender.clone();
    let on = move |line: &Line| {
        if *line == Line::Ready {
            (0..signals).for_each(|_| signal.send(Input::Signal).unwrap());
        }
    };
    run_with(url, on, sender, inputs)
}

/// A run that is told of every line.
fn run_with(
    url: &RestUrl,
    on_line: impl FnMut(&Line),
    sender: Sender,
    inputs: Receiver,
) -> Outcome {
    let key = AccessKey::new("KEY".to_owned());
    let settings = Settings {
        connections: 1,
        ..Settings::plain(Dialect::V4, "anna".to_owned(), key, url.clone())
    };
    let mut recorder = Recorder { lines: Vec::new(), failures: Vec::new(), on_line };
    let query = "client_version=1".to_owned();
    let request = CreateTunnel::default();
    let exit = EventLoop {
        controller: Controller::new(1, request, query, url.to_string(), 1, Instant::now()),
        rest: crate::client::rest::Rest::new(&settings).unwrap(),
        plane: FakePlane(sender.clone()),
        speaker: &mut recorder,
        status: Status::start(
            &settings,
            &(Arc::new(|| Ok(Vec::new())) as _),
            None,
            Arc::new(|| None),
        )
        .unwrap(),
        sender,
        inputs,
        hangup: Hangup::of_process(),
    }
    .run();
    Outcome { exit, lines: recorder.lines, failures: recorder.failures }
}

#[test]
fn a_signal_deletes_the_tunnel_and_ends_orderly() {
    let rest = FakeRest::start(good);
    let outcome = run(&rest.url, 1);
    assert_eq!(outcome.exit, Exit::Orderly, "{:?}", outcome.failures);
    assert_eq!(outcome.lines.last(), Some(&Line::Goodbye));
    let lines = rest.lines();
    assert_eq!(lines[..2], ["GET /tunnels/info/updates?client_version=1", "POST /tunnels"]);
    let delete = format!("DELETE /tunnels/{ID}?wait_for_jobs=1&reason=sigterm");
    assert!(lines.contains(&delete), "{lines:?}");
    for request in rest.seen.lock().unwrap().iter() {
        // "anna:KEY"
        assert_eq!(request.authorization, "Basic YW5uYTpLRVk=", "{request:?}");
        assert!(request.agent.starts_with("sc/"), "{request:?}");
        if request.line.ends_with("/connected") {
            assert_eq!(request.body["kgp_is_connected"], true);
        }
    }
}

#[test]
fn jobs_are_waited_for() {
    let rest = FakeRest::start(|request, before| {
        let jobs = if before == 0 { 2 } else { 0 };
        match request.line.as_str() {
            line if line.starts_with("DELETE") => {
                (200, json!({"result": true, "id": ID, "jobs_running": 3}))
            }
            line if line.ends_with("/num_jobs") => (200, json!({"id": ID, "jobs_running": jobs})),
            _ => good(request, before),
        }
    });
    let outcome = run(&rest.url, 1);
    assert_eq!(outcome.exit, Exit::Orderly);
    let waits: Vec<_> = outcome
        .lines
        .iter()
        .filter_map(|line| match line {
            Line::WaitingForJobs { jobs, .. } => Some(*jobs),
            _ => None,
        })
        .collect();
    assert_eq!(waits, [3, 2]);
}

#[test]
fn two_signals_do_not_wait() {
    let rest = FakeRest::start(|request, before| match request.line.as_str() {
        line if line.contains("wait_for_jobs=1") => {
            (200, json!({"result": true, "id": ID, "jobs_running": 3}))
        }
        _ => good(request, before),
    });
    let outcome = run(&rest.url, 2);
    assert_eq!(outcome.exit, Exit::Forced);
    let lines = rest.lines();
    assert!(lines.iter().any(|line| line.contains("wait_for_jobs=0")), "{lines:?}");
}

#[test]
fn wrong_credentials_are_told_once_and_not_retried() {
    let rest = FakeRest::start(|_, _| (401, error("Not authorized")));
    let outcome = run(&rest.url, 0);
    assert_eq!(outcome.exit, Exit::Failed);
    assert!(outcome.failures[0].contains("401: Not authorized"), "{:?}", outcome.failures);
    assert_eq!(rest.lines().len(), 1);
}

#[test]
fn a_server_error_is_retried() {
    let rest = FakeRest::start(|request, before| match request.line.as_str() {
        "POST /tunnels" if before == 0 => (500, error("not yet")),
        _ => good(request, before),
    });
    let outcome = run(&rest.url, 1);
    assert_eq!(outcome.exit, Exit::Orderly, "{:?}", outcome.failures);
    let retries = outcome.lines.iter().filter(|line| matches!(line, Line::Retry { .. }));
    assert_eq!(retries.count(), 1);
    let posts = rest.lines().iter().filter(|line| *line == "POST /tunnels").count();
    assert_eq!(posts, 2);
}

#[test]
fn nobody_listening_is_retried() {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = RestUrl::parse(&format!("http://{}", held.local_addr().unwrap())).unwrap();
    drop(held);
    let Inputs { sender, receiver: inputs } = Inputs::new().unwrap();
    let signal = sender.clone();
    let mut retry = None;
    let on = |line: &Line| {
        if let Line::Retry { error, .. } = line {
            retry = Some(error.clone());
            signal.send(Input::Signal).unwrap();
        }
    };
    let outcome = run_with(&url, on, sender, inputs);
    assert_eq!(outcome.exit, Exit::Orderly);
    assert_eq!(retry.as_deref(), Some("no connection (connection refused)"));
}

#[test]
fn an_end_from_elsewhere_ends_the_run() {
    let rest = FakeRest::start(|request, before| match request.line.as_str() {
        line if line.starts_with("GET") && line.ends_with(ID) => {
            let mut ended = tunnel("terminated");
            ended["shutdown_reason"] = json!("webui");
            (200, ended)
        }
        _ => good(request, before),
    });
    let outcome = run(&rest.url, 0);
    assert_eq!(outcome.exit, Exit::EndedElsewhere);
    let text = "the tunnel was ended from elsewhere (reason: webui)";
    assert_eq!(outcome.failures, [text]);
    assert!(!rest.lines().iter().any(|line| line.starts_with("DELETE")));
}

#[test]
fn a_tunnel_that_never_runs_is_given_up() {
    let rest = FakeRest::start(|request, before| match request.line.as_str() {
        line if line.starts_with("GET /tunnels/info") => {
            (200, json!({"configuration": {"start_timeout": 5}}))
        }
        "POST /tunnels" => (201, tunnel("booting")),
        line if line.starts_with("GET") && line.ends_with(ID) => (200, tunnel("booting")),
        _ => good(request, before),
    });
    let outcome = run(&rest.url, 0);
    assert_eq!(outcome.exit, Exit::Failed);
    assert!(outcome.failures[0].contains("did not run within 5 s"), "{:?}", outcome.failures);
    let polls = rest.lines().iter().filter(|line| line.ends_with(ID)).count();
    assert!((3..=6).contains(&polls), "{polls} polls in 5 s");
    assert!(rest.lines().iter().any(|line| line.starts_with("DELETE")));
}

#[test]
fn an_answer_that_is_no_json_names_the_url() {
    let rest = FakeRest::start(|request, before| match request.line.as_str() {
        "POST /tunnels" => (200, json!("<html>")),
        _ => good(request, before),
    });
    let outcome = run(&rest.url, 0);
    assert_eq!(outcome.exit, Exit::Failed);
    assert!(outcome.failures[0].contains(&rest.url.to_string()), "{:?}", outcome.failures);
}

/// The parsed id, so that a typing error above does not pass as "gone".
#[test]
fn the_id_is_one() {
    assert!(ID.parse::<TunnelId>().is_ok());
}
