//! Ours, through the server's proxy with CONNECT.

use std::process::Command;

use sc_tests::binary;
use sc_tests::deployment::{Places, Server, Tunnel};

use super::{Layout, Running};
use crate::load::Entry;
use crate::programs;
use crate::usage::Processes;

pub(super) fn version() -> Option<String> {
    let output = binary::command().arg("--version").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

pub(super) fn start(layout: &Layout) -> Running {
    let mut places = Places::on_loopback();
    places.tunnel = layout.listen;
    places.proxy_host = layout.entry;
    if !layout.server_prefix.is_empty() {
        places.rest = (layout.listen.ip(), 0).into();
    }
    places.options = vec![
        "--insecure-rest".to_owned(),
        "--tunnel-host".to_owned(),
        layout.dial.ip().to_string(),
    ];
    let server = Server::start_at(binary_by(&layout.server_prefix), places);
    let tunnel = Tunnel::start_on(server, |_| binary_by(&layout.client_prefix));
    let entry = Entry { address: tunnel.proxy, connect: Some(layout.origin) };
    let processes = Processes(tunnel.pids().to_vec());
    Running { entry, processes, kept: Some(Box::new(tunnel)) }
}

fn binary_by(prefix: &[String]) -> Command {
    if prefix.is_empty() {
        return binary::command();
    }
    let path = binary::sc().to_str().expect("its path is text");
    programs::command(path, prefix).expect("the binary is there")
}
