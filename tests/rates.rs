//! Version 4's limits of bytes a second, by the binary.

use std::time::{Duration, Instant};

use sc_tests::http::{self, Connection};
use sc_tests::office::Office;
use sc_tests::site::Site;

/// Bytes a second, and what is carried: four seconds of it.
const LIMIT: u64 = 250_000;
const SIZE: usize = 1_000_000;

/// How long something takes.
fn timed(mut what: impl FnMut()) -> Duration {
    let begun = Instant::now();
    what();
    begun.elapsed()
}

#[test]
fn what_is_read_from_sites_has_its_limit() {
    let (site, limit) = (Site::start(), LIMIT.to_string());
    let office = Office::v4(&["--scproxy-read-limit", &limit]);
    let took = timed(|| {
        let answer = http::get(office.tunnel.proxy, &site.url(&format!("/bytes/{SIZE}"))).unwrap();
        assert_eq!(answer.body.len(), SIZE);
    });
    // A tenth of a second's worth passes at once.
    assert!(took > Duration::from_millis(3800), "{took:?}");
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn what_is_written_to_sites_has_its_limit() {
    let (site, limit) = (Site::start(), LIMIT.to_string());
    let variables = [("SAUCE_SCPROXY_WRITE_LIMIT", limit.as_str())];
    let office = Office::start(sc_tests::deployment::CommandLine::Version4, &[], &variables);
    let (url, host) = (site.url("/digest"), site.address());
    let took = timed(|| {
        let mut user = Connection::open(office.tunnel.proxy).unwrap();
        let head = format!("POST {url} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {SIZE}\r\n\r\n");
        user.send(head).unwrap();
        user.send(vec![b'x'; SIZE]).unwrap();
        assert_eq!(user.read_answer("POST").unwrap().status(), 200);
    });
    assert!(took > Duration::from_millis(3800), "{took:?}");
    assert!(took < Duration::from_secs(20), "{took:?}");
}
