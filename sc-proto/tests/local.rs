//! A client's own proxy port: the same egress as the tunnel's streams, without a session.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use sc_proto::contract::AddressGuard;
use sc_proto::egress::{Bypass, Keep, LocalhostPolicy, Login, Logins, Way, WayChoice};
use sc_proto::rules::HostRules;
use sc_proto::{Command, Config, ListenerId, ListenerRole};
use world::traffic::{pattern, transfer};
use world::{CoreId, End, World};

const LOCAL: ListenerId = ListenerId(77);
const CLIENT: CoreId = 1;

/// A client with a port of its own, which no server knows.
fn world(seed: u64, config: impl Fn(&mut Config)) -> World {
    println!("seed {seed}");
    let mut world = World::new(seed, |settings| {
        settings.direct = AddressGuard::Anywhere;
        settings.agent = "sc_client";
        config(settings);
    });
    world.cores[CLIENT].add_listener(LOCAL, ListenerRole::LocalIngress);
    world
}

fn ask(world: &mut World, request: &str) -> End {
    let browser = world.browse(CLIENT, LOCAL).unwrap();
    world.send(browser, request.as_bytes());
    world.run();
    browser
}

fn get(host: &str) -> String {
    format!("GET http://{host}/path HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

#[test]
fn a_local_browser_reaches_sites_without_a_tunnel() {
    let mut world = world(1, |config| {
        let idle = std::time::Duration::from_secs(90);
        config.egress.exchanges.keep = Keep { per_site: 4, in_all: 4, idle };
    });
    let browser = ask(&mut world, &get("app.test"));
    let (address, site) = world.sites.pop_front().unwrap();
    assert_eq!(address, "app.test:80");
    let head = world.take_all(site);
    assert!(head.starts_with("GET /path HTTP/1.1\r\n"), "{head}");
    assert_eq!(head.matches("Via: ").count(), 1, "{head}");
    world.send(site, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    world.run();
    assert!(world.take_all(browser).ends_with("\r\n\r\nhello"));
    // The next request of the same connection, by the same connection to the site.
    world.send(browser, get("app.test").as_bytes());
    world.run();
    assert!(world.sites.is_empty());
    assert!(world.take_all(site).starts_with("GET /path "));
    world.send(site, b"HTTP/1.1 204 No Content\r\n\r\n");
    world.run();
    assert!(world.take_all(browser).starts_with("HTTP/1.1 204 "));
    assert_eq!(world.cores[CLIENT].session_statistics().count(), 0, "no session is shown");
}

#[test]
fn a_local_connect_carries_any_bytes_both_ways() {
    for seed in 1..6 {
        let mut world = world(seed, |_| {});
        let browser = ask(&mut world, "CONNECT app.test:443 HTTP/1.1\r\nHost: app.test\r\n\r\n");
        let (address, site) = world.sites.pop_front().unwrap();
        assert_eq!(address, "app.test:443");
        assert!(world.take_all(browser).starts_with("HTTP/1.1 200 "));
        transfer(&mut world, browser, site, &pattern(400_000));
        transfer(&mut world, site, browser, &pattern(400_000));
        world.finish(browser);
        world.run();
        assert!(world.has_ended(site));
        world.close(site);
        world.run();
        assert_eq!(world.cores[CLIENT].statistics().proxied, 0);
    }
}

#[test]
fn rules_ways_and_credentials_are_those_of_the_tunnel() {
    let way = Way::parse("http://proxy.test:3128").unwrap();
    let mut world = world(7, |config| {
        config.egress.deny = HostRules::expressions(["^secret"]).ok();
        config.egress.localhost.policy = LocalhostPolicy::Deny;
        config.egress.ways =
            WayChoice::Fixed { ways: [way.clone()].into(), bypass: Bypass::default() };
        let login = Login::parse_v5("u:p@app.test:80").unwrap();
        config.egress.exchanges.logins = Logins::new([login]).unwrap();
    });
    for (host, code) in [("secret.test", "denied"), ("localhost", "localhost-denied")] {
        let browser = ask(&mut world, &get(host));
        let page = world.take_all(browser);
        assert!(page.starts_with("HTTP/1.1 403 "), "{page}");
        assert!(page.contains(&format!("X-Sc-Error: {code}\r\n")), "{page}");
        assert!(page.contains("by this sc client"), "{page}");
    }
    assert!(world.sites.is_empty());
    ask(&mut world, &get("app.test"));
    let (address, proxy) = world.sites.pop_front().unwrap();
    assert_eq!(address, "proxy.test:3128");
    let head = world.take_all(proxy);
    assert!(head.starts_with("GET http://app.test/path "), "{head}");
    assert!(head.contains("Authorization: Basic dTpw\r\n"), "{head}");
}

#[test]
fn a_request_that_comes_round_by_the_local_port_is_refused() {
    let mut world = world(8, |_| {});
    ask(&mut world, &get("app.test"));
    let (_, site) = world.sites.pop_front().unwrap();
    let head = world.take_all(site);
    let via = head.lines().find(|line| line.starts_with("Via: ")).unwrap().to_owned();
    let again = get("app.test").replace("\r\n\r\n", &format!("\r\n{via}\r\n\r\n"));
    let browser = ask(&mut world, &again);
    assert!(world.take_all(browser).contains("X-Sc-Error: loop\r\n"));
}

#[test]
fn without_leave_the_local_port_leads_nowhere_private() {
    let mut world = world(9, |config| config.direct = AddressGuard::public());
    let browser = ask(&mut world, &get("app.test"));
    let page = world.take_all(browser);
    assert!(page.contains("X-Sc-Error: denied\r\n"), "{page}");
}

#[test]
fn a_stop_ends_local_traffic_and_lets_no_new_one_begin() {
    let mut world = world(10, |_| {});
    let browser = ask(&mut world, "CONNECT app.test:443 HTTP/1.1\r\nHost: app.test\r\n\r\n");
    let (_, site) = world.sites.pop_front().unwrap();
    world.take_all(browser);
    let now = world.now;
    world.cores[CLIENT].command(Command::Stop(sc_proto::contract::Stop::Drain), now);
    world.run();
    let late = ask(&mut world, &get("app.test"));
    let page = world.take_all(late);
    assert!(page.contains("X-Sc-Error: client-draining\r\n"), "{page}");
    transfer(&mut world, browser, site, &pattern(10_000));
    world.close(browser);
    world.close(site);
    world.run();
    let stopped = |(core, event): &(usize, sc_proto::Event)| {
        *core == CLIENT && *event == sc_proto::Event::Stopped
    };
    assert!(world.events.iter().any(stopped));
}
