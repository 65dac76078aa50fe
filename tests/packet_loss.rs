//! A line that loses packets under the kernel's own TCP, with the congestion control that takes
//! every loss for a full queue and with the one that does not, and cut meanwhile.
#![cfg(target_os = "linux")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sc_tests::namespaces::cut::{Cut, Scene};
use sc_tests::namespaces::{CongestionControl, Namespaces};
use sc_tests::packet_link::Conditions;
use sc_tests::traffic::{self, Idle, Progress};
use sc_tests::{figures, outcome, scale, wait};

/// How many WebSockets wait.
const WEB_SOCKETS: usize = 10;
/// How many small requests are measured at least.
const REQUESTS: usize = 20;

/// 20 ms of round trip and 100 Mbit/s, with a queue of as much as is on its way then.
const LINE: Conditions = Conditions {
    delay: Duration::from_millis(10),
    rate: 100,
    queue: 250 * 1000,
    one_in: 0,
    seed: 0,
};

/// What happens on the line, over and over.
const CUTS: [Cut; 6] = [
    Cut::ServersSocketKilled,
    Cut::Silent(Duration::from_secs(3)),
    Cut::Finished,
    Cut::OfficeMoves,
    Cut::ClientsSocketKilled,
    Cut::Silent(Duration::from_secs(8)),
];

/// Transfers in both directions, WebSockets and small requests while one in `one_in` packets is
/// lost and the transport is cut.
fn survive(control: CongestionControl, one_in: u32) {
    let seed = scale::seed();
    let (network, link) = Namespaces::over(Conditions { one_in, seed, ..LINE }, control);
    let (tunnel, site) = network.start_tunnel();
    network.expect_congestion_control(control);
    let scene = Scene { network: &network, link: Some(&link), tunnel: &tunnel, site: &site };
    let mut idle = Idle::open(tunnel.proxy, &site, WEB_SOCKETS);
    let (length, cuts) = (scale::lossy_bytes(), scale::lossy_cuts());

    let began = Instant::now();
    let calm = traffic::run(tunnel.proxy, &site, length, REQUESTS, |_| {});
    let calm_took = began.elapsed();
    let mut outcomes = Vec::new();
    let samples = traffic::run(tunnel.proxy, &site, length, REQUESTS, |progress| {
        outcomes = outcome::spread(cuts, length, progress, |index| {
            CUTS[index % CUTS.len()].happen(&scene)
        });
    });
    let took = began.elapsed() - calm_took;
    idle.expect_all_alive();
    let packets = link.packets();
    figures::tell(&format!(
        "{control:?}, one packet in {one_in} lost, seed {seed}: {} MiB each way in {calm_took:.1?} \
         without faults and {took:.1?} with {cuts}; {packets:?}",
        length >> 20
    ));
    outcome::tell(&tunnel, &outcomes);
    // The line is what it is said to be.
    // Chance takes less than a quarter of its share once in many thousand runs.
    assert!(packets.lost > packets.passed / u64::from(one_in) / 4, "{packets:?}");
    assert!(calm.iter().all(|sample| sample.took >= 2 * LINE.delay), "sooner than a round trip");
    outcome::judge(&outcomes);
    // How long a request takes is chance here: one lost packet holds up all behind it.
    outcome::tell_requests(&calm, &samples, &outcomes);
}

#[test]
#[cfg_attr(any(missing_packet_link, missing_socket_kill), ignore = "needs root, TUN, ss -K, bbr")]
fn one_in_a_hundred_with_cubic() {
    survive(CongestionControl::Cubic, 100);
}

#[test]
#[cfg_attr(any(missing_packet_link, missing_socket_kill), ignore = "needs root, TUN, ss -K, bbr")]
fn one_in_a_hundred_with_bbr() {
    survive(CongestionControl::Bbr, 100);
}

#[test]
#[cfg_attr(any(missing_packet_link, missing_socket_kill), ignore = "needs root, TUN, ss -K, bbr")]
fn one_in_a_thousand_with_cubic() {
    survive(CongestionControl::Cubic, 1000);
}

#[test]
#[cfg_attr(any(missing_packet_link, missing_socket_kill), ignore = "needs root, TUN, ss -K, bbr")]
fn one_in_a_thousand_with_bbr() {
    survive(CongestionControl::Bbr, 1000);
}

/// Downloads at once, and bytes of each, when connections are compared.
const DOWNLOADS: usize = 16;
const LENGTH: u64 = 512 * 1024;
/// How long the line is used before it is measured, and how long it is measured.
const SETTLING: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(4);

/// Bytes per second of downloads through a tunnel with so many connections, over 50 ms of round
/// trip where one packet in a thousand gets lost.
fn carried_by(connections: usize) -> f64 {
    let (delay, seed) = (Duration::from_millis(25), scale::seed());
    let far = Conditions { delay, rate: 1000, queue: 6_250_000, one_in: 1000, seed };
    let (network, _link) = Namespaces::over(far, CongestionControl::Cubic);
    let count = connections.to_string();
    let (tunnel, site) = network.start_tunnel_with(&[], &["--tunnel-connections", &count]);
    // A stream stays on the connection that it was opened on.
    wait::until("all connections", || {
        (tunnel.server.process.count_lines("up: client") == connections).then_some(())
    });
    let (progress, is_over) = (Progress::default(), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..DOWNLOADS {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    traffic::download(tunnel.proxy, &site, LENGTH, &progress);
                }
            });
        }
        // What is compared is what passes in a time, once the line is in full use.
        thread::sleep(SETTLING);
        let (before, began) = (progress.both(), Instant::now());
        thread::sleep(MEASURED);
        let rate = (progress.both() - before) as f64 / began.elapsed().as_secs_f64();
        is_over.store(true, Ordering::Relaxed);
        rate
    })
}

#[test]
#[cfg_attr(missing_packet_link, ignore = "needs root, TUN")]
fn several_connections_carry_more_where_packets_get_lost() {
    let [one, four] = [1, 4].map(|connections| {
        let rate = carried_by(connections);
        figures::tell(&format!(
            "50 ms, one packet in 1000 lost, cubic: {:.2} MB/s by {connections} connections",
            rate / 1e6
        ));
        rate
    });
    // A loss halves one connection of four, and not all there is.
    assert!(four > 1.5 * one, "{four:.0} bytes per second by four, {one:.0} by one");
}
