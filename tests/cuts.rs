//! The transport dies again and again, in every way, and nothing of the users' traffic does.

use std::time::{Duration, Instant};

use sc_tests::fault::Fault;
use sc_tests::link::{Cut, Dials};
use sc_tests::linked::Linked;
use sc_tests::site::Site;
use sc_tests::traffic::{self, Idle};
use sc_tests::{figures, interruptions, outcome, scale};

/// How many WebSockets wait.
const WEB_SOCKETS: usize = 50;
/// How many small requests are measured at least.
const REQUESTS: usize = 400;

/// The faults of a whole run: most of them quick, silences of several lengths among them.
fn faults(count: usize) -> Vec<Fault> {
    let silent = |dials, seconds| Fault::Silent(dials, Duration::from_secs(seconds));
    let slow = [
        silent(Dials::Dropped, 3),
        silent(Dials::Dropped, 8),
        Fault::Ended(Cut::Forget),
        silent(Dials::Swallowed, 3),
        silent(Dials::Swallowed, 8),
        silent(Dials::Dropped, 20),
        Fault::Ended(Cut::Forget),
    ];
    // One in three is slow in a short run, one in eight in a long one.
    let step = if count < 50 { 3 } else { 8 };
    (0..count)
        .map(|index| match index % step {
            1 => slow[index / step % slow.len()],
            _ if index % 2 == 0 => Fault::Ended(Cut::Reset),
            _ => Fault::Ended(Cut::Close),
        })
        .collect()
}

#[test]
fn nothing_is_lost_however_often_the_transport_dies() {
    let (linked, site) = (Linked::start(), Site::start());
    let proxy = linked.tunnel.proxy;
    let length = scale::cut_bytes();
    let mut idle = Idle::open(proxy, &site, WEB_SOCKETS);

    let calm = traffic::run(proxy, &site, length, REQUESTS, |_| {});
    assert_eq!(interruptions::count(&linked.tunnel), 0, "without a cut");

    let faults = faults(scale::cuts());
    let mut outcomes = Vec::new();
    let began = Instant::now();
    let samples = traffic::run(proxy, &site, length, REQUESTS, |progress| {
        outcomes = outcome::spread(faults.len(), length, progress, |index| {
            faults[index].happen(&linked, &site)
        });
    });
    let took = began.elapsed();
    idle.expect_all_alive();
    assert!(linked.tunnel.client.process.is_running());
    figures::tell(&format!(
        "{} MiB each way in {took:.1?}; {:?}",
        length >> 20,
        linked.link.carried()
    ));
    outcome::tell(&linked.tunnel, &outcomes);
    outcome::judge(&outcomes);
    outcome::compare(&calm, &samples, &outcomes);
}
