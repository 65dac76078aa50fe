//! What a client lets out, and by which way: rules, and hops before a site.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use std::time::Duration;

use sc_proto::contract::StreamKind;
use sc_proto::egress::{Bypass, LocalhostPolicy, Way, WayChoice};
use sc_proto::rules::HostRules;
use sc_proto::{Command, Event, ListenerId, SocketId};
use world::traffic::{pattern, transfer};
use world::{End, World};

/// Sends a request and gives the browser's end.
fn ask(world: &mut World, proxy: ListenerId, request: &str) -> End {
    let browser = world.browse(0, proxy).unwrap();
    world.send(browser, request.as_bytes());
    world.run();
    browser
}

fn get(host: &str) -> String {
    format!("GET http://{host}/path HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

fn connect(host: &str) -> String {
    format!("CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n")
}

#[test]
fn a_denied_site_is_answered_403_and_never_dialled() {
    let (mut world, proxy) = World::tunnel(60, |config| {
        config.egress.deny = HostRules::expressions([r"(^|\.)secret\.test$"]).ok();
    });
    for request in [get("secret.test"), connect("a.secret.test")] {
        let browser = ask(&mut world, proxy, &request);
        let page = world.take_all(browser);
        assert!(page.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{page}");
        assert!(page.contains("X-Sc-Error: denied\r\n"), "{page}");
        assert!(page.contains("secret.test"), "{page}");
    }
    assert!(world.sites.is_empty());
    ask(&mut world, proxy, &get("app.test"));
    assert_eq!(world.sites.pop_front().unwrap().0, "app.test:80");
    assert_eq!(world.cores[0].statistics().streams, 1);
}

#[test]
fn a_denied_localhost_says_so() {
    let (mut world, proxy) = World::tunnel(61, |config| {
        config.egress.localhost.policy = LocalhostPolicy::Deny;
        config.egress.localhost.names = [Box::from("alias.test")].into();
    });
    for host in ["localhost", "127.0.0.1", "alias.test"] {
        let browser = ask(&mut world, proxy, &get(host));
        let page = world.take_all(browser);
        assert!(page.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{page}");
        assert!(page.contains("X-Sc-Error: localhost-denied\r\n"), "{page}");
        assert!(page.contains("--proxy-localhost"), "{page}");
    }
    assert!(world.sites.is_empty());
}

/// A way by a proxy of this URL.
fn way(url: &str) -> Way {
    Way::parse(url).unwrap()
}

/// A tunnel whose client uses these ways.
fn tunnel_by(seed: u64, ways: &[&str]) -> (World, ListenerId) {
    let ways: Vec<_> = ways.iter().map(|url| way(url)).collect();
    World::tunnel(seed, |config| {
        config.egress.ways =
            WayChoice::Fixed { ways: ways.clone().into(), bypass: Bypass::default() };
    })
}

/// The proxy that was dialled: takes what it was told.
fn hop(world: &mut World, address: &str) -> (End, String) {
    let (dialled, end) = world.sites.pop_front().unwrap();
    assert_eq!(dialled, address);
    let told = world.take_all(end);
    (end, told)
}

#[test]
fn a_connect_goes_by_the_proxy_and_the_sites_first_bytes_are_not_lost() {
    let (mut world, proxy) = tunnel_by(62, &["http://u:p@proxy.test:3128"]);
    let browser = ask(&mut world, proxy, &connect("app.test"));
    let (hop, told) = hop(&mut world, "proxy.test:3128");
    assert_eq!(
        told,
        "CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\
         Proxy-Authorization: Basic dTpw\r\n\r\n"
    );
    assert_eq!(world.take_all(browser), "", "the site is not reached yet");
    world.send(hop, b"HTTP/1.1 200 OK\r\n\r\nSSH-2.0-early");
    world.run();
    let begin = "HTTP/1.1 200 Connection Established\r\n\r\nSSH-2.0-early";
    assert_eq!(world.take_all(browser), begin);
    transfer(&mut world, browser, hop, &pattern(300_000));
    transfer(&mut world, hop, browser, &pattern(300_000));
    world.close(browser);
    world.run();
    assert!(world.has_ended(hop));
    world.close(hop);
    world.run();
    assert_eq!(world.cores[1].statistics().proxied, 0);
    let counted = world.cores[1].statistics().counters;
    assert_eq!((counted.proxied.connected, counted.proxied.closed), (1, 1));
}

#[test]
fn what_the_proxy_refuses_is_told_with_the_hop_that_failed() {
    for (status, line, code) in [
        ("407 Proxy Authentication Required", "502", "proxy-credentials"),
        ("403 Filtered", "403", "proxy-denied"),
        ("502 Bad Gateway", "502", "proxy-failed"),
        ("504 Gateway Timeout", "504", "proxy-timeout"),
        ("nonsense", "502", "proxy-protocol"),
    ] {
        let (mut world, proxy) = tunnel_by(63, &["proxy.test:3128"]);
        let browser = ask(&mut world, proxy, &connect("app.test"));
        let (hop, _) = hop(&mut world, "proxy.test:3128");
        world.send(hop, format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nno").as_bytes());
        world.run();
        let page = world.take_all(browser);
        assert!(page.starts_with(&format!("HTTP/1.1 {line} ")), "{status}: {page}");
        assert!(page.contains(&format!("X-Sc-Error: {code}\r\n")), "{status}: {page}");
        assert!(page.contains("upstream proxy") && page.contains("app.test"), "{page}");
        assert!(world.has_ended(hop), "{status}");
        let counted = world.cores[1].statistics().counters;
        assert_eq!(counted.dial_failures.total(), 1);
        assert_eq!((counted.proxied.connected, counted.proxied.closed), (1, 1));
    }
}

#[test]
fn a_silent_proxy_and_one_that_hangs_up_are_told() {
    let (mut world, proxy) = tunnel_by(64, &["proxy.test:3128"]);
    let browser = ask(&mut world, proxy, &connect("app.test"));
    world.pass(Duration::from_secs(59));
    assert_eq!(world.take_all(browser), "");
    world.pass(Duration::from_secs(2));
    let page = world.take_all(browser);
    assert!(page.starts_with("HTTP/1.1 504 ") && page.contains("proxy-timeout"), "{page}");

    let (mut world, proxy) = tunnel_by(65, &["proxy.test:3128"]);
    let browser = ask(&mut world, proxy, &connect("app.test"));
    let (hop, _) = hop(&mut world, "proxy.test:3128");
    world.send(hop, b"HTTP/1.1 200");
    world.close(hop);
    world.run();
    let page = world.take_all(browser);
    assert!(page.starts_with("HTTP/1.1 502 ") && page.contains("proxy-protocol"), "{page}");
}

#[test]
fn a_proxy_that_is_not_there_is_told_as_the_proxy() {
    let (mut world, proxy) = tunnel_by(66, &["refused-proxy.test:3128"]);
    let browser = ask(&mut world, proxy, &connect("app.test"));
    let page = world.take_all(browser);
    assert!(page.starts_with("HTTP/1.1 502 ") && page.contains("proxy-unreachable"), "{page}");
}

#[test]
fn a_plain_request_goes_to_an_http_proxy_in_absolute_form() {
    let (mut world, proxy) = tunnel_by(67, &["http://u:p@proxy.test:3128"]);
    // A head far larger than a stream's first window.
    let cookie = "c".repeat(30_000);
    let request = format!(
        "POST http://app.test:81/a HTTP/1.1\r\nHost: app.test:81\r\nCookie: {cookie}\r\n\
         Content-Length: 200000\r\n\r\n"
    );
    let browser = ask(&mut world, proxy, &request);
    world.send(browser, &pattern(200_000));
    world.run();
    let (hop, mut told) = hop(&mut world, "proxy.test:3128");
    let line = "POST http://app.test:81/a HTTP/1.1\r\nHost: app.test:81\r\n";
    assert!(
        told.starts_with(line),
        "{told:.200} {} {:?}",
        world.take_all(browser),
        world.cores[1].statistics()
    );
    assert!(told.contains("Proxy-Authorization: Basic dTpw\r\n") && told.contains(&cookie));
    let mut body = told.split_off(told.find("\r\n\r\n").unwrap() + 4).len();
    while body > 0 && told.len() < 1_000_000 {
        world.run();
        let more = world.take(hop, usize::MAX).len();
        if more == 0 {
            break;
        }
        body += more;
    }
    world.send(hop, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    world.run();
    assert!(world.take_all(browser).ends_with("\r\n\r\nhello"));
}

#[test]
fn an_upgrade_goes_through_an_http_proxy_by_connect() {
    let (mut world, proxy) = tunnel_by(68, &["proxy.test:3128"]);
    let request = "GET http://app.test/ws HTTP/1.1\r\nHost: app.test\r\nConnection: upgrade\r\n\
                   Upgrade: websocket\r\n\r\n";
    let browser = ask(&mut world, proxy, request);
    let (hop, told) = hop(&mut world, "proxy.test:3128");
    assert!(told.starts_with("CONNECT app.test:80 HTTP/1.1\r\n"), "{told}");
    world.send(hop, b"HTTP/1.1 200 OK\r\n\r\n");
    world.run();
    let request = world.take_all(hop);
    assert!(request.starts_with("GET /ws HTTP/1.1\r\n") && request.contains("websocket"));
    let answer = b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x00";
    world.send(hop, answer);
    world.run();
    let answer = world.take(browser, usize::MAX);
    assert!(answer.starts_with(b"HTTP/1.1 101 ") && answer.ends_with(b"\x81\x00"));
}

#[test]
fn socks_carries_plain_requests_and_connects() {
    for request in [get("app.test"), connect("app.test")] {
        let (mut world, proxy) = tunnel_by(69, &["socks5://u:p@proxy.test:1080"]);
        let browser = ask(&mut world, proxy, &request);
        let (hop, told) = hop(&mut world, "proxy.test:1080");
        assert_eq!(told.as_bytes(), [5, 2, 0, 2]);
        world.send(hop, &[5, 2]);
        world.run();
        assert_eq!(world.take_all(hop), "\u{1}\u{1}u\u{1}p");
        world.send(hop, &[1, 0]);
        world.run();
        assert!(world.take_all(hop).contains("app.test"));
        world.send(hop, &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        world.run();
        let site = world.take_all(hop);
        if request.starts_with("GET") {
            assert!(site.starts_with("GET /path HTTP/1.1\r\n"), "{site}");
        } else {
            assert!(world.take_all(browser).starts_with("HTTP/1.1 200 "));
        }
    }
}

#[test]
fn every_way_is_tried_in_order_with_what_was_sent_meanwhile() {
    let ways = ["refused-a.test:1", "b.test:2", "socks5://c.test:3"];
    let (mut world, proxy) = tunnel_by(70, &ways);
    let browser = ask(&mut world, proxy, &get("app.test"));
    // In absolute form the proxy's own answer is the answer; CONNECT can be refused.
    let (b, told) = hop(&mut world, "b.test:2");
    assert!(told.starts_with("GET http://app.test/path "), "{told}");
    world.send(b, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    world.run();
    assert!(world.take_all(browser).starts_with("HTTP/1.1 200 "));

    let browser = ask(&mut world, proxy, &connect("app.test"));
    let (b, _) = hop(&mut world, "b.test:2");
    world.send(b, b"HTTP/1.1 503 Busy\r\n\r\n");
    world.run();
    let (c, told) = hop(&mut world, "c.test:3");
    assert_eq!(told.as_bytes(), [5, 1, 0]);
    world.send(c, &[5, 0]);
    world.run();
    world.take_all(c);
    world.send(c, &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    world.run();
    assert!(world.take_all(browser).starts_with("HTTP/1.1 200 "));
    transfer(&mut world, browser, c, &pattern(100_000));

    // A proxy's rule is not walked around.
    let browser = ask(&mut world, proxy, &connect("app.test"));
    let (b, _) = hop(&mut world, "b.test:2");
    world.send(b, b"HTTP/1.1 403 No\r\n\r\n");
    world.run();
    assert!(world.take_all(browser).contains("proxy-denied"));
    assert!(world.sites.is_empty());
}

#[test]
fn a_browser_that_leaves_amid_the_handshake_takes_it_along() {
    let (mut world, proxy) = tunnel_by(71, &["proxy.test:3128"]);
    let browser = ask(&mut world, proxy, &connect("app.test"));
    let (hop, _) = hop(&mut world, "proxy.test:3128");
    world.abort(browser);
    world.run();
    assert!(world.has_ended(hop) || world.was_reset(hop));
    let held = world.cores[1].statistics();
    assert_eq!((held.proxied, held.streams), (0, 0));
}

/// Takes the question for a way out of the events.
fn wanted(world: &mut World) -> (SocketId, StreamKind, String) {
    let question = world.events.drain(..).find_map(|(_, event)| match event {
        Event::WayWanted { socket, kind, target } => Some((socket, kind, target.to_string())),
        _ => None,
    });
    question.unwrap()
}

#[test]
fn an_embedder_that_is_asked_names_the_ways() {
    let (mut world, proxy) = World::tunnel(72, |config| config.egress.ways = WayChoice::Asked);
    let browser = ask(&mut world, proxy, &connect("app.test"));
    assert!(world.sites.is_empty());
    let (socket, kind, target) = wanted(&mut world);
    assert_eq!((kind, target.as_str()), (StreamKind::Connect, "app.test:443"));
    let ways = vec![way("refused.test:1"), Way::Direct];
    let now = world.now;
    world.cores[1].command(Command::Ways { socket, ways }, now);
    world.run();
    assert_eq!(world.sites.pop_front().unwrap().0, "app.test:443");
    assert!(world.take_all(browser).starts_with("HTTP/1.1 200 "));
    // A second answer changes nothing.
    world.cores[1].command(Command::Ways { socket, ways: Vec::new() }, now);
    world.run();
    assert_eq!(world.cores[1].statistics().proxied, 1);
}

#[test]
fn no_way_and_no_answer_are_told() {
    let (mut world, proxy) = World::tunnel(73, |config| config.egress.ways = WayChoice::Asked);
    let browser = ask(&mut world, proxy, &get("app.test"));
    let (socket, _, _) = wanted(&mut world);
    let now = world.now;
    world.cores[1].command(Command::Ways { socket, ways: Vec::new() }, now);
    world.run();
    let page = world.take_all(browser);
    assert!(page.starts_with("HTTP/1.1 502 ") && page.contains("X-Sc-Error: no-way"), "{page}");

    let browser = ask(&mut world, proxy, &get("app.test"));
    world.pass(Duration::from_secs(21));
    assert!(world.take_all(browser).contains("X-Sc-Error: no-way"));
    assert_eq!(world.cores[1].statistics().proxied, 0);
}
