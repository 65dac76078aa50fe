//! A server with certificates of one's own: clients verify them, and refuse what they cannot.

use std::path::Path;

use sc_tests::binary;
use sc_tests::certificate::Certificates;
use sc_tests::deployment::{Client, CommandLine, Server, User};
use sc_tests::wait::PATIENCE;

/// Exit code of a start that failed.
const FAILED: i32 = 1;

const LINE: CommandLine = CommandLine::Version4;

/// A server whose tunnel listener has the given certificate, under the name that is in it.
fn server(certificates: &Certificates) -> Server {
    let (cert, key) = (certificates.certificate(), certificates.key());
    Server::start_as(
        binary::command(),
        &["--tls-cert", text(&cert), "--tls-key", text(&key), "--tunnel-host", "localhost"],
    )
}

/// A client of that server that trusts `ca` for the tunnel.
fn client(server: &Server, user: &User, ca: &Path) -> Client {
    let mut command = binary::command();
    command.args(LINE.arguments(&server.rest_url(), user, "verified"));
    command.args(["--tunnel-cainfo", text(ca)]);
    Client::start_as(command)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are text")
}

#[test]
fn a_given_certificate_is_verified_with_a_given_ca() {
    let certificates = Certificates::new();
    let server = server(&certificates);
    let user = server.add_user("jane");
    client(&server, &user, &certificates.ca()).wait_ready(LINE);
}

#[test]
fn another_ca_is_not_believed() {
    let (certificates, other) = (Certificates::new(), Certificates::new());
    let server = server(&certificates);
    let user = server.add_user("jane");
    let client = client(&server, &user, &other.ca());
    let exit = client.process.wait_exit(PATIENCE);
    let report = client.process.report();
    assert_eq!(exit.code(), Some(FAILED), "{report}");
    assert!(report.contains("certificate"), "{report}");
    assert!(report.contains("--tunnel-cainfo"), "no word of what to do: {report}");
    assert!(server.rest(&user).tunnels().is_empty(), "the tunnel is left behind");
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let certificates = Certificates::for_names(&["elsewhere.test"]);
    let server = server(&certificates);
    let user = server.add_user("jane");
    let client = client(&server, &user, &certificates.ca());
    let exit = client.process.wait_exit(PATIENCE);
    let report = client.process.report();
    assert_eq!(exit.code(), Some(FAILED), "{report}");
    assert!(report.contains("localhost"), "the name is not said: {report}");
}

#[test]
fn rest_by_https_is_verified() {
    let (certificates, other) = (Certificates::new(), Certificates::new());
    let (cert, key) = (certificates.certificate(), certificates.key());
    let options = ["--rest-tls-cert", text(&cert), "--rest-tls-key", text(&key)];
    let server = Server::start_as(binary::command(), &options);
    let user = server.add_user("jane");
    let url = format!("https://{}/rest/v1", server.rest_address());
    let start = |ca: &Path| {
        let mut command = binary::command();
        command.args(LINE.arguments(&url, &user, "https")).args(["--cainfo", text(ca)]);
        Client::start_as(command)
    };
    start(&certificates.ca()).wait_ready(LINE);
    let refused = start(&other.ca());
    let exit = refused.process.wait_exit(PATIENCE);
    let report = refused.process.report();
    assert_eq!(exit.code(), Some(FAILED), "{report}");
    assert!(report.contains("--cainfo"), "no word of what to do: {report}");
}
