//! `sc list` and `sc stop`.
#![cfg(unix)]

use std::process::Output;

use sc_tests::binary;
use sc_tests::deployment::{Client, CommandLine, Server, User};
use sc_tests::shared::Shared;
use sc_tests::wait::PATIENCE;
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
