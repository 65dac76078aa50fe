//! Every call of the API, with good and bad input.

use serde_json::{Value, json};

use super::{TestServer, USER, basic, request};

const UNKNOWN: &str = "/tunnels/0123456789abcdef0123456789abcdef";

#[test]
fn a_tunnel_is_created_shown_listed_and_deleted() {
    let server = TestServer::start();
    let made = server.create(
        r#"{"tunnel_identifier": "ci-42", "protocol": "h2c", "extra_info": "{\"runner\":\"x\"}",
            "metadata": {"hostname": "runner-7", "release": "5.2.3", "extra": {"a": "b"}}}"#,
    );
    let id = made["id"].as_str().unwrap().to_owned();
    assert!(id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
    for (field, value) in [
        ("owner", json!("jane")),
        ("status", json!("running")),
        ("is_ready", json!(false)),
        ("protocol", json!("kgp")),
        ("tunnel_identifier", json!("ci-42")),
        ("host", json!("127.0.0.1")),
        ("ssh_port", json!(server.running.tunnel_address().port())),
        ("shutdown_time", Value::Null),
        ("user_shutdown", Value::Null),
        ("extra_info", json!("{\"runner\":\"x\"}")),
        ("messages", json!({"fatal": [], "warning": [], "info": []})),
    ] {
        assert_eq!(made[field], value, "{field}");
    }
    assert_eq!(made["metadata"]["extra"]["a"], "b");
    assert!(made["creation_time"].as_u64().unwrap() > 1_700_000_000);
    for secret in ["secret", "certificate_sha256"] {
        assert_eq!(made["kgp"][secret].as_str().unwrap().len(), 64, "{secret}");
    }

    let shown = server.record(&made["id"]);
    assert!(shown.get("kgp").is_none(), "the secret is told once, to the creator");
    assert_eq!(shown["proxy_address"], made["proxy_address"]);
    let full = json!([shown]);
    for (query, expected) in [
        ("", json!([id])),
        ("?full=true", full.clone()),
        ("?full=1&protocol=kgp,h2c", full.clone()),
        ("?full=0&filter=one_per_pool", json!([id])),
        ("?all=true", json!({"jane": [id]})),
        ("?all=1&full=true", json!({"jane": full})),
        ("?protocol=ipsec", json!([])),
    ] {
        assert_eq!(server.get(&format!("/tunnels{query}")), (200, expected), "{query}");
    }
    let jobs = json!({"id": id, "jobs_running": 0});
    assert_eq!(server.get(&format!("/tunnels/{id}/num_jobs")), (200, jobs));

    let path = format!("/tunnels/{id}?wait_for_jobs=1&reason=sigterm");
    let ended = json!({"result": true, "id": id, "jobs_running": 0});
    assert_eq!(server.call("DELETE", &path, None), (200, ended.clone()));
    let record = server.record(&made["id"]);
    assert_eq!(record["status"], "terminated");
    assert_eq!(record["user_shutdown"], true);
    assert_eq!(record["shutdown_reason"], "sigterm");
    assert!(record["shutdown_time"].is_u64());
    assert_eq!(server.get("/tunnels"), (200, json!([])));
    let (_, all) = server.get("/all_tunnels?limit=1");
    assert_eq!(all, json!({"tunnels": [record]}));
    // Once more changes nothing.
    let again = server.call("DELETE", &format!("/tunnels/{id}?reason=again"), None);
    assert_eq!(again, (200, ended));
    assert_eq!(server.record(&made["id"])["shutdown_reason"], "sigterm");
    server.stop();
}

#[test]
fn heartbeats_updates_and_versions() {
    let server = TestServer::start();
    let id = server.create("{}")["id"].as_str().unwrap().to_owned();
    let path = format!("/tunnels/{id}/connected");
    for connected in [true, false] {
        let body = json!({
            "kgp_is_connected": connected,
            "kgp_seconds_since_last_status_change": 7,
            "memory": {"total": 1, "available": 1, "used": 0, "free": 1},
        });
        let answer = server.call("POST", &path, Some(&body.to_string()));
        assert_eq!(answer, (200, json!({"result": true, "id": id})));
    }
    let (status, updates) = server.get("/tunnels/info/updates?client_version=5&tunnel_name=a");
    assert_eq!(status, 200);
    assert_eq!(updates["fatal"], json!([]));
    assert_eq!(updates["configuration"]["start_timeout"], 45);
    let region = &updates["configuration"]["regions"][0];
    assert_eq!(region["url"], server.running.rest_url());

    let path = "/public/tunnels/info/versions?client_version=4.9";
    let (status, versions) = request(&server.running, "GET", path, None, None);
    assert_eq!(status, 200);
    assert_eq!(versions["client_version"], "4.9");
    server.stop();
}

#[test]
fn bad_input_is_refused_and_said() {
    let server = TestServer::start();
    let id = server.create("{}")["id"].as_str().unwrap().to_owned();
    let heartbeat = format!("/tunnels/{id}/connected");
    let own = format!("/tunnels/{id}");
    let long = format!("{{\"tunnel_identifier\": \"{}\"}}", "a".repeat(300));
    let huge = format!("{{\"extra_info\": \"{}\"}}", "a".repeat(300 * 1024));
    for (method, path, body, status, said) in [
        ("POST", "/tunnels", Some("{"), 400, "body"),
        ("POST", "/tunnels", Some("[]x"), 400, "body"),
        ("POST", "/tunnels", Some(""), 400, "body"),
        ("POST", "/tunnels", Some(r#"{"tunnel_identifier": 7}"#), 400, "body"),
        ("POST", "/tunnels", Some(r#"{"metadata": {"host_memory": "much"}}"#), 400, "body"),
        ("POST", "/tunnels", Some("[null, null]"), 400, "object"),
        ("POST", "/tunnels", Some(r#"{"metadata": ["build"]}"#), 400, "body"),
        ("POST", "/tunnels", Some(r#"{"protocol": "ipsec"}"#), 400, "ipsec"),
        ("POST", "/tunnels", Some(r#"{"tunnel_pool": true}"#), 400, "pool"),
        ("POST", "/tunnels", Some(r#"{"tunnel_identifier": "a\u0000b"}"#), 400, "name"),
        ("POST", "/tunnels", Some(long.as_str()), 400, "name"),
        ("POST", "/tunnels", Some(huge.as_str()), 413, ""),
        ("GET", "/tunnels?full=perhaps", None, 400, "full"),
        ("GET", "/tunnels?all=2", None, 400, "all"),
        ("GET", "/tunnels?filter=x", None, 400, "one_per_pool"),
        ("GET", "/tunnels?protocol=kgp,x", None, 400, "protocol"),
        ("POST", "/tunnels", Some(r#"{"shared": "some"}"#), 400, "shared"),
        ("GET", "/all_tunnels?limit=-1", None, 400, "limit"),
        ("GET", UNKNOWN, None, 404, "0123456789abcdef"),
        ("GET", "/tunnels/nonsense", None, 404, "nonsense"),
        ("GET", "/tunnels/%00%ff", None, 404, "path"),
        ("DELETE", UNKNOWN, None, 404, "no tunnel"),
        ("DELETE", &format!("{own}?wait_for_jobs=maybe"), None, 400, "wait_for_jobs"),
        ("GET", &format!("{UNKNOWN}/num_jobs"), None, 404, "no tunnel"),
        ("POST", &format!("{UNKNOWN}/connected"), Some("{}"), 400, "kgp_is_connected"),
        ("POST", &heartbeat, Some(r#"{"kgp_is_connected": "yes"}"#), 400, "body"),
        ("PUT", "/tunnels", Some("{}"), 405, "method"),
        ("POST", &own, Some("{}"), 405, "method"),
        ("GET", &heartbeat, None, 405, "method"),
        ("BREW", "/tunnels", None, 405, "method"),
        ("GET", "/tunnel", None, 404, "path"),
        ("GET", "/tunnels/", None, 404, "path"),
        ("GET", "/tunnels/a/b/c", None, 404, "path"),
    ] {
        let (got, answer) = server.call(method, path, body);
        let error = answer["error"].as_str().unwrap_or_else(|| panic!("{method} {path}: {answer}"));
        assert_eq!(got, status, "{method} {path}: {error}");
        assert!(error.contains(said), "{method} {path}: {error}");
    }
    assert_eq!(server.get("/tunnels"), (200, json!([id])), "nothing was done");
    server.stop();
}

#[test]
fn only_the_right_user_is_answered() {
    let server = TestServer::start();
    let other_key = server.running.add_user("bob").unwrap();
    let id = server.create("{}")["id"].as_str().unwrap().to_owned();
    let paths = [
        ("GET", "/tunnels".to_owned()),
        ("POST", "/tunnels".to_owned()),
        ("GET", "/all_tunnels".to_owned()),
        ("GET", format!("/tunnels/{id}")),
        ("DELETE", format!("/tunnels/{id}")),
        ("GET", format!("/tunnels/{id}/num_jobs")),
        ("POST", format!("/tunnels/{id}/connected")),
        ("GET", "/tunnels/info/updates".to_owned()),
    ];
    let bob = basic("bob", other_key.expose());
    let wrong = [
        None,
        Some(basic(USER, "wrong")),
        Some(basic(USER, "")),
        Some(basic("", "")),
        Some(basic("nobody", &server.key)),
        Some(basic(USER, other_key.expose())),
        Some("Basic !!".to_owned()),
        Some(format!("Bearer {}", server.key)),
    ];
    for (method, path) in &paths {
        let body = (*method == "POST").then_some("{}");
        let path = format!("/{USER}{path}");
        // Without credentials each; few wrong keys: many would be slowed.
        let attempts = if path.ends_with("/all_tunnels") { &wrong[..] } else { &wrong[..1] };
        for authorization in attempts {
            let (status, answer) =
                request(&server.running, method, &path, authorization.as_deref(), body);
            assert_eq!(status, 401, "{method} {path} {authorization:?}");
            assert!(answer["error"].as_str().unwrap().contains("Not authorized"));
            assert_eq!(answer["code"], "unauthorized");
        }
        let (status, answer) = request(&server.running, method, &path, Some(&bob), body);
        assert_eq!(status, 404, "{method} {path} {answer}");
    }
    // Nor does bob reach jane's tunnel through his own path.
    for (method, path) in &paths[3..7] {
        let body = r#"{"kgp_is_connected": true, "kgp_seconds_since_last_status_change": 1}"#;
        let body = (*method == "POST").then_some(body);
        let (status, _) =
            request(&server.running, method, &format!("/bob{path}"), Some(&bob), body);
        assert_eq!(status, 404, "{method} {path}");
    }
    assert_eq!(server.record(&json!(id))["status"], "running");
    server.stop();
}

#[test]
fn whoever_shares_with_nobody_is_warned() {
    let server = TestServer::start();
    let made = server.create(r#"{"shared": "all"}"#);
    let warnings = made["messages"]["warning"].to_string();
    assert!(warnings.contains("in no team"), "{warnings}");
    assert!(made["shared"] == "all" && made["shared_tunnel"] == true);
    server.stop();
}

#[test]
fn rules_are_checked_and_shown() {
    let server = TestServer::start();
    let made = server.create(r#"{"tunnel_identifier": "a", "direct_domains": ["*.a.test"]}"#);
    assert_eq!(server.record(&made["id"])["direct_domains"], json!(["*.a.test"]));
    let wrong = [
        (r#"{"tunnel_domains": ["*.a.test"]}"#, "tunnel_domains: rule 1"),
        (r#"{"protocol": "h2c", "direct_domains": ["*.a.test"]}"#, "direct_domains: rule 1"),
        (r#"{"direct_domains": ["http://a.test/"]}"#, "direct_domains: rule 1"),
        (r#"{"deny_domains": ["-a"]}"#, "no include rules specified"),
        (r#"{"direct_domains": ["a"], "tunnel_domains": ["b"]}"#, "exclude one another"),
    ];
    for (body, told) in wrong {
        let (status, answer) = server.call("POST", "/tunnels", Some(body));
        assert_eq!(status, 400, "{body}");
        assert!(answer["error"].as_str().unwrap().contains(told), "{answer}");
    }
    server.stop();
}
