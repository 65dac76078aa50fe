//! One stream of a session.

use super::credit::Window;
use super::frame::StreamId;
use super::schedule::Turn;
use crate::contract::SocketId;
use crate::slab::{Key, Slab};

pub(crate) type StreamKey = Key<Stream>;
pub(crate) type Streams = Slab<Stream>;

/// One direction of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Nothing may pass before OPENED: the side that answers an OPEN says that first.
    Waiting,
    /// Bytes may follow.
    Open,
    /// FIN has gone or come.
    Finished,
}

/// Who opened a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opener {
    /// This side.
    Here,
    /// The other.
    Peer,
}

/// Whether the stream's target has been reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialling {
    /// OPEN has no answer yet.
    Pending,
    /// OPENED.
    Done,
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) id: StreamId,
    /// The socket at this end.
    pub(crate) owner: SocketId,
    pub(crate) dialling: Dialling,
    pub(crate) sending: Direction,
    pub(crate) receiving: Direction,
    /// What may be sent before the next CREDIT, in bytes.
    pub(crate) credit: u64,
    /// What has been sent in all, to tell what a CREDIT adds.
    pub(crate) sent: u64,
    pub(crate) window: Window,
    /// A CREDIT is due.
    pub(crate) credit_due: CreditDue,
    pub(crate) turn: Turn,
}

/// Whether the stream stands in the session's list of CREDITs to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CreditDue {
    /// No.
    No,
    /// Yes, once.
    Listed,
}

impl Stream {
    pub(crate) fn new(
        id: StreamId,
        opener: Opener,
        owner: SocketId,
        credit: u64,
        window: Window,
    ) -> Self {
        Self {
            id,
            owner,
            dialling: Dialling::Pending,
            sending: match opener {
                Opener::Here => Direction::Open,
                Opener::Peer => Direction::Waiting,
            },
            receiving: match opener {
                Opener::Here => Direction::Waiting,
                Opener::Peer => Direction::Open,
            },
            credit,
            sent: 0,
            window,
            credit_due: CreditDue::No,
            turn: Turn::default(),
        }
    }

    /// The peer's limit for what this side sends. It never goes down.
    pub(crate) fn raise_limit(&mut self, limit: u64) {
        self.credit = self.credit.max(limit.saturating_sub(self.sent));
    }

    pub(crate) fn is_over(&self) -> bool {
        self.sending == Direction::Finished && self.receiving == Direction::Finished
    }

    #[cfg(test)]
    pub(crate) fn for_test(id: u64, credit: u64) -> Self {
        use crate::kgp::Settings;
        use crate::kgp::credit::WindowPool;
        let mut pool = WindowPool::new(&Settings::default());
        let window = Window::new(&mut pool, crate::Time::ZERO);
        let owner = SocketId { index: 0, generation: 0 };
        Self::new(StreamId::new(id).unwrap(), Opener::Here, owner, credit, window)
    }
}
