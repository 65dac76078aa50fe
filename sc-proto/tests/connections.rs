//! A tunnel over several connections: each has its session, and none needs the others.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use sc_proto::contract::{ClientId, ConnectionNumber, Refusal, TransportLoss, TunnelEnd};
use sc_proto::{Command, Event, Stop};
use world::dials::Way;
use world::events::{assert_legal, count, resumed};
use world::faults::{CUTS, Cut};
use world::traffic::{Flow, connect};
use world::{CLIENT, End, SECRET, TUNNEL, World};

const FOUR: u8 = 4;

fn down(event: &Event) -> bool {
    matches!(event, Event::TunnelDown { .. })
}

/// How many sessions the server has.
fn sessions(world: &World) -> usize {
    world.cores[0].statistics().sessions
}

/// Opens streams: the browsers' and the sites' ends.
fn open(world: &mut World, proxy: sc_proto::ListenerId, n: usize) -> Vec<(End, End)> {
    (0..n).map(|_| connect(world, proxy)).collect()
}

#[test]
fn streams_are_spread_evenly() {
    let (mut world, proxy) = World::tunnel_of(FOUR, 1, |_| {});
    let streams = open(&mut world, proxy, 32);
    assert_eq!(sessions(&world), 4);
    // Each transport that dies takes its share of the streams with it, for a while.
    world.way = Way::Unreachable;
    let transports = world.live_transports();
    assert_eq!(transports.len(), 4);
    for (cut, transport) in (1..).zip(transports) {
        world.cut_one(transport, Cut::Reset);
        world.run();
        let mut stuck = BTreeSet::new();
        for (number, (browser, site)) in streams.iter().enumerate() {
            world.send(*site, b"x");
            world.run();
            if world.take_all(*browser).is_empty() {
                stuck.insert(number);
            }
        }
        assert_eq!(stuck.len(), 8 * cut, "each connection has an equal share: {stuck:?}");
    }
}

#[test]
fn without_one_connection_requests_go_on_at_once_and_nothing_is_lost() {
    for cut in CUTS {
        let (mut world, proxy) = World::tunnel_of(FOUR, 2, |_| {});
        let streams = open(&mut world, proxy, 8);
        let mut flows: Vec<_> = streams
            .iter()
            .enumerate()
            .flat_map(|(n, (browser, site))| {
                [
                    Flow::new(*browser, *site, 200_000, n),
                    Flow::new(*site, *browser, 200_000, 100 + n),
                ]
            })
            .collect();
        world.way = Way::Unreachable;
        let one = world.live_transports()[1];
        world.cut_one(one, cut);
        if matches!(cut, Cut::Silence | Cut::ResetForClient) {
            // Until the server has noticed.
            world.pass(Duration::from_secs(5));
        }
        // No time passes.
        let late = open(&mut world, proxy, 12);
        for (browser, site) in late {
            world.send(site, b"at once");
            world.run();
            assert_eq!(world.take_all(browser), "at once", "{cut:?}");
        }
        world.way = Way::Open;
        for round in 0.. {
            assert!(round < 1000, "it does not come to an end");
            flows.iter_mut().for_each(|flow| flow.step(&mut world));
            world.pass(Duration::from_millis(100));
            if flows.iter().all(Flow::is_done) {
                break;
            }
        }
        assert_eq!((count(&world, resumed), count(&world, down)), (2, 0), "{cut:?}");
        assert_legal(&world);
    }
}

#[test]
fn without_any_connection_requests_wait_for_the_first_that_is_back() {
    let (mut world, proxy) = World::tunnel_of(FOUR, 3, |_| {});
    world.way = Way::Unreachable;
    world.cut_all(Cut::Reset);
    world.pass(Duration::from_secs(1));
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let browser = world.browse(0, proxy).unwrap();
            world.send(browser, b"CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\n");
            browser
        })
        .collect();
    // Longer than a dial may take.
    world.pass(Duration::from_secs(40));
    assert_eq!(world.cores[0].statistics().waiting, 20);
    world.way = Way::Open;
    while count(&world, resumed) == 0 {
        let next = world.cores.iter().filter_map(sc_proto::Core::next_deadline).map(|d| d.at).min();
        world.pass(next.unwrap().since(world.now));
    }
    world.run();
    for browser in waiting {
        assert!(world.take_all(browser).contains(" 200 "));
    }
    world.pass(Duration::from_secs(2));
    assert_eq!((count(&world, resumed), count(&world, down)), (8, 0));
    assert_legal(&world);
}

#[test]
fn a_lost_session_is_replaced_while_the_others_go_on() {
    // The client gives its sessions up much sooner than the server.
    let (mut world, proxy) = World::tunnel_of(FOUR, 4, |config| {
        if config.tls_server.is_none() {
            config.grace = Duration::from_secs(1);
        }
    });
    let streams = open(&mut world, proxy, 8);
    world.way = Way::Unreachable;
    let one = world.live_transports()[2];
    world.cut_one(one, Cut::Reset);
    world.pass(Duration::from_secs(2));
    let lost = |event: &&(usize, Event)| down(&event.1);
    let events: Vec<_> = world.events.iter().filter(lost).collect();
    let [(_, Event::TunnelDown { connection, .. })] = events[..] else { panic!("{events:?}") };
    let connection = *connection;
    assert_eq!(connection.count(), FOUR);
    world.way = Way::Open;
    world.connect_as(SECRET, CLIENT, connection);
    world.pass(Duration::from_secs(1));
    assert_eq!(sessions(&world), 4, "the new session took the place of the one that waited");
    let alive = streams.iter().filter(|(browser, site)| {
        world.send(*site, b"x");
        world.run();
        world.take_all(*browser) == "x"
    });
    assert_eq!(alive.count(), 6);
    assert_eq!(count(&world, down), 2, "of one session, at both ends");
    assert_legal(&world);
}

#[test]
fn another_client_ends_all_sessions_of_the_first() {
    for newcomers in [1, 4, 7] {
        let (mut world, proxy) = World::tunnel_of(FOUR, 5, |_| {});
        let streams = open(&mut world, proxy, 8);
        world.connect_all(ClientId([2; 16]), newcomers);
        world.run();
        assert_eq!(sessions(&world), newcomers.into());
        for (browser, site) in streams {
            assert!(world.was_reset(browser) && world.was_reset(site));
        }
        let ended = |(core, event): &&(usize, Event)| {
            let refused = TunnelEnd::Lost(TransportLoss::Refused(Refusal::Ending));
            *core == 1 && matches!(event, Event::TunnelDown { end, .. } if *end == refused)
        };
        assert_eq!(world.events.iter().filter(ended).count(), 4, "{:?}", world.events);
        let _ = connect(&mut world, proxy);
    }
}

#[test]
fn another_number_of_connections_is_another_client() {
    let (mut world, _) = World::tunnel_of(FOUR, 6, |_| {});
    world.connect_as(SECRET, CLIENT, ConnectionNumber::new(4, 5).unwrap());
    world.run();
    assert_eq!(sessions(&world), 1);
}

#[test]
fn a_tunnel_that_ends_takes_no_session_and_lets_all_finish() {
    let (mut world, proxy) = World::tunnel_of(FOUR, 7, |_| {});
    let streams = open(&mut world, proxy, 3);
    world.cores[0].command(Command::DrainTunnel(TUNNEL), world.now);
    world.run();
    // One had nothing to do. Its client comes back too soon.
    assert_eq!(sessions(&world), 3);
    world.connect_as(SECRET, CLIENT, ConnectionNumber::new(3, FOUR).unwrap());
    world.run();
    assert_eq!(sessions(&world), 3);
    let refused = |event: &Event| {
        matches!(
            event,
            Event::ConnectFailed {
                failure: sc_proto::contract::ConnectFailure::Transport(TransportLoss::Refused(
                    Refusal::Ending
                )),
                ..
            }
        )
    };
    assert_eq!(count(&world, refused), 1, "{:?}", world.events);
    for (browser, site) in streams {
        world.send(site, b"still");
        world.run();
        assert_eq!(world.take_all(browser), "still");
        world.finish(browser);
        world.finish(site);
    }
    world.pass(Duration::from_secs(1));
    assert_eq!(count(&world, down), 8);
    assert_legal(&world);
}

#[test]
fn a_stop_ends_all_sessions_and_is_told_once() {
    for how in [Stop::Drain, Stop::Now] {
        for core in [0, 1] {
            let (mut world, proxy) = World::tunnel_of(FOUR, 8, |_| {});
            let streams = open(&mut world, proxy, 4);
            world.cores[core].command(Command::Stop(how), world.now);
            world.run();
            for (browser, site) in streams {
                world.finish(browser);
                world.finish(site);
            }
            world.pass(Duration::from_secs(10));
            let stopped = world.events.iter().filter(|event| **event == (core, Event::Stopped));
            assert_eq!(stopped.count(), 1, "{how:?} of {core}");
            assert_eq!(count(&world, down), 8);
            assert_legal(&world);
        }
    }
}

#[test]
fn a_full_connection_leaves_room_on_the_others() {
    let (mut world, proxy) = World::tunnel_of(2, 9, |config| config.kgp.max_streams = 8);
    let mut streams = open(&mut world, proxy, 8);
    let late = world.browse(0, proxy).unwrap();
    world.send(late, b"CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\n");
    world.run();
    assert_eq!(world.cores[0].statistics().waiting, 1, "the two share what one would take");
    let (browser, _) = streams.pop().unwrap();
    world.abort(browser);
    world.run();
    assert!(world.take_all(late).contains(" 200 "));
}

#[test]
fn a_wrong_secret_ends_nothing() {
    let (mut world, _) = World::tunnel_of(1, 10, |_| {});
    world.connect_as(
        sc_proto::contract::TunnelSecret::new([1; 32]),
        CLIENT,
        ConnectionNumber::ONLY,
    );
    world.run();
    assert_eq!((sessions(&world), count(&world, down)), (1, 0));
}
