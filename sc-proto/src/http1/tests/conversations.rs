//! Whole conversations that go well.

use std::format;

use super::play::{Record, in_all_splits};
use crate::http1::Phase;

const GET: &str = "GET http://site.test/ HTTP/1.1\r\nHost: site.test\r\n\r\n";
const SENT: &str = "GET / HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\n";
const OPEN: &str = "open site.test:80; request done; ";

fn post(fields: &str) -> std::string::String {
    format!("POST http://site.test/ HTTP/1.1\r\nHost: site.test\r\n{fields}\r\n")
}

fn posted(fields: &str) -> std::string::String {
    format!("POST / HTTP/1.1\r\nHost: site.test\r\n{fields}Connection: close\r\n\r\n")
}

/// Asks with `request` and is answered with `answer`, which ends with the stream.
fn exchange(request: &str, answer: &str) -> Record {
    in_all_splits(|play| {
        play.browser(request);
        play.opened();
        play.site(answer);
        play.site_ended();
    })
}

#[test]
fn keep_alive() {
    let record = in_all_splits(|play| {
        for _ in 0..3 {
            assert_eq!(play.phase(), Phase::Idle);
            play.browser(GET);
            assert_eq!(play.phase(), Phase::Opening);
            play.opened();
            assert_eq!(play.phase(), Phase::Exchange);
            play.site("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
        }
    });
    assert_eq!(record.to_stream(), SENT.repeat(3));
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello";
    assert_eq!(record.to_browser(), answer.repeat(3));
    assert_eq!(record.log.len(), 9);
    assert!(record.log().starts_with(&format!("{OPEN}done KeepAlive; open")));
}

#[test]
fn pipelined_requests_wait_for_their_turn() {
    let record = in_all_splits(|play| {
        let body = format!("{}abc", post("Content-Length: 3\r\n"));
        play.browser(format!("{GET}{body}\r\n{GET}"));
        play.opened();
        assert_eq!(play.record.to_stream(), SENT);
        play.site("HTTP/1.1 204 No Content\r\n\r\n");
        assert!(play.record.to_stream().ends_with(&posted("Content-Length: 3\r\n")));
        play.opened();
        assert!(play.record.to_stream().ends_with("abc"));
        play.site("HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n");
        play.opened();
        play.site("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    assert_eq!(
        record.to_browser(),
        "HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n\
         HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nConnection: keep-alive\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"
    );
    assert_eq!(record.log.len(), 9);
}

#[test]
fn head_has_no_body() {
    let request = GET.replace("GET", "HEAD");
    let record = in_all_splits(|play| {
        play.browser(format!("{request}{GET}"));
        play.opened();
        play.site("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    });
    assert!(
        record.to_browser().ends_with("Content-Length: 1000\r\nConnection: keep-alive\r\n\r\n")
    );
    assert_eq!(record.log(), format!("{OPEN}done KeepAlive; open site.test:80"));
}

#[test]
fn expect_continue() {
    let record = in_all_splits(|play| {
        play.browser(post("Expect: 100-continue\r\nContent-Length: 5\r\n"));
        play.opened();
        play.site("HTTP/1.1 100 Continue\r\n\r\n");
        assert_eq!(play.record.to_browser(), "HTTP/1.1 100 Continue\r\n\r\n");
        play.browser("hello");
        play.site("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
        play.site("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    });
    let sent = posted("Expect: 100-continue\r\nContent-Length: 5\r\n");
    assert_eq!(record.to_stream(), format!("{sent}hello"));
    assert_eq!(
        record.to_browser(),
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
         HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"
    );
    assert_eq!(record.log(), format!("{OPEN}done KeepAlive"));
}

#[test]
fn chunked_both_ways_with_trailers() {
    let body = "5;x=y\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n";
    let clean = "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n";
    let coding = "Transfer-Encoding: chunked\r\n";
    let record = in_all_splits(|play| {
        play.browser(format!("{}{body}{GET}", post(coding)));
        play.opened();
        play.site(format!("HTTP/1.1 200 OK\r\n{coding}\r\n{body}"));
    });
    assert_eq!(record.to_stream(), format!("{}{clean}{SENT}", posted(coding)));
    let head = format!("HTTP/1.1 200 OK\r\n{coding}Connection: keep-alive\r\n\r\n");
    assert_eq!(record.to_browser(), format!("{head}{clean}"));
    assert_eq!(record.log(), format!("{OPEN}done KeepAlive; open site.test:80"));
}

#[test]
fn until_close() {
    let record = exchange(GET, "HTTP/1.0 200 OK\r\n\r\nall of it");
    assert_eq!(record.to_browser(), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it");
    assert_eq!(record.log(), format!("{OPEN}done Close"));
}

#[test]
fn http_1_0_browser() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                   5;x\r\nhello\r\n6\r\n world\r\n0\r\nX: y\r\n\r\n";
    let record = in_all_splits(|play| {
        play.browser("GET http://site.test/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        play.opened();
        play.site("HTTP/1.1 100 Continue\r\n\r\n");
        play.site("HTTP/1.1 103 Early Hints\r\n\r\n");
        play.site(chunked);
    });
    assert_eq!(record.to_stream(), SENT);
    assert_eq!(record.to_browser(), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello world");
    assert_eq!(record.log(), format!("{OPEN}done Close"));
}

#[test]
fn the_browser_may_ask_to_close() {
    let record = in_all_splits(|play| {
        play.browser(GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
        play.opened();
        play.site("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        play.browser(GET);
        assert_eq!(play.phase(), Phase::Closed);
    });
    assert!(record.to_browser().ends_with("Connection: close\r\n\r\nok"));
    assert_eq!(record.to_stream(), SENT);
}

#[test]
fn connect() {
    let record = in_all_splits(|play| {
        play.browser("CONNECT site.test:443 HTTP/1.1\r\nHost: site.test:443\r\n\r\n\x16early");
        assert_eq!(play.record.to_stream(), "");
        play.opened();
        assert_eq!(play.phase(), Phase::Raw);
        play.browser("\0more");
        play.site("\x16bytes\r\n\r\n");
        play.site_ended();
    });
    assert_eq!(record.to_stream(), "\x16early\0more");
    assert_eq!(record.to_browser(), "HTTP/1.1 200 Connection Established\r\n\r\n\x16bytes\r\n\r\n");
    assert_eq!(record.log(), "tunnel site.test:443; raw end");
}

const UPGRADE: &str = "GET http://site.test/ws HTTP/1.1\r\nHost: site.test\r\n\
                       Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

#[test]
fn websocket() {
    let head = "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\n\
                Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let record = in_all_splits(|play| {
        play.browser(UPGRADE);
        play.opened();
        play.site(format!("{head}\u{81}hello"));
        play.browser("\u{81}world");
        assert_eq!(play.phase(), Phase::Raw);
    });
    let sent = "GET /ws HTTP/1.1\r\nHost: site.test\r\n\
                Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(record.to_stream(), format!("{sent}\u{81}world"));
    assert_eq!(record.to_browser(), format!("{head}\u{81}hello"));
}

#[test]
fn refused_upgrade_stays_http() {
    let record = in_all_splits(|play| {
        play.browser(UPGRADE);
        play.opened();
        play.site("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
        play.browser(GET);
        play.opened();
        play.site("HTTP/1.1 204 No Content\r\n\r\n");
    });
    assert!(record.to_browser().starts_with(
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nno"
    ));
    assert!(record.to_stream().ends_with(SENT));
    assert_eq!(record.log().matches("done KeepAlive").count(), 2);
}

#[test]
fn early_answer_ends_the_connection() {
    let record = in_all_splits(|play| {
        play.browser(format!("{}part", post("Content-Length: 100\r\n")));
        play.opened();
        play.site("HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nst");
        // The rest of the request may still go up, and the answer still comes down.
        play.browser(" two");
        play.site("op");
        play.browser(format!("{}{GET}", "x".repeat(92)));
    });
    let sent = posted("Content-Length: 100\r\n");
    assert_eq!(record.to_stream(), format!("{sent}part two"));
    assert_eq!(
        record.to_browser(),
        "HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nstop"
    );
    assert_eq!(record.log(), "open site.test:80; done Close");
}

/// The head said that the connection closes, so it does, though the request came to its end.
#[test]
fn early_answer_while_the_request_ends() {
    let record = in_all_splits(|play| {
        play.browser(post("Content-Length: 2\r\n"));
        play.opened();
        play.site("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
        play.browser(format!("ab{GET}"));
        play.site("ok");
    });
    assert!(record.to_browser().ends_with("Connection: close\r\n\r\nok"));
    assert_eq!(record.log(), format!("{OPEN}done Close"));
}

/// Server-sent events: what comes in goes out in the same call.
#[test]
fn nothing_is_held_back() {
    in_all_splits(|play| {
        play.browser(GET);
        play.opened();
        play.site("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for event in ["8\r\ndata: 1\n\r\n", "8\r\ndata: 2\n\r\n", "3", "\r", "\nabc", "\r\n"] {
            play.site(event);
            assert!(play.record.to_browser().ends_with(event));
        }
    });
}
