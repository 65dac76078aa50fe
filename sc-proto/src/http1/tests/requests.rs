//! Good requests and the heads that the site gets for them.

use std::format;
use std::string::{String, ToString};

use super::play::in_all_splits;
use crate::contract::StreamKind;
use crate::http1::request::Scope;
use crate::http1::{
    Framing, HeadSearch, Limits, Method, Persistence, Reader, Refused, Request, Upgrade, Version,
    request,
};

fn parse(text: &str) -> Result<Request, Refused> {
    let input = text.as_bytes();
    let limits = Limits::default();
    let (length, request) =
        request::read(&mut HeadSearch::new(), input, &limits, &Scope::Any)?.unwrap();
    assert_eq!(length, input.len(), "{text}");
    Ok(request)
}

/// A head of site.test: request line, then the fields after `Host`.
fn forwarded(line: &str, fields: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: site.test\r\n{fields}\r\n")
}

#[test]
fn request_lines() {
    for (line, host, expected) in [
        ("GET http://site.test/", "site.test", "GET / HTTP/1.1\r\nHost: site.test"),
        ("GET http://site.test", "site.test", "GET / HTTP/1.1\r\nHost: site.test"),
        ("GET http://site.test?q=1", "site.test", "GET /?q=1 HTTP/1.1\r\nHost: site.test"),
        ("GET HTTP://SITE.Test/A?B", "site.test", "GET /A?B HTTP/1.1\r\nHost: site.test"),
        ("GET http://site.test:80/", "site.test", "GET / HTTP/1.1\r\nHost: site.test"),
        ("GET http://site.test/", "Site.Test:80", "GET / HTTP/1.1\r\nHost: site.test"),
        ("GET http://site.test./", "site.test", "GET / HTTP/1.1\r\nHost: site.test"),
        ("GET http://a:8080/x", "a:8080", "GET /x HTTP/1.1\r\nHost: a:8080"),
        ("GET http://[::1]/", "[::1]", "GET / HTTP/1.1\r\nHost: [::1]"),
        ("GET http://[::1]:81/", "[0:0::1]:81", "GET / HTTP/1.1\r\nHost: [::1]:81"),
        ("GET http://127.0.0.1:1/", "127.0.0.1:1", "GET / HTTP/1.1\r\nHost: 127.0.0.1:1"),
        ("OPTIONS http://a", "a", "OPTIONS * HTTP/1.1\r\nHost: a"),
        ("OPTIONS http://a/", "a", "OPTIONS / HTTP/1.1\r\nHost: a"),
        ("OPTIONS http://a?b", "a", "OPTIONS /?b HTTP/1.1\r\nHost: a"),
        ("M-SEARCH http://a/", "a", "M-SEARCH / HTTP/1.1\r\nHost: a"),
        // What browsers leave as it is in a path or query.
        (
            "GET http://a/50%?x=%zz|y^{}`\\\"<>[]'@:http://b/",
            "a",
            "GET /50%?x=%zz|y^{}`\\\"<>[]'@:http://b/ HTTP/1.1\r\nHost: a",
        ),
        ("GET http://a//b/../c;d=e", "a", "GET //b/../c;d=e HTTP/1.1\r\nHost: a"),
    ] {
        let request = parse(&format!("{line} HTTP/1.1\r\nHost: {host}\r\n\r\n")).unwrap();
        let expected = format!("{expected}\r\nConnection: close\r\n\r\n");
        assert_eq!(request.head, expected, "{line}");
        assert_eq!(request.kind, StreamKind::Http);
        assert_eq!(request.version, Version::Http11);
        assert_eq!(request.persistence, Persistence::KeepAlive);
    }
}

#[test]
fn fields() {
    for (fields, expected) in [
        // Copied in their order, with their letters, duplicates and bytes outside ASCII.
        (
            "User-Agent: x\r\nX-A:  1 \r\naccept:*/*\r\nX-A: 2\r\nX-E:\r\nX-U: ä\r\nX-T: a\tb\r\n",
            "User-Agent: x\r\nX-A: 1\r\naccept: */*\r\nX-A: 2\r\nX-E: \r\nX-U: ä\r\nX-T: a\tb\r\n\
             Connection: close\r\n",
        ),
        // For one hop only.
        (
            "Keep-Alive: 5\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\n\
             Proxy-Authenticate: x\r\nTE: trailers\r\nTrailer: X-Sum\r\nUpgrade: websocket\r\nA: b\r\n",
            "A: b\r\nConnection: close\r\n",
        ),
        // What Connection lists, in any letters and several fields.
        (
            "Connection: keep-alive, X-Hop ,,x-too\r\nx-hop: 1\r\nA: b\r\nX-Too: 2\r\n\
             Connection: X-Three\r\nX-Three: 3\r\n",
            "A: b\r\nConnection: close\r\n",
        ),
        // Connection removes neither framing nor Host.
        (
            "Connection: content-length, host, transfer-encoding\r\nContent-Length: 3\r\n",
            "Content-Length: 3\r\nConnection: close\r\n",
        ),
        (
            "Connection: Transfer-Encoding\r\nTransfer-Encoding: Chunked\r\n",
            "Transfer-Encoding: chunked\r\nConnection: close\r\n",
        ),
        // Lengths are written anew.
        ("Content-Length:   007  \r\n", "Content-Length: 7\r\nConnection: close\r\n"),
        ("Content-Length: 0\r\n", "Content-Length: 0\r\nConnection: close\r\n"),
        (
            "Content-Length: 9223372036854775807\r\n",
            "Content-Length: 9223372036854775807\r\nConnection: close\r\n",
        ),
        ("Expect: 100-continue\r\n", "Expect: 100-continue\r\nConnection: close\r\n"),
        ("Max-Forwards: 0\r\n", "Max-Forwards: 0\r\nConnection: close\r\n"),
        // Upgrades.
        (
            "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n",
            "Sec-WebSocket-Key: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
        ),
        ("Connection: Upgrade\r\n", "Connection: close\r\n"),
        ("Connection: Upgrade\r\nUpgrade:\r\n", "Connection: close\r\n"),
        (
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
            "Connection: close\r\n",
        ),
        (
            "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n",
            "Content-Length: 2\r\nConnection: close\r\n",
        ),
    ] {
        let text = format!("POST http://site.test/ HTTP/1.1\r\nHost: site.test\r\n{fields}\r\n");
        let request = parse(&text).unwrap();
        assert_eq!(request.head, forwarded("POST /", expected), "{fields}");
    }
}

#[test]
fn max_forwards_counts_down() {
    for (hops, left) in [("1", "0"), ("10", "9")] {
        let request = parse(&format!(
            "TRACE http://site.test/ HTTP/1.1\r\nHost: site.test\r\nMax-Forwards: {hops}\r\n\r\n"
        ));
        let fields = format!("Max-Forwards: {left}\r\nConnection: close\r\n");
        assert_eq!(request.unwrap().head, forwarded("TRACE /", &fields));
    }
}

#[test]
fn facts_of_a_request() {
    let request = parse(
        "HEAD http://site.test:81/ HTTP/1.1\r\nHost: site.test:81\r\nConnection: close\r\n\r\n",
    )
    .unwrap();
    assert_eq!(request.target.to_string(), "site.test:81");
    assert_eq!(request.method, Method::Head);
    assert_eq!(request.framing, Framing::None);
    assert_eq!(request.persistence, Persistence::Close);
    assert_eq!(request.upgrade, Upgrade::No);
    let request = parse(
        "PUT http://site.test/ HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    assert_eq!(request.unwrap().framing, Framing::Chunked);
    let request = parse(
        "GET http://site.test/ HTTP/1.1\r\nHost: site.test\r\n\
         Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(request.unwrap().upgrade, Upgrade::Asked);
}

#[test]
fn http_1_0() {
    for text in [
        "GET http://site.test/ HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\n\r\n",
        "GET http://site.test/ HTTP/1.0\r\nHost: site.test\r\n\r\n",
        "GET http://site.test/ HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ] {
        let request = parse(text).unwrap();
        assert_eq!(request.head, forwarded("GET /", "Connection: close\r\n"));
        assert_eq!(request.version, Version::Http10);
        assert_eq!(request.persistence, Persistence::Close);
    }
}

#[test]
fn connect() {
    for (text, target) in [
        ("CONNECT site.test:443 HTTP/1.1\r\nHost: site.test:443\r\n\r\n", "site.test:443"),
        ("CONNECT site.test:443 HTTP/1.1\r\nHost: site.test\r\n\r\n", "site.test:443"),
        ("CONNECT SITE.test:443 HTTP/1.0\r\n\r\n", "site.test:443"),
        ("CONNECT [::1]:8443 HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n", "[::1]:8443"),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nProxy-Connection: keep-alive\r\n\r\n", "a:80"),
        // Internet Explorer sends this length.
        ("CONNECT a:443 HTTP/1.0\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "a:443"),
    ] {
        let request = parse(text).unwrap();
        assert_eq!(request.target.to_string(), target);
        assert_eq!(request.kind, StreamKind::Connect);
        assert_eq!(request.method, Method::Connect);
        assert!(request.head.is_empty());
    }
}

#[test]
fn one_empty_line_before_a_request_is_ignored() {
    let record = in_all_splits(|play| {
        play.browser("\r\nGET http://site.test/ HTTP/1.1\r\nHost: site.test\r\n\r\n");
    });
    assert_eq!(record.to_stream(), forwarded("GET /", "Connection: close\r\n"));
    assert_eq!(record.log(), "open site.test:80");
}

#[test]
fn limits_are_exact() {
    let limits = Limits { max_head: 100, max_start_line: 40, max_headers: 3 };
    let read =
        |text: &str| request::read(&mut HeadSearch::new(), text.as_bytes(), &limits, &Scope::Any);
    let line = |length: usize| {
        let url = "a".repeat(length - "GET http://h/ HTTP/1.1".len());
        format!("GET http://h/{url} HTTP/1.1\r\nHost: h\r\n")
    };
    assert!(read(&format!("{}\r\n", line(40))).unwrap().is_some());
    let refused = read(&line(41)).unwrap_err();
    assert_eq!(refused.status(), 414);
    assert!(read(&format!("{}A:\r\nB:\r\n\r\n", line(30))).unwrap().is_some());
    let refused = read(&format!("{}A:\r\nB:\r\nC:\r\n", line(30))).unwrap_err();
    assert_eq!(refused.status(), 431);
    let filled = |length: usize| {
        let start = line(30);
        let filling = "b".repeat(length - start.len() - "A:\r\n\r\n".len());
        format!("{start}A:{filling}\r\n\r\n")
    };
    assert!(read(&filled(100)).unwrap().is_some());
    assert_eq!(read(&filled(101)).unwrap_err().status(), 431);
    // Full without an end: more would never be asked for.
    assert_eq!(read(&filled(101)[..100]).unwrap_err().status(), 431);
    assert!(read(&filled(101)[..99]).unwrap().is_none());
}

#[test]
fn a_proxy_knows_its_own_mark_again() {
    const MARK: &str = "sc_server-0123456789";
    let read = |fields: &str| {
        let text = format!("GET http://a/ HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let (mut search, limits) = (HeadSearch::new(), Limits::default());
        request::read_marked(&mut search, text.as_bytes(), &limits, &Scope::Any, MARK).map(drop)
    };
    for other in ["", "Via: 1.0 fred\r\nvia: 1.1 b (c)\r\n", "Via: 1.1 sc_server-01234567890\r\n"] {
        assert_eq!(read(other), Ok(()), "{other}");
    }
    for again in
        ["Via: 1.1 sc_server-0123456789\r\n", "Via: 1.1 a,1.1\tsc_server-0123456789(x)\r\n"]
    {
        assert_eq!(read(again), Err(Refused::Loop), "{again}");
    }
    let connect = format!("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nVia: 1.1 {MARK}\r\n\r\n");
    let (mut search, limits) = (HeadSearch::new(), Limits::default());
    let read = request::read_marked(&mut search, connect.as_bytes(), &limits, &Scope::Any, MARK);
    assert_eq!(read.unwrap_err(), Refused::Loop);
}

#[test]
fn who_reads_the_answer() {
    for (accept, reader) in [
        ("", Reader::Program),
        ("Accept: */*\r\n", Reader::Program),
        ("Accept: text/plain, text/html-x\r\n", Reader::Program),
        ("Accept: application/xml\r\nAccept: TEXT/HTML;q=0.9\r\n", Reader::Person),
    ] {
        let text = format!("GET http://a/ HTTP/1.1\r\nHost: a\r\n{accept}\r\n");
        assert_eq!(parse(&text).unwrap().reader, reader, "{accept}");
    }
}
