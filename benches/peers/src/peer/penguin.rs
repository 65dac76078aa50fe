//! rusty-penguin: one WebSocket in TLS that carries all streams. It has no reverse tunnels yet, so
//! its client is where users come in and its server beside the site; the work is the same.

use sc_tests::process::Process;

use super::files::Files;
use super::{Layout, Running};
use crate::programs;

pub(super) fn start(layout: &Layout) -> Running {
    let files = Files::new();
    let entry = layout.entry();
    let command = |prefix| programs::command("penguin", prefix).expect("penguin is there");
    let mut server = command(&layout.client_prefix);
    server
        .args(["server", "--quiet", "--host", &layout.listen.ip().to_string()])
        .args(["--port", &layout.listen.port().to_string(), "--tls-cert"])
        .arg(files.certificates.certificate())
        .arg("--tls-key")
        .arg(files.certificates.key());
    let mut client = command(&layout.server_prefix);
    client
        .args(["client", "--quiet", "--tls-ca"])
        .arg(files.certificates.ca())
        .arg(format!("wss://{}/ws", layout.dial))
        .arg(format!("{}:{}", entry.address, layout.origin));
    let ends =
        vec![Process::start("penguin server", server), Process::start("penguin client", client)];
    Running::new(entry, ends, files)
}
