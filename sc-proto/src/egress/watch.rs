//! What the client's embedder is told of exchanges with sites, for a log.

use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::contract::{StreamKind, Target};

/// How much is told of each exchange, in [`Event::Exchanged`](crate::Event::Exchanged). What the
/// embedder has no room for is not told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watch {
    /// Nothing.
    #[default]
    Nothing,
    /// That it was, and the head of its request.
    Requests,
    /// The head of the answer, too.
    Heads,
    /// The beginnings of both bodies, too.
    Bodies,
}

/// Most bytes of an answer that are told with its head, and of a request's body.
pub(crate) const MOST_TOLD: usize = 8 * 1024;

impl Watch {
    /// How many bytes of an answer are kept for it.
    pub(crate) fn of_answer(self) -> usize {
        match self {
            Self::Nothing | Self::Requests => 0,
            Self::Heads | Self::Bodies => MOST_TOLD,
        }
    }

    /// How many bytes of a request's body are kept for it.
    pub(crate) fn of_request(self) -> usize {
        if self == Self::Bodies { MOST_TOLD } else { 0 }
    }
}

/// An exchange with a site that has ended, or a tunnel to one that has begun. It holds what passed,
/// credentials included: whoever shows it takes them out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchanged {
    /// What was wanted.
    pub kind: StreamKind,
    /// The site.
    pub target: Target,
    /// The head as the site got it, or would have; empty for CONNECT and what was not read.
    pub head: Bytes,
    /// The status of the answer: the site's, or that of the page that says why there is none.
    pub status: u16,
    /// From the request to the end of the answer; of CONNECT to the open way.
    pub took: Duration,
    /// The beginning of the request's body, as it was framed.
    pub sent: Vec<u8>,
    /// The beginning of what the site answered, head and body as they were framed.
    pub answer: Vec<u8>,
    /// Bytes of the answer's body, with its framing.
    pub answer_bytes: u64,
}
