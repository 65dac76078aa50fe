//! Plain HTTP through the tunnel, byte by byte: framing, interim answers, keep-alive, pipelining,
//! headers, failures. The site and the user are the harness's own, so this runs anywhere.

use std::net::TcpListener;
use std::thread;

use sc_tests::deployment::Tunnel;
use sc_tests::http::{self, Answer, Connection};
use sc_tests::payload::{self, Digest, Payload};
use sc_tests::shared::Shared;
use sc_tests::site::Site;
use sc_tests::site::answers::CHUNKED_BODY;
use sc_tests::{scale, wait};

static TUNNEL: Shared<Tunnel> = Shared::new(Tunnel::start);

/// A request in absolute form, as a browser sends it to a proxy.
fn request(method: &str, site: &Site, path: &str, fields: &str) -> String {
    let (url, host) = (site.url(path), site.address());
    format!("{method} {url} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n")
}

fn get(user: &mut Connection, site: &Site, path: &str) -> Answer {
    user.exchange(&request("GET", site, path, "")).expect("an answer")
}

#[test]
fn every_framing_arrives_on_one_connection() {
    let (tunnel, site) = (TUNNEL.lease(), Site::start());
    let mut user = Connection::open(tunnel.proxy).unwrap();
    let answer = get(&mut user, &site, "/hello");
    assert_eq!((answer.status(), answer.text().as_str()), (200, "hello from the site\n"));
    let answer = get(&mut user, &site, "/chunked");
    assert_eq!(answer.body, CHUNKED_BODY);
    assert!(answer.trailers.contains(&("X-Check".to_owned(), "done".to_owned())), "{answer:?}");
    assert_eq!(get(&mut user, &site, "/status/204").status(), 204);
    let answer = get(&mut user, &site, "/status/304");
    assert_eq!((answer.status(), answer.head.field("Content-Length")), (304, Some("4711")));
    assert_eq!(get(&mut user, &site, "/status/500").status(), 500);
    let answer = user.exchange(&request("HEAD", &site, "/hello", "")).unwrap();
    assert_eq!((answer.status(), answer.head.field("Content-Length")), (200, Some("20")));
    assert_eq!(user.exchange(&request("HEAD", &site, "/chunked", "")).unwrap().status(), 200);
    let answer = get(&mut user, &site, "/chunked-bytes/1000000");
    assert!(answer.body == Payload::new(1_000_000, 1_000_000).bytes());
    let answer = get(&mut user, &site, "/early-hints");
    assert_eq!(answer.text(), "after the hints\n");
    // Its end is the end of the connection, so this comes last.
    assert_eq!(get(&mut user, &site, "/until-close").text(), "until the connection ends\n");
}

#[test]
fn a_revalidation_has_its_304() {
    let (tunnel, site) = (TUNNEL.lease(), Site::start());
    let mut user = Connection::open(tunnel.proxy).unwrap();
    let fresh = get(&mut user, &site, "/cached");
    assert_eq!((fresh.status(), fresh.head.field("ETag")), (200, Some("\"1\"")));
    let again = request("GET", &site, "/cached", "If-None-Match: \"1\"\r\n");
    assert_eq!(user.exchange(&again).unwrap().status(), 304);
    assert_eq!(get(&mut user, &site, "/hello").status(), 200);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (tunnel, site) = (TUNNEL.lease(), Site::start());
    let mut user = Connection::open(tunnel.proxy).unwrap();
    let statuses = [200, 404, 500, 201, 503, 204, 418];
    let all: String =
        statuses.iter().map(|code| request("GET", &site, &format!("/status/{code}"), "")).collect();
    user.send(all).unwrap();
    for status in statuses {
        assert_eq!(user.read_answer("GET").unwrap().status(), status);
    }
}

#[test]
fn one_connection_may_ask_several_sites() {
    let (tunnel, one, other) = (TUNNEL.lease(), Site::start(), Site::start());
    let mut user = Connection::open(tunnel.proxy).unwrap();
    for site in [&one, &other, &one] {
        assert_eq!(get(&mut user, site, "/hello").status(), 200);
    }
    assert_eq!((one.received("/").len(), other.received("/").len()), (2, 1));
}

#[test]
fn the_site_sees_an_origin_request_without_the_hop() {
    let (tunnel, site) = (TUNNEL.lease(), Site::start());
    let fields = "X-Kept: yes\r\nProxy-Connection: keep-alive\r\nX-Mine: hop\r\n\
                  Connection: keep-alive, X-Mine\r\nProxy-Authorization: Basic eDp5\r\n\
                  Keep-Alive: timeout=5\r\n";
    let answer = Connection::open(tunnel.proxy).unwrap().exchange(&request(
        "GET",
        &site,
        "/head?q=1",
        fields,
    ));
    assert_eq!(answer.unwrap().status(), 200);
    let head = site.received("/head").remove(0).head;
    assert_eq!(head.start, "GET /head?q=1 HTTP/1.1");
    assert_eq!(head.all("Host"), [site.address().to_string()]);
    assert_eq!(head.field("X-Kept"), Some("yes"));
    for name in ["Proxy-Connection", "X-Mine", "Proxy-Authorization", "Keep-Alive"] {
        assert_eq!(head.field(name), None, "{name} went on to the site");
    }
}

#[test]
fn a_body_goes_up_only_when_the_site_asks_for_it() {
    let (tunnel, site) = (TUNNEL.lease(), Site::start());
    let mut user = Connection::open(tunnel.proxy).unwrap();
    let body = Payload::new(1, 300_000);
    let fields = "Expect: 100-continue\r\nContent-Length: 300000\r\n";
    user.send(request("PUT", &site, "/digest", fields)).unwrap();
    // The site's 100, not one of the proxy's own making: nothing of the body is under way yet.
    assert_eq!(user.read_head().unwrap().status(), 100);
    assert_eq!(site.raw().len(), 1);
    assert!(site.raw()[0].ends_with(b"\r\n\r\n"));
    payload::send(body.clone(), &mut user).unwrap();
    assert_eq!(user.read_answer("PUT").unwrap().text(), format!("300000 {}\n", body.sha256()));
    assert_eq!(get(&mut user, &site, "/hello").status(), 200);
}

#[test]
fn a_refused_expectation_comes_back_at_once() {
    let (tunnel, site) = (TUNNEL.lease(), Site::start());
    let mut user = Connection::open(tunnel.proxy).unwrap();
    let fields = "Expect: 100-continue\r\nContent-Length: 300000\r\n";
    user.send(request("PUT", &site, "/refuse-body", fields)).unwrap();
    assert_eq!(user.read_answer("PUT").unwrap().status(), 417);
}

#[test]
fn a_chunked_upload_arrives_whole_with_its_trailer() {
    let (tunnel, site) = (TUNNEL.lease(), Site::start());
    let mut user = Connection::open(tunnel.proxy).unwrap();
    user.send(request("POST", &site, "/digest", "Transfer-Encoding: chunked\r\n")).unwrap();
    let body = Payload::new(2, 200_000).bytes();
    for (index, part) in body.chunks(7001).enumerate() {
        let extension = if index == 3 { ";some=thing" } else { "" };
        user.send(format!("{:X}{extension}\r\n", part.len())).unwrap();
        user.send(part).unwrap();
        user.send("\r\n").unwrap();
    }
    user.send("0\r\nX-After: all\r\n\r\n").unwrap();
    let expected = format!("200000 {}\n", Payload::new(2, 200_000).sha256());
    assert_eq!(user.read_answer("POST").unwrap().text(), expected);
    let received = site.received("/digest").remove(0);
    assert_eq!(received.trailers, [("X-After".to_owned(), "all".to_owned())]);
}

#[test]
fn a_big_file_is_the_same_both_ways() {
    let (tunnel, site) = (TUNNEL.lease(), Site::start());
    let length = scale::file_bytes();
    let expected = (length, Payload::new(length, length).sha256());
    let mut user = Connection::open(tunnel.proxy).unwrap();
    user.send(request("GET", &site, &format!("/bytes/{length}"), "")).unwrap();
    let mut digest = Digest::default();
    user.read_answer_into("GET", &mut digest).unwrap();
    assert_eq!(digest.finish(), expected);
    let fields = format!("Content-Length: {length}\r\n");
    user.send(request("PUT", &site, "/digest", &fields)).unwrap();
    payload::send(Payload::new(length, length), &mut user).unwrap();
    let answer = user.read_answer("PUT").unwrap();
    assert_eq!(answer.text(), format!("{} {}\n", expected.0, expected.1));
}

#[test]
fn two_hundred_requests_are_open_at_once() {
    let (tunnel, site) = (TUNNEL.lease(), Site::start());
    const COUNT: u64 = 200;
    thread::scope(|scope| {
        let users: Vec<_> = (0..COUNT)
            .map(|_| scope.spawn(|| http::get(tunnel.proxy, &site.url("/hold"))))
            .collect();
        // None is answered before all have reached the site.
        wait::until("all requests at the site", || (site.connections() == COUNT).then_some(()));
        site.open_gate();
        for user in users {
            assert_eq!(user.join().unwrap().unwrap().status(), 200);
        }
    });
}

#[test]
fn connect_carries_any_bytes_and_each_half_close() {
    let tunnel = TUNNEL.lease();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap().to_string();
    let length = 5_000_000;
    let site = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        // Everything comes, then the end of data; only then does the answer go.
        let received = payload::sha256_of(&stream).unwrap();
        payload::send(Payload::new(8, length), &stream).unwrap();
        received
    });
    let mut user = Connection::through(tunnel.proxy, &target).unwrap();
    payload::send(Payload::new(7, length), &mut user).unwrap();
    user.stream().shutdown(std::net::Shutdown::Write).unwrap();
    let received = payload::sha256_of(&mut user).unwrap();
    assert_eq!(received, (length, Payload::new(8, length).sha256()));
    assert_eq!(site.join().unwrap(), (length, Payload::new(7, length).sha256()));
}

#[test]
fn what_cannot_be_reached_is_said_so() {
    let tunnel = TUNNEL.lease();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let answer = http::get(tunnel.proxy, &format!("http://{nobody}/")).unwrap();
    assert_eq!(answer.status(), 502, "{}", answer.text());
    assert!(answer.text().contains(&nobody.to_string()), "{}", answer.text());
    let refused = Connection::through(tunnel.proxy, &nobody.to_string()).unwrap_err().to_string();
    assert!(refused.starts_with("HTTP/1.1 502 "), "{refused}");
    // RFC 6761: this name never exists.
    let answer = http::get(tunnel.proxy, "http://nowhere.invalid/").unwrap();
    assert_eq!(answer.status(), 502, "{}", answer.text());
    assert!(answer.text().contains("nowhere.invalid"), "{}", answer.text());
}
