//! The time without a transport: how long it lasts, and what happens meanwhile.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use std::time::Duration;

use sc_proto::{Command, Event, Stop};
use world::World;
use world::dials::Way;
use world::events::{assert_legal, count, resumed};
use world::faults::Cut;
use world::traffic::{Flow, connect};

#[test]
fn a_silent_link_is_noticed_within_five_seconds() {
    let (mut world, _) = World::tunnel(2, |_| {});
    world.pass(Duration::from_secs(60));
    let before = world.events.len();
    world.cut(Cut::Silence);
    world.pass(Duration::from_secs(5));
    let noticed = |(core, event): &(usize, Event)| {
        *core == 1 && matches!(event, Event::TunnelInterrupted { .. })
    };
    assert!(world.events[before..].iter().any(noticed), "{:?}", &world.events[before..]);
}

#[test]
fn while_the_link_is_down_nothing_grows_and_new_requests_wait() {
    let (mut world, proxy) = World::tunnel(3, |_| {});
    let (browser, site) = connect(&mut world, proxy);
    world.way = Way::Unreachable;
    world.cut(Cut::Reset);
    world.send(site, &vec![7; 50_000_000]);
    world.pass(Duration::from_secs(20));
    let late = world.browse(0, proxy).unwrap();
    world.send(late, b"CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\n");
    world.pass(Duration::from_secs(5));
    let waiting = world.waiting_at(site);
    assert!(waiting > 49_000_000, "the client reads no further: {waiting}");
    world.way = Way::Open;
    world.pass(Duration::from_secs(1));
    assert!(world.take_all(late).contains(" 200 "), "within a second of the link's return");
    let mut got = 0;
    while got < 50_000_000 {
        world.run();
        let n = world.discard(browser);
        assert!(n > 0);
        got += n;
    }
}

#[test]
fn a_request_of_an_outage_is_answered_after_it() {
    let (mut world, proxy) = World::tunnel(13, |_| {});
    world.way = Way::Unreachable;
    world.cut(Cut::Reset);
    let browser = world.browse(0, proxy).unwrap();
    world.send(browser, b"CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\n");
    // Longer than a dial may take.
    world.pass(Duration::from_secs(55));
    assert_eq!(world.take_all(browser), "");
    world.way = Way::Open;
    world.pass(Duration::from_secs(1));
    assert!(world.take_all(browser).contains(" 200 "));
}

#[test]
fn traffic_flows_within_a_second_of_the_links_return() {
    for way in [Way::Unreachable, Way::Refusing, Way::Swallowing] {
        // Whatever a try is at when the link returns.
        for n in 0..60 {
            let (mut world, proxy) = World::tunnel(14 + n, |_| {});
            let (browser, site) = connect(&mut world, proxy);
            world.way = way;
            world.cut(Cut::Reset);
            world.send(site, b"there");
            world.pass(Duration::from_millis(1000 + 250 * n));
            world.way = Way::Open;
            world.pass(Duration::from_secs(1));
            assert_eq!(world.take_all(browser), "there", "{way:?}, {n}");
        }
    }
}

#[test]
fn a_way_that_has_become_slow_is_still_a_way() {
    let (mut world, proxy) = World::tunnel(15, |_| {});
    let (browser, site) = connect(&mut world, proxy);
    world.way = Way::Slow(Duration::from_millis(3500));
    world.cut(Cut::Reset);
    world.send(site, b"there");
    world.pass(Duration::from_secs(10));
    assert_eq!(world.take_all(browser), "there");
    assert_eq!(count(&world, resumed), 2, "{:?}", world.events);
}

#[test]
fn after_the_grace_streams_are_reset_on_both_sides() {
    let (mut world, proxy) = World::tunnel(4, |_| {});
    let (browser, site) = connect(&mut world, proxy);
    world.way = Way::Unreachable;
    world.cut(Cut::Reset);
    world.pass(Duration::from_secs(59));
    assert!(!world.was_reset(browser) && !world.was_reset(site));
    world.pass(Duration::from_secs(2));
    assert!(world.was_reset(browser) && world.was_reset(site));
    assert_eq!(count(&world, |event| matches!(event, Event::TunnelDown { .. })), 2);
    assert_legal(&world);
    let tries = count(&world, |event| matches!(event, Event::Reconnecting { .. }));
    assert!((100..1000).contains(&tries), "{tries}");
}

#[test]
fn a_stop_during_an_outage_does_not_wait_for_nothing() {
    let (mut world, _) = World::tunnel(8, |_| {});
    let client = world.client();
    world.way = Way::Unreachable;
    world.cut(Cut::Reset);
    world.pass(Duration::from_secs(5));
    assert!(world.cores[client].next_deadline().is_some());
    world.cores[client].command(Command::Stop(Stop::Drain), world.now);
    world.run();
    assert!(world.events.contains(&(client, Event::Stopped)), "{:?}", world.events);
}

#[test]
fn a_slow_link_is_not_taken_for_a_dead_one() {
    let (mut world, proxy) = World::tunnel(9, |_| {});
    world.whole_reads();
    world.pass(Duration::from_secs(10));
    let (browser, site) = connect(&mut world, proxy);
    // 3 kB/s: a large frame takes twenty seconds, as does everything behind it.
    let mut flow = Flow::new(site, browser, 100_000, 1);
    world.limit(0);
    for _ in 0..5 {
        flow.step(&mut world);
        world.run();
    }
    for _ in 0..10 * 60 {
        world.limit(300);
        world.pass(Duration::from_millis(100));
        flow.receive(&mut world);
    }
    assert!(flow.is_done());
    let lost = count(&world, |event| matches!(event, Event::TunnelInterrupted { .. }));
    assert_eq!(lost, 0, "{:?}", world.events);
}

#[test]
fn a_try_ends_with_its_session() {
    for stop in [None, Some(Stop::Now)] {
        // The server has more patience.
        let (mut world, _) = World::tunnel(10, |config| {
            let grace = if config.tls_server.is_some() { 60 } else { 1 };
            config.grace = Duration::from_secs(grace);
        });
        let client = world.client();
        world.cut(Cut::Reset);
        for _ in 0..4 {
            world.step();
        }
        // A connection stands; nothing comes over it.
        let held = world.hold_back().unwrap();
        world.pass(Duration::from_millis(500));
        if let Some(stop) = stop {
            world.cores[client].command(Command::Stop(stop), world.now);
            world.run();
            assert!(world.events.contains(&(client, Event::Stopped)));
        }
        world.pass(Duration::from_millis(600));
        world.release(held);
        world.pass(Duration::from_secs(20));
        assert_eq!(count(&world, resumed), 0, "{:?}", world.events);
        assert_eq!(world.cores[client].next_deadline(), None);
        world.pass(Duration::from_secs(60));
        assert_eq!(count(&world, |event| matches!(event, Event::TunnelDown { .. })), 2);
        assert_eq!(world.cores[0].next_deadline(), None);
    }
}
