//! One thing that goes wrong on a [`Link`](crate::link::Link), and what came of it.

use std::thread;
use std::time::{Duration, Instant};

use crate::link::{Cut, Dials};
use crate::linked::Linked;
use crate::site::Site;
use crate::{figures, limits, traffic, wait};

/// One thing that happens to the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its connection is cut; the next is served at once.
    Ended(Cut),
    /// It is silent for so long.
    Silent(Dials, Duration),
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// What it was.
    pub fault: Fault,
    /// When.
    pub began: Instant,
    /// From the beginning of a silence to the client's line about it, if there was one.
    pub detection: Option<Duration>,
    /// From the link's return to an answered request.
    pub recovery: Duration,
    /// When that was.
    pub recovered: Instant,
}

impl Fault {
    /// How long a transport carries nothing without being ended; `None`: it is ended at once.
    fn silent_for(self) -> Option<Duration> {
        match self {
            Self::Ended(Cut::Forget) => Some(Duration::MAX),
            Self::Ended(Cut::Reset | Cut::Close) => None,
            Self::Silent(_, time) => Some(time),
        }
    }

    /// Whether it is the same but for the length of a silence.
    fn is_like(self, other: Self) -> bool {
        match (self, other) {
            (Self::Silent(one, _), Self::Silent(another, _)) => one == another,
            (one, another) => one == another,
        }
    }

    /// Lets it happen, and makes small requests until one is answered.
    ///
    /// # Panics
    /// If there is not one transport to cut, or the request fails.
    pub fn happen(self, linked: &Linked, site: &Site) -> Outcome {
        let before = linked.interruptions();
        let is_noticed = || (linked.interruptions() > before).then(Instant::now);
        let began = Instant::now();
        let mut noticed = None;
        match self {
            Self::Ended(how) => assert_eq!(linked.link.cut(how), 1, "one transport is cut"),
            Self::Silent(dials, duration) => {
                linked.link.silence(dials);
                noticed = wait::for_at_most(duration, is_noticed);
                // An outage has a length; this is the rest of it.
                thread::sleep(duration.saturating_sub(began.elapsed()));
                linked.link.come_back();
            }
        }
        let back = Instant::now();
        if self == Self::Ended(Cut::Forget) {
            noticed = Some(wait::until("the forgotten transport to be noticed", is_noticed));
        }
        // For a forgotten transport the link is back at once, but nobody knows before it is noticed.
        let back = if self == Self::Ended(Cut::Forget) { noticed.unwrap_or(back) } else { back };
        traffic::small_request(linked.tunnel.proxy, site);
        let recovered = Instant::now();
        let detection = noticed.map(|noticed| noticed - began);
        Outcome { fault: self, began, detection, recovery: recovered - back, recovered }
    }
}

impl Outcome {
    /// After how long a silence was noticed that lasted long enough for it.
    fn expect_noticed(&self) -> Option<Duration> {
        let silent = self.fault.silent_for().filter(|time| *time > limits::DETECTION)?;
        let too_long = limits::DETECTION + limits::SLACK;
        assert!(self.detection.is_some() || silent <= too_long, "not noticed: {self:?}");
        self.detection
    }
}

/// Judges detection and recovery, all together and of each kind.
///
/// # Panics
/// If they are not as required, or a silence too long to be missed was.
pub fn judge(outcomes: &[Outcome]) {
    let mut left = outcomes.to_vec();
    while let Some(first) = left.first().map(|outcome| outcome.fault) {
        let of_kind: Vec<_> = left.extract_if(.., |outcome| outcome.fault.is_like(first)).collect();
        limits::expect_within(
            &format!("recovery from {first:?}"),
            limits::RECOVERY,
            &recoveries(&of_kind),
        );
    }
    limits::expect_within("recovery from any fault", limits::RECOVERY, &recoveries(outcomes));
    let noticed: Vec<_> = outcomes.iter().filter_map(Outcome::expect_noticed).collect();
    limits::expect_within("detection", limits::DETECTION, &noticed);
}

fn recoveries(outcomes: &[Outcome]) -> Vec<Duration> {
    outcomes.iter().map(|outcome| outcome.recovery).collect()
}

/// Prints what came of each kind.
pub fn tell(linked: &Linked, outcomes: &[Outcome]) {
    let mut kinds: Vec<Fault> = Vec::new();
    for outcome in outcomes {
        if !kinds.contains(&outcome.fault) {
            kinds.push(outcome.fault);
        }
    }
    let resumed = linked.resumed();
    let replayed = resumed.iter().map(|resumed| resumed.replayed);
    figures::tell(&format!(
        "{} cuts, {:?}; the client resumed {} times and sent {} bytes again, at most {} at once",
        outcomes.len(),
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
