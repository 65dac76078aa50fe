//! As `cuts.rs`, between two network namespaces: the kernel itself ends the transport, in every
//! way it has, again and again, and nothing of the users' traffic ends.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use sc_tests::namespaces::Namespaces;
use sc_tests::namespaces::cut::{Cut, Scene};
use sc_tests::traffic::{self, Idle};
use sc_tests::{figures, interruptions, outcome, scale};

/// How many WebSockets wait.
const WEB_SOCKETS: usize = 50;
/// How many small requests are measured at least.
const REQUESTS: usize = 400;

/// The cuts of a whole run: most of them quick, silences of several lengths among them.
fn cuts(count: usize) -> Vec<Cut> {
    const QUICK: [Cut; 4] = [
        Cut::ServersSocketKilled,
        Cut::Finished,
        Cut::ClientsSocketKilled,
        Cut::FirewallResets(Duration::from_millis(200)),
    ];
    const SLOW: [Cut; 6] = [
        Cut::FirewallDropsToOffice(Duration::from_secs(3)),
        Cut::OfficeMoves,
        Cut::FirewallDropsToCloud(Duration::from_secs(8)),
        Cut::OfficeDown(Duration::from_secs(8)),
        Cut::OfficeMoves,
        Cut::FirewallDropsToOffice(Duration::from_secs(20)),
    ];
    // One in three is slow in a short run, one in eight in a long one.
    let step = if count < 50 { 3 } else { 8 };
    (0..count)
        .map(|index| match index % step {
            1 => SLOW[index / step % SLOW.len()],
            _ => QUICK[index % QUICK.len()],
        })
        .collect()
}

#[test]
#[cfg_attr(any(missing_packet_filter, missing_socket_kill), ignore = "needs root, nft, ss -K")]
fn nothing_is_lost_however_often_the_kernel_ends_the_transport() {
    let network = Namespaces::new();
    let (tunnel, site) = network.start_tunnel();
    let length = scale::cut_bytes();
    let mut idle = Idle::open(tunnel.proxy, &site, WEB_SOCKETS);

    let calm = traffic::run(tunnel.proxy, &site, length, REQUESTS, |_| {});
    assert_eq!(interruptions::count(&tunnel), 0, "without a cut");

    let cuts = cuts(scale::cuts());
    let scene = Scene { network: &network, link: None, tunnel: &tunnel, site: &site };
    let mut outcomes = Vec::new();
    let began = Instant::now();
    let samples = traffic::run(tunnel.proxy, &site, length, REQUESTS, |progress| {
        outcomes =
            outcome::spread(cuts.len(), length, progress, |index| cuts[index].happen(&scene));
    });
    let took = began.elapsed();
    idle.expect_all_alive();
    assert!(tunnel.client.process.is_running());
    figures::tell(&format!("{} MiB each way in {took:.1?}", length >> 20));
    outcome::tell(&tunnel, &outcomes);
    outcome::judge(&outcomes);
    outcome::compare(&calm, &samples, &outcomes);
}
