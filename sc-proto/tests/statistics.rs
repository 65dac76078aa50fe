//! What a core says about itself agrees with what it did.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use std::time::Duration;

use sc_proto::Event;
use sc_proto::endpoint::Carried;
use world::faults::Cut;
use world::{End, TUNNEL, World};

const SERVER: usize = 0;

/// A stream of 100,000 bytes from the browser, which all arrived.
fn carry(world: &mut World, proxy: sc_proto::ListenerId) -> (End, End) {
    let browser = world.browse(SERVER, proxy).unwrap();
    world.send(browser, b"CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\n");
    world.run();
    let (_, site) = world.sites.pop_front().unwrap();
    world.send(browser, &[7; 100_000]);
    let mut arrived = 0;
    while arrived < 100_000 {
        world.run();
        arrived += world.take(site, usize::MAX).len();
    }
    world.pass(Duration::from_secs(1));
    (browser, site)
}

#[test]
fn a_stream_and_a_cut_are_counted_once_on_each_side() {
    let (mut world, proxy) = World::tunnel(1, |_| {});
    let client = world.client();
    let (browser, _site) = carry(&mut world, proxy);
    for core in [SERVER, client] {
        let core = &world.cores[core];
        let all = core.statistics();
        assert_eq!((all.counters.sessions, all.counters.streams), (1, 1));
        assert_eq!(all.counters.transports.sockets.connected, 1);
        assert_eq!((all.counters.proxied.connected, all.counters.proxied.closed), (1, 0));
        assert!(all.counters.transports.sockets.read > 0);
        let sessions: Vec<_> = core.session_statistics().collect();
        assert_eq!(sessions.len(), 1);
        assert_eq!(sessions[0].tunnel, TUNNEL);
        assert_eq!(sessions[0].carried, Carried::Yes);
        assert_eq!(sessions[0].streams.open, 1);
        assert_eq!(sessions[0].unacknowledged, 0);
        assert!(sessions[0].rtt.is_some());
    }
    let bytes = |core: usize| world.cores[core].statistics().counters.proxied;
    assert!(bytes(SERVER).read >= 100_000);
    assert_eq!(bytes(client).written, 100_000);

    world.cut(Cut::Reset);
    world.run();
    world.pass(Duration::from_secs(5));
    for core in [SERVER, client] {
        let told: u64 = world
            .events
            .iter()
            .filter(|(at, _)| *at == core)
            .filter_map(|(_, event)| match event {
                Event::TunnelResumed { replayed, .. } => Some(*replayed),
                _ => None,
            })
            .sum();
        let counters = world.cores[core].statistics().counters;
        assert_eq!((counters.sessions, counters.resumes, counters.replayed), (1, 1, told));
        assert_eq!(counters.transports.sockets.connected, 2);
        assert_eq!(counters.transports.sockets.closed, 1);
    }
    assert_eq!(world.cores[client].statistics().counters.transports.dials, 2);

    world.abort(browser);
    world.pass(Duration::from_secs(1));
    let counters = world.cores[SERVER].statistics().counters;
    assert_eq!(counters.proxied.connected, counters.proxied.closed);
}

#[test]
fn a_reader_that_stops_shows_as_a_stall() {
    let (mut world, proxy) = World::tunnel(1, |_| {});
    let (browser, _site) = carry(&mut world, proxy);
    let before = world.cores[SERVER].session_statistics().next().unwrap().credit_stalls;
    // More than any window, and nobody takes it.
    for _ in 0..64 {
        world.send(browser, &[7; 100_000]);
        world.run();
    }
    let session = world.cores[SERVER].session_statistics().next().unwrap();
    assert_eq!(session.streams.stalled, 1);
    assert!(session.credit_stalls > before);
}
