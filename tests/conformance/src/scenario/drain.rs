//! An orderly end: what runs goes on, what is new is turned away.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use sc_proto::contract::TunnelEnd;
use sc_proto::{Command, Event};

use super::Verdict;
use crate::browser::{connect, expect_echo, pattern, reach};
use crate::driver::Driver;
use crate::site;
use crate::tunnel::{Client, Server, TUNNEL, tunnel as tunnel_over};

/// The client's process is told to end.
pub(super) fn client(driver: &Driver) -> Verdict {
    let (server, client) = tunnel_over(driver);
    let stream = running_stream(&server);
    client.drain();
    finish(&server, &client, &stream);
    assert_eq!(client.next_event(), Event::Stopped);
    Verdict::Passed
}

/// The server is told that the tunnel ends.
pub(super) fn tunnel(driver: &Driver) -> Verdict {
    let (server, client) = tunnel_over(driver);
    let stream = running_stream(&server);
    server.command(Command::DrainTunnel(TUNNEL));
    finish(&server, &client, &stream);
    Verdict::Passed
}

fn running_stream(server: &Server) -> TcpStream {
    let mut stream = reach(server.proxy, site::echo());
    stream.write_all(b"before").unwrap();
    stream.read_exact(&mut [0; 6]).unwrap();
    stream
}

fn finish(server: &Server, client: &Client, running: &TcpStream) {
    let echo = site::echo().to_string();
    let late = connect(server.proxy, &echo);
    assert_eq!(late.status, 503, "{}", late.error);
    expect_echo(running, &pattern(1, 1024 * 1024));
    let (at_server, at_client) = (server.next_event().1, client.next_event());
    let ended = |event: &Event| matches!(event, Event::TunnelDown { end, .. } if *end == TunnelEnd::Local || *end == TunnelEnd::PeerDrained);
    assert!(ended(&at_server) && ended(&at_client), "{at_server:?}, {at_client:?}");
}
