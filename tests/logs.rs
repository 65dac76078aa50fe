//! What client and server write about themselves: shapes, files, levels, signals, and what one
//! request is called on both sides.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sc_tests::deployment::{self, Client, CommandLine, Server, User};
use sc_tests::http::{self, Connection};
use sc_tests::process::{Process, Signal};
use sc_tests::shared::Shared;
use sc_tests::site::Site;
use sc_tests::wait::{self, PATIENCE};
use sc_tests::{binary, ports};
use serde_json::Value;

static SERVER: Shared<Server> = Shared::new(Server::start);

/// Requests that go through while logs are moved, and how often they are.
const REQUESTS: usize = 400;
const MOVES: usize = 8;

fn client_of(line: CommandLine, server: &Server, user: &User, name: &str, more: &[&str]) -> Client {
    let mut command = binary::command();
    command.args(line.arguments(&server.rest_url(), user, name)).args(more);
    Client::start_as(command)
}

fn text_of(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Waits until a file has a line with `text`, and returns the line.
fn line_in(path: &Path, text: &str) -> String {
    wait::until(&format!("{text:?} in {}", path.display()), || {
        text_of(path).lines().find(|line| line.contains(text)).map(str::to_owned)
    })
}

#[test]
fn version_4_logs_into_the_folder_for_temporary_files_in_its_shape() {
    let server = SERVER.lease();
    let user = server.add_user("v4log");
    let client = client_of(CommandLine::Version4, &server, &user, "ci 42", &[]);
    client.wait_ready(CommandLine::Version4);
    let log = client.folder().join("sc-ci_42.log");
    let ready = line_in(&log, "is up, you may start your tests.");
    // YYYY-MM-DD HH:MM:SS.mmm [pid] [MODULE] [level] text
    let pid = format!(" [{}] [CLI] [info] Sauce Connect is up", client.process.pid());
    assert!(ready.contains(&pid), "{ready}");
    let shape: String =
        ready.chars().take(23).map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    assert_eq!(shape, "9999-99-99 99:99:99.999", "{ready}");
    // And its pid file, until the end.
    let pid_file = client.folder().join("sc_client-ci_42.pid");
    assert_eq!(text_of(&pid_file).trim(), client.process.pid().to_string());
    client.process.signal(Signal::Terminate);
    assert_eq!(client.process.wait_exit(PATIENCE).code(), Some(0));
    assert!(!pid_file.exists());
    assert!(text_of(&log).contains("[CLI] [info] Goodbye."));
}

#[test]
fn json_on_the_console_is_one_object_a_line() {
    let server = SERVER.lease();
    let user = server.add_user("json");
    for (line, more) in [
        (CommandLine::Version5, &["--log-format", "json"][..]),
        (CommandLine::Version4, &["--log-format", "json", "-l", "-"]),
    ] {
        let client = client_of(line, &server, &user, "json", more);
        client.process.wait_for_text("is up, you may start your tests");
        client.process.signal(Signal::Terminate);
        assert_eq!(client.process.wait_exit(PATIENCE).code(), Some(0));
        for line in client.process.lines() {
            let json: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
            for field in ["time", "level", "module", "msg"] {
                assert!(json[field].is_string(), "{line}");
            }
        }
    }
}

/// Ids of requests in the files of a folder that begin with `name`, and how often each is there.
fn ids(folder: &Path, name: &str, said: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        if !entry.file_name().to_string_lossy().starts_with(name) {
            continue;
        }
        for line in text_of(&entry.path()).lines().filter(|line| line.contains(said)) {
            let json: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
            *found.entry(json["request"].as_str().expect("an id").to_owned()).or_default() += 1;
        }
    }
    found
}

#[test]
fn no_line_is_lost_while_logs_are_moved_and_both_sides_name_a_request_alike() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (server_log, client_log) = (path("server.log"), path("client.log"));
    let options = ["--log-format", "json", "--log-level", "debug", "--log-file"];
    let mut of_server = options.to_vec();
    of_server.push(&server_log);
    let server = Server::start_as(binary::command(), &of_server);
    let user = server.add_user("jane");
    let mut of_client = options.to_vec();
    of_client.extend([client_log.as_str(), "--max-logsize", "4000"]);
    let client = client_of(CommandLine::Version5, &server, &user, "logs", &of_client);
    client.wait_ready(CommandLine::Version5);
    let record = server.rest(&user).tunnel_named("logs").expect("a tunnel");
    let (proxy, site) = (deployment::proxy_address(&record), Site::start());
    for number in 0..REQUESTS {
        let answer = http::get(proxy, &site.url("/small")).expect("an answer");
        assert!(answer.status() < 500, "{}", answer.text());
        if number % (REQUESTS / MOVES) == 0 {
            let moved = |name: &str| fs::rename(path(name), path(&format!("{name}.old{number}")));
            for (name, process) in
                [("server.log", &server.process), ("client.log", &client.process)]
            {
                moved(name).expect("the log is there");
                process.signal(Signal::Hangup);
                wait::until("a new log", || folder.path().join(name).exists().then_some(()));
            }
        }
    }
    let said = |name: &str, text: &str| ids(folder.path(), name, text);
    let on_server = wait::until("all lines of the server", || {
        let found = said("server.log", "a stream was opened");
        (found.len() == REQUESTS).then_some(found)
    });
    let on_client = said("client.log", "a stream came");
    assert_eq!(on_client, on_server, "each once, and of one name");
    assert!(on_server.values().all(|count| *count == 1));
    let id = record["id"].as_str().expect("an id");
    assert!(on_server.keys().all(|request| request.starts_with(&id[..8])), "{on_server:?}");
    let files = fs::read_dir(folder.path()).expect("a folder").count();
    assert!(files > 2 * MOVES + 4, "rotated by size, too: {files} files");

    // The error page names the request, so that both logs can be searched for it.
    let closed = format!("http://127.0.0.1:{}/", ports::one());
    let host = closed.trim_start_matches("http://").trim_end_matches('/');
    let request = format!("GET {closed} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let answer = Connection::open(proxy).and_then(|mut c| c.exchange(&request)).expect("a page");
    assert_eq!(answer.status(), 502, "{}", answer.text());
    let named = answer.head.field("X-Sc-Request").expect("its name").to_owned();
    for (name, text) in
        [("server.log", "a stream was opened"), ("client.log", "the site was not reached")]
    {
        wait::until("the failed request in both logs", || {
            said(name, text).contains_key(&named).then_some(())
        });
    }
}

#[test]
fn figures_are_logged_every_so_often() {
    let server = SERVER.lease();
    let user = server.add_user("stats");
    let client = client_of(CommandLine::Version4, &server, &user, "stats", &["-z", "1", "-l", "-"]);
    client.wait_ready(CommandLine::Version4);
    let line = client.process.wait_for_text("[STATS] [info] figures state=connected connections=1");
    for figure in ["streams=", "received=", "sent=", "reconnects=0"] {
        assert!(line.contains(figure), "{line}");
    }
}

#[test]
fn levels_choose_what_is_logged() {
    let server = SERVER.lease();
    let user = server.add_user("levels");
    for (more, debug) in [(&["-l", "-"][..], false), (&["-v", "-l", "-"], true)] {
        let client = client_of(CommandLine::Version4, &server, &user, "levels", more);
        client.wait_ready(CommandLine::Version4);
        client.process.signal(Signal::Terminate);
        client.process.wait_exit(PATIENCE);
        assert_eq!(client.process.count_lines("[debug]") > 0, debug, "{}", client.process.report());
    }
}

#[test]
fn a_log_file_that_cannot_be_had_ends_the_start() {
    let server = SERVER.lease();
    let user = server.add_user("nolog");
    for (line, flag) in
        [(CommandLine::Version4, "--logfile"), (CommandLine::Version5, "--log-file")]
    {
        let client = client_of(line, &server, &user, "x", &[flag, "/nowhere/at/all.log"]);
        let exit = client.process.wait_exit(PATIENCE);
        let report = client.process.report();
        assert_eq!(exit.code(), Some(1), "{report}");
        assert!(report.contains(&format!("{flag} /nowhere/at/all.log: ")), "{report}");
        assert!(report.contains("next: ") && report.contains("exit code: 1"), "{report}");
    }
}

/// All that a whole good run prints, apart.
fn whole_run(line: CommandLine, server: &Server, user: &User) -> (String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    let mut command = binary::command();
    let file = |path: &Path| Stdio::from(fs::File::create(path).expect("a file"));
    command
        .args(line.arguments(&server.rest_url(), user, "whole"))
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null())
        .stdout(file(&out))
        .stderr(file(&err));
    let mut child = command.spawn().expect("sc can be started");
    line_in(&out, "you may start your tests");
    wait::until("the ready line", || text_of(&out).contains(line.ready_line()).then_some(()));
    let pid = child.id().to_string();
    let killed = Command::new("sh").args(["-c", "kill -TERM $0", &pid]).status();
    assert!(killed.expect("sh").success());
    wait::until("the end", || child.try_wait().expect("a child"));
    (text_of(&out), text_of(&err))
}

#[test]
fn while_all_is_well_not_a_byte_is_on_stderr_and_no_escape_on_stdout() {
    let server = SERVER.lease();
    let user = server.add_user("silent");
    for line in [CommandLine::Version4, CommandLine::Version5] {
        let (out, err) = whole_run(line, &server, &user);
        assert_eq!(err, "", "{line:?}");
        assert!(out.contains("Goodbye."), "{out}");
        assert!(!out.contains('\x1b') && !out.contains('\r'), "{out:?}");
    }
}

#[test]
fn on_a_terminal_there_is_a_line_of_progress_and_it_goes() {
    let server = SERVER.lease();
    let user = server.add_user("pretty");
    // A terminal of its own, by util-linux.
    let words = CommandLine::Version4.arguments(&server.rest_url(), &user, "pretty");
    let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
    let command_line = format!("'{}' {}", binary::sc().display(), quoted.join(" "));
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new("script");
    command
        .args(["-qefc", &command_line, "/dev/null"])
        .env("TMPDIR", folder.path())
        .env("SAUCE_TUNNEL_CONNECTIONS", "1");
    let terminal = Process::start("sc on a terminal", command);
    terminal.wait_for_text("Sauce Connect is up, you may start your tests.");
    let lines = terminal.lines().join("\n");
    assert!(lines.contains("\x1b[K... waiting for the REST API ("), "{lines:?}");
    assert!(lines.contains("\x1b[KSauce Connect is up"), "the line is gone: {lines:?}");
    let after = lines.rsplit("Sauce Connect is up").next().expect("a rest");
    assert!(!after.contains("..."), "{after:?}");
}

#[test]
fn kubernetes_finds_the_cause_of_a_failure() {
    let folder = tempfile::tempdir().expect("a folder");
    let (there, missing) = (folder.path().join("termination-log"), folder.path().join("missing"));
    fs::write(&there, "").expect("a file");
    let nobody = format!("http://127.0.0.1:{}/rest/v1", ports::one());
    for (line, path, told) in [
        (CommandLine::Version5, &there, true),
        (CommandLine::Version5, &missing, false),
        (CommandLine::Version4, &there, false),
    ] {
        fs::write(&there, "").expect("a file");
        let user = User { name: "jane".to_owned(), key: "KEY".to_owned() };
        let mut command = binary::command();
        command
            .args(line.arguments(&nobody, &user, "x"))
            .args(["--tunnel-cainfo", "/nowhere.pem"])
            .env("SC_TERMINATION_LOG", path);
        let client = Client::start_as(command);
        assert_eq!(client.process.wait_exit(PATIENCE).code(), Some(1));
        assert_eq!(text_of(path).contains("fatal error exiting: "), told, "{line:?} {path:?}");
    }
    assert!(!missing.exists(), "the file is never made");
}

#[test]
fn the_pac_script_is_read_again_and_no_stream_drops() {
    let server = SERVER.lease();
    let user = server.add_user("reload");
    let folder = tempfile::tempdir().expect("a folder");
    let pac = folder.path().join("proxy.pac");
    let script = |way: &str| format!("function FindProxyForURL(u, h) {{ return '{way}'; }}");
    fs::write(&pac, script("DIRECT")).expect("a file");
    let api = format!("127.0.0.1:{}", ports::one());
    let mut more = vec!["--pac", pac.to_str().expect("a path"), "--proxy-localhost", "allow"];
    more.extend(["--api-address", &api]);
    let client = client_of(CommandLine::Version5, &server, &user, "reload", &more);
    client.wait_ready(CommandLine::Version5);
    let record = server.rest(&user).tunnel_named("reload").expect("a tunnel");
    let (proxy, site) = (deployment::proxy_address(&record), Site::start());
    let host = site.address().to_string();
    let mut open = Connection::through(proxy, &host).expect("a stream");
    let request = format!("GET /small HTTP/1.1\r\nHost: {host}\r\n\r\n");
    assert!(open.exchange(&request).expect("an answer").status() < 500);

    fs::write(&pac, script(&format!("PROXY 127.0.0.1:{}", ports::one()))).expect("a file");
    client.process.signal(Signal::Hangup);
    client.process.wait_for_text("the rules were read again");
    let asked = Connection::open(api.parse().expect("an address"))
        .and_then(|mut c| c.exchange("GET /pac HTTP/1.1\r\nHost: x\r\n\r\n"))
        .expect("the API server answers");
    assert_eq!(asked.head.field("Content-Type"), Some("application/x-ns-proxy-autoconfig"));
    assert!(asked.text().contains("PROXY 127.0.0.1"), "the script in use: {}", asked.text());
    assert_eq!(http::get(proxy, &site.url("/small")).expect("a page").status(), 502);
    assert!(open.exchange(&request).expect("the old stream lives").status() < 500);

    // What cannot be read changes nothing, and stops nobody.
    fs::write(&pac, "no script").expect("a file");
    client.process.signal(Signal::Hangup);
    client.process.wait_for_text("the rules stay as they are");
    assert!(open.exchange(&request).expect("the old stream lives").status() < 500);
    fs::write(&pac, script("DIRECT")).expect("a file");
    client.process.signal(Signal::Hangup);
    wait::until("the new rules", || {
        (http::get(proxy, &site.url("/small")).expect("a page").status() < 500).then_some(())
    });
    assert!(open.exchange(&request).expect("the old stream lives").status() < 500);
    assert!(client.process.is_running());
}

#[test]
fn the_rules_of_a_configuration_file_are_read_again_on_both_sides() {
    let server = SERVER.lease();
    let user = server.add_user("rules");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("sc.yaml");
    let write = |text: &str| fs::write(&file, text).expect("a file");
    write("log-level: debug\n");
    let more = ["--config-file", file.to_str().expect("a path")];
    let client = client_of(CommandLine::Version5, &server, &user, "rules", &more);
    client.wait_ready(CommandLine::Version5);
    let rest = server.rest(&user);
    let record = || rest.tunnel_named("rules").expect("a tunnel");
    let (proxy, site) = (deployment::proxy_address(&record()), Site::start());
    let status = || http::get(proxy, &site.url("/bytes/10")).expect("an answer").status();
    assert!(status() < 400);
    let host = site.address().to_string();
    let mut open = Connection::through(proxy, &host).expect("a stream");

    write("deny-domains: ['127[.]0[.]0[.]1']\n");
    client.process.signal(Signal::Hangup);
    client.process.wait_for_text("the rules were read again");
    wait::until("the new rules", || (status() == 403).then_some(()));
    wait::until("the record to have them", || {
        (record()["deny_domains"][0] == "127[.]0[.]0[.]1").then_some(())
    });
    let request = format!("GET /bytes/10 HTTP/1.1\r\nHost: {host}\r\n\r\n");
    assert!(open.exchange(&request).expect("the old stream lives").status() < 400);

    write("deny-domains: ['(']\n");
    client.process.signal(Signal::Hangup);
    client.process.wait_for_text("the rules stay as they are");
    assert_eq!(status(), 403);

    write("");
    client.process.signal(Signal::Hangup);
    wait::until("no rules", || (status() < 400).then_some(()));
}

/// From the start of the process to its ready line, the best of some: what others do on this
/// machine shall not decide.
#[test]
fn a_start_takes_a_fraction_of_a_second() {
    let server = SERVER.lease();
    let user = server.add_user("quick");
    let took = |_| {
        let begun = Instant::now();
        // Each takes the place of the one before, which was killed.
        let client = client_of(CommandLine::Version4, &server, &user, "quick", &[]);
        client.wait_ready(CommandLine::Version4);
        begun.elapsed()
    };
    let best = (0..5).map(took).min().expect("some rounds");
    sc_tests::figures::tell(&format!("start to ready on loopback: {best:?}"));
    // A release build has 300 ms; this may be one without.
    let limit = if cfg!(debug_assertions) { 1000 } else { 300 };
    assert!(best < Duration::from_millis(limit), "{best:?}");
}
