//! The resolver's thread with sockets of this machine. `tests/names.rs` has it with real name servers.

use std::fs;
use std::net::{IpAddr, UdpSocket};
use std::path::PathBuf;
use std::process;

use sc_proto::dns::ServerOrder;

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

/// Servers that say nothing.
fn silent() -> (UdpSocket, Settings) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let servers = vec![socket.local_addr().unwrap()];
    let timeout = Duration::from_secs(60);
    (socket, Settings { servers, order: ServerOrder::Listed, timeout })
}

fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("sc-{name}-{}-{}", module_path!().len(), process::id()))
}

fn found(list: &[&str]) -> Answer {
    Ok(list.iter().map(|ip| ip.parse::<IpAddr>().unwrap()).collect())
}

#[test]
fn the_hosts_file_is_read_when_it_has_changed() {
    let hosts = file("hosts");
    let (_socket, settings) = silent();
    let servers = NameServers::new(settings, &hosts, [1; 32]);
    assert_eq!(servers.lookup("app.localhost", PATIENCE), found(&["::1", "127.0.0.1"]));
    fs::write(&hosts, "10.1.1.1 app.test\n").unwrap();
    assert_eq!(servers.lookup("App.test.", PATIENCE), found(&["10.1.1.1"]));
    fs::write(&hosts, "10.1.1.1 app.test\n10.1.1.2 app.test\n").unwrap();
    assert_eq!(servers.lookup("app.test", PATIENCE), found(&["10.1.1.1", "10.1.1.2"]));
    fs::remove_file(&hosts).unwrap();
}

#[test]
fn who_loses_patience_is_told_and_the_end_waits_for_nobody() {
    let (socket, settings) = silent();
    let servers = NameServers::new(settings, &file("none"), [1; 32]);
    let answer = servers.lookup("app.test", Duration::from_millis(50));
    assert_eq!(answer, Err(DialFailure::TimedOut));
    // Both kinds of addresses were asked for.
    let mut message = [0; 512];
    let kinds = [(); 2].map(|()| {
        let n = socket.recv(&mut message).unwrap();
        message[n - 3]
    });
    assert_eq!(kinds, [28, 1]);
    let shown = format!("{servers:?}");
    assert!(shown.contains("127.0.0.1"), "{shown}");
    // Whoever still waits hears that there will be no answer.
    let (sender, end) = mpsc::channel();
    servers.ask("app.test", Box::new(move |found| drop(sender.send(found)))).unwrap();
    drop(servers);
    assert!(end.recv_timeout(PATIENCE).is_err());
}

#[test]
fn a_server_that_is_not_there_is_known_at_once() {
    let (socket, settings) = silent();
    drop(socket);
    let servers = NameServers::new(settings, &file("none"), [1; 32]);
    assert_eq!(servers.lookup("app.test", PATIENCE), Err(DialFailure::NameServers));
}
