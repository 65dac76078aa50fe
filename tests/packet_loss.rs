//! A line that loses packets under the kernel's own TCP, with the congestion control that takes
//! every loss for a full queue and with the one that does not, and cut meanwhile.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use sc_tests::namespaces::cut::{Cut, Scene};
use sc_tests::namespaces::{CongestionControl, Namespaces};
use sc_tests::packet_link::Conditions;
use sc_tests::traffic::{self, Idle};
use sc_tests::{figures, outcome, scale};

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
