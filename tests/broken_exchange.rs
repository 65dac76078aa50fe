//! Exchanges that break in the middle: a browser must never take half an answer for a whole one.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::thread;

use sc_tests::deployment::Tunnel;
use sc_tests::http::{self, Connection, Head};
use sc_tests::shared::Shared;
use sc_tests::site::Site;
use sc_tests::{usage, wait};

/// Browsers that go away at once: more than both programs open files of their own.
const USERS: usize = 32;

static TUNNEL: Shared<Tunnel> = Shared::new(Tunnel::start);

/// Asks for half an answer, reads that half, has the site reset its connection, and says how
/// `user`'s ends.
fn rest_of_cut_answer(mut user: Connection, target: &str, host: &str) -> io::Result<usize> {
    let head = format!("POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n\r\n");
    user.send(head)?;
    assert_eq!(user.read_head()?.status(), 200);
    let mut half = Vec::new();
    while !half.ends_with(b"half of it") {
        assert!(user.reader().read_until(b't', &mut half)? > 0, "{half:?}");
    }
    user.send("never")?;
    user.read_to_end(&mut Vec::new())
}

/// The same by plain HTTP.
fn rest_by_http(framing: &str) -> io::Result<usize> {
    let (tunnel, site) = (TUNNEL.lease(), Site::start());
    let user = Connection::open(tunnel.proxy)?;
    rest_of_cut_answer(user, &site.url(&format!("/cut/{framing}")), &site.address().to_string())
}

#[test]
fn a_cut_answer_with_a_length_ends_the_connection() {
    // A reset or an early end: the length tells the browser either way.
    assert!(matches!(rest_by_http("length"), Ok(0) | Err(_)));
}

#[test]
fn a_cut_chunked_answer_gets_no_last_chunk() {
    assert!(matches!(rest_by_http("chunked"), Ok(0) | Err(_)));
}

#[test]
fn a_cut_answer_until_close_is_a_reset_for_the_browser_too() {
    // An orderly end would mean that the answer is complete.
    let end = rest_by_http("close");
    assert!(end.is_err(), "an orderly end: {end:?}");
}

#[test]
fn a_reset_of_the_site_is_a_reset_for_a_connect_user() {
    let (tunnel, site) = (TUNNEL.lease(), Site::start());
    let host = site.address().to_string();
    let user = Connection::through(tunnel.proxy, &host).unwrap();
    let end = rest_of_cut_answer(user, "/cut/close", &host);
    assert!(end.is_err(), "an orderly end: {end:?}");
}

#[test]
fn a_site_that_says_nothing_of_http_is_a_bad_gateway() {
    let tunnel = TUNNEL.lease();
    for answer in [
        &b"SSH-2.0-OpenSSH_9.9\r\n"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA : b\r\n\r\n0\r\n\r\n",
        b"",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let site = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // The whole request is read first, so that the end is orderly.
            let _ = Head::read(&mut BufReader::new(&stream));
            stream.write_all(answer).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let shown = String::from_utf8_lossy(answer);
        let answer = http::get(tunnel.proxy, &format!("http://{address}/")).unwrap();
        assert_eq!(answer.status(), 502, "{shown:?}: {}", answer.text());
        site.join().unwrap();
    }
}

#[test]
fn a_browser_that_goes_away_ends_the_sites_work() {
    let (tunnel, site) = (TUNNEL.lease(), Site::start());
    let before = tunnel.pids().map(usage::open_files);
    let length: u64 = 4 * 1024 * 1024 * 1024;
    let (url, host) = (site.url(&format!("/bytes/{length}")), site.address());
    let ask = |_| {
        let mut user = Connection::open(tunnel.proxy).unwrap();
        user.send(format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n")).unwrap();
        user.read_head().unwrap();
        user
    };
    let users: Vec<_> = (0..USERS).map(ask).collect();
    drop(users);
    // The site cannot send 4 GiB to nobody: it is told, and its connection is closed. Both programs
    // open some files of their own when they are first needed: the database, a REST call.
    wait::until("the descriptors to be given back", || {
        let now = tunnel.pids().map(usage::open_files);
        now.iter().zip(before).all(|(now, before)| *now < before + USERS / 2).then_some(())
    });
    assert!(site.sent() < length * USERS as u64);
}
