//! What a [`Front`](super::Front) says to whoever carries its bytes.

use bytes::Bytes;

use crate::contract::{DialFailure, ResetReason, StreamKind, Target};
use crate::http1::basic::Credentials;
use crate::http1::code::ErrorCode;
use crate::http1::refused::Refused;
use crate::http1::response::Broken;

/// What became of bytes from the browser.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Step<'b> {
    /// Bytes taken from the front of the input: drop them. The rest comes again in the next call.
    pub consumed: usize,
    /// What to do.
    pub item: Item<'b>,
}

/// What to do after bytes from the browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<'b> {
    /// Nothing until more bytes come. At most [`Limits::max_head`](super::super::Limits::max_head)
    /// bytes stay unconsumed.
    NeedMore,
    /// Open a stream and, once it is open, send `head` first. Answer with
    /// [`Front::opened`](super::Front::opened), [`Front::fail`](super::Front::fail) or
    /// [`Front::turn_away`](super::Front::turn_away).
    Open {
        /// Where to.
        target: Target,
        /// What for.
        kind: StreamKind,
        /// The request head for the site; empty for CONNECT.
        head: Bytes,
        /// Whom the request is of, as it says.
        credentials: Credentials,
    },
    /// Send these bytes on the stream.
    ToStream(&'b [u8]),
    /// The request has been taken as a whole. Do not half-close the stream: many servers take
    /// that for a browser that went away. Said at most once, and not if the answer ended first.
    RequestDone,
    /// Nothing may be taken from the browser now: it waits for the answer to `Open`, or for the
    /// end of the exchange. Keep what came, stop reading beyond a small buffer.
    Paused,
    /// From here on, and both ways, bytes are opaque. Relay them without this machine, beginning
    /// with those not consumed.
    Raw,
    /// The request is not passed on. Reset the stream if one is open.
    Refuse {
        /// Why, for the log.
        reason: Refused,
        /// What the browser gets.
        ending: Ending,
    },
    /// The connection has ended as far as HTTP goes; nothing is taken any more.
    Closed,
}

/// What became of bytes from the site.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Answer<'b> {
    /// Bytes taken from the front of the input: drop them. The rest comes again in the next call.
    pub consumed: usize,
    /// What to do.
    pub item: AnswerItem<'b>,
}

/// What to do after bytes from the site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerItem<'b> {
    /// Nothing until more bytes come. At most [`Limits::max_head`](super::super::Limits::max_head)
    /// bytes stay unconsumed.
    NeedMore,
    /// Send this head to the browser: of an interim or of the final answer.
    Head(Bytes),
    /// Send these bytes to the browser.
    ToBrowser(&'b [u8]),
    /// The answer has ended; drop the stream. [`After::KeepAlive`]: call
    /// [`Front::from_browser`](super::Front::from_browser) with what was kept.
    Done(After),
    /// From here on, and both ways, bytes are opaque. Relay them without this machine, beginning
    /// with those not consumed.
    Raw,
    /// The answer cannot be passed on. Reset the stream.
    Broken {
        /// Why, for the log.
        reason: Broken,
        /// What the browser gets.
        ending: Ending,
    },
    /// The site sent bytes after its answer, or without being asked. They are nobody's answer.
    /// Drop them and reset the stream; the browser connection is not touched by it.
    Surplus,
}

/// How an exchange that failed ends for the browser.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Ending {
    /// A whole answer to send. Empty if the browser has already got part of another.
    pub page: Bytes,
    /// What becomes of the browser's connection once the page is sent.
    pub after: After,
    /// What the page says, if there is one.
    pub code: Option<ErrorCode>,
}

/// What becomes of a browser's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It stays; the next request may come, or has come.
    KeepAlive,
    /// It ends after what was said: half-close it, read and drop what still comes for a moment,
    /// then close. A close with unread bytes would destroy the answer on its way
    /// (RFC 9112, section 9.6).
    Close,
    /// It is reset, so that an answer cut short does not look like a whole one.
    Abort,
}

/// What the end of the browser's bytes means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrowserEnd {
    /// No exchange was going on: close the connection.
    Close,
    /// An exchange was going on and is given up: reset the stream, close the connection.
    Cancel,
    /// Bytes are opaque: half-close the stream.
    Raw,
}

/// Where a connection stands, for deadlines and limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Between requests: not a byte of the next head has been looked at.
    Idle,
    /// In the middle of a request head.
    Head,
    /// Waits for the answer to [`Item::Open`].
    Opening,
    /// An exchange is going on.
    Exchange,
    /// Bytes are opaque.
    Raw,
    /// It has ended.
    Closed,
}

/// Why a stream cannot carry an exchange, or no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The far end could not reach the site.
    #[error("{0}")]
    Dial(#[from] DialFailure),
    /// The client, to whose own proxy port the request came, could not.
    #[error("{0}")]
    Local(DialFailure),
    /// The server, which reaches the site itself, could not.
    #[error("{0}")]
    Direct(DialFailure),
    /// A rule of the tunnel forbids the request.
    #[error("denied")]
    Denied,
    /// The request wants no other answer than a stored one (`only-if-cached`), and there is none.
    #[error("nothing is stored for it")]
    NotCached,
    /// The tunnel has no session.
    #[error("its client is not connected")]
    NotConnected,
    /// The tunnel has as many streams as it may have.
    #[error("it has too many open connections")]
    TooManyStreams,
    /// The far end said nothing about the site in time.
    #[error("its client did not answer in time")]
    NoReply,
    /// The session ended.
    #[error("its client was lost")]
    SessionLost,
    /// The far end reset the stream.
    #[error("{0}")]
    Reset(#[from] ResetReason),
}
