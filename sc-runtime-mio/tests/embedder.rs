//! What an embedder may set and leave undone. What every driver must do is in `tests/conformance`.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod tunnel;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;

use sc_proto::Event;
use sc_runtime_mio::Options;

use tunnel::{Client, SECRET, Server, connect, echo, exchange};

/// A browser that finds the server full waits in the backlog and is served later.
#[test]
fn browsers_wait_while_the_server_is_full() {
    let options = Options { max_sockets: Some(16), ..Options::default() };
    let server = Server::start(1, 0, options);
    let _client = Client::start(&server, SECRET, Options::default());
    server.wait_up(0);
    let target = echo().to_string();
    // 15 may be accepted; one of them is the transport.
    let served: Vec<_> = (0..14).map(|_| connect(server.proxy, &target).1).collect();
    let waiting = {
        let (proxy, target) = (server.proxy, target.clone());
        thread::spawn(move || connect(proxy, &target))
    };
    for stream in served {
        assert_eq!(exchange(&stream, b"served"), b"served");
    }
    let (status, stream) = waiting.join().unwrap();
    assert_eq!(status, 200);
    assert_eq!(exchange(&stream, b"at last"), b"at last");
}

/// The embedder's channel holds one event and is not read: nothing is lost, nothing stands still.
#[test]
fn an_embedder_that_does_not_listen_stops_nothing() {
    let server = Server::start(1, 0, Options::default());
    for _ in 0..20 {
        // Each is a dropped transport, which is told.
        let mut stream = TcpStream::connect(server.kgp).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }
    let client = Client::start(&server, SECRET, Options::default());
    assert!(matches!(client.next_event(), Event::TunnelUp { .. }));
    let (status, stream) = connect(server.proxy, &echo().to_string());
    assert_eq!(status, 200);
    assert_eq!(exchange(&stream, b"goes on"), b"goes on");
    for _ in 0..20 {
        let (_, event) = server.events.recv_timeout(tunnel::PATIENCE).unwrap();
        assert!(matches!(event, Event::TransportDropped { .. }), "{event:?}");
    }
    server.wait_up(0);
}
