//! Half an hour on a bad line: 80 ms of round trip, 1 % of the packets lost, a cut every 20 s.
//!
//! Not a part of `cargo test`; `.ci/soak` runs it. `SC_TESTS_SOAK_SECONDS` says how long (default
//! 1800), `SC_TESTS_SEED` where chance begins. Both ways of congestion control run beside one
//! another, each on a line of its own.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use sc_tests::limits::{self, Limit};
use sc_tests::namespaces::cut::{Cut, Scene};
use sc_tests::namespaces::{CongestionControl, Namespaces};
use sc_tests::packet_link::Conditions;
use sc_tests::traffic::{self, Idle};
use sc_tests::{figures, outcome, scale, usage, wait};

/// From one cut to the next.
const EVERY: Duration = Duration::from_secs(20);
/// 20 Mbit/s, and a queue of as much as is on its way then.
const LINE: Conditions = Conditions {
    delay: Duration::from_millis(40),
    rate: 20,
    queue: 200 * 1000,
    one_in: 100,
    seed: 0,
};
/// Bytes of one transfer; they follow one another until the end.
const LENGTH: u64 = 4 * 1024 * 1024;
/// From the link's return to an answered request: TCP, TLS, RESUME and the request itself are
/// seven round trips, and each may meet a loss. With cubic the line carries so little that the
/// request alone, beside the transfers, takes a second.
const RECOVERY: Limit = limits::seconds(3, 12);
/// What waits in front of the line makes round trips longer, and answers are awaited for some.
const DETECTION: Limit = limits::seconds(5, 12);
/// How much more memory a process may hold at the end than after the first cuts, in bytes.
const MAX_GROWTH: u64 = 8 * 1024 * 1024;

const CUTS: [Cut; 8] = [
    Cut::ServersSocketKilled,
    Cut::Silent(Duration::from_secs(3)),
    Cut::Finished,
    Cut::Silent(Duration::from_secs(8)),
    Cut::OfficeMoves,
    Cut::ClientsSocketKilled,
    Cut::Silent(Duration::from_secs(12)),
    Cut::FirewallResets(Duration::from_secs(1)),
];

#[test]
fn a_bad_line_for_long_with_cubic() {
    soak(CongestionControl::Cubic);
}

#[test]
fn a_bad_line_for_long_with_bbr() {
    soak(CongestionControl::Bbr);
}

fn soak(control: CongestionControl) {
    let seed = scale::seed();
    let (network, link) = Namespaces::over(Conditions { seed, ..LINE }, control);
    let (tunnel, site) = network.start_tunnel();
    network.expect_congestion_control(control);
    let scene = Scene { network: &network, link: Some(&link), tunnel: &tunnel, site: &site };
    let mut idle = Idle::open(tunnel.proxy, &site, 50);
    let (mut outcomes, mut memory) = (Vec::new(), Vec::new());
    let began = Instant::now();
    let samples = traffic::run(tunnel.proxy, &site, LENGTH, 1, |_| {
        for cut in CUTS.iter().cycle() {
            let last = Instant::now();
            outcomes.push(cut.happen(&scene));
            memory.push(tunnel.pids().map(usage::resident_bytes));
            if began.elapsed() + EVERY > scale::soak() {
                return;
            }
            // The pace of the cuts; nothing is waited for.
            wait::for_at_most(EVERY.saturating_sub(last.elapsed()), || None::<()>);
        }
    });
    let took = |share| traffic::percentile(samples.iter().map(|sample| sample.took), share);
    figures::tell(&format!(
        "{control:?}: soak of {:.0?} with seed {seed}: {} requests, median {:.0?}, p99 {:.0?}; \
         {:?}; memory of server and client in KiB after the first cut, most, last: {:?} {:?} {:?}",
        began.elapsed(),
        samples.len(),
        took(0.5).unwrap_or_default(),
        took(0.99).unwrap_or_default(),
        link.packets(),
        memory.first().map(|both| both.map(kib)),
        memory.iter().copied().reduce(most).map(|both| both.map(kib)),
        memory.last().map(|both| both.map(kib)),
    ));
    outcome::tell(&tunnel, &outcomes);
    idle.expect_all_alive();
    outcome::judge_by(&outcomes, RECOVERY, DETECTION);
    let early = memory.iter().take(CUTS.len()).copied().reduce(most).unwrap_or_default();
    let last = memory.last().copied().unwrap_or_default();
    for (early, last) in early.into_iter().zip(last) {
        assert!(last <= early + MAX_GROWTH, "memory grew from {early} to {last} bytes");
    }
}

fn kib(bytes: u64) -> u64 {
    bytes / 1024
}

fn most(one: [u64; 2], other: [u64; 2]) -> [u64; 2] {
    [one[0].max(other[0]), one[1].max(other[1])]
}
