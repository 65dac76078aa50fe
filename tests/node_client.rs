//! The published `saucelabs` package for Node, as test frameworks use it, with a real tunnel.

use std::process::Command;

use sc_tests::binary;
use sc_tests::deployment::{Client, CommandLine, Server};
use sc_tests::process::Process;
use sc_tests::wait::PATIENCE;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/node_client.js");
const ANNOUNCED: &str = "
downloads:
- {version: 5.2.3, os: linux, arch: x86_64, url: 'https://sc.test/sc.tar.gz'}
";

#[test]
#[cfg_attr(missing_saucelabs, ignore = "skipped: the saucelabs package is not installed")]
fn all_tunnel_calls_of_the_node_package_work() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("announcements.yaml");
    std::fs::write(&file, ANNOUNCED).expect("a file of ours");
    let announcements = file.to_str().expect("a plain path");
    let server = Server::start_as(binary::command(), &["--announcements", announcements]);
    let user = server.add_user("jane");
    let line = CommandLine::Version5;
    let client = Client::start(line, &server, &user, "from-node");
    client.wait_ready(line);
    let host = server.rest_url();
    let host = host.strip_suffix("/rest/v1").expect("the base");
    let mut command = Command::new("node-with-saucelabs");
    command.args([SCRIPT, host, &user.name, &user.key]);
    let script = Process::start("node", command);
    let status = script.wait_exit(PATIENCE);
    assert!(status.success(), "{}", script.report());
    script.wait_for_text("all tunnel calls work");
    // Ended by REST: the client learns it and leaves.
    client.process.wait_exit(PATIENCE);
}
