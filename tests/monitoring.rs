//! What client and server show of themselves: status and metrics by HTTP, files, the service
//! manager, and the commands that look at another process.
#![cfg(unix)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use sc_tests::binary;
use sc_tests::deployment::{Client, CommandLine, Server, User};
use sc_tests::exposition::Exposition;
use sc_tests::http::{Answer, Connection};
use sc_tests::link::{Dials, Link};
use sc_tests::linked::linked_server;
use sc_tests::process::{Process, Signal};
use sc_tests::site::Site;
use sc_tests::traffic::{self, Idle};
use sc_tests::wait::{self, PATIENCE};
use sc_tests::{deployment, ports};
use serde_json::Value;

/// A client whose link the test holds in its hand.
struct Watched {
    server: Server,
    link: Link,
    user: User,
    client: Client,
    status: SocketAddr,
}

impl Watched {
    /// With a link that is silent from the beginning: the client cannot become ready.
    fn start(options: &[&str], server: &[&str]) -> Self {
        let (server, link) = linked_server(server);
        link.silence(Dials::Swallowed);
        let user = server.add_user("jane");
        let status = SocketAddr::from(([127, 0, 0, 1], ports::one()));
        let mut command = binary::command();
        command
            .args(CommandLine::Version4.arguments(&server.rest_url(), &user, "test"))
            .args(["--status-address", &status.to_string()])
            .args(options);
        let client = Client::start_as(command);
        client.process.wait_for_text("status server listening on");
        Self { server, link, user, client, status }
    }

    fn code(&self, path: &str) -> u16 {
        get(self.status, path).status()
    }

    fn status(&self) -> Value {
        serde_json::from_slice(&get(self.status, "/api/v1/status").body).expect("JSON")
    }

    fn wait_for_link(&self, state: &str) -> Value {
        wait::until(state, || {
            let status = self.status();
            (status["link"]["state"] == state).then_some(status)
        })
    }

    fn metrics(&self) -> Exposition {
        metrics(self.status)
    }
}

fn get(address: SocketAddr, path: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let connection = Connection::open(address);
    connection.and_then(|mut c| c.exchange(&request)).expect("the status server answers")
}

fn metrics(address: SocketAddr) -> Exposition {
    let answer = get(address, "/metrics");
    assert_eq!(answer.status(), 200);
    Exposition::parse(&answer.text()).unwrap_or_else(|error| panic!("{error}"))
}

/// The names of all changes of the link, in order.
fn changes(status: &Value) -> Vec<&str> {
    let changes = status["link"]["changes"].as_array().expect("a list");
    changes.iter().map(|change| change["change"].as_str().expect("a name")).collect()
}

#[test]
fn a_cut_shows_in_status_and_metrics_each_transition_once() {
    let metrics_address = SocketAddr::from(([127, 0, 0, 1], ports::one()));
    let address = metrics_address.to_string();
    let watched = Watched::start(&["--keepalive", "1"], &["--metrics-address", &address]);
    assert_eq!((watched.code("/readiness"), watched.code("/liveness")), (503, 200));
    let status = watched.status();
    assert_eq!(
        (&status["tunnelStatus"], &status["link"]["state"]),
        (&"disconnected".into(), &"starting".into())
    );
    assert_eq!(watched.metrics().get("sauce_connect_ready", &[]), Some(0.0));

    watched.link.come_back();
    watched.client.wait_ready(CommandLine::Version4);
    assert_eq!((watched.code("/readiness"), watched.code("/liveness")), (200, 200));
    let record = watched.server.rest(&watched.user).tunnel_named("test").expect("a tunnel");
    let proxy = deployment::proxy_address(&record);
    let site = Site::start();
    let mut idle = Idle::open(proxy, &site, 3);
    traffic::small_request(proxy, &site);

    let idle_alone = || {
        let open = [("state", "open")];
        let client = watched.metrics().get("sauce_connect_kgp_streams", &open);
        let server = metrics(metrics_address).get("sc_server_tunnel_streams", &[]);
        ((client, server) == (Some(3.0), Some(3.0))).then_some(())
    };
    wait::until("the request's stream to end", idle_alone);

    watched.link.silence(Dials::Refused);
    let status = watched.wait_for_link("reconnecting");
    assert_eq!(status["tunnelStatus"], "disconnected");
    assert_eq!(status["link"]["cause"], "no sign of life from the peer");
    assert_eq!((watched.code("/readiness"), watched.code("/liveness")), (503, 200));
    wait::until("a failed try", || {
        let tries = watched.status()["link"]["tries"].clone();
        let refused = tries["lastFailure"].as_str().is_some_and(|why| why.contains("refused"));
        (refused && tries["failed"].as_u64() > Some(0)).then_some(())
    });

    watched.link.come_back();
    let status = watched.wait_for_link("connected");
    assert_eq!(changes(&status), ["connected", "interrupted", "resumed"]);
    assert_eq!(status["reconnectCount"], 1);
    assert_eq!(status["link"]["lastResume"]["streamsKept"], 3);
    watched.client.process.wait_for_text("Connection resumed after ");
    idle.expect_all_alive();
    traffic::small_request(proxy, &site);
    wait::until("the request's stream to end", idle_alone);
    expect_client(&watched.metrics());
    let id = record["id"].as_str().expect("an id");
    expect_server(&metrics(metrics_address), id);
}

/// What a client has counted after one cut.
fn expect_client(all: &Exposition) {
    for (name, labels, value) in [
        ("sauce_connect_ready", &[][..], 1.0),
        ("sauce_connect_kgp_link_state", &[("state", "connected")], 1.0),
        ("sauce_connect_kgp_link_changes_total", &[("change", "connected")], 1.0),
        ("sauce_connect_kgp_link_changes_total", &[("change", "interrupted")], 1.0),
        ("sauce_connect_kgp_link_changes_total", &[("change", "resumed")], 1.0),
        ("sauce_connect_kgp_sessions_total", &[], 1.0),
        ("sauce_connect_kgp_resumes_total", &[], 1.0),
        ("sauce_connect_kgp_reconnects_total", &[], 1.0),
        ("sauce_connect_kgp_outage_duration_seconds_count", &[], 1.0),
        ("sauce_connect_tunnel_errors_total", &[("type", "silent")], 1.0),
        ("sauce_connect_kgp_streams", &[("state", "open")], 3.0),
    ] {
        assert_eq!(all.get(name, labels), Some(value), "{name} {labels:?}");
    }
    for (name, least) in [
        ("sauce_connect_kgp_rtt_seconds", 1e-6),
        ("sauce_connect_kgp_down_seconds_total", 1e-3),
        ("sauce_connect_tunnel_dials_total", 3.0),
        ("sauce_connect_tunnel_dialer_dialed_total", 2.0),
        ("sauce_connect_dialer_dialed_total", 4.0),
        ("sauce_connect_site_received_bytes_total", 1.0),
        ("sauce_connect_worker_busy_seconds_total", 1e-6),
        ("process_resident_memory_bytes", 1e6),
        ("process_open_fds", 3.0),
    ] {
        let value = all.get(name, &[]).unwrap_or_else(|| panic!("no {name}"));
        assert!(value >= least, "{name} is {value}");
    }
    assert_eq!(all.kind("sauce_connect_tunnel_received_bytes"), Some("counter"));
}

/// And its server.
fn expect_server(all: &Exposition, id: &str) {
    for (name, labels, value) in [
        ("sc_server_tunnels", &[("status", "running")][..], 1.0),
        ("sc_server_tunnel_info", &[("id", id), ("name", "test"), ("owner", "jane")], 1.0),
        ("sc_server_tunnel_link_state", &[("id", id), ("state", "connected")], 1.0),
        ("sc_server_tunnel_resumes_total", &[("id", id)], 1.0),
        ("sc_server_tunnel_streams", &[("id", id)], 3.0),
        ("sc_server_sessions_total", &[], 1.0),
        ("sc_server_resumes_total", &[], 1.0),
        ("sc_server_browser_connections_total", &[], 5.0),
    ] {
        assert_eq!(all.get(name, labels), Some(value), "{name} {labels:?}");
    }
    assert!(all.get("sc_server_tunnel_rtt_seconds", &[("id", id)]) > Some(0.0));
}

/// A client of version 5 with its API server at a socket in `folder`.
fn version_5(server: &Server, user: &User, folder: &Path) -> (Client, String) {
    let address = format!("unix:{}", folder.join("api.sock").display());
    let mut command = binary::command();
    command.args(CommandLine::Version5.arguments(&server.rest_url(), user, "test")).args([
        "--api-address",
        &address,
        "--api-basic-auth",
        "anna:very-secret",
    ]);
    let client = Client::start_as(command);
    (client, address)
}

fn sc(arguments: &[&str]) -> Output {
    binary::command().args(arguments).output().expect("sc can be started")
}

#[test]
fn version_5_by_a_socket_in_the_file_system() {
    let (server, link) = linked_server(&[]);
    link.silence(Dials::Swallowed);
    let user = server.add_user("jane");
    let folder = tempfile::tempdir().expect("a folder");
    let (client, address) = version_5(&server, &user, folder.path());
    client.process.wait_for_text("API server listening on");
    let ready =
        || sc(&["ready", "--api-address", &address, "--api-basic-auth", "anna:very-secret"]);
    let not_yet = ready();
    assert_eq!(not_yet.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&not_yet.stderr).contains("503"), "{not_yet:?}");
    link.come_back();
    client.wait_ready(CommandLine::Version5);
    let output = ready();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{output:?}");
    let wrong = sc(&["ready", "--api-address", &address]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("401"), "{wrong:?}");

    // "anna:very-secret"
    let login = "Basic YW5uYTp2ZXJ5LXNlY3JldA==";
    let get = |path: &str| {
        let mut socket = UnixStream::connect(folder.path().join("api.sock")).expect("a socket");
        let head = format!("GET {path} HTTP/1.1\r\nAuthorization: {login}\r\nConnection: close");
        write!(socket, "{head}\r\n\r\n").expect("a request");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("an answer");
        answer
    };
    for path in ["/", "/healthz", "/readyz", "/info", "/version", "/configz", "/status"] {
        let answer = get(path);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{path}: {answer}");
        assert!(!answer.contains("very-secret") && !answer.contains(&user.key), "{answer}");
    }
    let answer = get("/metrics");
    let (_, text) = answer.split_once("\r\n\r\n").expect("a body");
    let metrics = Exposition::parse(text).unwrap_or_else(|error| panic!("{error}"));
    assert!(metrics.names().count() > 40);
    let line = fs::read(format!("/proc/{}/cmdline", client.process.pid()));
    if let Ok(line) = line {
        let line = String::from_utf8_lossy(&line).into_owned();
        assert!(line.contains("****") && !line.contains("very-secret"), "{line}");
    }
    client.process.signal(Signal::Terminate);
    assert_eq!(client.process.wait_exit(PATIENCE).code(), Some(0));
    assert!(!folder.path().join("api.sock").exists());
}

#[test]
fn files_say_that_it_runs_and_that_it_is_ready() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ready, pid) = (folder.path().join("ready.json"), folder.path().join("sc.pid"));
    fs::write(&ready, "").expect("what an earlier run left");
    let (ready_text, pid_text) = (ready.display().to_string(), pid.display().to_string());
    let watched = Watched::start(&["-f", &ready_text, "-d", &pid_text], &[]);
    let id = watched.client.process.pid();
    assert_eq!(fs::read_to_string(&pid).expect("a pid file"), format!("{id}\n"));
    assert!(!ready.exists());

    let mut waiting = binary::command();
    waiting.args(["wait", "--readyfile", &ready_text, "--pidfile", &pid_text]);
    let waiting = Process::start("sc wait", waiting);
    watched.link.come_back();
    assert_eq!(waiting.wait_exit(PATIENCE).code(), Some(0));
    let json: Value = serde_json::from_str(&fs::read_to_string(&ready).expect("it is ready"))
        .expect("the ready file is JSON");
    assert_eq!(json["tunnelName"], "test");
    assert_eq!(json["tunnelID"], watched.status()["tunnelID"]);
    assert_eq!(json["firstConnectedTime"].as_str().map(str::len), Some(19));
    watched.client.process.signal(Signal::Terminate);
    assert_eq!(watched.client.process.wait_exit(PATIENCE).code(), Some(0));
    assert!(!ready.exists() && !pid.exists());
}

#[test]
fn waiting_ends_within_a_second_of_the_process() {
    let mut took: Vec<Duration> = (0..3).map(|_| wait_in_vain()).collect();
    took.sort();
    // The median: a machine that is busy with something else may take longer once.
    assert!(took[1] < Duration::from_secs(1), "{took:?}");
}

/// How long `sc wait` goes on after the process it waits for was killed.
fn wait_in_vain() -> Duration {
    let watched = Watched::start(&[], &[]);
    let mut command = binary::command();
    command
        .args(["wait", "--timeout", "5m", "--status-address", &watched.status.to_string()])
        .args(["--pid", &watched.client.process.pid().to_string()]);
    let waiting = Process::start("sc wait", command);
    // It waits once it has a connection to ask by, or has had one.
    wait::for_at_most(Duration::from_millis(300), || (!waiting.is_running()).then_some(()));
    assert!(waiting.is_running(), "{}", waiting.report());
    let killed = Instant::now();
    watched.client.process.kill();
    let status = waiting.wait_exit(PATIENCE);
    let took = killed.elapsed();
    assert_eq!(status.code(), Some(1));
    assert_eq!(waiting.count_lines("has ended before its tunnel was ready"), 1);
    took
}

/// A service manager's socket.
struct Manager {
    folder: tempfile::TempDir,
    socket: UnixDatagram,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = UnixDatagram::bind(folder.path().join("notify")).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self { folder, socket }
    }

    fn manage(&self, command: &mut Command) {
        command
            .env("NOTIFY_SOCKET", self.folder.path().join("notify"))
            .env("WATCHDOG_USEC", "200000")
            .env_remove("WATCHDOG_PID");
    }

    /// Takes notices until one begins so.
    fn wait_for(&self, beginning: &str) -> Vec<String> {
        let mut all = Vec::new();
        let mut buffer = [0; 1000];
        loop {
            let read = self.socket.recv(&mut buffer);
            let n = read.unwrap_or_else(|error| panic!("no {beginning}: {error}; {all:?}"));
            all.push(String::from_utf8_lossy(&buffer[..n]).into_owned());
            if all.last().is_some_and(|last| last.starts_with(beginning)) {
                return all;
            }
        }
    }
}

#[test]
fn a_service_manager_is_told() {
    let of_server = Manager::new();
    let mut command = binary::command();
    of_server.manage(&mut command);
    let server = Server::start_as(command, &[]);
    of_server.wait_for("READY=1");
    of_server.wait_for("WATCHDOG=1");

    let user = server.add_user("jane");
    let manager = Manager::new();
    let mut command = binary::command();
    manager.manage(&mut command);
    command.args(CommandLine::Version4.arguments(&server.rest_url(), &user, "test"));
    let client = Client::start_as(command);
    manager.wait_for("READY=1");
    manager.wait_for("STATUS=connected");
    manager.wait_for("WATCHDOG=1");
    client.process.signal(Signal::Terminate);
    manager.wait_for("STOPPING=1");
    assert_eq!(client.process.wait_exit(PATIENCE).code(), Some(0));

    server.process.signal(Signal::Terminate);
    of_server.wait_for("STOPPING=1");
    assert_eq!(server.process.wait_exit(PATIENCE).code(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn while_nobody_asks_the_status_server_sleeps() {
    let watched = Watched::start(&[], &[]);
    let mut asking = Connection::open(watched.status).expect("a connection");
    let request = "GET /liveness HTTP/1.1\r\n\r\n";
    assert_eq!(asking.exchange(request).expect("an answer").status(), 200);
    let task = format!("/proc/{}/task", watched.client.process.pid());
    let switches = || -> u64 {
        let tasks = fs::read_dir(&task).expect("threads").flatten();
        let names_and_states = tasks.map(|task| {
            let read = |file: &str| fs::read_to_string(task.path().join(file)).unwrap_or_default();
            (read("comm"), read("status"))
        });
        let ours =
            names_and_states.filter(|(name, _)| matches!(name.trim(), "sc-monitor" | "sc-status"));
        let count = |line: &str| line.strip_prefix("voluntary_ctxt_switches:")?.trim().parse().ok();
        let counts: Vec<u64> =
            ours.filter_map(|(_, status)| status.lines().find_map(count)).collect();
        assert!(counts.len() >= 2, "the acceptor and one connection: {counts:?}");
        counts.iter().sum()
    };
    // The thread of the connection may still be on its way to sleep.
    let before = wait::until_steady("the threads", Duration::from_millis(300), switches);
    wait::for_at_most(Duration::from_secs(1), || None::<()>);
    assert_eq!(switches(), before, "a thread woke up though nobody asked");
    assert_eq!(asking.exchange(request).expect("an answer").status(), 200, "it is kept");
}
