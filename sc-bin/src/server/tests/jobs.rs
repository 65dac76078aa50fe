//! Jobs: a proxy address each, on a tunnel that may change.

use std::time::Duration;

use serde_json::{Value, json};

use super::real_client::{Client, Keeping, Stream};
use super::users::command;
use super::{TestServer, basic, request, until};

/// A tunnel whose client is there.
pub(super) fn ready(server: &TestServer, body: &str) -> (Value, Client) {
    let tunnel = server.create(body);
    let client = Client::connect(&tunnel);
    until(|| server.record(&tunnel["id"])["is_ready"] == true);
    (tunnel, client)
}

fn begin(server: &TestServer, body: &str) -> Value {
    let (status, job) = server.call("POST", "/jobs", Some(body));
    assert_eq!(status, 200, "{job}");
    job
}

pub(super) fn job(server: &TestServer, job: &Value) -> Value {
    server.get(&format!("/jobs/{}", job["id"].as_str().unwrap())).1
}

pub(super) fn jobs_running(server: &TestServer, tunnel: &Value) -> u64 {
    let path = format!("/tunnels/{}/num_jobs", tunnel["id"].as_str().unwrap());
    server.get(&path).1["jobs_running"].as_u64().unwrap()
}

fn delete(server: &TestServer, tunnel: &Value, query: &str) -> Value {
    let path = format!("/tunnels/{}{query}", tunnel["id"].as_str().unwrap());
    let (status, answer) = server.call("DELETE", &path, None);
    assert_eq!(status, 200, "{answer}");
    answer
}

const MEMBER: &str = r#"{"tunnel_identifier": "p", "tunnel_pool": true}"#;
const ON_POOL: &str = r#"{"tunnelName": "p"}"#;

#[test]
fn jobs_take_turns_and_move_when_their_tunnel_goes() {
    let server = TestServer::start_with(|settings| settings.workers = 2.try_into().unwrap());
    let ((first, client), (second, _other)) = (ready(&server, MEMBER), ready(&server, MEMBER));
    let jobs: Vec<Value> = (0..4).map(|_| begin(&server, ON_POOL)).collect();
    for tunnel in [&first, &second] {
        assert_eq!(jobs_running(&server, tunnel), 2, "by turns");
    }
    for job in &jobs {
        Stream::open(job);
    }
    let of_first = jobs.iter().find(|job| job["tunnel_id"] == first["id"]).unwrap();
    let running = Stream::open(of_first);
    assert_eq!(delete(&server, &first, "?wait_for_jobs=1")["jobs_running"], 0, "they moved");
    assert_eq!(server.record(&first["id"])["status"], "halting", "what runs may finish");
    assert_eq!(jobs_running(&server, &second), 4);
    drop(running);
    until(|| server.record(&first["id"])["status"] == "terminated");
    drop(client);
    for old in &jobs {
        let moved = job(&server, old);
        assert_eq!(moved["tunnel_id"], second["id"]);
        assert_eq!(moved["proxy_address"], old["proxy_address"]);
        Stream::open(old);
    }
    assert_eq!(server.get("/jobs").1.as_array().unwrap().len(), 4);
    let path = format!("/jobs/{}", jobs[0]["id"].as_str().unwrap());
    assert_eq!(server.call("DELETE", &path, None).0, 200);
    let ended = job(&server, &jobs[0]);
    assert!(ended["status"] == "ended" && ended["end_reason"] == "request", "{ended}");
    assert_eq!(jobs_running(&server, &second), 3);
    server.stop();
}

#[test]
fn jobs_of_a_member_that_dies_go_on_by_another_at_once() {
    let server = TestServer::start_with(|settings| {
        settings.workers = 2.try_into().unwrap();
        // The dead member's session is waited for.
        settings.drain_limit = Duration::from_secs(1);
    });
    let ((first, client), (second, _other)) = (ready(&server, MEMBER), ready(&server, MEMBER));
    let jobs: Vec<Value> = (0..4).map(|_| begin(&server, ON_POOL)).collect();
    let of_first: Vec<_> = jobs.iter().filter(|job| job["tunnel_id"] == first["id"]).collect();
    assert_eq!(of_first.len(), 2);
    let mut idle = Keeping::open(of_first[0]);
    // As when its process is killed: nobody says goodbye, the session waits for it.
    drop(client);
    until(|| of_first.iter().all(|old| job(&server, old)["tunnel_id"] == second["id"]));
    assert!(idle.is_closed(), "its next request would have waited for the dead member");
    assert_eq!(jobs_running(&server, &second), 4);
    jobs.iter().for_each(|job| drop(Stream::open(job)));
    for _ in 0..3 {
        assert_eq!(begin(&server, ON_POOL)["tunnel_id"], second["id"], "no new job goes there");
    }
    assert_eq!(server.record(&first["id"])["status"], "running", "it may come back");
    server.stop();
}

#[test]
fn what_is_said_about_a_job_is_kept() {
    let server = TestServer::start();
    let (_tunnel, _client) = ready(&server, "{}");
    let made = begin(&server, r#"{"name": "n", "build": "b", "tags": ["x"], "browser": "lynx"}"#);
    assert!(made["build"] == "b" && made["browser"].is_null(), "{made}");
    let path = format!("/jobs/{}", made["id"].as_str().unwrap());
    let put = |body: &str| server.call("PUT", &path, Some(body));
    let (status, changed) = put(r#"{"passed": true, "custom-data": {"a": 1}, "public": "team"}"#);
    assert_eq!((status, &changed["passed"], &changed["name"]), (200, &json!(true), &json!("n")));
    assert_eq!(server.call("DELETE", &path, None).0, 200);
    put(r#"{"name": "later", "tags": []}"#);
    let ended = job(&server, &made);
    assert!(ended["name"] == "later" && ended["tags"] == json!([]), "{ended}");
    assert!(ended["custom-data"]["a"] == 1 && ended["passed"] == true, "{ended}");
    assert_eq!(put("[]").0, 400);
    assert_eq!(server.call("PUT", "/jobs/0123", Some("{}")).0, 404);
    server.stop();
}

#[test]
fn a_tunnel_waits_for_a_job_that_no_other_can_take() {
    let server = TestServer::start();
    let (tunnel, _client) = ready(&server, "{}");
    let only = begin(&server, "{}");
    assert_eq!(delete(&server, &tunnel, "?reason=sigterm")["jobs_running"], 1);
    let record = server.record(&tunnel["id"]);
    assert!(record["status"] == "halting" && record["is_ready"] == false);
    let (status, refused) = server.call("POST", "/jobs", Some("{}"));
    assert_eq!((status, &refused["code"]), (409, &json!("tunnel-not-ready")), "no new job");
    server.running.after(Duration::from_secs(600));
    Stream::open(&only);
    let path = format!("/jobs/{}", only["id"].as_str().unwrap());
    assert_eq!(server.call("DELETE", &path, None).0, 200);
    until(|| server.record(&tunnel["id"])["status"] == "terminated");
    assert_eq!(server.record(&tunnel["id"])["shutdown_reason"], "sigterm");
    server.stop();
}

#[test]
fn a_job_whose_tunnel_is_gone_waits_a_minute_for_another() {
    let server = TestServer::start();
    let (tunnel, client) = ready(&server, MEMBER);
    let (kept, lost) = (begin(&server, ON_POOL), begin(&server, ON_POOL));
    delete(&server, &tunnel, "?wait_for_jobs=0");
    drop(client);
    server.running.after(Duration::ZERO);
    assert_eq!(job(&server, &kept)["status"], "running");
    let (next, client) = ready(&server, MEMBER);
    server.running.after(Duration::ZERO);
    assert_eq!(job(&server, &kept)["tunnel_id"], next["id"]);
    Stream::open(&kept);
    delete(&server, &next, "?wait_for_jobs=0");
    drop(client);
    server.running.after(Duration::ZERO);
    server.running.after(Duration::from_secs(61));
    assert_eq!(job(&server, &lost)["end_reason"], "tunnelGone");
    server.stop();
}

#[test]
fn idle_and_old_jobs_end() {
    let server = TestServer::start();
    let (tunnel, _client) = ready(&server, "{}");
    let idle = begin(&server, r#"{"idle_timeout": 300}"#);
    let old = begin(&server, r#"{"max_duration": 400, "idle_timeout": 10000}"#);
    server.running.after(Duration::from_secs(200));
    assert_eq!(jobs_running(&server, &tunnel), 2);
    server.running.after(Duration::from_secs(301));
    assert_eq!(job(&server, &idle)["end_reason"], "idle");
    server.running.after(Duration::from_secs(401));
    assert_eq!(job(&server, &old)["end_reason"], "maxDuration");
    assert_eq!(server.record(&tunnel["id"])["is_ready"], true);
    server.stop();
}

#[test]
fn what_cannot_be_done_is_said() {
    let server = TestServer::start();
    server.create(r#"{"tunnel_identifier": "a"}"#);
    server.create(r#"{"tunnel_identifier": "b"}"#);
    let call = |body: &str| server.call("POST", "/jobs", Some(body));
    let (status, refused) = call(r#"{"tunnelName": "c"}"#);
    let error = refused["error"].as_str().unwrap();
    assert_eq!((status, &refused["code"]), (404, &json!("no-such-tunnel-name")));
    assert!(error.contains("\"c\"") && error.contains("\"a\", \"b\""), "{error}");
    for (body, status, code) in [
        ("{}", 404, "no-such-tunnel-name"),
        (r#"{"tunnelName": "a"}"#, 409, "tunnel-not-ready"),
        (r#"{"tunnelName": "a", "idle_timeout": 0}"#, 400, "bad-request"),
        (r#"{"tunnelName": "a", "tunnelOwner": "nobody"}"#, 404, "no-such-user"),
    ] {
        let (got, refused) = call(body);
        assert_eq!((got, &refused["code"]), (status, &json!(code)), "{body}");
    }
    assert_eq!(server.get("/jobs/0123").0, 404);
    server.stop();
}

#[test]
fn a_service_account_uses_what_is_shared() {
    let server = TestServer::start();
    command(&server, "team add web").unwrap();
    command(&server, "team join web jane").unwrap();
    let key = command(&server, "user add robot --role service --team web").unwrap();
    let basic = basic("robot", &key);
    let call =
        |body: &str| request(&server.running, "POST", "/robot/jobs", Some(&basic), Some(body));
    let (_private, _one) = ready(&server, r#"{"tunnel_identifier": "private"}"#);
    let (shared, _two) = ready(&server, r#"{"tunnel_identifier": "s", "shared": "all"}"#);
    let (status, refused) = call(r#"{"tunnelName": "private", "tunnelOwner": "jane"}"#);
    assert_eq!(status, 404);
    assert!(!refused["error"].as_str().unwrap().contains("There is \"private\""), "{refused}");
    let (status, job) = call(r#"{"tunnelName": "s", "parentTunnel": "jane"}"#);
    assert_eq!(status, 200, "{job}");
    Stream::open(&job);
    assert_eq!(jobs_running(&server, &shared), 1);
    command(&server, "user remove robot").unwrap();
    server.running.after(Duration::ZERO);
    assert_eq!(jobs_running(&server, &shared), 0, "it goes with its owner");
    server.stop();
}
