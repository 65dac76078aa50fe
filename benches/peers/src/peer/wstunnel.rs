//! wstunnel: a reverse tunnel by WebSocket in TLS, one connection for each stream.

use sc_tests::process::Process;

use super::files::Files;
use super::{Layout, Running};
use crate::programs;

pub(super) fn start(layout: &Layout) -> Running {
    let files = Files::new();
    let entry = layout.entry();
    let command = |prefix| programs::command("wstunnel", prefix).expect("wstunnel is there");
    let mut server = command(&layout.server_prefix);
    server
        .args(["--log-lvl", "WARN", "server", "--tls-certificate"])
        .arg(files.certificates.certificate())
        .arg("--tls-private-key")
        .arg(files.certificates.key())
        .arg(format!("wss://{}", layout.listen));
    let mut client = command(&layout.client_prefix);
    client
        .args(["--log-lvl", "WARN", "client", "-R"])
        .arg(format!("tcp://{}:{}", entry.address, layout.origin))
        .arg(format!("wss://{}", layout.dial));
    let ends =
        vec![Process::start("wstunnel server", server), Process::start("wstunnel client", client)];
    Running::new(entry, ends, files)
}
