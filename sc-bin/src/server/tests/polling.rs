//! What polled lists, announcements and crash reports come to, and callers who go too far.

use serde_json::{Value, json};

use super::{TestServer, USER, basic, request};
use crate::server::announcements::Announcements;

#[test]
fn whoever_has_an_answer_already_is_told_so() {
    let server = TestServer::start();
    server.create("{}");
    let authorization = basic(USER, &server.key);
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
    let ask = |tag: &str| {
        let url = format!("{}/{USER}/tunnels?full=1", server.running.rest_url());
        let request = agent.get(url).header("Authorization", &authorization);
        let mut answer = request.header("If-None-Match", tag).call().unwrap();
        let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap(), tag)
    };
    let (status, list, tag) = ask("\"another\"");
    assert!(status == 200 && list.starts_with('['), "{status} {list}");
    for known in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
        assert_eq!(ask(&known), (304, String::new(), tag.clone()), "{known}");
    }
    server.create(r#"{"tunnel_identifier": "a"}"#);
    let (status, _, changed) = ask(&tag);
    assert!(status == 200 && changed != tag);
    server.stop();
}

const ANNOUNCED: &str = "
messages:
- {level: warning, text: update your client, below: 5.2.0}
- {level: fatal, text: too old, below: 4.0.0}
info_url: https://sc.test/versions
downloads:
- {version: 5.2.0, os: linux, arch: x86_64, url: 'https://sc.test/sc.tgz', checksums: [{value: ab, algorithm: sha1}]}
- {version: 4.9.0, os: darwin, arch: arm64, url: 'https://sc.test/sc.zip'}
";

#[test]
fn clients_are_told_what_the_operator_announces() {
    let announcements: Announcements = serde_norway::from_str(ANNOUNCED).unwrap();
    let server = TestServer::start_with(|settings| settings.announcements = announcements);
    let updates =
        |version: &str| server.get(&format!("/tunnels/info/updates?client_version={version}")).1;
    assert_eq!(updates("5.1.9")["warning"], json!(["update your client"]));
    assert_eq!(updates("5.1.9")["fatal"], json!([]));
    assert_eq!(updates("3.9.9")["fatal"], json!(["too old"]));
    assert_eq!(updates("5.2.0")["warning"], json!([]));
    let public =
        |path: &str| request(&server.running, "GET", &format!("/public{path}"), None, None);
    let path = "/tunnels/info/versions?client_host=linux&client_version=5.1.0";
    let (_, versions) = public(path);
    assert_eq!(versions["status"], "UPGRADE");
    assert_eq!(versions["latest_version"], "5.2.0");
    assert_eq!(versions["download_url"], "https://sc.test/sc.tgz");
    assert_eq!(versions["sha1"], "ab");
    assert_eq!(versions["all_downloads"], Value::Null);
    let (_, all) = public("/tunnels/info/versions?all=true");
    assert_eq!(all["all_downloads"]["4.9.0"]["osx"]["download_url"], "https://sc.test/sc.zip");
    assert_eq!(all["status"], "OK");
    let path = "/tunnels/sauce-connect/download";
    let (_, found) = public(&format!("{path}?version=5&os=linux&arch=x86_64"));
    let expected = json!({"download": {"url": "https://sc.test/sc.tgz", "version": "5.2.0",
        "checksums": [{"value": "ab", "algorithm": "sha1"}]}});
    assert_eq!(found, expected);
    let (status, missing) = public(&format!("{path}?version=6"));
    assert_eq!((status, &missing["code"]), (404, &json!("no-download")));
    server.stop();
}

#[test]
fn crash_reports_are_kept_and_shown() {
    let server = TestServer::start();
    let report = json!({"Tunnel": {"id": "x"}, "Info": "panicked", "Logs": ["a", "b"]});
    let sent = server.call("POST", "/errors", Some(&report.to_string()));
    assert_eq!(sent, (200, json!({"result": true})));
    for bad in ["{}", "[]", "7", ""] {
        assert_eq!(server.call("POST", "/errors", Some(bad)).0, 400, "{bad}");
    }
    let (_, kept) = server.get("/errors");
    assert_eq!(kept[0]["report"], report);
    assert_eq!(kept.as_array().unwrap().len(), 1);
    server.stop();
}

#[test]
fn an_end_can_be_asked_for_in_a_body() {
    let server = TestServer::start();
    let tunnel = server.create("{}");
    let path = format!("/tunnels/{}", tunnel["id"].as_str().unwrap());
    for bad in ["[", r#"{"reason": 7}"#, r#"{"wait_for_jobs": "yes"}"#] {
        assert_eq!(server.call("DELETE", &path, Some(bad)).0, 400, "{bad}");
    }
    let body = r#"{"wait_for_jobs": false, "reason": "from node"}"#;
    assert_eq!(server.call("DELETE", &path, Some(body)).0, 200);
    assert_eq!(server.record(&tunnel["id"])["shutdown_reason"], "from node");
    server.stop();
}

#[test]
fn guessing_is_slowed_and_the_user_is_not() {
    let server = TestServer::start();
    assert_eq!(server.get("/tunnels").0, 200);
    let path = format!("/{USER}/tunnels");
    let wrong = basic(USER, "wrong");
    let guess = || request(&server.running, "GET", &path, Some(&wrong), None);
    let answers: Vec<_> = (0..15).map(|_| guess()).collect();
    assert_eq!(answers[0].0, 401);
    let (status, last) = &answers[14];
    assert_eq!((*status, &last["code"]), (429, &json!("too-many-guesses")));
    assert_eq!(server.get("/tunnels").0, 200, "the right key still works from there");
    let bob = server.running.add_user("bob").unwrap();
    let basic = basic("bob", bob.expose());
    assert_eq!(request(&server.running, "GET", "/bob/tunnels", Some(&basic), None).0, 200);
    server.stop();
}

#[test]
fn the_description_is_served_and_names_the_methods_there_are() {
    let server = TestServer::start();
    let (status, document) = request(&server.running, "GET", "/public/openapi.json", None, None);
    assert_eq!(status, 200);
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .proxy(None)
        .build()
        .into();
    for (path, item) in document["paths"].as_object().unwrap() {
        let uri = format!("{}{}", server.running.rest_url(), path.replace(['{', '}'], ""));
        let request = ureq::http::Request::builder().method("BREW").uri(uri).body(()).unwrap();
        let answer = agent.run(request).unwrap();
        assert_eq!(answer.status().as_u16(), 405, "{path}");
        let mut allowed: Vec<String> = answer.headers()["allow"]
            .to_str()
            .unwrap()
            .split(',')
            .map(|method| method.trim().to_ascii_lowercase())
            .filter(|method| method != "head")
            .collect();
        allowed.sort();
        let mut described: Vec<String> =
            item.as_object().unwrap().keys().filter(|key| *key != "parameters").cloned().collect();
        described.sort();
        assert_eq!(allowed, described, "{path}");
    }
    server.stop();
}
