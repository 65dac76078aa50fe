//! How a client starts, or says why it does not.

use std::net::TcpListener;
use std::process::Command;

use sc_tests::binary;
use sc_tests::deployment::{Client, CommandLine, Server, User};
use sc_tests::process::Process;
use sc_tests::shared::Shared;
use sc_tests::wait::PATIENCE;

static SERVER: Shared<Server> = Shared::new(Server::start);

const LINES: [CommandLine; 2] = [CommandLine::Version4, CommandLine::Version5];

/// Exit code of a start that failed.
const FAILED: i32 = 1;

#[test]
fn the_ready_line_is_that_of_the_version() {
    let server = SERVER.lease();
    for (index, line) in LINES.into_iter().enumerate() {
        let user = server.add_user(&format!("ready{index}"));
        let client = Client::start(line, &server, &user, "ready");
        client.wait_ready(line);
        let lines = client.process.lines();
        let ready: Vec<_> =
            lines.iter().filter(|text| text.contains("is up, you may start your tests")).collect();
        assert_eq!(ready.len(), 1, "{lines:?}");
        assert_eq!(ready[0].ends_with('.'), line == CommandLine::Version4, "{ready:?}");
    }
}

#[test]
fn the_environment_stands_in_for_options() {
    let server = SERVER.lease();
    let user = server.add_user("environment");
    for (line, words) in [(CommandLine::Version4, &[][..]), (CommandLine::Version5, &["run"])] {
        let mut command = binary::command();
        command
            .args(words)
            .env("SAUCE_USERNAME", &user.name)
            .env("SAUCE_ACCESS_KEY", &user.key)
            .env("SAUCE_REST_URL", server.rest_url())
            .env("SAUCE_TUNNEL_NAME", "from-env");
        let client = Client::start_as(command);
        client.wait_ready(line);
        assert!(server.rest(&user).tunnel_named("from-env").is_some());
    }
}

#[test]
fn a_region_yields_to_a_rest_url() {
    let server = SERVER.lease();
    let user = server.add_user("region");
    for line in LINES {
        let mut command = binary::command();
        command.args(line.arguments(&server.rest_url(), &user, "region"));
        command.args(["--region", "eu-central"]);
        Client::start_as(command).wait_ready(line);
    }
}

#[test]
fn a_wrong_key_ends_the_start_with_a_reason() {
    let server = SERVER.lease();
    let user = server.add_user("mistaken");
    let wrong = User { key: "00000000-0000-4000-8000-000000000000".to_owned(), ..user };
    for line in LINES {
        let client = Client::start(line, &server, &wrong, "x");
        let exit = client.process.wait_exit(PATIENCE);
        let report = client.process.report();
        assert_eq!(exit.code(), Some(FAILED), "{report}");
        assert!(report.contains("401") || report.contains("Not authorized"), "{report}");
        assert!(!report.contains(&wrong.key), "{report}");
    }
}

#[test]
fn what_is_missing_is_named() {
    for (words, missing) in [
        (&["-k", "x"][..], "user"),
        (&["-u", "x"], "key"),
        (&["run", "-u", "x", "-k", "y", "--rest-url", "http://127.0.0.1:9"], "tunnel-name"),
    ] {
        let mut command = binary::command();
        command.args(words);
        let client = Process::start("sc client", command);
        let exit = client.wait_exit(PATIENCE);
        let report = client.report();
        assert_eq!(exit.code(), Some(FAILED), "{words:?} {report}");
        assert!(report.contains(missing), "{words:?} {report}");
    }
}

#[test]
fn a_server_that_comes_up_late_is_waited_for() {
    // The client starts while nothing listens, and tries again until something does.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let data = tempfile::tempdir().unwrap();
    let output = binary::command()
        .args(["server", "user", "add", "early", "--data-dir"])
        .arg(data.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let key = sc_tests::deployment::key_in(&String::from_utf8(output.stdout).unwrap());
    let user = User { name: "early".to_owned(), key };
    let line = CommandLine::Version4;
    let mut command = binary::command();
    command.args(line.arguments(&format!("http://{address}/rest/v1"), &user, "early"));
    let client = Client::start_as(command);
    client.process.wait_for_text("again");
    let (first, last) = sc_tests::ports::block(2);
    let mut command = binary::command();
    command
        .args(["server", "--rest-address", &address.to_string()])
        .args(["--tunnel-address", "127.0.0.1:0", "--proxy-host", "127.0.0.1"])
        .args(["--proxy-ports", &format!("{first}-{last}"), "--data-dir"])
        .arg(data.path());
    let _server = Process::start("sc server", command);
    client.wait_ready(line);
}

#[test]
fn plain_rest_beyond_this_machine_must_be_meant() {
    let data = tempfile::tempdir().unwrap();
    let mut command: Command = binary::command();
    command
        .args(["server", "--rest-address", "0.0.0.0:0", "--tunnel-address", "127.0.0.1:0"])
        .arg("--data-dir")
        .arg(data.path());
    let server = Process::start("sc server", command);
    let exit = server.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(FAILED), "{}", server.report());
    assert!(server.count_lines("--insecure-rest") > 0, "{}", server.report());
}
