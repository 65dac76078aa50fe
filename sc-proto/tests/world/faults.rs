//! What happens to transports: they die, are held up, and are slow.

use super::{End, Holder, World};

/// How a transport dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Both ends see a reset; bytes under way are lost.
    Reset,
    /// Both ends see the end of data, without TLS' goodbye.
    Close,
    /// Nobody sees anything: bytes get lost from here on.
    Silence,
    /// Only the client sees a reset: the server keeps the old connection.
    ResetForClient,
}

/// All the ways a transport dies.
pub(crate) const CUTS: [Cut; 4] = [Cut::Reset, Cut::Close, Cut::Silence, Cut::ResetForClient];

impl World {
    /// The newest transport dies.
    pub(crate) fn cut(&mut self, cut: Cut) {
        if let Some(end) = self.transports.last().copied() {
            self.cut_one(end, cut);
        }
    }

    /// All transports die.
    pub(crate) fn cut_all(&mut self, cut: Cut) {
        for end in self.live_transports() {
            self.cut_one(end, cut);
        }
    }

    /// The client's ends of transports that both cores hold, oldest first.
    pub(crate) fn live_transports(&self) -> Vec<End> {
        let is_held = |end: End| matches!(self.halves[end].holder, Holder::Core(..));
        let ends = self.transports.iter().copied();
        ends.filter(|end| is_held(*end) && is_held(Self::other(*end))).collect()
    }

    /// This transport dies.
    pub(crate) fn cut_one(&mut self, end: End, cut: Cut) {
        let ends = [end, Self::other(end)];
        for end in ends {
            let half = &mut self.halves[end];
            half.lost = true;
            match cut {
                Cut::Reset => {
                    half.arrived.clear();
                    half.reset = true;
                }
                Cut::Close => half.ended = true,
                Cut::Silence | Cut::ResetForClient => half.arrived.clear(),
            }
        }
        if cut == Cut::ResetForClient {
            self.halves[end].reset = true;
        }
        for end in ends {
            self.wake(end);
        }
    }

    /// Everything on the newest transport waits on its way, until [`Self::release`].
    pub(crate) fn hold_back(&mut self) -> Option<End> {
        let end = self.transports.last().copied()?;
        for end in [end, Self::other(end)] {
            self.halves[end].held = true;
        }
        Some(end)
    }

    /// From now on no more than `n` bytes arrive at each end of the newest transport, until the
    /// next call.
    pub(crate) fn limit(&mut self, n: usize) {
        let Some(end) = self.transports.last().copied() else { return };
        for end in [end, Self::other(end)] {
            self.halves[end].quota = Some(n);
            self.wake_reader(end);
        }
    }

    /// The client's address changes: it sees a reset. What it has sent on the newest transport
    /// waits on its way, until [`Self::release`].
    pub(crate) fn roam(&mut self) -> Option<End> {
        let end = self.hold_back()?;
        let half = &mut self.halves[end];
        half.held = false;
        half.lost = true;
        half.arrived.clear();
        half.reset = true;
        self.wake(end);
        Some(end)
    }

    /// What waited on its way arrives.
    pub(crate) fn release(&mut self, end: End) {
        for end in [end, Self::other(end)] {
            self.halves[end].held = false;
            self.wake(end);
        }
    }

    /// Bytes on their way over the newest transport, towards client and server.
    pub(crate) fn under_way(&self) -> usize {
        let count = |end: End| self.halves[end].arrived.len();
        self.transports.last().map_or(0, |end| count(*end) + count(Self::other(*end)))
    }
}
