//! Who may use a proxy port: the embedder is asked once, the answer is remembered for a moment, and
//! a connection to the shared port goes to the worker of the tunnel that its request is let in to.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use std::time::Duration;

use sc_proto::contract::{Access, AccessRefused, Door};
use sc_proto::endpoint::OwnPorts;
use sc_proto::{Command, Event, ListenerId, ListenerRole, SocketId};
use world::{CoreId, TUNNEL, World};

const SHARED: ListenerId = ListenerId(200);
/// `jane+ci:secret`
const JANE: &str = "Basic amFuZStjaTpzZWNyZXQ=";
/// `jane+ci:guess1`
const GUESS: &str = "Basic amFuZStjaTpndWVzczE=";

fn get(credentials: Option<&str>) -> String {
    let line = credentials.map(|value| format!("Proxy-Authorization: {value}\r\n"));
    let line = line.unwrap_or_default();
    format!("GET http://app.test/ HTTP/1.1\r\nHost: app.test\r\n{line}\r\n")
}

/// A server whose shared port is on its first worker, the tunnel on the last of `workers`.
fn world(seed: u64, workers: usize) -> World {
    let mut world = World::with_server_workers(seed, workers, |_| {});
    world.add_tunnel(workers - 1);
    world.cores[0].add_listener(SHARED, ListenerRole::SharedIngress);
    let secret = world::SECRET;
    world.connect(secret);
    world.run();
    world.events.clear();
    world
}

/// The one question that was asked since the last look.
fn question(world: &mut World) -> Option<(CoreId, SocketId, Door, String)> {
    let events = std::mem::take(&mut world.events);
    let mut asked = events.into_iter().filter_map(|(core, event)| match event {
        Event::AccessWanted { socket, door, visitor, .. } => {
            Some((core, socket, door, format!("{visitor:?}")))
        }
        _ => None,
    });
    let first = asked.next();
    assert!(asked.next().is_none(), "asked twice");
    first
}

fn tell(world: &mut World, (core, socket): (CoreId, SocketId), access: Access) {
    world.cores[core].command(Command::Access { socket, access }, world.now);
    world.run();
}

/// The site's answer to a request that has reached it.
fn serve(world: &mut World, browser: world::End) {
    let (target, site) = world.sites.pop_front().expect("the request reaches the site");
    assert_eq!(target, "app.test:80");
    let request = world.take_all(site);
    assert!(request.starts_with("GET / HTTP/1.1\r\n"), "{request}");
    assert!(!request.to_ascii_lowercase().contains("proxy-"), "{request}");
    world.send(site, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    world.run();
    let answer = world.take_all(browser);
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("hi"), "{answer}");
}

#[test]
fn a_visitor_is_asked_for_once_and_goes_to_the_worker_of_the_tunnel() {
    for workers in [1, 3] {
        let mut world = world(workers as u64, workers);
        let browser = world.browse(0, SHARED).unwrap();
        world.send(browser, get(None).as_bytes());
        world.run();
        let page = world.take_all(browser);
        assert!(page.starts_with("HTTP/1.1 407 ") && page.contains("Basic realm="), "{page}");
        // The same connection, with credentials.
        world.send(browser, get(Some(JANE)).as_bytes());
        world.run();
        let (core, socket, door, visitor) = question(&mut world).expect("the embedder is asked");
        assert_eq!((core, door), (0, Door::Shared));
        assert_eq!(visitor, "Visitor(\"jane\", Some(\"ci\"), ****)");
        tell(&mut world, (core, socket), Access::Granted(TUNNEL));
        serve(&mut world, browser);
        // The next request of the connection is another worker's, which does not know her yet.
        world.send(browser, get(Some(JANE)).as_bytes());
        world.run();
        if let Some((core, socket, ..)) = question(&mut world) {
            assert_eq!(core, workers - 1);
            tell(&mut world, (core, socket), Access::Granted(TUNNEL));
        }
        serve(&mut world, browser);
        // From here on nobody is asked.
        for _ in 0..3 {
            world.send(browser, get(Some(JANE)).as_bytes());
            world.run();
            assert!(question(&mut world).is_none());
            serve(&mut world, browser);
        }
        let remembered = world.cores[workers - 1].statistics().counters.visits.remembered;
        assert!(remembered >= 3, "{remembered}");
        let left: usize = world.cores[..workers].iter().map(|c| c.statistics().proxied).sum();
        assert_eq!(left, 1, "one connection, on one worker");
    }
}

#[test]
fn what_was_sent_with_the_request_goes_along() {
    for seed in 1..8 {
        println!("seed {seed}");
        let mut world = world(seed, 2);
        let browser = world.browse(0, SHARED).unwrap();
        let head = get(Some(JANE))
            .replace("GET ", "POST ")
            .replace("\r\n\r\n", "\r\nContent-Length: 5\r\n\r\n");
        world.send(browser, head.as_bytes());
        world.send(browser, b"hel");
        world.run();
        let (core, socket, ..) = question(&mut world).unwrap();
        world.send(browser, b"lo");
        tell(&mut world, (core, socket), Access::Granted(TUNNEL));
        let (_, site) = world.sites.pop_front().unwrap();
        assert!(world.take_all(site).ends_with("\r\n\r\nhello"));
    }
}

#[test]
fn a_wrong_key_is_never_remembered_and_the_right_one_only_for_a_moment() {
    let mut world = world(5, 1);
    let browser = world.browse(0, SHARED).unwrap();
    let ask = |world: &mut World, credentials: &str, access: Access| {
        world.send(browser, get(Some(credentials)).as_bytes());
        world.run();
        let (core, socket, ..) = question(world).expect("the embedder is asked");
        tell(world, (core, socket), access);
    };
    let wrong = Access::Refused(AccessRefused::Credentials);
    for _ in 0..2 {
        ask(&mut world, GUESS, wrong.clone());
        assert!(world.take_all(browser).starts_with("HTTP/1.1 407 "));
    }
    ask(&mut world, JANE, Access::Granted(TUNNEL));
    serve(&mut world, browser);
    // That she is known helps nobody with another key.
    ask(&mut world, GUESS, wrong.clone());
    assert!(world.take_all(browser).contains("X-Sc-Error: credentials\r\n"));
    world.send(browser, get(Some(JANE)).as_bytes());
    world.run();
    serve(&mut world, browser);
    // Her key is void: after five seconds at the latest it does not help any more.
    world.pass(Duration::from_secs(5));
    ask(&mut world, JANE, wrong);
    assert!(world.take_all(browser).starts_with("HTTP/1.1 407 "));
    assert!(world.sites.is_empty());
}

#[test]
fn an_embedder_that_says_nothing_is_not_waited_for_long() {
    let mut world = world(6, 1);
    let browser = world.browse(0, SHARED).unwrap();
    world.send(browser, get(Some(JANE)).as_bytes());
    world.run();
    let (core, socket, ..) = question(&mut world).unwrap();
    world.pass(Duration::from_secs(10));
    assert!(world.take_all(browser).contains("X-Sc-Error: access-unchecked\r\n"));
    // Too late.
    tell(&mut world, (core, socket), Access::Granted(TUNNEL));
    assert!(world.sites.is_empty() && world.take_all(browser).is_empty());
}

#[test]
fn a_tunnel_that_has_ended_is_not_gone_to() {
    let mut world = world(7, 2);
    let browser = world.browse(0, SHARED).unwrap();
    world.send(browser, get(Some(JANE)).as_bytes());
    world.run();
    let (core, socket, ..) = question(&mut world).unwrap();
    for core in &mut world.cores[..2] {
        core.command(Command::RemoveTunnel(TUNNEL), world.now);
    }
    tell(&mut world, (core, socket), Access::Granted(TUNNEL));
    let page = world.take_all(browser);
    assert!(page.contains("X-Sc-Error: tunnel-not-connected\r\n"), "{page}");
    // The connection is still of use.
    world.send(browser, get(None).as_bytes());
    world.run();
    assert!(world.take_all(browser).starts_with("HTTP/1.1 407 "));
}

#[test]
fn own_ports_ask_where_they_shall() {
    let mut world =
        World::with_server_workers(8, 1, |config| config.ingress.own_ports = OwnPorts::Guarded);
    let proxy = world.add_tunnel(0);
    world.connect(world::SECRET);
    world.run();
    world.events.clear();
    let browser = world.browse(0, proxy).unwrap();
    world.send(browser, b"CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\n");
    world.run();
    let page = world.take_all(browser);
    assert!(page.starts_with("HTTP/1.1 407 ") && page.contains("Connection: close\r\n"), "{page}");
    let browser = world.browse(0, proxy).unwrap();
    world.send(browser, get(Some(JANE)).as_bytes());
    world.run();
    let (core, socket, door, _) = question(&mut world).unwrap();
    assert_eq!(door, Door::Tunnel(TUNNEL));
    tell(&mut world, (core, socket), Access::Granted(TUNNEL));
    serve(&mut world, browser);
}

#[test]
fn open_ports_ask_nobody() {
    let mut world =
        World::with_server_workers(10, 1, |config| config.ingress.own_ports = OwnPorts::Guarded);
    world.add_tunnel(0);
    world.cores[0].add_listener(SHARED, ListenerRole::OpenIngress(TUNNEL));
    world.connect(world::SECRET);
    world.run();
    world.events.clear();
    let browser = world.browse(0, SHARED).unwrap();
    world.send(browser, get(None).as_bytes());
    world.run();
    assert!(question(&mut world).is_none());
    serve(&mut world, browser);
}

/// A tunnel with a session on each of three workers, the shared port on the first.
#[test]
fn visitors_of_a_tunnel_on_several_workers_are_spread_over_them() {
    const WORKERS: usize = 3;
    for seed in 1..6 {
        println!("seed {seed}");
        let mut world = World::with_workers(seed, WORKERS, WORKERS, |_| {});
        world.add_tunnel(1);
        world.spread(1);
        world.connect_all(world::CLIENT, WORKERS as u8);
        world.cores[0].add_listener(SHARED, ListenerRole::SharedIngress);
        world.run();
        world.events.clear();
        for _ in 0..2 * WORKERS {
            let browser = world.browse(0, SHARED).unwrap();
            // The second one is remembered at the worker where the first was asked for.
            for _ in 0..2 {
                world.send(browser, get(Some(JANE)).as_bytes());
                world.run();
                if let Some((core, socket, ..)) = question(&mut world) {
                    tell(&mut world, (core, socket), Access::Granted(TUNNEL));
                }
                serve(&mut world, browser);
            }
        }
        let browsers: Vec<usize> =
            world.cores[..WORKERS].iter().map(|core| core.statistics().proxied).collect();
        assert_eq!(browsers, [2; WORKERS], "two on each worker");
    }
}

#[test]
fn a_visitor_waits_for_a_worker_that_takes_nothing_but_not_for_ever() {
    for (seed, deaf, comes_through) in [(1, 2, true), (2, 2, true), (3, 4, true), (4, 1, false)] {
        println!("seed {seed}");
        let mut world = world(seed, 2);
        let browser = world.browse(0, SHARED).unwrap();
        world.send(browser, get(Some(JANE)).as_bytes());
        world.run();
        let (core, socket, ..) = question(&mut world).unwrap();
        world.deaf = deaf;
        tell(&mut world, (core, socket), Access::Granted(TUNNEL));
        world.pass(Duration::from_secs(2));
        world.deaf = 0;
        if !comes_through {
            let page = world.take_all(browser);
            assert!(page.contains("X-Sc-Error: too-many-streams\r\n"), "{page}");
            // She is known here; the next request goes there.
            world.send(browser, get(Some(JANE)).as_bytes());
            world.run();
            if let Some((core, socket, ..)) = question(&mut world) {
                tell(&mut world, (core, socket), Access::Granted(TUNNEL));
            }
        }
        serve(&mut world, browser);
        let there = world.cores[1].statistics().proxied;
        assert_eq!(there, 1, "it is at the tunnel's worker");
    }
}

#[test]
fn only_listed_networks_are_let_in() {
    for (network, comes_in) in [("127.0.0.0/8", true), ("10.0.0.0/8", false)] {
        let mut world = World::with_server_workers(9, 1, |config| {
            config.ingress.networks = Some([network.parse().unwrap()].into());
        });
        let proxy = world.add_tunnel(0);
        assert_eq!(world.browse(0, proxy).is_some(), comes_in);
        world.run();
        let told = |(_, event): &(CoreId, Event)| matches!(event, Event::VisitorOutside { .. });
        assert_eq!(world.events.iter().any(told), !comes_in);
        let outside = world.cores[0].statistics().counters.visits.outside;
        assert_eq!(outside, u64::from(!comes_in));
    }
}
