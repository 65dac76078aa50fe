//! Connections at the edge: sites and browsers that leave, commands at bad moments, limits.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use std::time::Duration;

use sc_proto::contract::{Stop, TunnelEnd};
use sc_proto::{Action, Command, Event, ListenerId, ListenerRole, Read, WorkerId};
use world::traffic::{connect, pattern, transfer};
use world::{SECRET, TUNNEL, World};

#[test]
fn a_site_that_breaks_an_upload_off_is_heard() {
    let (mut world, proxy) = World::tunnel(15, |_| {});
    let browser = world.browse(0, proxy).unwrap();
    let head = "POST http://app.test/ HTTP/1.1\r\nHost: app.test\r\nContent-Length: 900000\r\n\r\n";
    world.send(browser, head.as_bytes());
    world.run();
    let (_, site) = world.sites.pop_front().unwrap();
    world.send(browser, &pattern(300_000));
    world.run();
    world.send(site, b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno!");
    world.close(site);
    world.run();
    let answer = world.take_all(browser);
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.ends_with("\r\n\r\nno!"), "{answer}");
    assert!(world.has_ended(browser));
    assert_eq!(world.cores[0].statistics().streams, 0);
}

#[test]
fn a_body_waits_for_the_rest_of_a_large_head() {
    let (mut world, proxy) = World::tunnel(16, |_| {});
    let browser = world.browse(0, proxy).unwrap();
    let cookie = "c".repeat(20_000);
    let head = format!(
        "POST http://app.test/ HTTP/1.1\r\nHost: app.test\r\nCookie: {cookie}\r\n\
         Content-Length: 5\r\n\r\n"
    );
    world.send(browser, head.as_bytes());
    world.send(browser, b"hello");
    world.run();
    let (_, site) = world.sites.pop_front().unwrap();
    let request = world.take_all(site);
    assert!(request.contains(&cookie), "the head is in one piece");
    assert!(request.ends_with("\r\n\r\nhello"), "{}", &request[request.len() - 40..]);
}

#[test]
fn requests_that_wait_hear_at_once_that_the_client_is_gone() {
    let (mut world, proxy) = World::tunnel(17, |config| config.kgp.max_streams = 1);
    let _first = connect(&mut world, proxy);
    let second = world.browse(0, proxy).unwrap();
    world.send(second, b"CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\n");
    world.run();
    // A new client takes over what waits.
    world.connect(SECRET);
    world.run();
    assert!(world.take_all(second).contains(" 200 "));
    let third = world.browse(0, proxy).unwrap();
    world.send(third, b"CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\n");
    world.run();
    let client = world.client();
    world.cores[client].command(Command::Stop(Stop::Now), world.now);
    world.run();
    let page = world.take_all(third);
    assert!(page.contains("tunnel-not-connected"), "{page}");
}

#[test]
fn a_client_cannot_have_the_server_dial() {
    let mut world = World::new(18, |_| {});
    world.add_tunnel(0);
    // A hostile client, which opens streams itself.
    let (client, listener) = (world.client(), ListenerId(5));
    let command = Command::AddTunnel { tunnel: TUNNEL, secret: SECRET, home: WorkerId(0) };
    world.cores[client].command(command, world.now);
    world.cores[client].add_listener(listener, ListenerRole::Ingress(TUNNEL));
    world.connect(SECRET);
    world.run();
    let insider = world.browse(client, listener).unwrap();
    world.send(insider, b"CONNECT metadata.test:80 HTTP/1.1\r\nHost: metadata.test:80\r\n\r\n");
    world.run();
    assert!(world.sites.is_empty(), "the server dialled {:?}", world.sites);
    assert!(world.take_all(insider).starts_with("HTTP/1.1 403 "));
    assert_eq!(world.cores[0].statistics().streams, 0);
}

#[test]
fn bytes_before_the_tunnel_stand_go_before_the_end() {
    let (mut world, proxy) = World::tunnel(19, |_| {});
    let (busy, sink) = connect(&mut world, proxy);
    for steps in 0..400 {
        world.send(busy, &pattern(50_000));
        let browser = world.browse(0, proxy).unwrap();
        world.send(browser, b"CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\nearly");
        world.run_some(steps);
        world.finish(browser);
        world.run();
        let site = world.sites.pop_front();
        if world.take_all(browser).contains(" 200 ") {
            let (_, site) = site.unwrap();
            assert_eq!(world.take_all(site), "early", "after {steps} steps");
            assert!(world.has_ended(site));
        }
        world.take_all(sink);
    }
}

#[test]
fn draining_waits_for_the_last_bytes_to_be_delivered() {
    let (mut world, proxy) = World::tunnel(20, |_| {});
    let (browser, site) = connect(&mut world, proxy);
    let client = world.client();
    let bytes = pattern(200_000);
    world.send(browser, &bytes);
    world.finish(browser);
    world.finish(site);
    world.run();
    assert_eq!(world.cores[client].statistics().streams, 0);
    world.cores[client].command(Command::Stop(Stop::Drain), world.now);
    world.run();
    assert!(!world.events.contains(&(client, Event::Stopped)), "the site reads slowly");
    let mut got = Vec::new();
    while got.len() < bytes.len() {
        got.extend(world.take(site, 10_000));
        world.run();
    }
    assert!(got == bytes && world.has_ended(site));
    assert!(world.events.contains(&(client, Event::Stopped)));
}

#[test]
fn strangers_do_not_put_a_stop_off() {
    for how in [Stop::Drain, Stop::Now] {
        let (mut world, _) = World::tunnel(21, |_| {});
        world.browse(0, world::KGP).unwrap();
        world.cores[0].command(Command::Stop(how), world.now);
        assert_eq!(world.browse(0, world::KGP), None, "none is taken any more");
        world.run();
        assert!(world.events.contains(&(0, Event::Stopped)), "{:?}", world.events);
        let client = world.client();
        world.cores[client].command(Command::Stop(how), world.now);
        world.connect(SECRET);
        world.run();
        assert!(world.events.contains(&(client, Event::Stopped)));
        assert_eq!(world.cores[client].statistics().transports, 0);
    }
}

#[test]
fn a_drain_that_takes_too_long_is_cut() {
    let (mut world, proxy) = World::tunnel(22, |_| {});
    let (browser, _) = connect(&mut world, proxy);
    world.cores[0].command(Command::Stop(Stop::Drain), world.now);
    world.pass(Duration::from_secs(299));
    assert!(!world.events.contains(&(0, Event::Stopped)));
    world.pass(Duration::from_secs(2));
    assert!(world.events.contains(&(0, Event::Stopped)));
    assert!(world.was_reset(browser));
}

#[test]
fn a_transport_on_its_way_to_a_worker_that_stops_is_refused() {
    for steps in 0..200 {
        let mut world = World::with_server_workers(23, 2, |_| {});
        world.add_tunnel(1);
        world.connect(SECRET);
        world.run_some(steps);
        world.cores[1].command(Command::Stop(Stop::Now), world.now);
        world.run();
        let stopped = world.events.iter().position(|event| *event == (1, Event::Stopped));
        let later = &world.events[stopped.unwrap()..];
        let up = |event: &(usize, Event)| event.0 == 1 && matches!(event.1, Event::TunnelUp { .. });
        assert!(!later.iter().any(up), "after {steps} steps");
        assert_eq!(world.cores[1].statistics().sessions, 0, "after {steps} steps");
    }
}

#[test]
fn a_tunnel_on_which_nothing_moves_ends_after_an_hour() {
    let (mut world, proxy) = World::tunnel(24, |_| {});
    let (idle, idle_site) = connect(&mut world, proxy);
    let (busy, busy_site) = connect(&mut world, proxy);
    // A browser whose answer never comes, and one that reads nothing of it.
    let request = b"GET http://app.test/ HTTP/1.1\r\nHost: app.test\r\n\r\n";
    let waiting = world.browse(0, proxy).unwrap();
    world.send(waiting, request);
    world.run();
    let stalled = world.browse(0, proxy).unwrap();
    world.send(stalled, request);
    world.run();
    let (_, site) = world.sites.pop_back().unwrap();
    world.send(site, b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n");
    world.send(site, &pattern(200_000));
    for _ in 0..7 {
        assert!(!world.was_reset(idle) && !world.was_reset(stalled));
        assert_eq!(world.take_all(waiting), "");
        world.pass(Duration::from_secs(9 * 60));
        transfer(&mut world, busy_site, busy, b"a sign of life");
    }
    assert!(world.was_reset(idle) && world.was_reset(idle_site) && world.was_reset(stalled));
    assert!(world.take_all(waiting).starts_with("HTTP/1.1 50"));
    assert!(!world.was_reset(busy) && !world.was_reset(busy_site));
    assert_eq!(world.cores[0].statistics().streams, 1);
}

#[test]
fn a_request_has_its_time_from_its_first_byte() {
    let (mut world, proxy) = World::tunnel(25, |_| {});
    let late = world.browse(0, proxy).unwrap();
    let slow = world.browse(0, proxy).unwrap();
    let idle = world.browse(0, proxy).unwrap();
    world.send(slow, b"GET http://app.test/ HTTP/1.1\r\n");
    world.pass(Duration::from_secs(59));
    world.send(late, b"GET http://app.test/ HTTP/1.1\r\n");
    world.send(slow, b"Host: app.test\r\n");
    world.pass(Duration::from_secs(2));
    assert!(world.take_all(slow).starts_with("HTTP/1.1 408 "), "a slow head");
    assert!(world.has_ended(slow) && world.has_ended(idle));
    world.send(late, b"Host: app.test\r\n\r\n");
    world.run();
    assert_eq!(world.sites.len(), 1, "a head that came in time");
}

#[test]
fn browsers_that_left_do_not_take_the_places_of_those_that_wait() {
    let (mut world, proxy) = World::tunnel(26, |config| config.kgp.max_streams = 1);
    let (first, _) = connect(&mut world, proxy);
    let request = b"CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\n";
    for _ in 0..1024 {
        let browser = world.browse(0, proxy).unwrap();
        world.send(browser, request);
        world.run();
        world.abort(browser);
        world.run();
    }
    let patient = world.browse(0, proxy).unwrap();
    world.send(patient, request);
    world.run();
    world.abort(first);
    world.run();
    assert!(world.take_all(patient).contains(" 200 "));
    assert_eq!(world.cores[0].statistics().waiting, 0);
}

#[test]
fn a_socket_that_is_dialled_is_not_read() {
    let mut world = World::new(27, |_| {});
    world.add_tunnel(0);
    world.connect(SECRET);
    let client = world.client();
    let Some(Action::Dial { socket, .. }) = world.cores[client].poll_action(world.now) else {
        unreachable!("the server is dialled");
    };
    world.cores[client].readable(socket);
    world.cores[client].writable(socket);
    assert!(world.cores[client].poll_action(world.now).is_none());
}

#[test]
fn actions_may_be_taken_before_they_are_carried_out() {
    let (mut world, proxy) = World::tunnel(28, |_| {});
    let browsers = [0; 2].map(|_| world.browse(0, proxy).unwrap());
    for browser in browsers {
        world.send(browser, b"GET http://app.test/ HTTP/1.1\r\nHost: app.test\r\n\r\n");
    }
    let taken: Vec<_> = (0..2)
        .map(|_| match world.cores[0].poll_action(world.now) {
            Some(Action::Read(id)) => id,
            other => unreachable!("{other:?}"),
        })
        .collect();
    // The first has lost its place to the second.
    assert!(world.cores[0].read_space(taken[0]).is_empty());
    world.cores[0].read_done(taken[0], Read::WouldBlock, world.now);
    world.cores[0].read_done(taken[1], Read::WouldBlock, world.now);
    world.cores[0].readable(taken[1]);
    world.run();
    assert_eq!(world.sites.len(), 2);
}

#[test]
fn a_drain_is_no_loss_for_the_side_that_drains() {
    for steps in 0..150 {
        let (mut world, proxy) = World::tunnel(29, |_| {});
        let (browser, site) = connect(&mut world, proxy);
        let client = world.client();
        world.cores[client].command(Command::Stop(Stop::Drain), world.now);
        world.run();
        world.finish(site);
        world.run();
        world.finish(browser);
        world.run_some(steps);
        world.run();
        let ends = |end: &TunnelEnd| {
            let down = |e: &Event| matches!(e, Event::TunnelDown { end: was, .. } if was == end);
            world.events.iter().any(|(core, event)| *core == client && down(event))
        };
        assert!(ends(&TunnelEnd::Local), "after {steps}: {:?}", world.events);
    }
}

#[test]
fn a_site_that_switches_early_still_gets_the_whole_head() {
    let (mut world, proxy) = World::tunnel(30, |config| config.kgp.window_pool = 0);
    let browser = world.browse(0, proxy).unwrap();
    let cookie = "c".repeat(60_000);
    let head = format!(
        "GET http://app.test/ HTTP/1.1\r\nHost: app.test\r\nConnection: upgrade\r\n\
         Upgrade: chat\r\nCookie: {cookie}\r\n\r\n"
    );
    world.capacity = 500;
    world.send(browser, head.as_bytes());
    world.send(browser, b"hello");
    world.run();
    let (_, site) = world.sites.pop_front().unwrap();
    let switch =
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n";
    world.send(site, switch);
    world.run();
    let mut got = String::new();
    while !got.ends_with("hello") {
        let more = world.take_all(site);
        assert!(!more.is_empty(), "stalled after {}", got.len());
        got += &more;
        world.run();
    }
    assert!(got.contains(&cookie) && got.ends_with("\r\n\r\nhello"));
}
