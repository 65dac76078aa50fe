//! Half an hour on a bad line: 80 ms of round trip, 1 % of the packets lost, a cut every 20 s.
//!
//! Not a part of `cargo test`; `.ci/soak` runs it. `SC_TESTS_SOAK_SECONDS` says how long (default
//! 1800), `SC_TESTS_SEED` where chance begins.
//!
//! The line is a [`Link`](sc_tests::link::Link), which is TCP on both sides and cannot lose a
//! packet: a lost one shows as what TCP makes of it, a round trip in which nothing behind it
//! arrives. What a sender's congestion control makes of loss is not a part of this.

use std::time::{Duration, Instant};

use sc_tests::fault::{self, Fault};
use sc_tests::link::{Cut, Dials, Weather};
use sc_tests::linked::Linked;
use sc_tests::site::Site;
use sc_tests::traffic::{self, Idle};
use sc_tests::{figures, limits, scale, usage, wait};

/// From one cut to the next.
const EVERY: Duration = Duration::from_secs(20);
/// One way. The round trip is twice as long.
const DELAY: Duration = Duration::from_millis(40);
/// One packet in so many is lost.
const ONE_IN: u32 = 100;
/// Bytes of one transfer; they follow one another until the end.
const LENGTH: u64 = 8 * 1024 * 1024;
/// From the link's return to an answered request: TCP, TLS, RESUME and the request itself are
/// seven round trips, and each may meet a loss. The median's limit.
const MAX_RECOVERY: Duration = Duration::from_secs(2);
/// How much more memory a process may hold at the end than after the first faults, in bytes.
const MAX_GROWTH: u64 = 8 * 1024 * 1024;

const FAULTS: [Fault; 6] = [
    Fault::Ended(Cut::Reset),
    Fault::Silent(Dials::Dropped, Duration::from_secs(3)),
    Fault::Ended(Cut::Close),
    Fault::Silent(Dials::Swallowed, Duration::from_secs(8)),
    Fault::Ended(Cut::Forget),
    Fault::Silent(Dials::Dropped, Duration::from_secs(12)),
];

#[test]
fn a_bad_line_for_long() {
    let (linked, site) = (Linked::start(), Site::start());
    let seed = scale::seed();
    linked.link.set_weather(Weather { delay: DELAY, one_in: ONE_IN, stall: 2 * DELAY, seed });
    let mut idle = Idle::open(linked.tunnel.proxy, &site, 50);
    let (mut outcomes, mut memory) = (Vec::new(), Vec::new());
    let began = Instant::now();
    let samples = traffic::run(linked.tunnel.proxy, &site, LENGTH, 1, |_| {
        for fault in FAULTS.iter().cycle() {
            let last = Instant::now();
            outcomes.push(fault.happen(&linked, &site));
            memory.push(linked.tunnel.pids().map(usage::resident_bytes));
            if began.elapsed() + EVERY > scale::soak() {
                return;
            }
            // The pace of the cuts; nothing is waited for.
            wait::for_at_most(EVERY.saturating_sub(last.elapsed()), || None::<()>);
        }
    });
    idle.expect_all_alive();
    fault::tell(&linked, &outcomes);
    let took = |share| traffic::percentile(samples.iter().map(|sample| sample.took), share);
    figures::tell(&format!(
        "soak of {:.0?} with seed {seed}: {} requests, median {:.0?}, p99 {:.0?}; memory of server \
         and client in KiB after the first cut, most, last: {:?} {:?} {:?}",
        began.elapsed(),
        samples.len(),
        took(0.5).unwrap_or_default(),
        took(0.99).unwrap_or_default(),
        memory.first().map(|both| both.map(kib)),
        memory.iter().copied().reduce(most).map(|both| both.map(kib)),
        memory.last().map(|both| both.map(kib)),
    ));
    let recoveries: Vec<_> = outcomes.iter().map(|outcome| outcome.recovery).collect();
    limits::expect_within("recovery", MAX_RECOVERY, &recoveries);
    let early = memory.iter().take(FAULTS.len()).copied().reduce(most).unwrap_or_default();
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
