//! `sc list` and `sc stop`.
#![cfg(unix)]

use std::process::Output;

use sc_tests::binary;
use sc_tests::deployment::{Client, CommandLine, Server, User, proxy_address};
use sc_tests::http;
use sc_tests::shared::Shared;
use sc_tests::site::Site;
use sc_tests::wait::{self, PATIENCE};
use serde_json::Value;

static SERVER: Shared<Server> = Shared::new(Server::start);

/// Exit code of a client whose tunnel was ended by someone else.
const ENDED_ELSEWHERE: i32 = 3;

fn start(server: &Server, user: &User, name: &str) -> Client {
    let line = CommandLine::Version4;
    let client = Client::start(line, server, user, name);
    client.wait_ready(line);
    client
}

/// With the user's credentials from the environment.
fn sc(server: &Server, user: &User, words: &[&str]) -> Output {
    let mut command = binary::command();
    command
        .args(words)
        .env("SAUCE_USERNAME", &user.name)
        .env("SAUCE_ACCESS_KEY", &user.key)
        .env("SAUCE_REST_URL", server.rest_url());
    command.output().expect("sc can be started")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn own_tunnels_are_listed_and_stopped_by_name_by_id_or_all() {
    let server = SERVER.lease();
    let (jane, other) = (server.add_user("jane"), server.add_user("other"));
    let _others = start(&server, &other, "theirs");
    let clients = ["one", "two", "three", "four"].map(|name| start(&server, &jane, name));

    let listed = sc(&server, &jane, &["list"]);
    let table = out(&listed);
    assert_eq!(listed.status.code(), Some(0), "{listed:?}");
    assert_eq!(table.lines().count(), 5, "{table}");
    assert!(table.starts_with("ID ") && table.contains("three"), "{table}");
    assert!(!table.contains("theirs"), "{table}");
    let json: Value = serde_json::from_str(&out(&sc(&server, &jane, &["list", "--json"]))).unwrap();
    let id = |name: &str| {
        let records = json.as_array().expect("a list");
        let found = records.iter().find(|record| record["tunnel_identifier"] == name);
        found.expect("it is listed")["id"].as_str().expect("an id").to_owned()
    };

    let stopped = sc(&server, &jane, &["stop", "one", &id("two")]);
    assert_eq!(stopped.status.code(), Some(0), "{stopped:?}");
    assert_eq!(out(&stopped).lines().count(), 2, "{stopped:?}");
    for client in &clients[..2] {
        assert_eq!(client.process.wait_exit(PATIENCE).code(), Some(ENDED_ELSEWHERE));
    }
    assert!(clients[2].process.is_running() && clients[3].process.is_running());

    let missing = sc(&server, &jane, &["stop", "nobody", "theirs"]);
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert_eq!(missing.status.code(), Some(1));
    assert!(
        said.contains("no tunnel \"nobody\" of yours") && said.contains("\"theirs\""),
        "{said}"
    );

    let stopped = sc(&server, &jane, &["stop", "--mine", "--now"]);
    assert_eq!(stopped.status.code(), Some(0), "{stopped:?}");
    for client in &clients[2..] {
        assert_eq!(client.process.wait_exit(PATIENCE).code(), Some(ENDED_ELSEWHERE));
    }
    assert_eq!(out(&sc(&server, &jane, &["list", "--json"])).trim(), "[]");
    assert_eq!(server.rest(&other).tunnels().len(), 1, "another user's lives");
}

/// As a client does whose rules were read again.
#[test]
fn a_tunnel_that_runs_gets_other_rules() {
    let server = SERVER.lease();
    let user = server.add_user("ruled");
    let _client = start(&server, &user, "ruled");
    let (rest, site) = (server.rest(&user), Site::start());
    let record = rest.tunnel_named("ruled").expect("a tunnel");
    let (id, proxy) = (record["id"].as_str().expect("an id"), proxy_address(&record));
    let status = || http::get(proxy, &site.url("/bytes/10")).expect("an answer").status();
    assert_eq!(status(), 200);
    let put = |body: &str| {
        let answer = rest.call("PUT", &format!("/tunnels/{id}/rules"), body);
        answer.expect("the API answers").status()
    };
    let denied = r#"{"deny_domains": ["127\\.0\\.0\\.1"], "rule_syntax": "expressions"}"#;
    assert_eq!(put(denied), 200);
    wait::until("the new rules", || (status() == 403).then_some(()));
    let now = rest.tunnel_named("ruled").expect("a tunnel");
    assert_eq!(now["deny_domains"][0], "127\\.0\\.0\\.1");
    assert_eq!(put(r#"{"deny_domains": ["("], "rule_syntax": "expressions"}"#), 400);
    assert_eq!(status(), 403, "wrong ones change nothing");
    assert_eq!(put("{}"), 200);
    wait::until("no rules", || (status() == 200).then_some(()));
    let stranger = server.add_user("stranger");
    let refused = server.rest(&stranger).call("PUT", &format!("/tunnels/{id}/rules"), "{}");
    assert_eq!(refused.expect("the API answers").status(), 404);
}

#[test]
fn a_wrong_key_is_told_and_nothing_is_stopped_without_a_word_for_it() {
    let server = SERVER.lease();
    let user = server.add_user("wrong");
    let wrong = User { key: "00000000-0000-4000-8000-000000000000".to_owned(), ..user.clone() };
    for words in [&["list"][..], &["stop", "--mine"]] {
        let refused = sc(&server, &wrong, words);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1));
        assert!(said.contains("401") && said.contains("next: "), "{said}");
    }
    assert_ne!(sc(&server, &user, &["stop"]).status.code(), Some(0));
    assert_ne!(sc(&server, &user, &["stop", "--mine", "x"]).status.code(), Some(0));
}
