//! The WebDriver broker, with an endpoint of our own behind it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::jobs::{job, jobs_running, ready};
use super::users::command;
use super::{Answer, Settings, TestServer, basic, start as run, until};
use crate::server::broker::BrokerSettings;

/// A WebDriver endpoint that makes sessions without browsers and keeps what it was told.
struct Endpoint {
    url: String,
    heard: Arc<Mutex<Vec<Heard>>>,
}

/// A request.
#[derive(Clone, Debug)]
struct Heard {
    line: String,
    head: String,
    body: Value,
}

impl Endpoint {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/base", listener.local_addr().unwrap());
        let heard = Arc::<Mutex<Vec<Heard>>>::default();
        let kept = Arc::clone(&heard);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || exchange(stream.unwrap(), &kept));
            }
        });
        Self { url, heard }
    }

    fn heard(&self, line: &str) -> Vec<Heard> {
        let all = self.heard.lock().unwrap();
        all.iter().filter(|heard| heard.line.starts_with(line)).cloned().collect()
    }
}

fn exchange(stream: TcpStream, heard: &Mutex<Vec<Heard>>) {
    let mut reader = BufReader::new(stream);
    let (mut line, mut head) = (String::new(), String::new());
    // A look whether somebody listens brings nothing.
    if reader.read_line(&mut line).unwrap() == 0 {
        return;
    }
    while !head.ends_with("\r\n\r\n") && !head.starts_with("\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0);
    }
    let head = head.to_ascii_lowercase();
    let length = head
        .split("content-length: ")
        .nth(1)
        .map_or(0, |rest| rest.split("\r\n").next().unwrap().parse::<usize>().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let said = Heard { line: line.clone(), head, body };
    let is_refused = said.body.to_string().contains("refuse");
    heard.lock().unwrap().push(said);
    let (status, value) = match line.as_str() {
        "POST /base/session" if is_refused => {
            ("500 No", json!({"error": "session not created", "message": "no browser"}))
        }
        "POST /base/session" => (
            "200 OK",
            json!({"sessionId": "r-1", "capabilities":
                {"browserName": "none", "webSocketUrl": "ws://127.0.0.1:1/"}}),
        ),
        "GET /base/session/r-1/gone" => ("404 No", json!({"error": "invalid session id"})),
        "DELETE /base/session/r-1/window" => ("200 OK", json!([])),
        _ => ("200 OK", json!(line)),
    };
    let body = json!({ "value": value }).to_string();
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nX-From: endpoint\r\nContent-Length: {length}\r\n\r\n");
    let _ = reader.get_mut().write_all((head + &body).as_bytes());
}

fn start(endpoint: &Endpoint, change: impl FnOnce(&mut BrokerSettings)) -> TestServer {
    TestServer::start_with(|settings| {
        settings.broker.endpoints = vec![endpoint.url.parse().unwrap()];
        change(&mut settings.broker);
    })
}

/// A call to any path of the server.
fn call(server: &TestServer, method: &str, path: &str, as_: Option<&str>, body: &Value) -> Answer {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
    let uri = format!("http://{}{path}", server.running.rest_address());
    let mut request = ureq::http::Request::builder().method(method).uri(uri);
    if let Some(authorization) = as_ {
        request = request.header("Authorization", authorization);
    }
    let mut answer = match method {
        "POST" => agent.run(request.body(body.to_string()).unwrap()).unwrap(),
        _ => agent.run(request.body(()).unwrap()).unwrap(),
    };
    let text = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap())
}

fn with_options(server: &TestServer, options: Value) -> Value {
    let mut options = options;
    options["username"] = json!("jane");
    options["accessKey"] = json!(server.key);
    json!({"capabilities": {"alwaysMatch": {"browserName": "chrome", "sauce:options": options}}})
}

fn begin(server: &TestServer, options: Value) -> String {
    let body = with_options(server, options);
    let (status, made) = call(server, "POST", "/wd/hub/session", None, &body);
    assert_eq!(status, 200, "{made}");
    made["value"]["sessionId"].as_str().unwrap().to_owned()
}

#[test]
fn a_session_is_a_job_with_a_proxy_address_of_its_own() {
    let endpoint = Endpoint::start();
    let server = start(&endpoint, |_| {});
    let (tunnel, _client) = ready(&server, r#"{"tunnel_identifier": "ci"}"#);
    let id = begin(&server, json!({"tunnelIdentifier": "ci", "name": "n", "maxDuration": 600}));
    let record = job(&server, &json!({ "id": id }));
    assert!(record["name"] == "n" && record["browser"] == "none", "{record}");
    assert_eq!(jobs_running(&server, &tunnel), 1);
    let asked = &endpoint.heard("POST /base/session")[0].body["capabilities"]["alwaysMatch"];
    assert_eq!(asked["proxy"]["httpProxy"], record["proxy_address"]);
    assert_eq!(asked["goog:chromeOptions"]["args"][0], "--proxy-bypass-list=<-loopback>");
    assert!(asked.get("acceptInsecureCerts").is_none() && !asked.to_string().contains("sauce"));
    let path = format!("/session/{id}/url?x=1");
    let (status, said) = call(&server, "GET", &path, None, &Value::Null);
    assert_eq!((status, &said["value"]), (200, &json!("GET /base/session/r-1/url?x=1")));
    let script = |script: &str| {
        let body = json!({"script": script, "args": []});
        call(&server, "POST", &format!("/wd/hub/session/{id}/execute/sync"), None, &body)
    };
    assert_eq!(script("sauce:job-result=failed"), (200, json!({"value": null})));
    assert_eq!(script("sauce: nonsense").1["value"]["error"], "invalid argument");
    assert_eq!(script("return 1").0, 200);
    assert_eq!(endpoint.heard("POST /base/session/r-1/execute/sync").len(), 1);
    assert_eq!(job(&server, &json!({ "id": id }))["passed"], false);
    let path = format!("/session/{id}");
    assert_eq!(call(&server, "DELETE", &path, None, &Value::Null).0, 200);
    assert_eq!(endpoint.heard("DELETE /base/session/r-1").len(), 1);
    assert_eq!(jobs_running(&server, &tunnel), 0);
    let (status, gone) = call(&server, "GET", &path, None, &Value::Null);
    assert_eq!((status, &gone["value"]["error"]), (404, &json!("invalid session id")));
    server.stop();
}

#[test]
fn who_brings_other_credentials_than_the_owner_s_drives_no_session() {
    let endpoint = Endpoint::start();
    let server = start(&endpoint, |_| {});
    let other = command(&server, "user add mallory").unwrap();
    let (jane, mallory) = (basic("jane", &server.key), basic("mallory", &other));
    let body = json!({"capabilities": {"alwaysMatch": {}}});
    let (status, made) = call(&server, "POST", "/session", Some(&jane), &body);
    assert_eq!(status, 200, "{made}");
    let id = made["value"]["sessionId"].as_str().unwrap();
    assert!(made["value"]["capabilities"].get("webSocketUrl").is_none());
    let get = |as_| call(&server, "GET", &format!("/session/{id}/url"), as_, &Value::Null).0;
    // WebdriverIO brings them to the new session only.
    assert_eq!((get(Some(&jane)), get(None), get(Some(&mallory))), (200, 200, 404));
    assert_eq!(get(Some(&basic("jane", "wrong"))), 401);
    let heard = endpoint.heard("GET /base/session/r-1/url");
    assert_eq!(heard.len(), 2);
    assert!(!heard[0].head.contains("authorization"), "the key stays here");
    let unknown = call(&server, "GET", "/session/0123/url", Some(&jane), &Value::Null);
    assert_eq!((unknown.0, &unknown.1["value"]["error"]), (404, &json!("invalid session id")));
    let (status, _) = call(&server, "POST", "/session", Some(&basic("jane", "no")), &body);
    assert_eq!(status, 401);
    let (status, refused) = call(&server, "POST", "/session", None, &body);
    assert_eq!((status, &refused["value"]["error"]), (401, &json!("session not created")));
    server.stop();
}

#[test]
fn without_a_tunnel_asked_for_the_unnamed_one_is_used_or_none() {
    let endpoint = Endpoint::start();
    let server = start(&endpoint, |_| {});
    let direct = begin(&server, json!({}));
    let record = job(&server, &json!({ "id": direct }));
    assert!(record["proxy_address"].is_null() && record["tunnel_id"].is_null(), "{record}");
    let asked = &endpoint.heard("POST /base/session")[0].body["capabilities"]["alwaysMatch"];
    assert!(asked.get("proxy").is_none());
    let (tunnel, _client) = ready(&server, r#"{"tls_resign_domains": ["all"]}"#);
    begin(&server, json!({}));
    assert_eq!(jobs_running(&server, &tunnel), 1);
    let asked = &endpoint.heard("POST /base/session")[1].body["capabilities"]["alwaysMatch"];
    assert!(asked["acceptInsecureCerts"] == true && asked["proxy"].is_object(), "{asked}");
    let body = with_options(&server, json!({"tunnelName": "c"}));
    let (status, refused) = call(&server, "POST", "/session", None, &body);
    let message = refused["value"]["message"].as_str().unwrap();
    assert_eq!((status, &refused["value"]["error"]), (500, &json!("session not created")));
    assert!(message.contains("\"c\"") && message.contains("without a name"), "{message}");
    server.stop();
}

#[test]
fn what_the_endpoint_refuses_passes_and_leaves_no_job() {
    let endpoint = Endpoint::start();
    let server = start(&endpoint, |_| {});
    let (tunnel, _client) = ready(&server, "{}");
    let mut body = with_options(&server, json!({}));
    body["capabilities"]["alwaysMatch"]["browserName"] = json!("refuse");
    let (status, refused) = call(&server, "POST", "/session", None, &body);
    assert_eq!((status, &refused["value"]["message"]), (500, &json!("no browser")));
    assert_eq!(jobs_running(&server, &tunnel), 0);
    let id = begin(&server, json!({}));
    let (status, gone) = call(&server, "GET", &format!("/session/{id}/gone"), None, &Value::Null);
    assert_eq!((status, &gone["value"]["error"]), (404, &json!("invalid session id")));
    assert_eq!(job(&server, &json!({ "id": id }))["end_reason"], "endpointGone");
    let id = begin(&server, json!({}));
    call(&server, "DELETE", &format!("/session/{id}/window"), None, &Value::Null);
    assert_eq!(job(&server, &json!({ "id": id }))["end_reason"], "sessionDeleted");
    server.stop();
}

#[test]
fn sessions_end_when_nobody_uses_them_with_their_job_and_with_the_server() {
    let endpoint = Endpoint::start();
    let server = start(&endpoint, |broker| broker.idle_limit = Duration::from_secs(600));
    let idle = begin(&server, json!({"idleTimeout": 1}));
    let ended = begin(&server, json!({}));
    let left = begin(&server, json!({}));
    assert_eq!(server.call("DELETE", &format!("/jobs/{ended}"), None).0, 200);
    until(|| endpoint.heard("DELETE /base/session/r-1").len() == 2);
    until(|| job(&server, &json!({ "id": idle }))["end_reason"] == "idle");
    assert_eq!(job(&server, &json!({ "id": ended }))["end_reason"], "request");
    assert_eq!(job(&server, &json!({ "id": left }))["status"], "running");
    server.stop();
    assert_eq!(endpoint.heard("DELETE /base/session/r-1").len(), 3);
}

#[test]
fn what_a_crash_left_open_is_closed_at_the_next_start() {
    let endpoint = Endpoint::start();
    let server = start(&endpoint, |_| {});
    let id = begin(&server, json!({}));
    // As a crash leaves it: the record says that it runs.
    let (data, key) = (server.data_dir(), server.key.clone());
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(&data).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    let told = || endpoint.heard("DELETE /base/session/r-1").len();
    assert_eq!(told(), 0);
    let mut settings = Settings::local(copy.path().to_owned());
    settings.broker.endpoints = vec![endpoint.url.parse().unwrap()];
    let next = TestServer { running: run(settings).unwrap(), dir: copy, key };
    until(|| told() == 1);
    assert_eq!(job(&next, &json!({ "id": id }))["end_reason"], "serverRestart");
    next.stop();
    server.stop();
}

#[test]
fn an_endpoint_that_is_not_there_is_passed_over() {
    let endpoint = Endpoint::start();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("http://{closed}").parse().unwrap();
    let server = start(&endpoint, |broker| broker.endpoints.insert(0, nobody));
    for _ in 0..2 {
        begin(&server, json!({}));
    }
    server.stop();
    let server = start(&endpoint, |broker| {
        broker.endpoints = vec![format!("http://{closed}").parse().unwrap()];
    });
    let body = with_options(&server, json!({}));
    let (status, refused) = call(&server, "POST", "/session", None, &body);
    let message = refused["value"]["message"].as_str().unwrap();
    assert!(status == 500 && message.contains(&closed.to_string()), "{message}");
    assert_eq!(server.get("/jobs").1, json!([]));
    server.stop();
}
