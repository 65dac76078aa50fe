//! Where requests go by the rules of their tunnel: refused, directly, or through the tunnel.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use std::sync::Arc;
use std::time::Duration;

use sc_proto::contract::{AddressGuard, Stop};
use sc_proto::rules::{HostRules, Routing, UrlRules, Ways};
use sc_proto::{Command, Event, ListenerId};
use world::traffic::{connect, pattern, transfer};
use world::{TUNNEL, World};

fn hosts(rule: &str) -> HostRules {
    HostRules::expressions([rule]).unwrap()
}

fn set(world: &mut World, routing: Routing) {
    let routing = Arc::new(routing);
    world.cores[0].command(Command::SetRouting { tunnel: TUNNEL, routing }, world.now);
}

/// A tunnel whose client never comes: what reaches a site was dialled by the server.
fn without_a_client(seed: u64, direct: AddressGuard) -> (World, ListenerId) {
    let mut world = World::new(seed, |config| config.direct = direct.clone());
    let proxy = world.add_tunnel(0);
    set(&mut world, Routing { ways: Ways::DirectFor(hosts("^app")), ..Routing::default() });
    (world, proxy)
}

/// What the proxy answers to a request by itself.
fn answer(world: &mut World, proxy: ListenerId, request: &str) -> String {
    let browser = world.browse(0, proxy).unwrap();
    world.send(browser, request.as_bytes());
    world.run();
    let reached = world.sites.pop_front();
    assert!(reached.is_none_or(|(_, site)| world.was_reset(site)), "{:?}", world.sites);
    world.take_all(browser)
}

const CONNECT: &str = "CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\n";

#[test]
fn direct_traffic_needs_no_client() {
    for seed in 1..6 {
        println!("seed {seed}");
        let (mut world, proxy) = without_a_client(seed, AddressGuard::Anywhere);
        let (browser, site) = connect(&mut world, proxy);
        transfer(&mut world, browser, site, &pattern(3_000_000));
        transfer(&mut world, site, browser, &pattern(5_000_000));
        world.finish(browser);
        world.run();
        assert!(world.has_ended(site), "the half-close arrives");
        transfer(&mut world, site, browser, b"still open this way");
        world.finish(site);
        world.run();
        assert!(world.has_ended(browser));
        let left = world.cores[0].statistics();
        assert_eq!((left.streams, left.proxied, left.sessions, left.buffered), (0, 0, 0, 0));
        let other = CONNECT.replace("app", "other");
        assert!(answer(&mut world, proxy, &other).contains("tunnel-not-connected"));
    }
}

#[test]
fn plain_http_goes_directly_too() {
    let (mut world, proxy) = without_a_client(7, AddressGuard::Anywhere);
    let browser = world.browse(0, proxy).unwrap();
    for i in 0..3 {
        let request = format!("GET http://app.test/{i} HTTP/1.1\r\nHost: app.test\r\n\r\n");
        world.send(browser, request.as_bytes());
        world.run();
        let (target, site) = world.sites.pop_front().unwrap();
        assert_eq!(target, "app.test:80");
        assert!(world.take_all(site).starts_with(&format!("GET /{i} HTTP/1.1\r\n")));
        world.send(site, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
        world.run();
        assert!(world.take_all(browser).ends_with("\r\n\r\nhi"));
    }
}

#[test]
fn a_slow_reader_of_direct_traffic_is_waited_for() {
    let (mut world, proxy) = without_a_client(8, AddressGuard::Anywhere);
    let (browser, site) = connect(&mut world, proxy);
    world.send(site, &pattern(50_000_000));
    world.run();
    assert!(world.waiting_at(site) > 40_000_000, "{}", world.waiting_at(site));
    let mut got = 0;
    while got < 50_000_000 {
        world.run();
        let n = world.discard(browser);
        assert!(n > 0, "stalled after {got}");
        got += n;
    }
}

#[test]
fn a_direct_dial_is_guarded_and_its_failure_says_who_failed() {
    // Sites of this world are at a loopback address.
    let (mut world, proxy) = without_a_client(9, AddressGuard::public());
    let page = answer(&mut world, proxy, CONNECT);
    assert!(page.starts_with("HTTP/1.1 403 ") && page.contains("X-Sc-Error: denied\r\n"), "{page}");
    assert!(page.contains("directly from the server"), "{page}");
    assert_eq!(world.cores[0].statistics().streams, 0);
    // Nothing else happens by which the answer would be noticed.
    let page = answer(&mut world, proxy, "GET http://app.test/ HTTP/1.1\r\nHost: app.test\r\n\r\n");
    assert!(page.starts_with("HTTP/1.1 403 "), "{page}");
    world.refusing = true;
    let page = answer(&mut world, proxy, CONNECT);
    assert!(page.starts_with("HTTP/1.1 502 ") && page.contains("dial-refused"), "{page}");
    assert!(page.contains("directly from the server"), "{page}");
}

#[test]
fn what_is_denied_is_dialled_by_nobody() {
    let (mut world, proxy) = World::tunnel(10, |_| {});
    let denied_urls = Some(UrlRules::new(["/secret"]).unwrap());
    set(
        &mut world,
        Routing { denied_hosts: Some(hosts("^app")), denied_urls, ..Routing::default() },
    );
    let page = answer(&mut world, proxy, CONNECT);
    assert!(page.starts_with("HTTP/1.1 403 ") && page.contains("denied-by-rule"), "{page}");
    let get = "GET http://other.test/secret?x HTTP/1.1\r\nHost: other.test\r\n\r\n";
    let page = answer(&mut world, proxy, get);
    assert!(page.starts_with("HTTP/1.1 403 ") && page.contains("denied-by-rule"), "{page}");
    let browser = world.browse(0, proxy).unwrap();
    world.send(browser, get.replace("secret", "open").as_bytes());
    world.run();
    assert_eq!(world.sites.pop_front().unwrap().0, "other.test:80");
}

#[test]
fn a_tunnel_that_ends_takes_its_direct_traffic_along() {
    let (mut world, proxy) = without_a_client(11, AddressGuard::Anywhere);
    let (browser, site) = connect(&mut world, proxy);
    world.cores[0].command(Command::RemoveTunnel(TUNNEL), world.now);
    world.run();
    assert!(world.was_reset(browser) && world.was_reset(site));
    assert_eq!(world.cores[0].statistics().proxied, 0);
}

#[test]
fn a_drain_waits_for_direct_traffic() {
    let (mut world, proxy) = without_a_client(12, AddressGuard::Anywhere);
    let (browser, site) = connect(&mut world, proxy);
    world.cores[0].command(Command::Stop(Stop::Drain), world.now);
    world.run();
    transfer(&mut world, site, browser, b"still there");
    assert!(!world.events.iter().any(|(_, event)| *event == Event::Stopped));
    world.finish(site);
    world.finish(browser);
    world.pass(Duration::from_secs(1));
    assert!(world.events.iter().any(|(_, event)| *event == Event::Stopped), "{:?}", world.events);
}
