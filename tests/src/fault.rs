//! One thing that goes wrong on a [`Link`](crate::link::Link), and what came of it.

use std::thread;
use std::time::{Duration, Instant};

use crate::link::{Cut, Dials};
use crate::linked::Linked;
use crate::site::Site;
use crate::{figures, traffic, wait};

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

/// From the link's return to an answered request. The requirement.
const MAX_RECOVERY: Duration = Duration::from_secs(1);
/// A dial that is under way when the link returns waits for the kernel to send its SYN again, up to
/// a second after the last; TLS and RESUME follow.
const AFTER_SYN: Duration = Duration::from_millis(300);

impl Fault {
    /// How long it may take from the link's return to an answered request.
    pub fn max_recovery(self) -> Duration {
        match self {
            Self::Silent(Dials::Dropped, _) => MAX_RECOVERY + AFTER_SYN,
            Self::Silent(Dials::Swallowed | Dials::Refused, _) | Self::Ended(_) => MAX_RECOVERY,
        }
    }

    /// How long a transport carries nothing without being ended; `None`: it is ended at once.
    pub fn silent_for(self) -> Option<Duration> {
        match self {
            Self::Ended(Cut::Forget) => Some(Duration::MAX),
            Self::Ended(Cut::Reset | Cut::Close) => None,
            Self::Silent(_, time) => Some(time),
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
