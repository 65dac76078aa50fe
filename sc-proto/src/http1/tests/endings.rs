//! Conversations that do not go well, and the pages the browser gets.

use std::format;
use std::string::String;
use std::time::Duration;
use std::vec;
use std::vec::Vec;

use super::play::{Play, Record, in_all_splits};
use crate::contract::{AccessRefused, DialFailure, ResetReason, TunnelName};
use crate::http1::{BrowserEnd, Failure, Front, Phase};

const GET: &str = "GET http://site.test/ HTTP/1.1\r\nHost: site.test\r\n\r\n";
const POST: &str =
    "POST http://site.test/ HTTP/1.1\r\nHost: site.test\r\nContent-Length: 9\r\n\r\n";
const CONNECT: &str = "CONNECT site.test:443 HTTP/1.1\r\nHost: site.test:443\r\n\r\n";

/// The page of a request that fails at once.
fn failed(request: &str, failure: Failure) -> Record {
    in_all_splits(|play| {
        play.browser(request);
        play.fail(failure);
    })
}

#[test]
fn dial_failures() {
    for (failure, status, code) in [
        (DialFailure::Refused, "502 Bad Gateway", "dial-refused"),
        (DialFailure::Unreachable, "502 Bad Gateway", "dial-unreachable"),
        (DialFailure::TimedOut, "504 Gateway Timeout", "dial-timeout"),
        (DialFailure::NameNotFound, "502 Bad Gateway", "name-not-found"),
        (DialFailure::Denied, "403 Forbidden", "denied"),
        (DialFailure::Tls, "502 Bad Gateway", "dial-tls"),
        (DialFailure::CertificateExpired, "502 Bad Gateway", "tls-certificate-expired"),
        (DialFailure::CertificateNotYetValid, "502 Bad Gateway", "tls-certificate-not-yet-valid"),
        (DialFailure::CertificateIssuer, "502 Bad Gateway", "tls-certificate-issuer"),
        (DialFailure::CertificateName, "502 Bad Gateway", "tls-certificate-name"),
        (DialFailure::Certificate, "502 Bad Gateway", "tls-certificate"),
        (DialFailure::NotTls, "502 Bad Gateway", "tls-not-spoken"),
        (DialFailure::TlsTimedOut, "504 Gateway Timeout", "tls-timeout"),
        (DialFailure::ProxyTls, "502 Bad Gateway", "proxy-tls"),
        (DialFailure::Resources, "503 Service Unavailable", "client-resources"),
        (DialFailure::Other, "502 Bad Gateway", "dial-failed"),
    ] {
        let record = failed(GET, Failure::Dial(failure));
        check_page(&record.to_browser(), status, code, "keep-alive");
        assert!(record.to_browser().contains("site.test:80"));
        assert_eq!(record.log(), "open site.test:80; failed KeepAlive");
        let record = failed(CONNECT, Failure::Dial(failure));
        check_page(&record.to_browser(), status, code, "close");
        assert!(record.to_browser().contains("site.test:443"));
        assert_eq!(record.log(), "tunnel site.test:443; failed Close");
    }
}

/// A page has a true length, the fields it should have, and text of more than one line.
fn check_page(page: &str, status: &str, code: &str, connection: &str) {
    let (head, body) = page.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{page}");
    for field in [
        format!("Content-Length: {}", body.len()),
        format!("X-Sc-Error: {code}"),
        format!("Connection: {connection}"),
        String::from("Content-Type: text/plain; charset=utf-8"),
    ] {
        assert!(head.lines().any(|line| line == field), "{field}: {page}");
    }
    assert_eq!(body.lines().count(), 3, "{page}");
    assert!(body.lines().all(|line| line.len() > 10 && line.ends_with(['.', '/'])), "{page}");
    assert!(body.ends_with(&format!(" ({code}).\n")), "{page}");
}

#[test]
fn failures_of_the_tunnel() {
    for (failure, status, code) in [
        (Failure::NotConnected, "503 Service Unavailable", "tunnel-not-connected"),
        (Failure::TooManyStreams, "503 Service Unavailable", "too-many-streams"),
        (Failure::NoReply, "504 Gateway Timeout", "tunnel-timeout"),
        (Failure::SessionLost, "502 Bad Gateway", "tunnel-lost"),
        (Failure::Reset(ResetReason::ConnectionLost), "502 Bad Gateway", "site-connection-lost"),
        (Failure::Reset(ResetReason::ShuttingDown), "502 Bad Gateway", "tunnel-ending"),
    ] {
        check_page(&failed(GET, failure).to_browser(), status, code, "keep-alive");
        // The body that still comes may be taken for a request.
        check_page(&failed(POST, failure).to_browser(), status, code, "close");
    }
}

#[test]
fn pages_for_head_have_no_body() {
    let record = failed(&GET.replace("GET", "HEAD"), Failure::NotConnected);
    let page = record.to_browser();
    assert!(page.ends_with("\r\n\r\n"), "{page}");
    assert!(!page.contains("Content-Length: 0\r\n"));
}

#[test]
fn the_connection_goes_on_after_a_page() {
    let record = in_all_splits(|play| {
        play.browser(GET);
        play.dial_failed(DialFailure::Refused);
        assert_eq!(play.phase(), Phase::Idle);
        play.browser(GET);
        play.opened();
        play.site("HTTP/1.1 204 No Content\r\n\r\n");
    });
    assert!(
        record
            .to_browser()
            .ends_with("\nHTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n")
    );
}

#[test]
fn bytes_after_a_failed_connect_are_no_request() {
    let record = in_all_splits(|play| {
        play.browser(format!("{CONNECT}{GET}"));
        play.dial_failed(DialFailure::Refused);
        play.browser(GET);
        assert_eq!(play.phase(), Phase::Closed);
    });
    assert_eq!(record.to_stream(), "");
    assert_eq!(record.to_browser().matches("HTTP/1.1 ").count(), 1);
}

#[test]
fn site_closes_without_an_answer() {
    for (sent, why) in [
        ("", "the connection closed without an answer"),
        ("HTTP/1.1 100 Continue\r\n\r\n", "the connection closed without an answer"),
        ("HTTP/1.1 200 OK\r\nContent-", "the connection closed in the middle of the answer"),
    ] {
        let record = in_all_splits(|play| {
            play.browser(GET);
            play.opened();
            play.site(sent);
            play.site_ended();
        });
        assert!(record.to_browser().contains("HTTP/1.1 502 Bad Gateway\r\n"));
        let log = format!("open site.test:80; request done; broken: {why} KeepAlive");
        assert_eq!(record.log(), log);
    }
}

#[test]
fn an_answer_cut_short_is_aborted() {
    for sent in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    ] {
        let record = in_all_splits(|play| {
            play.browser(GET);
            play.opened();
            play.site(sent);
            play.site_ended();
            assert_eq!(play.phase(), Phase::Closed);
        });
        assert_eq!(record.to_browser().matches("HTTP/1.1").count(), 1);
        assert!(record.log().ends_with("in the middle of the answer Abort"), "{}", record.log());
    }
    // The session goes: until-close bodies do not end well by it, either.
    let record = in_all_splits(|play| {
        play.browser(GET);
        play.opened();
        play.site("HTTP/1.1 200 OK\r\n\r\nhell");
        play.fail(Failure::SessionLost);
    });
    assert!(record.log().ends_with("failed Abort"));
}

#[test]
fn a_bad_chunk_in_an_answer_is_aborted() {
    let record = in_all_splits(|play| {
        play.browser(GET);
        play.opened();
        play.site("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc");
    });
    assert!(record.to_browser().ends_with("2\r\nab"));
    assert!(record.log().contains("does not end where its size says Abort"));
}

#[test]
fn a_second_answer_is_nobodys() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let record = in_all_splits(|play| {
        play.browser(GET);
        play.opened();
        play.site(format!("{answer}{answer}"));
        assert_eq!(play.phase(), Phase::Idle);
    });
    assert_eq!(record.to_browser().matches("HTTP/1.1").count(), 1);
    assert_eq!(record.log(), "open site.test:80; request done; done KeepAlive; surplus");
}

#[test]
fn a_bad_request_body_after_part_of_the_answer() {
    let request =
        "POST http://site.test/ HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    let script = |play: &mut Play, answer: &str| {
        play.browser(request);
        play.opened();
        play.site(answer);
        play.browser("5\r\nhello\r\nx");
        assert_eq!(play.phase(), Phase::Closed);
    };
    let record =
        in_all_splits(|play| script(play, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"));
    assert!(record.log().ends_with("Abort"), "{}", record.log());
    assert!(record.to_browser().ends_with("hel"));
    let record = in_all_splits(|play| script(play, "HTTP/1.1 100 Continue\r\n\r\n"));
    assert!(record.log().ends_with("Close"));
    assert!(record.to_browser().contains("X-Sc-Error: bad-body\r\n"));
    assert!(record.to_stream().ends_with("5\r\nhello\r\n"));
}

#[test]
fn the_browser_goes() {
    let mut play = Play::new(usize::MAX);
    assert_eq!(play.browser_ended(), BrowserEnd::Close);
    for (opened, end) in [(false, BrowserEnd::Cancel), (true, BrowserEnd::Cancel)] {
        let mut play = Play::new(usize::MAX);
        play.browser(GET);
        if opened {
            play.opened();
        }
        assert_eq!(play.browser_ended(), end);
        assert_eq!(play.phase(), Phase::Closed);
    }
    let mut play = Play::new(usize::MAX);
    play.browser(CONNECT);
    play.opened();
    assert_eq!(play.browser_ended(), BrowserEnd::Raw);
    assert_eq!(play.phase(), Phase::Raw);
}

#[test]
fn slow_heads() {
    let record = in_all_splits(|play| {
        play.browser("GET http://site");
        play.head_timed_out();
        assert_eq!(play.phase(), Phase::Closed);
    });
    check_page(&record.to_browser(), "408 Request Timeout", "request-timeout", "close");
    let record = in_all_splits(|play| {
        play.head_timed_out();
        assert_eq!(play.phase(), Phase::Closed);
    });
    assert_eq!(record.to_browser(), "");
    let record = in_all_splits(|play| {
        play.browser(GET);
        play.head_timed_out();
        assert_eq!(play.phase(), Phase::Opening);
    });
    assert_eq!(record.to_browser(), "");
}

#[test]
fn refusals_say_what_to_do() {
    for (request, code, advice) in [
        ("GET / HTTP/1.1\r\nHost: site.test\r\n\r\n", "no-site", "curl -x"),
        (
            "GET https://site.test/ HTTP/1.1\r\nHost: site.test\r\n\r\n",
            "https-without-connect",
            "CONNECT",
        ),
        ("\x16\x03\x01", "not-http", "not as an HTTPS or SOCKS proxy"),
        ("GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", "host-conflict", "one Host field"),
    ] {
        let record = in_all_splits(|play| play.browser(request));
        check_page(&record.to_browser(), "400 Bad Request", code, "close");
        assert!(record.to_browser().contains(advice));
    }
}

/// Thousands of idle connections hold one of these each.
#[test]
fn a_front_is_small() {
    let size = size_of::<Front>();
    assert!(size <= 72, "{size}");
}

/// What a browser sends that shows a page to a person.
const ACCEPT: &str = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n\r\n";

fn as_browser(request: &str) -> String {
    format!("{}\r\n{ACCEPT}", request.strip_suffix("\r\n\r\n").unwrap())
}

#[test]
fn a_person_gets_a_page_and_a_program_gets_text() {
    let page = failed(&as_browser(GET), DialFailure::Refused.into()).to_browser();
    let (head, body) = page.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("\r\nContent-Type: text/html; charset=utf-8\r\n"), "{page}");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{page}");
    assert!(body.starts_with("<!DOCTYPE html>") && body.ends_with("</html>\n"), "{page}");
    for said in
        ["site.test:80", "dial-refused", "Nothing listens", "from the sc client to the site"]
    {
        assert!(body.contains(said), "{said}: {page}");
    }
    // It needs nothing else, in either colour.
    assert!(body.contains("color-scheme:light dark"), "{page}");
    assert!(
        !body.contains("<script") && !body.contains("src=") && !body.contains("url("),
        "{page}"
    );
    for accept in ["*/*", "image/avif,image/webp,*/*", "application/json, text/plain"] {
        let request = as_browser(GET).replace("text/html,application/xhtml+xml,*/*;q=0.8", accept);
        let page = failed(&request, DialFailure::Refused.into()).to_browser();
        assert!(page.contains("\r\nContent-Type: text/plain; charset=utf-8\r\n"), "{page}");
    }
    // Nobody shows it.
    let page = failed(&as_browser(CONNECT), DialFailure::Refused.into()).to_browser();
    assert!(page.contains("\r\nContent-Type: text/plain; charset=utf-8\r\n"), "{page}");
}

/// The page of a visitor who is not let in.
fn turned_away(request: &str, reason: &AccessRefused) -> Record {
    in_all_splits(|play| {
        play.browser(request);
        play.turn_away(reason);
    })
}

#[test]
fn visitors_are_asked_who_they_are() {
    let page = turned_away(GET, &AccessRefused::Credentials).to_browser();
    check_page(&page, "407 Proxy Authentication Required", "credentials", "keep-alive");
    assert!(page.contains("\r\nProxy-Authenticate: Basic realm=\"sc\", charset=\"UTF-8\"\r\n"));
    // The body still comes; what follows a CONNECT may be anything.
    for request in [POST, CONNECT] {
        let page = turned_away(request, &AccessRefused::Credentials).to_browser();
        check_page(&page, "407 Proxy Authentication Required", "credentials", "close");
    }
    let later = AccessRefused::TooManyAttempts { retry_after: Duration::from_millis(1500) };
    let page = turned_away(GET, &later).to_browser();
    check_page(&page, "429 Too Many Requests", "too-many-attempts", "keep-alive");
    assert!(page.contains("\r\nRetry-After: 1\r\n"), "{page}");
    let page = turned_away(GET, &AccessRefused::Unchecked).to_browser();
    check_page(&page, "503 Service Unavailable", "access-unchecked", "keep-alive");
}

#[test]
fn an_unknown_tunnel_is_answered_with_those_that_run() {
    let name = |name: &str| Some(name.into());
    let page = |wanted: Option<&str>, running: Vec<TunnelName>| {
        let wanted = wanted.map(Into::into);
        let page = turned_away(GET, &AccessRefused::NoSuchTunnel { wanted, running });
        check_page(&page.to_browser(), "503 Service Unavailable", "no-such-tunnel", "keep-alive");
        page.to_browser()
    };
    let shown = page(Some("ci"), vec![name("a\"b"), None]);
    assert!(shown.contains("named \"ci\"") && shown.contains("\"a\\\"b\", one without a name."));
    assert!(page(None, vec![]).contains("no running tunnel"));
    let many = vec![name("x"); 33];
    assert!(page(None, many).contains("\"x\", and 13 more."));
    // As a page, with its names made harmless.
    let running = vec![name("<script>&")];
    let reason = AccessRefused::NoSuchTunnel { wanted: Some("<b>".into()), running };
    let shown = turned_away(&as_browser(GET), &reason).to_browser();
    assert!(shown.contains("&lt;script&gt;&amp;") && shown.contains("&lt;b&gt;"), "{shown}");
    assert!(!shown.contains("<script>") && !shown.contains("<b>"), "{shown}");
}
