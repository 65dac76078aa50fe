//! What must not wait for more: WebSockets, server-sent events, a body that is answered part by
//! part. Each step is sent only after the one before has come back, so anything that is held back
//! on the way stops the test.

use std::io::BufRead as _;

use sc_tests::deployment::Tunnel;
use sc_tests::http::Connection;
use sc_tests::http::body::{self, Framing};
use sc_tests::shared::Shared;
use sc_tests::site::Site;
use sc_tests::websocket;

static TUNNEL: Shared<Tunnel> = Shared::new(Tunnel::start);

#[test]
fn a_websocket_by_connect_echoes() {
    let (tunnel, site) = (TUNNEL.lease(), Site::start());
    let host = site.address().to_string();
    let user = Connection::through(tunnel.proxy, &host).unwrap();
    websocket::expect_echo(&mut websocket::upgrade(user, "/websocket", &host));
}

#[test]
fn a_websocket_by_upgrade_echoes() {
    let (tunnel, site) = (TUNNEL.lease(), Site::start());
    let host = site.address().to_string();
    let user = Connection::open(tunnel.proxy).unwrap();
    let mut socket = websocket::upgrade(user, &site.url("/websocket"), &host);
    websocket::expect_echo(&mut socket);
    let head = site.received("/websocket");
    assert!(head.is_empty() || head[0].head.lists("Connection", "upgrade"));
}

#[test]
fn events_by_plain_http_arrive_one_by_one() {
    let (tunnel, site) = (TUNNEL.lease(), Site::start());
    let reader = Connection::open(tunnel.proxy).unwrap();
    let confirmer = Connection::open(tunnel.proxy).unwrap();
    read_events(reader, confirmer, &site, |path| site.url(path));
}

#[test]
fn events_by_connect_arrive_one_by_one() {
    let (tunnel, site) = (TUNNEL.lease(), Site::start());
    let host = site.address().to_string();
    let reader = Connection::through(tunnel.proxy, &host).unwrap();
    let confirmer = Connection::through(tunnel.proxy, &host).unwrap();
    read_events(reader, confirmer, &site, str::to_owned);
}

/// Reads 20 events and confirms each over the other connection before it looks for the next.
fn read_events(
    mut reader: Connection,
    mut confirmer: Connection,
    site: &Site,
    target: impl Fn(&str) -> String,
) {
    const EVENTS: u64 = 20;
    let get =
        |path: &str| format!("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", target(path), site.address());
    reader.send(get(&format!("/events/one/{EVENTS}"))).unwrap();
    let head = reader.read_head().unwrap();
    assert_eq!(head.status(), 200);
    assert_eq!(head.field("Content-Type"), Some("text/event-stream"));
    for number in 1..=EVENTS {
        let data = format!("data: event {number}\n");
        let mut line = String::new();
        // Lines of chunk framing and other fields come between.
        while line != data {
            line.clear();
            let count = reader.reader().read_line(&mut line).expect("the event before a deadline");
            assert!(count > 0, "the stream ended before event {number}");
        }
        let answer = confirmer.exchange(&get(&format!("/confirm/one/{number}"))).unwrap();
        assert_eq!(answer.status(), 200);
    }
}

#[test]
fn an_upload_is_answered_while_it_is_sent() {
    let (tunnel, site) = (TUNNEL.lease(), Site::start());
    let mut user = Connection::open(tunnel.proxy).unwrap();
    let (url, host) = (site.url("/parts"), site.address());
    user.send(format!("POST {url} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"))
        .unwrap();
    assert_eq!(user.read_head().unwrap().status(), 200);
    for number in 0..20 {
        let line = format!("part {number}\n");
        user.send(format!("{:x}\r\n{line}\r\n", line.len())).unwrap();
        let expected = format!("got {line}");
        let mut read = String::new();
        while read != expected {
            read.clear();
            let count = user.reader().read_line(&mut read).expect("the part before a deadline");
            assert!(count > 0, "the answer ended before part {number}");
        }
    }
    user.send("0\r\n\r\n").unwrap();
    // The blank end of the last chunk, then the last chunk of all.
    let mut blank = String::new();
    user.reader().read_line(&mut blank).unwrap();
    assert_eq!(blank, "\r\n");
    body::copy(user.reader(), Framing::Chunked, &mut std::io::sink()).unwrap();
}
