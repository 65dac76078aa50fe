//! One thing that goes wrong on a [`Link`](crate::link::Link).

use std::time::Duration;

use crate::link::{Cut, Dials};
use crate::linked::Linked;
use crate::outcome::{Outcome, Watch};
use crate::site::Site;

/// One thing that happens to the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its connection is cut; the next is served at once.
    Ended(Cut),
    /// It is silent for so long.
    Silent(Dials, Duration),
}

impl Fault {
    /// Its name, whatever its length.
    fn kind(self) -> &'static str {
        match self {
            Self::Ended(Cut::Reset) => "reset",
            Self::Ended(Cut::Close) => "close",
            Self::Ended(Cut::Forget) => "forgotten by the link",
            Self::Silent(Dials::Dropped, _) => "silence, dials dropped",
            Self::Silent(Dials::Swallowed, _) => "silence, dials swallowed",
            Self::Silent(Dials::Refused, _) => "silence, dials refused",
        }
    }

    /// How long a transport carries nothing without being ended; `None`: it is ended at once.
    fn silent_for(self) -> Option<Duration> {
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
        let watch = Watch::new(&linked.tunnel, self.kind(), self.silent_for());
        match self {
            Self::Ended(how) => {
                assert_eq!(linked.link.cut(how), 1, "one transport is cut");
                // The link is back at once, but nobody knows before it is noticed.
                if how == Cut::Forget {
                    watch.wait_noticed();
                }
            }
            Self::Silent(dials, duration) => {
                linked.link.silence(dials);
                watch.pass(duration);
                linked.link.come_back();
            }
        }
        watch.until_answered(site)
    }
}
