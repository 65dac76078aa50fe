//! Keeps bbr from flooding a long path.
//!
//! bbr begins by sending nearly three times as fast as the path has been seen to deliver, and goes over to a
//! steadier way when that has brought no more for three round trips. It does not count a round trip in which
//! the application had nothing to send for a moment. Where bytes in flight are bounded by something else than
//! bbr, as by the kernel's send buffer or by what a session keeps for its peer, there is such a moment in each
//! round trip, so that the beginning never ends: queues on the path overflow, a tenth of all packets is lost,
//! and the line idles while they are sent again.
//!
//! Whoever sees that, a loss behind a full queue, here limits the connection for half a second to a little
//! less than what arrives. Then bytes wait in the kernel, bbr has its three round trips, and the limit goes.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use sc_proto::Time;

use super::kernel::{self, Path};

/// How often a connection is looked at while it sends: some round trips of a path that counts as long.
const INTERVAL: Duration = Duration::from_millis(100);
/// How long a limit stays: three round trips of 150 ms. Where they take longer, it comes again.
const HOLD: Duration = Duration::from_millis(500);
/// From one segment in so many on that is sent again, the path overflows, if its round trip is long as well.
const LOST_ONE_IN: u32 = 100;
/// With fewer segments in an interval nothing is judged.
const FEWEST: u32 = 100;
/// The round trip is long when it takes so many tenths of the shortest: a queue stands on the path. Losses
/// without one are not our doing.
const QUEUE_TENTHS: u64 = 13;
/// What of the rate of delivery the limit is, in tenths: the queue shrinks meanwhile.
const LIMIT_TENTHS: u64 = 9;

/// How a connection on a long path has done so far.
#[derive(Debug)]
pub(crate) struct Pace {
    next_look: Time,
    before: Path,
    limited_until: Option<Time>,
}

/// What is to be done about the speed of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Nothing.
    Keep,
    /// It is limited to so many bytes a second.
    Limit(u64),
    /// The limit goes.
    Free,
}

impl Pace {
    /// Of a connection that has just been given bbr.
    pub(crate) fn new() -> Self {
        Self { next_look: Time::ZERO, before: Path::default(), limited_until: None }
    }

    /// Looks at the connection if it is time. What the kernel refuses leaves it as it was.
    pub(crate) fn look(&mut self, socket: BorrowedFd<'_>, now: Time) {
        if now < self.next_look {
            return;
        }
        self.next_look = now.after(INTERVAL);
        let Ok(path) = kernel::path(socket) else {
            return;
        };
        let outcome = match self.judge(path, now) {
            Verdict::Keep => return,
            Verdict::Limit(rate) => kernel::limit_rate(socket, rate),
            Verdict::Free => kernel::limit_rate(socket, u64::MAX),
        };
        if let Err(error) = outcome {
            log::debug!("cannot set SO_MAX_PACING_RATE: {error}");
        }
    }

    fn judge(&mut self, path: Path, now: Time) -> Verdict {
        let before = std::mem::replace(&mut self.before, path);
        if let Some(end) = self.limited_until {
            if now < end {
                return Verdict::Keep;
            }
            self.limited_until = None;
            return Verdict::Free;
        }
        let sent = path.segments.wrapping_sub(before.segments);
        let again = path.again.wrapping_sub(before.again);
        let loses = sent >= FEWEST && again > sent / LOST_ONE_IN;
        let queues = u64::from(path.rtt) * 10 > u64::from(path.best_rtt) * QUEUE_TENTHS;
        if !loses || !queues || path.delivery_rate == 0 {
            return Verdict::Keep;
        }
        self.limited_until = Some(now.after(HOLD));
        Verdict::Limit(path.delivery_rate / 10 * LIMIT_TENTHS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u64 = 60_000_000;

    fn at(ms: u64) -> Time {
        Time::from_nanos(ms * 1_000_000)
    }

    fn path(rtt: u32, segments: u32, again: u32) -> Path {
        Path { rtt, best_rtt: 50_000, segments, again, delivery_rate: RATE }
    }

    #[test]
    fn a_loss_behind_a_full_queue_limits_for_half_a_second() {
        let mut pace = Pace::new();
        assert_eq!(pace.judge(path(52_000, 1000, 0), at(0)), Verdict::Keep);
        assert_eq!(pace.judge(path(98_000, 5000, 400), at(100)), Verdict::Limit(54_000_000));
        assert_eq!(pace.judge(path(98_000, 9000, 800), at(599)), Verdict::Keep);
        assert_eq!(pace.judge(path(60_000, 12_000, 900), at(600)), Verdict::Free);
        assert_eq!(pace.judge(path(60_000, 16_000, 905), at(700)), Verdict::Keep);
    }

    #[test]
    fn a_loss_without_a_queue_and_a_queue_without_a_loss_do_not() {
        let mut pace = Pace::new();
        assert_eq!(pace.judge(path(51_000, 10_000, 500), at(0)), Verdict::Keep);
        assert_eq!(pace.judge(path(120_000, 20_000, 510), at(100)), Verdict::Keep);
        // A few segments say nothing; counters wrap.
        assert_eq!(pace.judge(path(120_000, 20_050, 560), at(200)), Verdict::Keep);
        let mut pace = Pace { before: path(50_000, u32::MAX - 99, u32::MAX), ..Pace::new() };
        assert_eq!(pace.judge(path(120_000, 900, 0), at(0)), Verdict::Keep);
        assert_eq!(pace.judge(path(120_000, 1900, 11), at(100)), Verdict::Limit(54_000_000));
    }
}
