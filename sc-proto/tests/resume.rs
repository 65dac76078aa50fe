//! Transports die; streams do not.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

#[allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail loudly, and not every one needs all of the world"
)]
mod world;

use std::collections::VecDeque;
use std::time::Duration;

use sc_proto::contract::TunnelEnd;
use sc_proto::{Command, Event, ListenerId, Stop};
use world::{Cut, End, TUNNEL, World};

const CUTS: [Cut; 4] = [Cut::Reset, Cut::Close, Cut::Silence, Cut::ResetForClient];

fn connect(world: &mut World, proxy: ListenerId) -> (End, End) {
    let browser = world.browse(0, proxy).unwrap();
    world.send(browser, b"CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\n");
    world.run();
    let (_, site) = world.sites.pop_front().unwrap();
    assert!(world.take_all(browser).contains(" 200 "));
    (browser, site)
}

fn count(world: &World, of: impl Fn(&Event) -> bool) -> usize {
    world.events.iter().filter(|(_, event)| of(event)).count()
}

fn resumed(event: &Event) -> bool {
    matches!(event, Event::TunnelResumed { .. })
}

/// Bytes of one direction of one stream, and what of them has arrived.
struct Flow {
    from: End,
    to: End,
    bytes: VecDeque<u8>,
    sent: VecDeque<u8>,
}

impl Flow {
    fn new(from: End, to: End, n: usize, salt: usize) -> Self {
        let bytes = (0..n).map(|i| (i * 31 + salt + i / 251) as u8).collect();
        Self { from, to, bytes, sent: VecDeque::new() }
    }

    /// Sends some and checks what arrives, byte for byte.
    fn step(&mut self, world: &mut World) {
        let n = self.bytes.len().min(20_000);
        let part: Vec<u8> = self.bytes.drain(..n).collect();
        world.send(self.from, &part);
        self.sent.extend(part);
        self.receive(world);
    }

    fn receive(&mut self, world: &mut World) {
        for byte in world.take(self.to, usize::MAX) {
            assert_eq!(Some(byte), self.sent.pop_front(), "doubled, lost or out of order");
        }
    }

    fn is_done(&self) -> bool {
        self.bytes.is_empty() && self.sent.is_empty()
    }
}

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
        let (mut world, proxy) = World::tunnel(seed, |_| {});
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
                world.cut(CUTS[(dice >> 36 & 3) as usize]);
            }
            world.pass(Duration::from_millis(dice >> 50 & 1023));
            if flows.iter().all(Flow::is_done) {
                break;
            }
        }
        assert_eq!(count(&world, |event| matches!(event, Event::TunnelDown { .. })), 0);
        resumes += count(&world, resumed);
        for flow in flows.chunks(2) {
            world.finish(flow[0].from);
            world.pass(Duration::from_secs(10));
            assert!(world.has_ended(flow[0].to));
            world.finish(flow[0].to);
        }
        world.pass(Duration::from_secs(10));
        assert_eq!(world.cores[0].session_stream_counts(), [(TUNNEL, 0)], "seed {seed}");
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
    world.online = false;
    world.cut(Cut::Reset);
    world.send(site, &vec![7; 50_000_000]);
    world.pass(Duration::from_secs(20));
    let late = world.browse(0, proxy).unwrap();
    world.send(late, b"CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\n");
    world.pass(Duration::from_secs(5));
    let waiting = world.waiting_at(site);
    assert!(waiting > 49_000_000, "the client reads no further: {waiting}");
    world.online = true;
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
fn after_the_grace_streams_are_reset_on_both_sides() {
    let (mut world, proxy) = World::tunnel(4, |_| {});
    let (browser, site) = connect(&mut world, proxy);
    world.online = false;
    world.cut(Cut::Reset);
    world.pass(Duration::from_secs(59));
    assert!(!world.was_reset(browser) && !world.was_reset(site));
    world.pass(Duration::from_secs(2));
    assert!(world.was_reset(browser) && world.was_reset(site));
    assert_eq!(count(&world, |event| matches!(event, Event::TunnelDown { .. })), 2);
    let tries = count(&world, |event| matches!(event, Event::Reconnecting { .. }));
    assert!((100..1000).contains(&tries), "{tries}");
}

#[test]
fn a_session_that_the_server_gave_up_is_not_resumed() {
    let (mut world, proxy) = World::tunnel(5, |_| {});
    let (_, site) = connect(&mut world, proxy);
    world.online = false;
    world.cut(Cut::Reset);
    world.pass(Duration::from_secs(1));
    world.cores[0].command(Command::RemoveTunnel(TUNNEL), world.now);
    world.online = true;
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
fn a_stop_during_an_outage_does_not_wait_for_nothing() {
    let (mut world, _) = World::tunnel(8, |_| {});
    let client = world.client();
    world.online = false;
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
