//! The REST API from outside: users, records, and how a tunnel begins and ends.

use std::fs;
use std::path::Path;
use std::process::ExitStatus;

use sc_tests::deployment::{Client, CommandLine, Server, User, key_in, proxy_address};
use sc_tests::http;
use sc_tests::process::Signal;
use sc_tests::rest::Rest;
use sc_tests::shared::Shared;
use sc_tests::site::Site;
use sc_tests::wait::{self, PATIENCE};
use serde_json::{Value, json};

/// One server for all tests here; each test has a user of its own.
static SERVER: Shared<Server> = Shared::new(Server::start);

const V4: CommandLine = CommandLine::Version4;
const V5: CommandLine = CommandLine::Version5;

/// Exit code of a client whose tunnel was ended by someone else.
const ENDED_ELSEWHERE: i32 = 3;

/// Starts a client and waits until it is ready.
fn ready_client(line: CommandLine, server: &Server, user: &User, name: &str) -> Client {
    let client = Client::start(line, server, user, name);
    client.wait_ready(line);
    client
}

/// The record of a running tunnel.
fn record(rest: &Rest, name: &str) -> Value {
    rest.tunnel_named(name).unwrap_or_else(|| panic!("{name} is not listed"))
}

fn id(record: &Value) -> String {
    record["id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_record_says_what_runs() {
    let server = SERVER.lease();
    let user = server.add_user("record");
    let rest = server.rest(&user);
    assert_eq!(rest.get("/tunnels"), json!([]));
    let _client = ready_client(V4, &server, &user, "one");
    // The client may know a moment before the server has written it down.
    let is_ready = |record: &Value| record["is_ready"] == true;
    let record = wait::until("a ready record", || rest.tunnel_named("one").filter(is_ready));
    assert_eq!(record["status"], "running");
    assert_eq!(record["owner"], "record");
    assert_eq!(record["protocol"], "kgp");
    assert_eq!(record["shutdown_time"], Value::Null);
    let id = id(&record);
    assert!(id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{id}");
    assert_eq!(rest.get("/tunnels"), json!([id]));
    assert_eq!(rest.get("/tunnels?full=true").as_array().map(Vec::len), Some(1));
    assert_eq!(rest.get("/tunnels?all=true"), json!({"record": [id]}));
    let all = rest.get("/tunnels?all=true&full=true");
    assert_eq!(all["record"][0]["id"], id.as_str());
    assert_eq!(rest.get(&format!("/tunnels/{id}"))["tunnel_identifier"], "one");
    let jobs = rest.get(&format!("/tunnels/{id}/num_jobs"));
    assert_eq!(jobs, json!({"id": id, "jobs_running": 0}));
}

#[test]
fn strangers_are_refused() {
    let server = SERVER.lease();
    let user = server.add_user("owner");
    let other = server.add_user("other");
    let _client = ready_client(V4, &server, &user, "mine");
    let id = id(&record(&server.rest(&user), "mine"));
    let wrong = Rest::new(server.rest_address(), "owner", &other.key);
    let nobody = Rest::new(server.rest_address(), "nobody", &user.key);
    let unknown = format!("/tunnels/{}", "0".repeat(32));
    let of_owner = format!("/tunnels/{id}");
    for (rest, method, path, status) in [
        (&wrong, "GET", "/tunnels", 401),
        (&wrong, "DELETE", of_owner.as_str(), 401),
        (&nobody, "GET", "/tunnels", 401),
        (&server.rest(&user), "GET", unknown.as_str(), 404),
        (&server.rest(&other), "GET", of_owner.as_str(), 404),
        (&server.rest(&other), "DELETE", of_owner.as_str(), 404),
        (&server.rest(&user), "GET", "/nothing", 404),
    ] {
        let answer = rest.call(method, path, "").unwrap();
        assert_eq!(answer.status(), status, "{method} {path}: {}", answer.text());
        let body: Value = serde_json::from_slice(&answer.body).expect("errors are JSON");
        assert!(body["error"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    }
    assert_eq!(record(&server.rest(&user), "mine")["status"], "running");
}

#[test]
fn an_access_key_can_be_changed_and_taken_back() {
    let server = SERVER.lease();
    let user = server.add_user("turner");
    assert!(server.user_command(&["list"]).contains("turner"));
    let rotated = key_in(&server.user_command(&["rotate", "turner"]));
    let status = |key: &str| {
        let rest = Rest::new(server.rest_address(), "turner", key);
        rest.call("GET", "/tunnels", "").unwrap().status()
    };
    assert_eq!((status(&user.key), status(&rotated)), (401, 200));
    server.user_command(&["remove", "turner"]);
    assert_eq!(status(&rotated), 401);
    assert!(!server.user_command(&["list"]).contains("turner"));
}

#[test]
fn two_tunnels_of_one_user_live_side_by_side() {
    let (server, site) = (SERVER.lease(), Site::start());
    let user = server.add_user("twice");
    let rest = server.rest(&user);
    let _four = ready_client(V4, &server, &user, "four");
    let _five = ready_client(V5, &server, &user, "five");
    let proxies = ["four", "five"].map(|name| proxy_address(&record(&rest, name)));
    assert_ne!(proxies[0], proxies[1]);
    for proxy in proxies {
        assert_eq!(http::get(proxy, &site.url("/hello")).unwrap().status(), 200);
    }
}

#[test]
fn a_second_client_of_the_name_takes_over() {
    let server = SERVER.lease();
    let user = server.add_user("collider");
    let rest = server.rest(&user);
    let first = ready_client(V4, &server, &user, "same");
    let first_id = id(&record(&rest, "same"));
    let _second = ready_client(V5, &server, &user, "same");
    let exit = first.process.wait_exit(PATIENCE);
    expect_ended_elsewhere(&first, exit);
    assert_eq!(rest.tunnels().len(), 1);
    assert_ne!(id(&record(&rest, "same")), first_id);
    let ended = rest.get(&format!("/tunnels/{first_id}"));
    assert_eq!(ended["status"], "terminated");
    assert_eq!(ended["is_ready"], false);
}

#[test]
fn a_tunnel_deleted_by_rest_ends_its_client() {
    let server = SERVER.lease();
    let user = server.add_user("deleter");
    let rest = server.rest(&user);
    let client = ready_client(V4, &server, &user, "doomed");
    let doomed = record(&rest, "doomed");
    let path = format!("/tunnels/{}", id(&doomed));
    let answer = rest.call("DELETE", &format!("{path}?wait_for_jobs=0&reason=webui"), "").unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body, json!({"result": true, "id": id(&doomed), "jobs_running": 0}));
    let exit = client.process.wait_exit(PATIENCE);
    expect_ended_elsewhere(&client, exit);
    let ended = rest.get(&path);
    assert_eq!(ended["status"], "terminated");
    assert_eq!(ended["user_shutdown"], true);
    assert_eq!(ended["shutdown_reason"], "webui");
    assert!(ended["shutdown_time"].is_u64(), "{ended}");
    // Its proxy port is closed with it.
    wait::until("the proxy port to close", || {
        std::net::TcpStream::connect(proxy_address(&doomed)).is_err().then_some(())
    });
}

/// The client says why it ended, says goodbye, and its exit code tells scripts the same.
fn expect_ended_elsewhere(client: &Client, exit: ExitStatus) {
    let report = client.process.report();
    assert_eq!(exit.code(), Some(ENDED_ELSEWHERE), "{report}");
    assert!(report.contains("ended from elsewhere"), "{report}");
    assert!(report.contains("Goodbye."), "{report}");
}

#[test]
fn signals_end_a_client_in_order() {
    let server = SERVER.lease();
    let user = server.add_user("signaller");
    let rest = server.rest(&user);
    for (line, signal) in [(V4, Signal::Terminate), (V5, Signal::Interrupt)] {
        let client = ready_client(line, &server, &user, "brief");
        let path = format!("/tunnels/{}", id(&record(&rest, "brief")));
        client.process.signal(signal);
        let exit = client.process.wait_exit(PATIENCE);
        assert_eq!(exit.code(), Some(0), "{}", client.process.report());
        assert!(client.process.count_lines("Goodbye.") == 1, "{}", client.process.report());
        assert_eq!(rest.get("/tunnels"), json!([]));
        let ended = rest.get(&path);
        assert_eq!(
            (&ended["status"], &ended["shutdown_reason"]),
            (&json!("terminated"), &json!("sigterm"))
        );
    }
}

#[test]
fn the_server_ends_in_order() {
    let server = Server::start();
    let user = server.add_user("jane");
    let _client = ready_client(V4, &server, &user, "one");
    server.process.signal(Signal::Terminate);
    let exit = server.process.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(0), "{}", server.process.report());
}

#[test]
fn secrets_are_in_no_log_and_no_file() {
    let server = Server::start();
    let user = server.add_user("jane");
    let rest = server.rest(&user);
    let client = ready_client(V4, &server, &user, "one");
    let arguments = fs::read(format!("/proc/{}/cmdline", client.process.pid())).unwrap();
    assert!(!contains(&arguments, user.key.as_bytes()), "the key is in the process list");
    let created = rest.call("POST", "/tunnels", "{\"tunnel_identifier\": \"two\"}").unwrap();
    assert!(matches!(created.status(), 200 | 201), "{}", created.text());
    let created: Value = serde_json::from_slice(&created.body).unwrap();
    let secret = created["kgp"]["secret"].as_str().expect("a tunnel secret").to_owned();
    assert_eq!(secret.len(), 64);
    let shown = rest.get(&format!("/tunnels/{}", id(&created))).to_string();
    assert!(!shown.contains(&secret), "the record shows the secret: {shown}");
    // A wrong key is not written down either.
    let wrong = Rest::new(server.rest_address(), "jane", "not-the-key-of-jane");
    assert_eq!(wrong.call("GET", "/tunnels", "").unwrap().status(), 401);
    client.process.signal(Signal::Terminate);
    client.process.wait_exit(PATIENCE);
    server.process.signal(Signal::Terminate);
    server.process.wait_exit(PATIENCE);
    for secret in [user.key.as_str(), secret.as_str(), "not-the-key-of-jane"] {
        assert_eq!(server.process.count_lines(secret), 0, "in the server's log");
        assert_eq!(client.process.count_lines(secret), 0, "in the client's log");
    }
    // The key is stored as a hash only; a tunnel's secret is no business of the disk.
    for secret in [user.key.as_str(), secret.as_str()] {
        expect_in_no_file(server.data_dir(), secret);
    }
}

fn expect_in_no_file(folder: &Path, secret: &str) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            expect_in_no_file(&path, secret);
        } else {
            let content = fs::read(&path).unwrap();
            assert!(!contains(&content, secret.as_bytes()), "a secret is in {}", path.display());
        }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
