//! What came of one fault of the link: when it was noticed, and when traffic flowed again.

use std::cell::Cell;
use std::thread;
use std::time::{Duration, Instant};

use crate::deployment::Tunnel;
use crate::limits::Limit;
use crate::site::Site;
use crate::traffic::{self, Progress, Sample};
use crate::{figures, interruptions, limits, wait};

/// What came of a fault.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Which fault it was.
    pub kind: &'static str,
    /// How long the transport carried nothing without being ended; `None`: it was ended at once.
    pub silent_for: Option<Duration>,
    /// When it began.
    pub began: Instant,
    /// From the beginning to the client's line about it, if there was one before the link was back.
    pub detection: Option<Duration>,
    /// From the link's return to an answered request. Where the link is back before anyone can know
    /// (an address has changed, say): from the client's line.
    pub recovery: Duration,
    /// When that was.
    pub recovered: Instant,
}

/// Looks on while a fault happens.
#[derive(Debug)]
pub struct Watch<'a> {
    tunnel: &'a Tunnel,
    kind: &'static str,
    silent_for: Option<Duration>,
    began: Instant,
    interruptions_before: usize,
    noticed: Cell<Option<Instant>>,
}

impl<'a> Watch<'a> {
    /// A fault of this kind begins.
    pub fn new(tunnel: &'a Tunnel, kind: &'static str, silent_for: Option<Duration>) -> Self {
        let interruptions_before = interruptions::count(tunnel);
        let began = Instant::now();
        let noticed = Cell::new(None);
        Self { tunnel, kind, silent_for, began, interruptions_before, noticed }
    }

    /// Lets an outage of this length pass.
    pub fn pass(&self, duration: Duration) {
        let began = Instant::now();
        self.noticed.set(wait::for_at_most(duration, || self.is_noticed()));
        // An outage has a length; this is the rest of it.
        thread::sleep(duration.saturating_sub(began.elapsed()));
    }

    /// Waits until the client says that its transport has gone.
    ///
    /// # Panics
    /// If it does not.
    pub fn wait_noticed(&self) {
        self.noticed.set(Some(wait::until("the fault to be noticed", || self.is_noticed())));
    }

    fn is_noticed(&self) -> Option<Instant> {
        (interruptions::count(self.tunnel) > self.interruptions_before).then(Instant::now)
    }

    /// The link is back: makes a small request.
    ///
    /// # Panics
    /// If it is not answered.
    pub fn until_answered(self, site: &Site) -> Outcome {
        let back = Instant::now();
        traffic::small_request(self.tunnel.proxy, site);
        let recovered = Instant::now();
        Outcome {
            kind: self.kind,
            silent_for: self.silent_for,
            began: self.began,
            detection: self.noticed.get().map(|noticed| noticed - self.began),
            recovery: recovered - back,
            recovered,
        }
    }
}

impl Outcome {
    /// After how long a silence was noticed that lasted long enough for it.
    fn expect_noticed(&self, limit: Limit) -> Option<Duration> {
        let silent = self.silent_for.filter(|time| *time > limit.median)?;
        assert!(self.detection.is_some() || silent <= limit.each, "not noticed: {self:?}");
        self.detection
    }
}

/// Lets `count` faults happen while two transfers of `length` bytes pass, evenly spread over them.
pub fn spread(
    count: usize,
    length: u64,
    progress: &Progress,
    mut happen: impl FnMut(usize) -> Outcome,
) -> Vec<Outcome> {
    let share = 2 * length / (count as u64 + 1);
    let next = |index| {
        let mark = share * (index as u64 + 1);
        wait::until("the transfers to go on", || (progress.both() >= mark).then_some(()));
        happen(index)
    };
    (0..count).map(next).collect()
}

/// Judges detection and recovery, of each kind and all together.
///
/// # Panics
/// If they are not as required, or a silence too long to be missed was.
pub fn judge(outcomes: &[Outcome]) {
    judge_by(outcomes, limits::RECOVERY, limits::DETECTION);
}

/// As [`judge`], by limits of its own.
///
/// # Panics
/// As [`judge`].
pub fn judge_by(outcomes: &[Outcome], recovery: Limit, detection: Limit) {
    for of_kind in by_kind(outcomes, |outcome| (outcome.kind, outcome.silent_for)) {
        let what = format!("recovery, {}", of_kind[0].kind);
        limits::expect_within(&what, recovery, &recoveries(&of_kind));
    }
    limits::expect_within("recovery from any fault", recovery, &recoveries(outcomes));
    let noticed: Vec<_> =
        outcomes.iter().filter_map(|outcome| outcome.expect_noticed(detection)).collect();
    limits::expect_within("detection", detection, &noticed);
}

/// Judges small requests between the faults against `calm` ones.
///
/// # Panics
/// If those between take longer.
pub fn compare(calm: &[Sample], samples: &[Sample], outcomes: &[Outcome]) {
    let (calm, between) = tell_requests(calm, samples, outcomes);
    limits::expect_unchanged(&calm, &between);
}

/// Prints how long small requests took, and returns it: the `calm` ones and those between faults.
pub fn tell_requests(
    calm: &[Sample],
    samples: &[Sample],
    outcomes: &[Outcome],
) -> (Vec<Duration>, Vec<Duration>) {
    let is_between = |sample: &&Sample| {
        let ended = sample.began + sample.took;
        outcomes.iter().all(|fault| ended < fault.began || sample.began > fault.recovered)
    };
    let calm: Vec<_> = calm.iter().map(|sample| sample.took).collect();
    let between: Vec<_> = samples.iter().filter(is_between).map(|sample| sample.took).collect();
    let of = |took: &[Duration], share| {
        traffic::percentile(took.iter().copied(), share).unwrap_or_default()
    };
    figures::tell(&format!(
        "small requests: median {:.1?} without faults, {:.1?} between them; p99 {:.1?} and {:.1?}; \
         {} and {} samples, {} fell into a fault, the longest took {:.1?}",
        of(&calm, 0.5),
        of(&between, 0.5),
        of(&calm, 0.99),
        of(&between, 0.99),
        calm.len(),
        between.len(),
        samples.len() - between.len(),
        samples.iter().map(|sample| sample.took).max().unwrap_or_default(),
    ));
    (calm, between)
}

/// Prints what came of each kind.
pub fn tell(tunnel: &Tunnel, outcomes: &[Outcome]) {
    let resumed = interruptions::resumed(tunnel);
    let replayed = resumed.iter().map(|resumed| resumed.replayed);
    figures::tell(&format!(
        "{} faults; the client resumed {} times and sent {} bytes again, at most {} at once",
        outcomes.len(),
        resumed.len(),
        replayed.clone().sum::<u64>(),
        replayed.max().unwrap_or(0),
    ));
    for same in by_kind(outcomes, |outcome| (outcome.kind, outcome.silent_for)) {
        let recoveries = recoveries(&same);
        let length = same[0].silent_for.filter(|time| *time < Duration::MAX);
        let noticed = match same.iter().filter_map(|outcome| outcome.detection).max() {
            Some(took) => format!("noticed within {took:.1?}"),
            None if length.is_some() => "never noticed".to_owned(),
            None => "ended at once".to_owned(),
        };
        figures::tell(&format!(
            "{}{}: {} times, {noticed}, recovery median {:.1?} max {:.1?}",
            same[0].kind,
            length.map(|time| format!(" for {time:.1?}")).unwrap_or_default(),
            same.len(),
            traffic::percentile(recoveries.iter().copied(), 0.5).unwrap_or_default(),
            recoveries.iter().max().copied().unwrap_or_default(),
        ));
    }
}

fn recoveries(outcomes: &[Outcome]) -> Vec<Duration> {
    outcomes.iter().map(|outcome| outcome.recovery).collect()
}

/// Those of the same key together, in the order in which the keys first come.
fn by_kind<K: PartialEq>(outcomes: &[Outcome], key: impl Fn(&Outcome) -> K) -> Vec<Vec<Outcome>> {
    let mut groups: Vec<Vec<Outcome>> = Vec::new();
    for outcome in outcomes {
        match groups.iter_mut().find(|group| key(&group[0]) == key(outcome)) {
            Some(group) => group.push(*outcome),
            None => groups.push(vec![*outcome]),
        }
    }
    groups
}
