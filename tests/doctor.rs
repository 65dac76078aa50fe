//! `sc doctor` and `sc server doctor`: each finding by a real fault.
#![cfg(unix)]

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Output};

use sc_tests::certificate::Certificates;
use sc_tests::deployment::{CommandLine, Server, User};
use sc_tests::shared::Shared;
use sc_tests::{binary, ports};
use serde_json::Value;

static SERVER: Shared<Server> = Shared::new(Server::start);

const OK: i32 = 0;
const WARNINGS: i32 = 6;
const ERRORS: i32 = 7;

/// What a doctor found.
struct Found {
    code: Option<i32>,
    findings: Vec<Value>,
}

impl Found {
    fn of(output: &Output) -> Self {
        let text = String::from_utf8_lossy(&output.stdout);
        let json: Value =
            serde_json::from_str(text.trim()).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let findings = json["findings"].as_array().expect("a list").clone();
        for finding in &findings {
            let is_well = finding["severity"] == "ok";
            assert_eq!(is_well, finding["remedy"].is_null(), "a remedy for each: {finding}");
        }
        assert!(output.stderr.is_empty(), "{output:?}");
        Self { code: output.status.code(), findings }
    }

    /// Expects a finding of that severity with that text.
    #[track_caller]
    fn expect(&self, check: &str, severity: &str, text: &str) {
        let found = self.findings.iter().any(|finding| {
            finding["check"] == check
                && finding["severity"] == severity
                && finding["text"].as_str().is_some_and(|said| said.contains(text))
        });
        assert!(found, "no {severity} {check} with {text:?} in {:#?}", self.findings);
    }
}

fn doctor_with(mut command: Command, rest_url: &str, user: &User, more: &[&str]) -> Found {
    let words = CommandLine::Version5.arguments(rest_url, user, "checked");
    command.arg("doctor").args(&words[1..]).arg("--json").args(more);
    Found::of(&command.output().expect("sc can be started"))
}

fn doctor(rest_url: &str, user: &User, more: &[&str]) -> Found {
    doctor_with(binary::command(), rest_url, user, more)
}

#[test]
fn a_healthy_tunnel_is_tried_whole_and_leaves_nothing() {
    let server = SERVER.lease();
    let user = server.add_user("healthy");
    let found = doctor(&server.rest_url(), &user, &[]);
    for (check, text) in [
        ("rest-url", "http://127.0.0.1"),
        ("rest-tcp", "takes connections"),
        ("rest-login", "user healthy and key are right"),
        ("clock", "this clock is 0 s"),
        ("proxy-sites", "without a proxy"),
        ("open-files", "connections at once"),
        ("tunnel", "a temporary tunnel was ready after"),
        ("tunnel-tcp", "takes connections"),
        ("tunnel-tls", "sc server"),
        ("tunnel-tls", "TLSv1_3"),
        ("loop", "MB/s"),
        ("tunnel", "it was ended again"),
    ] {
        found.expect(check, "ok", text);
    }
    assert_eq!(found.code, Some(OK), "{:#?}", found.findings);
    assert!(server.rest(&user).tunnels().is_empty());

    // Version 4's way, for people.
    let mut command = binary::command();
    let words = CommandLine::Version4.arguments(&server.rest_url(), &user, "checked");
    let output = command.args(words).arg("--doctor").output().expect("sc can be started");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(OK), "{text}");
    assert!(text.contains("ok       rest-login"), "{text}");
    assert!(text.ends_with("0 errors, 0 warnings\n"), "{text}");
}

#[test]
fn a_wrong_key_and_a_closed_port_are_told_apart() {
    let server = SERVER.lease();
    let user = server.add_user("mistaken");
    let wrong = User { key: "00000000-0000-4000-8000-000000000000".to_owned(), ..user };
    let found = doctor(&server.rest_url(), &wrong, &[]);
    found.expect("rest-tcp", "ok", "takes connections");
    found.expect("rest-login", "error", "401");
    found.expect("tunnel", "warning", "not tried");
    assert_eq!(found.code, Some(ERRORS));

    let closed = format!("http://127.0.0.1:{}/rest/v1", ports::one());
    let found = doctor(&closed, &wrong, &[]);
    found.expect("rest-tcp", "error", "refused");
    found.expect("rest-login", "error", "no connection");
    assert_eq!(found.code, Some(ERRORS));

    let found = doctor("http://no-such-host.invalid/rest/v1", &wrong, &[]);
    found.expect("rest-dns", "error", "no-such-host.invalid has no address");
    found.expect("rest-url", "warning", "plain HTTP over a network");
}

#[test]
fn an_untrusted_authority_and_an_expired_certificate_are_shown() {
    let user = User { name: "jane".to_owned(), key: "KEY".to_owned() };
    let certificates = Certificates::new();
    let (certificate, key) = (certificates.certificate(), certificates.key());
    let options = [
        "--rest-tls-cert",
        certificate.to_str().expect("a path"),
        "--rest-tls-key",
        key.to_str().expect("a path"),
    ];
    let server = Server::start_as(binary::command(), &options);
    let url = server.rest_url().replace("http:", "https:");
    let found = doctor(&url, &user, &[]);
    found.expect("rest-tls", "ok", "issued by CN=CA of the sc tests");
    found.expect("rest-tls", "error", "UnknownIssuer");
    found.expect("rest-login", "error", "TLS failed");
    let ca = certificates.ca();
    let found = doctor(&url, &user, &["--rest-cainfo", ca.to_str().expect("a path")]);
    found.expect("rest-tls", "ok", "certificate 0: ");
    found.expect("rest-login", "error", "401");

    let expired = Certificates::expired();
    let (certificate, key) = (expired.certificate(), expired.key());
    let options = [
        "--rest-tls-cert",
        certificate.to_str().expect("a path"),
        "--rest-tls-key",
        key.to_str().expect("a path"),
    ];
    let server = Server::start_as(binary::command(), &options);
    let url = server.rest_url().replace("http:", "https:");
    let ca = expired.ca();
    let found = doctor(&url, &user, &["--rest-cainfo", ca.to_str().expect("a path")]);
    found.expect("rest-tls", "error", "expired");
}

#[test]
fn few_open_files_taken_ports_and_files_that_cannot_be_written() {
    let server = SERVER.lease();
    let user = server.add_user("limits");
    let found = doctor_with(binary::command_with_open_files(512), &server.rest_url(), &user, &[]);
    found.expect("open-files", "warning", "512 open files: about 448 connections");
    assert_eq!(found.code, Some(WARNINGS), "{:#?}", found.findings);
    let found = doctor_with(binary::command_with_open_files(100), &server.rest_url(), &user, &[]);
    found.expect("open-files", "error", "100 open files");
    assert_eq!(found.code, Some(ERRORS));

    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let more = ["--api-address", &address, "--log-file", "/nowhere/at/all.log"];
    let found = doctor(&server.rest_url(), &user, &more);
    found.expect("ports", "error", &format!("--api-address {address} cannot be listened on"));
    found.expect("files", "error", "--log-file /nowhere/at/all.log cannot be written");
}

#[test]
fn proxies_and_scripts_of_each_kind_of_traffic() {
    let server = SERVER.lease();
    let user = server.add_user("ways");
    let closed = format!("127.0.0.1:{}", ports::one());
    let found = doctor(&server.rest_url(), &user, &["--proxy", &closed]);
    found.expect("proxy-sites", "error", "no connection to the proxy");
    found.expect("proxy-rest", "ok", "without a proxy");
    let found = doctor(&server.rest_url(), &user, &["--proxy-sauce", &closed]);
    found.expect("proxy-rest", "error", "no connection to the proxy");
    found.expect("proxy-tunnel", "error", "no connection to the proxy");
    found.expect("proxy-sites", "ok", "without a proxy");
    assert_eq!(found.code, Some(ERRORS));

    let folder = tempfile::tempdir().expect("a folder");
    let pac = folder.path().join("proxy.pac");
    let path = pac.to_str().expect("a path").to_owned();
    let found = doctor(&server.rest_url(), &user, &["--pac", &path]);
    found.expect("pac", "error", "No such file");
    fs::write(&pac, "function FindProxyForURL(u, h) { return 'DIRECT'; }").expect("a file");
    let found = doctor(&server.rest_url(), &user, &["--pac", &path]);
    found.expect("pac", "ok", "for www.example.com:80 it says direct");
    assert_eq!(found.code, Some(OK), "{:#?}", found.findings);
    let way = format!("function FindProxyForURL(u, h) {{ return 'PROXY {closed}'; }}");
    fs::write(&pac, way).expect("a file");
    doctor(&server.rest_url(), &user, &["--pac", &path]).expect("pac", "error", "no connection");
}

fn server_doctor(mut command: Command, more: &[&str]) -> Found {
    command.args(["server", "doctor", "--json"]).args(more);
    Found::of(&command.output().expect("sc can be started"))
}

#[test]
fn a_server_that_can_start_and_one_that_runs() {
    let data = tempfile::tempdir().expect("a folder");
    let dir = data.path().to_str().expect("a path");
    let (first, last) = ports::block(2);
    let ports = format!("{first}-{last}");
    let free = ["--rest-address", "127.0.0.1:0", "--tunnel-address", "127.0.0.1:0"];
    let mut more = vec!["--data-dir", dir, "--proxy-ports", &ports];
    more.extend(free);
    let found = server_doctor(binary::command(), &more);
    found.expect("data-dir", "ok", "can be written");
    found.expect("disk-space", "ok", "MiB free");
    found.expect("database", "warning", "has no users");
    found.expect("proxy-ports", "ok", "2 tunnels at once");
    found.expect("clock", "ok", "T");
    assert_eq!(found.code, Some(WARNINGS), "{:#?}", found.findings);

    let server = SERVER.lease();
    server.add_user("somebody");
    let rest = server.rest_address().to_string();
    let tunnel = server.tunnel_address().to_string();
    let dir = server.data_dir().to_str().expect("a path").to_owned();
    let of_it = ["--data-dir", &dir, "--rest-address", &rest, "--tunnel-address", &tunnel];
    let found = server_doctor(binary::command(), &of_it);
    found.expect("data-dir", "ok", "a server runs on it");
    found.expect("ports", "ok", "in use, by the server it seems");
    found.expect("tunnel-certificate", "ok", "good until");
    found.expect("database", "ok", "can be used");
}

#[test]
fn each_fault_of_a_server() {
    let data = tempfile::tempdir().expect("a folder");
    let dir = data.path().to_str().expect("a path").to_owned();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let usual = ["--data-dir", &dir, "--tunnel-address", "127.0.0.1:0"];
    let with = |more: &[&str]| {
        let mut all = usual.to_vec();
        all.extend(more);
        server_doctor(binary::command(), &all)
    };
    let found = with(&["--rest-address", &address]);
    found.expect("ports", "error", &format!("--rest-address {address} cannot be had"));
    assert_eq!(found.code, Some(ERRORS));

    let rest = ["--rest-address", "127.0.0.1:0"];
    let certificates = Certificates::for_names(&["other.test"]);
    let expired = Certificates::expired();
    for (files, severity, text) in [
        (&certificates, "error", "is not for 127.0.0.1, which clients dial; it is for other.test"),
        (&expired, "error", "has expired"),
    ] {
        let (certificate, key) = (files.certificate(), files.key());
        let mut more = rest.to_vec();
        more.extend(["--tls-cert", certificate.to_str().expect("a path"), "--tls-key"]);
        more.push(key.to_str().expect("a path"));
        with(&more).expect("tunnel-certificate", severity, text);
    }
    with(&["--rest-address", "0.0.0.0:0"]).expect("rest-certificate", "error", "unencrypted");

    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(data.path(), fs::Permissions::from_mode(0o755)).expect("our own folder");
    with(&rest).expect("data-dir", "warning", "others may look into");

    fs::write(data.path().join("registry.sqlite"), "this is no database at all, not even nearly")
        .expect("a file");
    with(&rest).expect("database", "error", "cannot be used");

    let file = tempfile::NamedTempFile::new().expect("a file");
    let not_a_folder = file.path().to_str().expect("a path");
    let mut all = vec!["--data-dir", not_a_folder, "--tunnel-address", "127.0.0.1:0"];
    all.extend(rest);
    server_doctor(binary::command(), &all).expect("data-dir", "error", "data directory");

    let found = {
        let mut all = usual.to_vec();
        all.extend(rest);
        server_doctor(binary::command_with_open_files(200), &all)
    };
    found.expect("open-files", "error", "200 open files");
}
