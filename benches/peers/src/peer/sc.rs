//! Ours, through the server's proxy with CONNECT.

use std::path::PathBuf;
use std::process::Command;

use sc_tests::binary;
use sc_tests::deployment::{Places, Server, Tunnel};

use super::{Layout, Peer, Running};
use crate::load::Entry;
use crate::programs;
use crate::usage::Processes;

/// The binary: the one that was built, or the other one that it is compared with.
fn program(which: Peer) -> PathBuf {
    let other = (which == Peer::ScOther).then(|| programs::find("sc_other")).flatten();
    other.unwrap_or_else(|| binary::sc().to_owned())
}

pub(super) fn version(which: Peer) -> Option<String> {
    let output = Command::new(program(which)).arg("--version").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

pub(super) fn start(which: Peer, layout: &Layout) -> Running {
    let mut places = Places::on_loopback();
    places.tunnel = layout.listen;
    places.proxy_host = layout.entry;
    // Where both ends and this process reach it.
    places.rest = (layout.entry, 0).into();
    places.options = vec![
        "--insecure-rest".to_owned(),
        "--tunnel-host".to_owned(),
        layout.dial.ip().to_string(),
    ];
    let path = program(which).display().to_string();
    let command = |prefix: &[String]| -> Command {
        let mut command = programs::command(&path, prefix).expect("the binary is there");
        if which == Peer::ScSmol {
            command.env("SAUCE_RUNTIME", "smol").env("SC_SERVER_RUNTIME", "smol");
        }
        command
    };
    let server = Server::start_at(command(&layout.server_prefix), places);
    let tunnel = Tunnel::start_on(server, |_| command(&layout.client_prefix));
    let entry = Entry { address: tunnel.proxy, connect: Some(layout.origin) };
    let processes = Processes(tunnel.pids().to_vec());
    Running { entry, processes, kept: Some(Box::new(tunnel)) }
}
