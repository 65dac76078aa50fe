//! A tunnel whose sessions live on several workers, at both ends.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use std::time::Duration;

use sc_proto::contract::{ClientId, ConnectionNumber, Refusal, TransportLoss, TunnelEnd};
use sc_proto::{Command, Event, ListenerId, Stop};
use world::dials::Way;
use world::events::{assert_legal, count, resumed};
use world::faults::{CUTS, Cut};
use world::traffic::Flow;
use world::{CLIENT, End, SECRET, TUNNEL, World};

const CONNECT: &[u8] = b"CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\n";

/// Workers of each end.
const WORKERS: usize = 3;
/// The tunnel's home: not the worker that clients come to.
const HOME: usize = 1;

fn down(event: &Event) -> bool {
    matches!(event, Event::TunnelDown { .. })
}

/// A tunnel with so many connections, over all workers.
fn tunnel(connections: u8, seed: u64) -> (World, ListenerId) {
    let mut world = World::with_workers(seed, WORKERS, WORKERS, |_| {});
    let proxy = world.add_tunnel(HOME);
    world.spread(HOME);
    world.connect_all(CLIENT, connections);
    world.run();
    assert_eq!(sessions(&world).iter().sum::<usize>(), connections.into(), "{:?}", world.events);
    (world, proxy)
}

/// The sessions of each of the server's workers.
fn sessions(world: &World) -> [usize; WORKERS] {
    std::array::from_fn(|worker| world.cores[worker].statistics().sessions)
}

/// The browsers of each.
fn browsers(world: &World) -> [usize; WORKERS] {
    std::array::from_fn(|worker| world.cores[worker].statistics().proxied)
}

/// The streams of each.
fn streams(world: &World) -> [usize; WORKERS] {
    std::array::from_fn(|worker| world.cores[worker].statistics().streams)
}

fn waiting(world: &World) -> usize {
    (0..WORKERS).map(|worker| world.cores[worker].statistics().waiting).sum()
}

/// The sessions of each of the client's workers.
fn client_sessions(world: &World) -> Vec<usize> {
    world.cores[WORKERS..].iter().map(|core| core.statistics().sessions).collect()
}

fn browse(world: &mut World, proxy: ListenerId) -> End {
    let browser = world.browse(HOME, proxy).unwrap();
    world.send(browser, CONNECT);
    browser
}

/// A CONNECT stream: the browser's and the site's end.
fn connect(world: &mut World, proxy: ListenerId) -> (End, End) {
    let browser = browse(world, proxy);
    world.run();
    let (_, site) = world.sites.pop_front().unwrap();
    assert_eq!(world.take_all(browser), "HTTP/1.1 200 Connection Established\r\n\r\n");
    (browser, site)
}

fn open(world: &mut World, proxy: ListenerId, n: usize) -> Vec<(End, End)> {
    (0..n).map(|_| connect(world, proxy)).collect()
}

/// Carries bytes both ways on each of these streams, while `faults` happen.
fn carry(world: &mut World, streams: &[(End, End)], faults: impl Fn(&mut World, usize)) {
    let mut flows: Vec<_> = streams
        .iter()
        .enumerate()
        .flat_map(|(n, (browser, site))| {
            [Flow::new(*browser, *site, 200_000, n), Flow::new(*site, *browser, 200_000, 100 + n)]
        })
        .collect();
    for round in 0.. {
        assert!(round < 2000, "it does not come to an end: {:?}", world.events);
        faults(world, round);
        flows.iter_mut().for_each(|flow| flow.step(world));
        world.pass(Duration::from_millis(100));
        if flows.iter().all(Flow::is_done) {
            break;
        }
    }
}

#[test]
fn sessions_and_browsers_are_shared_out() {
    for (connections, expected) in [(2, [0, 1, 1]), (3, [1, 1, 1]), (7, [2, 3, 2])] {
        let (mut world, proxy) = tunnel(connections, 1);
        assert_eq!(sessions(&world), expected);
        let mut at_client = client_sessions(&world);
        at_client.sort_unstable();
        assert_eq!(at_client.iter().sum::<usize>(), connections.into());
        assert_eq!(at_client.iter().filter(|n| **n > 0).count(), WORKERS.min(connections.into()));
        let carriers = expected.iter().filter(|n| **n > 0).count();
        let open = open(&mut world, proxy, 6 * carriers);
        for (worker, sessions) in expected.into_iter().enumerate() {
            let share = if sessions > 0 { 6 } else { 0 };
            assert_eq!((browsers(&world)[worker], streams(&world)[worker]), (share, share));
        }
        carry(&mut world, &open, |_, _| {});
        assert_legal(&world);
    }
}

#[test]
fn browsers_that_come_together_are_shared_out_too() {
    let (mut world, proxy) = tunnel(3, 2);
    let all: Vec<_> = (0..30).map(|_| world.browse(HOME, proxy).unwrap()).collect();
    for browser in &all {
        world.send(*browser, CONNECT);
    }
    world.run();
    assert_eq!(streams(&world), [10; WORKERS]);
    for browser in all {
        world.abort(browser);
    }
    world.run();
    assert_eq!((browsers(&world), streams(&world)), ([0; WORKERS], [0; WORKERS]));
}

#[test]
fn a_tunnel_with_one_connection_stays_at_home() {
    let (mut world, proxy) = tunnel(1, 3);
    let _ = open(&mut world, proxy, 6);
    assert_eq!((sessions(&world), browsers(&world)), ([0, 1, 0], [0, 6, 0]));
}

#[test]
fn each_session_is_resumed_where_it_lives_and_nothing_is_lost() {
    for cut in CUTS {
        for deaf in [0, 2] {
            let (mut world, proxy) = tunnel(4, 4);
            world.deaf = deaf;
            let open = open(&mut world, proxy, 12);
            carry(&mut world, &open, |world, round| {
                if round % 8 == 2 && round < 80 {
                    let transports = world.live_transports();
                    let one = round / 8 % transports.len().max(1);
                    if let Some(one) = transports.get(one) {
                        world.cut_one(*one, cut);
                    }
                }
            });
            assert_eq!(count(&world, down), 0, "{cut:?}");
            assert!(count(&world, resumed) > 0);
            assert_eq!(sessions(&world), [1, 2, 1]);
            assert_legal(&world);
        }
    }
}

/// The browsers of a worker whose sessions are all dead go to another with their next request.
#[test]
fn without_a_workers_sessions_its_browsers_are_served_elsewhere() {
    for deaf in [0, 3] {
        let (mut world, proxy) = tunnel(3, 5);
        let kept = open(&mut world, proxy, 3);
        // Each worker has browsers that have asked for nothing yet.
        let idle: Vec<_> = (0..9).map(|_| world.browse(HOME, proxy).unwrap()).collect();
        world.run();
        assert_eq!(browsers(&world), [4; WORKERS]);
        world.deaf = deaf;
        world.way = Way::Unreachable;
        for (dead, transport) in (1..WORKERS).zip(world.live_transports()) {
            world.cut_one(transport, Cut::Reset);
            world.run();
            // No time passes.
            let round = &idle[3 * (dead - 1)..][..3];
            for browser in round {
                world.send(*browser, CONNECT);
            }
            world.run();
            for browser in round {
                if deaf == 0 {
                    assert!(world.take_all(*browser).contains(" 200 "), "{dead} of them dead");
                }
            }
            let late = browse(&mut world, proxy);
            world.run();
            assert!(deaf > 0 || world.take_all(late).contains(" 200 "));
        }
        world.way = Way::Open;
        world.pass(Duration::from_secs(5));
        world.sites.clear();
        assert_eq!(waiting(&world), 0);
        assert_eq!((count(&world, resumed), count(&world, down)), (4, 0));
        carry(&mut world, &kept, |_, _| {});
        assert_legal(&world);
    }
}

#[test]
fn a_browser_takes_what_it_has_sent_along() {
    let (mut world, proxy) = tunnel(3, 6);
    let idle: Vec<_> = (0..3).map(|_| world.browse(HOME, proxy).unwrap()).collect();
    world.run();
    world.way = Way::Unreachable;
    for transport in world.live_transports().into_iter().take(2) {
        world.cut_one(transport, Cut::Reset);
    }
    world.run();
    for browser in &idle {
        world.send(*browser, CONNECT);
        world.send(*browser, b"spoken too early");
    }
    world.run();
    assert_eq!(streams(&world).iter().filter(|n| **n == 3).count(), 1, "{:?}", streams(&world));
    while let Some((_, site)) = world.sites.pop_front() {
        assert_eq!(world.take_all(site), "spoken too early");
    }
}

#[test]
fn without_any_connection_requests_of_all_workers_wait_for_the_first_that_is_back() {
    for deaf in [0, 2] {
        let (mut world, proxy) = tunnel(3, 7);
        let idle: Vec<_> = (0..12).map(|_| world.browse(HOME, proxy).unwrap()).collect();
        world.run();
        world.way = Way::Unreachable;
        world.cut_all(Cut::Reset);
        world.run();
        for browser in &idle {
            world.send(*browser, CONNECT);
        }
        // Longer than a dial may take.
        world.pass(Duration::from_secs(40));
        assert_eq!(waiting(&world), 12);
        world.deaf = deaf;
        world.way = Way::Open;
        world.pass(Duration::from_secs(10));
        for browser in &idle {
            assert!(world.take_all(*browser).contains(" 200 "), "deaf {deaf}");
        }
        assert_eq!((waiting(&world), count(&world, down)), (0, 0));
        assert_legal(&world);
    }
}

#[test]
fn when_no_session_is_left_anywhere_those_who_wait_are_told() {
    let mut world = World::with_workers(8, WORKERS, WORKERS, |config| {
        config.grace = Duration::from_secs(3);
    });
    let proxy = world.add_tunnel(HOME);
    world.spread(HOME);
    world.connect_all(CLIENT, 3);
    world.run();
    let idle: Vec<_> = (0..6).map(|_| world.browse(HOME, proxy).unwrap()).collect();
    world.run();
    world.way = Way::Unreachable;
    world.cut_all(Cut::Reset);
    world.run();
    for browser in &idle {
        world.send(*browser, CONNECT);
    }
    world.pass(Duration::from_secs(2));
    assert_eq!(waiting(&world), 6);
    world.pass(Duration::from_secs(2));
    assert_eq!((waiting(&world), sessions(&world)), (0, [0; WORKERS]));
    for browser in idle {
        assert!(world.take_all(browser).contains(" 503 "));
    }
}

#[test]
fn another_client_ends_all_sessions_of_the_first_on_all_workers() {
    for (first, newcomers) in [(3, 1), (1, 3), (4, 4), (4, 7)] {
        for deaf in [0, 2] {
            let (mut world, proxy) = tunnel(first, 9);
            let streams = open(&mut world, proxy, 6);
            world.deaf = deaf;
            world.connect_all(ClientId([2; 16]), newcomers);
            world.pass(Duration::from_secs(1));
            if deaf > 0 {
                // Some transports were closed instead of handed over. Their client comes again.
                world.deaf = 0;
                world.connect_all(ClientId([2; 16]), newcomers);
                world.pass(Duration::from_secs(1));
            }
            assert_eq!(sessions(&world).iter().sum::<usize>(), newcomers.into());
            for (browser, site) in streams {
                assert!(world.was_reset(browser) && world.was_reset(site));
            }
            let refused = TunnelEnd::Lost(TransportLoss::Refused(Refusal::Ending));
            let ended = |(core, event): &&(usize, Event)| {
                *core >= WORKERS
                    && matches!(event, Event::TunnelDown { end, .. } if *end == refused)
            };
            let ended = world.events.iter().filter(ended).count();
            assert!(ended >= first.into(), "{:?}", world.events);
            let _ = connect(&mut world, proxy);
            assert_legal(&world);
        }
    }
}

#[test]
fn a_connection_made_anew_takes_the_place_of_its_own() {
    let (mut world, proxy) = tunnel(4, 10);
    let streams = open(&mut world, proxy, 8);
    world.connect_as(SECRET, CLIENT, ConnectionNumber::new(2, 4).unwrap());
    world.run();
    assert_eq!(sessions(&world), [1, 2, 1]);
    let alive = streams.iter().filter(|(browser, _)| !world.was_reset(*browser)).count();
    assert!((5..8).contains(&alive), "{alive} of 8 are left");
}

#[test]
fn a_drained_tunnel_ends_on_all_workers_when_all_is_done() {
    let (mut world, proxy) = tunnel(3, 11);
    let streams = open(&mut world, proxy, 6);
    for core in 0..WORKERS {
        world.cores[core].command(Command::DrainTunnel(TUNNEL), world.now);
    }
    world.run();
    world.connect_as(SECRET, CLIENT, ConnectionNumber::new(1, 3).unwrap());
    let late = browse(&mut world, proxy);
    world.run();
    assert!(world.take_all(late).contains(" 503 "));
    assert_eq!(sessions(&world), [1; WORKERS]);
    for (browser, site) in streams {
        world.send(site, b"still");
        world.run();
        assert_eq!(world.take_all(browser), "still");
        world.finish(browser);
        world.finish(site);
    }
    world.pass(Duration::from_secs(1));
    assert_eq!((sessions(&world), count(&world, down)), ([0; WORKERS], 6));
    assert_legal(&world);
}

#[test]
fn a_removed_tunnel_ends_on_all_workers() {
    let (mut world, proxy) = tunnel(3, 12);
    let streams = open(&mut world, proxy, 6);
    for core in 0..WORKERS {
        world.cores[core].command(Command::RemoveTunnel(TUNNEL), world.now);
    }
    world.run();
    assert_eq!((sessions(&world), client_sessions(&world)), ([0; WORKERS], vec![0; WORKERS]));
    for (browser, site) in streams {
        assert!(world.was_reset(browser) && world.was_reset(site));
    }
}

#[test]
fn a_stop_is_told_once_by_each_worker() {
    for how in [Stop::Drain, Stop::Now] {
        for end in [0..WORKERS, WORKERS..2 * WORKERS] {
            let (mut world, proxy) = tunnel(3, 13);
            let streams = open(&mut world, proxy, 6);
            for core in end.clone() {
                world.cores[core].command(Command::Stop(how), world.now);
            }
            world.run();
            for (browser, site) in streams {
                world.finish(browser);
                world.finish(site);
            }
            world.pass(Duration::from_secs(10));
            for core in end.clone() {
                let told = world.events.iter().filter(|event| **event == (core, Event::Stopped));
                assert_eq!(told.count(), 1, "{how:?} of {core}");
            }
            assert_legal(&world);
        }
    }
}

#[test]
fn a_full_worker_sends_requests_to_one_with_room() {
    let mut world = World::with_workers(14, 2, 2, |config| config.kgp.max_streams = 16);
    let proxy = world.add_tunnel(0);
    world.spread(0);
    world.connect_all(CLIENT, 2);
    world.run();
    let all: Vec<_> = (0..16).map(|_| world.browse(0, proxy).unwrap()).collect();
    for browser in &all {
        world.send(*browser, CONNECT);
    }
    world.run();
    // Those of one worker leave; later ones come to it.
    let streams = |world: &World, core: usize| world.cores[core].statistics().streams;
    assert_eq!((streams(&world, 0), streams(&world, 1)), (8, 8));
    let late: Vec<_> = (0..4).map(|_| world.browse(0, proxy).unwrap()).collect();
    for browser in &late {
        world.send(*browser, CONNECT);
    }
    world.run();
    let waits =
        |world: &World| world.cores[0].statistics().waiting + world.cores[1].statistics().waiting;
    assert_eq!(waits(&world), 4);
    // All that leave are of one worker: every other one came to it.
    for browser in all.iter().step_by(2) {
        world.abort(*browser);
    }
    world.run();
    for browser in late {
        assert!(world.take_all(browser).contains(" 200 "), "it found the room on the other worker");
    }
}
