//! The transport dies again and again, in every way, and nothing of the users' traffic does.

use std::time::{Duration, Instant};

use sc_tests::fault::{self, Fault, Outcome};
use sc_tests::link::{Cut, Dials};
use sc_tests::linked::Linked;
use sc_tests::site::Site;
use sc_tests::traffic::{self, Idle, Progress, Sample};
use sc_tests::{figures, limits, scale, wait};

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
    assert_eq!(linked.interruptions(), 0, "without a cut");

    let faults = faults(scale::cuts());
    let mut outcomes = Vec::new();
    let began = Instant::now();
    let samples = traffic::run(proxy, &site, length, REQUESTS, |progress| {
        outcomes = suffer(&linked, &site, &faults, length, progress);
    });
    let took = began.elapsed();
    idle.expect_all_alive();
    assert!(linked.tunnel.client.process.is_running());
    figures::tell(&format!("{} MiB each way in {took:.1?}", length >> 20));
    fault::tell(&linked, &outcomes);
    fault::judge(&outcomes);
    compare(&calm, &samples, &outcomes);
}

/// Lets all `faults` happen while two transfers of `length` bytes pass, evenly spread over them.
fn suffer(
    linked: &Linked,
    site: &Site,
    faults: &[Fault],
    length: u64,
    progress: &Progress,
) -> Vec<Outcome> {
    let share = 2 * length / (faults.len() as u64 + 1);
    let happen = |(index, fault): (usize, &Fault)| {
        let mark = share * (index as u64 + 1);
        wait::until("the transfers to go on", || (progress.both() >= mark).then_some(()));
        fault.happen(linked, site)
    };
    faults.iter().enumerate().map(happen).collect()
}

/// Small requests between the cuts against those without.
fn compare(calm: &[Sample], samples: &[Sample], outcomes: &[Outcome]) {
    let is_between = |sample: &&Sample| {
        let ended = sample.began + sample.took;
        outcomes.iter().all(|cut| ended < cut.began || sample.began > cut.recovered)
    };
    let calm: Vec<_> = calm.iter().map(|sample| sample.took).collect();
    let between: Vec<_> = samples.iter().filter(is_between).map(|sample| sample.took).collect();
    let took = |share| {
        let calm = traffic::percentile(calm.iter().copied(), share);
        let between = traffic::percentile(between.iter().copied(), share);
        (calm.unwrap_or_default(), between.unwrap_or_default())
    };
    let (calm_p99, cut_p99) = took(0.99);
    figures::tell(&format!(
        "small requests: median {:.1?} without cuts, {:.1?} between them; p99 {calm_p99:.1?} and \
         {cut_p99:.1?}; {} and {} samples, {} fell into a cut, the longest took {:.1?}",
        took(0.5).0,
        took(0.5).1,
        calm.len(),
        between.len(),
        samples.len() - between.len(),
        samples.iter().map(|sample| sample.took).max().unwrap_or_default(),
    ));
    limits::expect_unchanged(&calm, &between);
}
