//! A session in numbers.

use core::time::Duration;

use super::{Dialling, Direction, Liveness, Session};

/// The streams of a session, each in one of the first three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamStatistics {
    /// Whose target is being dialled.
    pub opening: usize,
    /// Open both ways.
    pub open: usize,
    /// That have ended one way.
    pub half_closed: usize,
    /// Of all of them, those that may send nothing until the peer's reader takes some.
    pub stalled: usize,
}

impl StreamStatistics {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> usize {
        self.opening + self.open + self.half_closed
    }
}

impl Session {
    /// The smoothed round trip time, once the present transport has shown one.
    pub(crate) fn measured_rtt(&self) -> Option<Duration> {
        self.liveness.as_ref().and_then(Liveness::rtt)
    }

    /// Reliable bytes that wait for the transport.
    pub(crate) fn unsent_len(&self) -> u64 {
        self.ring.unsent_len()
    }

    /// Reliable bytes that were put in, in all.
    pub(crate) fn put_in_all(&self) -> u64 {
        self.ring.end()
    }

    /// How often a stream used up its credit.
    pub(crate) fn credit_stalls(&self) -> u64 {
        self.credit_stalls
    }

    /// The streams now. Visits each.
    pub(crate) fn stream_statistics(&self) -> StreamStatistics {
        let mut all = StreamStatistics::default();
        for (_, stream) in self.streams.iter() {
            let ended = |way: Direction| way == Direction::Finished;
            let state = match stream.dialling {
                Dialling::Pending => &mut all.opening,
                Dialling::Done if ended(stream.sending) || ended(stream.receiving) => {
                    &mut all.half_closed
                }
                Dialling::Done => &mut all.open,
            };
            *state += 1;
            all.stalled += usize::from(stream.sending == Direction::Open && stream.credit == 0);
        }
        all
    }
}
