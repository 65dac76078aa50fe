//! Transports die; streams do not.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use std::time::Duration;

use sc_proto::contract::TunnelEnd;
use sc_proto::{Command, Event, Stop};
use world::dials::Way;
use world::events::{assert_legal, count, resumed};
use world::faults::{CUTS, Cut};
use world::traffic::{Flow, connect};
use world::{TUNNEL, World};

#[test]
fn streams_survive_any_number_of_cuts_at_any_place() {
    let variable = |name: &str| std::env::var(name).ok().and_then(|value| value.parse().ok());
    let seeds = match variable("SC_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..variable("SC_SIM_SEEDS").unwrap_or(100) + 1,
    };
    let mut resumes = 0;
    for seed in seeds {
        println!("seed {seed}");
        let connections = [1, 1, 2, 4][(seed % 4) as usize];
        let (mut world, proxy) = World::tunnel_of(connections, seed, |_| {});
        let mut flows = Vec::new();
        for i in 0..4 {
            let (browser, site) = connect(&mut world, proxy);
            flows.push(Flow::new(browser, site, 150_000, i));
            flows.push(Flow::new(site, browser, 300_000, i + 100));
        }
        let mut dice = seed;
        for round in 0.. {
            assert!(round < 3000, "it does not come to an end");
            for flow in &mut flows {
                flow.step(&mut world);
            }
            dice = dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            // Stops at an arbitrary moment, also amid a handshake or a resume.
            for _ in 0..dice >> 40 & 63 {
                world.step();
            }
            if dice >> 33 & 7 == 0 && round < 200 {
                let (cut, live) = (CUTS[(dice >> 36 & 3) as usize], world.live_transports());
                match live.get((dice >> 10 & 7) as usize % connections as usize) {
                    Some(one) => world.cut_one(*one, cut),
                    None => world.cut(cut),
                }
                if dice >> 20 & 3 == 0 {
                    world.cut_all(cut);
                }
            }
            world.pass(Duration::from_millis(dice >> 50 & 1023));
            if flows.iter().all(Flow::is_done) {
                break;
            }
        }
        assert_eq!(count(&world, |event| matches!(event, Event::TunnelDown { .. })), 0);
        assert_legal(&world);
        resumes += count(&world, resumed);
        for flow in flows.chunks(2) {
            world.finish(flow[0].from);
            world.pass(Duration::from_secs(10));
            assert!(world.has_ended(flow[0].to));
            world.finish(flow[0].to);
        }
        world.pass(Duration::from_secs(10));
        assert_eq!(world.cores[0].statistics().streams, 0, "seed {seed}");
    }
    println!("{resumes} resumes seen, on both sides");
    assert!(resumes > 0);
}

#[test]
fn each_kind_of_cut_is_survived_and_told_once() {
    for cut in CUTS {
        let (mut world, proxy) = World::tunnel(1, |_| {});
        let (browser, site) = connect(&mut world, proxy);
        world.cut(cut);
        world.send(site, b"while it was down");
        world.pass(Duration::from_secs(6));
        assert_eq!(world.take_all(browser), "while it was down", "{cut:?}");
        assert_eq!(count(&world, resumed), 2, "{cut:?}: {:?}", world.events);
        assert_eq!(count(&world, |event| matches!(event, Event::TunnelDown { .. })), 0);
    }
}

#[test]
fn a_session_that_the_server_gave_up_is_not_resumed() {
    let (mut world, proxy) = World::tunnel(5, |_| {});
    let (_, site) = connect(&mut world, proxy);
    world.way = Way::Unreachable;
    world.cut(Cut::Reset);
    world.pass(Duration::from_secs(1));
    world.cores[0].command(Command::RemoveTunnel(TUNNEL), world.now);
    world.way = Way::Open;
    world.pass(Duration::from_secs(2));
    assert!(world.was_reset(site));
    let client = world.client();
    assert!(world.events.iter().any(|(core, event)| *core == client
        && matches!(event, Event::TunnelDown { end: TunnelEnd::Lost(_), .. })));
}

/// Transports are held up at every moment of a resume and come back to life when a newer one
/// carries the session.
#[test]
fn a_transport_that_was_held_up_harms_nobody() {
    for steps in 0..80 {
        let (mut world, proxy) = World::tunnel(6, |_| {});
        world.whole_reads();
        let (browser, site) = connect(&mut world, proxy);
        let mut flows =
            [Flow::new(browser, site, 500_000, 1), Flow::new(site, browser, 500_000, 2)];
        world.cut(Cut::ResetForClient);
        for _ in 0..steps {
            world.step();
        }
        let held = world.hold_back().unwrap();
        for round in 0..100 {
            for flow in &mut flows {
                flow.step(&mut world);
            }
            world.pass(Duration::from_millis(200));
            if round == 50 {
                world.release(held);
            }
        }
        assert!(flows.iter().all(Flow::is_done), "after {steps} steps");
        assert_legal(&world);
        let down = count(&world, |event| matches!(event, Event::TunnelDown { .. }));
        assert_eq!(down, 0, "after {steps} steps: {:?}", world.events);
    }
}

#[test]
fn a_drained_client_goes_when_its_last_bytes_have_arrived() {
    for cut in CUTS {
        for steps in 0..40 {
            let (mut world, proxy) = World::tunnel(7, |_| {});
            world.whole_reads();
            let (browser, site) = connect(&mut world, proxy);
            let client = world.client();
            world.cores[client].command(Command::Stop(Stop::Drain), world.now);
            world.finish(browser);
            world.pass(Duration::from_secs(1));
            assert!(world.has_ended(site));
            world.send(site, &[3; 100_000]);
            world.finish(site);
            for _ in 0..steps {
                world.step();
            }
            world.cut(cut);
            let mut got = 0;
            for _ in 0..20 {
                world.pass(Duration::from_secs(1));
                got += world.discard(browser);
            }
            assert_eq!(got, 100_000, "{cut:?} after {steps} steps");
            assert!(world.has_ended(browser));
            assert!(
                world.events.contains(&(client, Event::Stopped)),
                "{cut:?} after {steps} steps"
            );
        }
    }
}

#[test]
fn transports_that_die_at_once_are_not_replaced_without_end() {
    let (mut world, _) = World::tunnel(11, |_| {});
    for _ in 0..3000 {
        world.cut(Cut::Reset);
        world.pass(Duration::from_millis(10));
    }
    let tries = count(&world, resumed) / 2;
    assert!((5..30).contains(&tries), "{tries} in 30 seconds");
}

/// The server has not noticed anything when the client comes back, and what was under way on the
/// old transport arrives later.
#[test]
fn bytes_of_a_fenced_transport_are_not_taken() {
    for steps in 0..60 {
        let (mut world, proxy) = World::tunnel(12, |_| {});
        world.whole_reads();
        let (browser, site) = connect(&mut world, proxy);
        let mut flows =
            [Flow::new(browser, site, 400_000, 1), Flow::new(site, browser, 400_000, 2)];
        for round in 0..40 {
            for flow in &mut flows {
                flow.step(&mut world);
            }
            if round % 10 != 3 {
                world.pass(Duration::from_millis(150));
                continue;
            }
            for _ in 0..steps {
                world.step();
            }
            let old = world.roam().unwrap();
            world.pass(Duration::from_millis(10 * (steps % 7)));
            world.release(old);
        }
        for _ in 0..10 {
            world.pass(Duration::from_millis(100));
            flows.iter_mut().for_each(|flow| flow.receive(&mut world));
        }
        assert!(flows.iter().all(Flow::is_done), "after {steps} steps");
        let interrupted = |core| {
            let of = |(at, event): &&(usize, Event)| {
                *at == core && matches!(event, Event::TunnelInterrupted { .. })
            };
            world.events.iter().filter(of).count()
        };
        assert_legal(&world);
        assert_eq!((interrupted(0), interrupted(1)), (0, 4), "the server did not notice");
        assert_eq!(count(&world, resumed), 8);
        assert_eq!(count(&world, |event| matches!(event, Event::TunnelDown { .. })), 0);
    }
}

#[test]
fn a_resume_on_another_worker_is_handed_over() {
    for removed_after in (0..60).map(Some).chain([None]) {
        let mut world = World::with_server_workers(13, 2, |_| {});
        let proxy = world.add_tunnel(1);
        world.connect(world::SECRET);
        world.run();
        let browser = world.browse(1, proxy).unwrap();
        world.send(browser, b"CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\n");
        world.run();
        let (_, site) = world.sites.pop_front().unwrap();
        let _ = world.take_all(browser);
        world.cut(Cut::Reset);
        world.send(site, b"while it was down");
        if let Some(steps) = removed_after {
            for _ in 0..steps {
                world.step();
            }
            for worker in [0, 1] {
                world.cores[worker].command(Command::RemoveTunnel(TUNNEL), world.now);
            }
            world.pass(Duration::from_secs(70));
            assert!(world.was_reset(browser) && world.was_reset(site));
            assert_eq!(count(&world, |event| matches!(event, Event::TunnelDown { .. })), 2);
            assert!(world.cores.iter().all(|core| core.next_deadline().is_none()));
        } else {
            world.pass(Duration::from_secs(1));
            assert_eq!(world.take_all(browser), "while it was down");
            assert_eq!(count(&world, resumed), 2);
        }
        assert_legal(&world);
    }
}

#[test]
fn a_client_that_goes_at_once_is_not_waited_for() {
    for backlog in [0, 100_000] {
        let (mut world, proxy) = World::tunnel(14, |_| {});
        let (browser, site) = connect(&mut world, proxy);
        let client = world.client();
        world.send(site, &vec![1; backlog]);
        for _ in 0..4 {
            world.step();
        }
        world.cores[client].command(Command::Stop(Stop::Now), world.now);
        world.pass(Duration::from_millis(100));
        assert!(world.events.contains(&(client, Event::Stopped)));
        assert!(world.was_reset(browser) && world.was_reset(site));
        assert_eq!(count(&world, |event| matches!(event, Event::TunnelDown { .. })), 2);
        assert_legal(&world);
    }
}
