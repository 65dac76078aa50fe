//! A whole tunnel over real sockets: through the proxy port, KGP, and out to a site.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod tunnel;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use sc_proto::contract::{ConnectFailure, Stop, TransportLoss, TunnelSecret};
use sc_proto::{Command, Event, WorkerId};
use sc_runtime_mio::Options;

use tunnel::{
    Client, SECRET, Server, closed_port, connect, echo, exchange, pattern, side_by_side, site,
    tunnel,
};

#[test]
fn bytes_come_back_unchanged() {
    let (server, _client) = tunnel(1, 0);
    let (status, stream) = connect(server.proxy, &echo().to_string());
    assert_eq!(status, 200);
    let bytes = pattern(1, 24 * 1024 * 1024);
    assert!(exchange(&stream, &bytes) == bytes);
}

/// The accepting worker is not the one where the tunnel lives.
#[test]
fn a_transport_is_handed_over_to_its_worker() {
    let (server, _client) = tunnel(2, 1);
    let (status, stream) = connect(server.proxy, &echo().to_string());
    assert_eq!(status, 200);
    let bytes = pattern(2, 1024 * 1024);
    assert!(exchange(&stream, &bytes) == bytes);
}

#[test]
fn names_are_resolved_by_the_client() {
    let (server, _client) = tunnel(1, 0);
    let target = format!("localhost:{}", echo().port());
    let (status, stream) = connect(server.proxy, &target);
    assert_eq!(status, 200);
    assert_eq!(exchange(&stream, b"hello"), b"hello");
}

#[test]
fn each_direction_ends_by_itself() {
    let (server, _client) = tunnel(1, 0);
    // Says a word and ends at once, then takes until the other end.
    let (said, heard) = std::sync::mpsc::channel();
    let address = site(move |mut stream| {
        stream.write_all(b"welcome").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        said.send(all).unwrap();
    });
    let (_, mut stream) = connect(server.proxy, &address.to_string());
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text, "welcome");
    let bytes = pattern(3, 300_000);
    stream.write_all(&bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(heard.recv_timeout(tunnel::PATIENCE).unwrap() == bytes);
}

#[test]
fn a_reset_of_the_site_reaches_the_browser() {
    let (server, _client) = tunnel(1, 0);
    let address = site(|mut stream| {
        stream.read_exact(&mut [0]).unwrap();
        let now = Some(std::time::Duration::ZERO);
        socket2::SockRef::from(&stream).set_linger(now).unwrap();
    });
    let (status, mut stream) = connect(server.proxy, &address.to_string());
    assert_eq!(status, 200);
    stream.write_all(b"x").unwrap();
    let error = stream.read(&mut [0; 8]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_refused_dial_is_answered() {
    let (server, _client) = tunnel(1, 0);
    let (_held, closed) = closed_port();
    let (status, _) = connect(server.proxy, &closed.to_string());
    assert!((500..600).contains(&status), "{status}");
    // The tunnel goes on.
    let (status, stream) = connect(server.proxy, &echo().to_string());
    assert_eq!(status, 200);
    assert_eq!(exchange(&stream, b"still here"), b"still here");
}

#[test]
fn five_hundred_connections_at_once() {
    let (server, _client) = tunnel(1, 0);
    let target = echo().to_string();
    let streams = side_by_side(vec![(); 500], |()| {
        let (status, stream) = connect(server.proxy, &target);
        assert_eq!(status, 200);
        stream
    });
    let numbered: Vec<_> = streams.iter().zip(1..).collect();
    side_by_side(numbered, |(stream, number)| {
        let bytes = pattern(number, 20_000);
        assert!(exchange(stream, &bytes) == bytes, "connection {number}");
    });
}

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

#[test]
fn a_wrong_secret_is_told_to_the_embedder() {
    let server = Server::start(1, 0, Options::default());
    let client = Client::start(&server, TunnelSecret::new([0; 32]), Options::default());
    let event = client.next_event();
    let is_refusal = matches!(
        event,
        Event::ConnectFailed { failure: ConnectFailure::Transport(TransportLoss::Refused(_)), .. }
    );
    assert!(is_refusal, "{event:?}");
}

#[test]
fn a_server_that_is_not_there_is_told_to_the_embedder() {
    let mut server = Server::start(1, 0, Options::default());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    server.kgp = listener.local_addr().unwrap();
    let client = Client::start(&server, SECRET, Options::default());
    let (stream, _) = listener.accept().unwrap();
    drop(stream);
    let event = client.next_event();
    assert!(matches!(event, Event::ConnectFailed { .. }), "{event:?}");
}

#[test]
fn a_drained_client_ends_when_its_streams_have() {
    let (server, client) = tunnel(1, 0);
    let (_, mut stream) = connect(server.proxy, &echo().to_string());
    stream.write_all(b"before").unwrap();
    let mut text = [0; 6];
    stream.read_exact(&mut text).unwrap();
    let command = Command::Stop(Stop::Drain);
    client.runtime.handle().command(WorkerId(0), command).unwrap();
    assert_eq!(exchange(&stream, b"and after"), b"and after");
    let down = client.next_event();
    assert!(matches!(down, Event::TunnelDown { .. }), "{down:?}");
    assert_eq!(client.next_event(), Event::Stopped);
    client.runtime.stop();
    let (_, down) = server.events.recv_timeout(tunnel::PATIENCE).unwrap();
    assert!(matches!(down, Event::TunnelDown { .. }), "{down:?}");
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
