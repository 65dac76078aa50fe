//! The transport dies again and again, in every way, and nothing of the users' traffic does.

use std::time::{Duration, Instant};

use sc_tests::link::{Cut, Dials};
use sc_tests::linked::Linked;
use sc_tests::site::Site;
use sc_tests::traffic::{self, Idle, Progress, Sample};
use sc_tests::{figures, scale, wait};

/// How many WebSockets wait.
const WEB_SOCKETS: usize = 50;
/// How many small requests are measured at least.
const REQUESTS: usize = 400;

/// From the link's return to an answered request. The requirement.
const MAX_RECOVERY: Duration = Duration::from_secs(1);
/// Until a silent link counts as dead. The requirement.
const MAX_DETECTION: Duration = Duration::from_secs(5);
/// How much longer than without cuts a small request may take between them: the machine is shared,
/// and the last cut's replay is still written while the next requests come.
const MAX_P99_GROWTH: Duration = Duration::from_millis(100);

/// One thing that happens to the link.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Ended(Cut),
    Silent(Dials, Duration),
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    fault: Fault,
    began: Instant,
    /// From the beginning of a silence to the client's line about it, if there was one.
    detection: Option<Duration>,
    /// From the link's return to an answered request.
    recovery: Duration,
    recovered: Instant,
}

/// The faults of a whole run: most of them quick, silences of several lengths among them.
fn faults(count: usize) -> Vec<Fault> {
    let silent = |dials, seconds| Fault::Silent(dials, Duration::from_secs(seconds));
    let slow = [
        silent(Dials::Dropped, 3),
        silent(Dials::Dropped, 6),
        Fault::Ended(Cut::Forget),
        silent(Dials::Swallowed, 3),
        silent(Dials::Swallowed, 6),
        silent(Dials::Dropped, 20),
        Fault::Ended(Cut::Forget),
    ];
    // One in three is slow in a short run, one in eight in a long one.
    let step = if count < 50 { 3 } else { 8 };
    (0..count)
        .map(|index| match index % step {
            1 => slow[index / step % slow.len()],
            even if even % 2 == 0 => Fault::Ended(Cut::Reset),
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
    tell(&linked, &outcomes, length, took);
    judge(&outcomes);
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
        suffer_one(linked, site, *fault)
    };
    faults.iter().enumerate().map(happen).collect()
}

fn suffer_one(linked: &Linked, site: &Site, fault: Fault) -> Outcome {
    let before = linked.interruptions();
    let is_noticed = || (linked.interruptions() > before).then(Instant::now);
    let began = Instant::now();
    let mut noticed = None;
    match fault {
        Fault::Ended(how) => assert_eq!(linked.link.cut(how), 1, "one transport is cut"),
        Fault::Silent(dials, duration) => {
            linked.link.silence(dials);
            noticed = wait::for_at_most(duration, is_noticed);
            // An outage has a length; this is the rest of it.
            std::thread::sleep(duration.saturating_sub(began.elapsed()));
            linked.link.come_back();
        }
    }
    let back = Instant::now();
    if fault == Fault::Ended(Cut::Forget) {
        noticed = Some(wait::until("the forgotten transport to be noticed", is_noticed));
    }
    // For a forgotten transport the link is back at once, but nobody knows before it is noticed.
    let back = if fault == Fault::Ended(Cut::Forget) { noticed.unwrap_or(back) } else { back };
    traffic::small_request(linked.tunnel.proxy, site);
    let recovered = Instant::now();
    let detection = noticed.map(|noticed| noticed - began);
    Outcome { fault, began, detection, recovery: recovered - back, recovered }
}

/// Prints the table.
fn tell(linked: &Linked, outcomes: &[Outcome], length: u64, took: Duration) {
    let mut kinds: Vec<Fault> = Vec::new();
    for outcome in outcomes {
        if !kinds.contains(&outcome.fault) {
            kinds.push(outcome.fault);
        }
    }
    let resumed = linked.resumed();
    let replayed = resumed.iter().map(|resumed| resumed.replayed);
    figures::tell(&format!(
        "{} cuts in {took:.1?}, {} MiB each way, {:?}; the client resumed {} times and sent {} \
         bytes again, at most {} at once",
        outcomes.len(),
        length >> 20,
        linked.link.carried(),
        resumed.len(),
        replayed.clone().sum::<u64>(),
        replayed.max().unwrap_or(0),
    ));
    for kind in kinds {
        let same: Vec<_> = outcomes.iter().filter(|outcome| outcome.fault == kind).collect();
        let recoveries = same.iter().map(|outcome| outcome.recovery);
        figures::tell(&format!(
            "{kind:?}: {} times, noticed within {:?}, recovery median {:.1?} max {:.1?}",
            same.len(),
            same.iter().filter_map(|outcome| outcome.detection).max(),
            traffic::percentile(recoveries.clone(), 0.5).unwrap_or_default(),
            recoveries.max().unwrap_or_default(),
        ));
    }
}

fn judge(outcomes: &[Outcome]) {
    for outcome in outcomes {
        assert!(outcome.recovery < MAX_RECOVERY, "{outcome:?}");
        let must_be_noticed = match outcome.fault {
            Fault::Ended(how) => how == Cut::Forget,
            Fault::Silent(_, duration) => duration > MAX_DETECTION,
        };
        if must_be_noticed {
            assert!(outcome.detection.is_some_and(|took| took <= MAX_DETECTION), "{outcome:?}");
        }
    }
}

/// Small requests between the cuts against those without.
fn compare(calm: &[Sample], samples: &[Sample], outcomes: &[Outcome]) {
    let is_between = |sample: &&Sample| {
        let ended = sample.began + sample.took;
        outcomes.iter().all(|cut| ended < cut.began || sample.began > cut.recovered)
    };
    let between: Vec<_> = samples.iter().filter(is_between).map(|sample| sample.took).collect();
    let took = |share| {
        let calm = traffic::percentile(calm.iter().map(|sample| sample.took), share);
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
    assert!(cut_p99 <= calm_p99 * 2 + MAX_P99_GROWTH, "p99 {calm_p99:?} became {cut_p99:?}");
}
