//! haproxy: a pair with TLS between them, and a single plain hop.

use std::net::SocketAddr;
use std::path::Path;

use sc_tests::process::Process;

use super::files::Files;
use super::{Layout, Running};
use crate::programs;

pub(super) fn start_pair(layout: &Layout) -> Running {
    let files = Files::new();
    let entry = layout.entry();
    let to_tls = format!(
        "{} ssl verify required ca-file {} sni str(localhost)",
        layout.dial,
        files.certificates.ca().display()
    );
    let from_tls = format!("{} ssl crt {}", layout.listen, files.certificate_and_key().display());
    let near = files.write("near.cfg", &text(&entry.address.to_string(), &to_tls));
    let far = files.write("far.cfg", &text(&from_tls, &layout.origin.to_string()));
    // The user's side dials here, so that the roles of the two places are exchanged.
    let ends = vec![start(&near, &layout.server_prefix), start(&far, &layout.client_prefix)];
    Running::new(entry, ends, files)
}

pub(super) fn start_hop(layout: &Layout) -> Running {
    let files = Files::new();
    let entry = layout.entry();
    let bind: SocketAddr = entry.address;
    let file = files.write("hop.cfg", &text(&bind.to_string(), &layout.origin.to_string()));
    Running::new(entry, vec![start(&file, &layout.server_prefix)], files)
}

fn start(file: &Path, prefix: &[String]) -> Process {
    let mut command = programs::command("haproxy", prefix).expect("haproxy is there");
    command.args(["-db", "-f"]).arg(file);
    Process::start("haproxy", command)
}

fn text(bind: &str, server: &str) -> String {
    format!(
        "global\n  maxconn 8000\n\
         defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n\
         frontend users\n  bind {bind}\n  default_backend site\n\
         backend site\n  server site {server}\n"
    )
}
