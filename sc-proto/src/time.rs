//! Time as the core knows it: a number the driver passes in.

use core::fmt;
use core::time::Duration;

/// A moment, as nanoseconds since the driver's epoch (usually its start).
///
/// The driver makes it from a monotonic clock; the core only compares and adds.
/// It holds about 584 years.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(u64);

impl Time {
    /// The driver's epoch.
    pub const ZERO: Self = Self(0);

    /// The moment `nanos` nanoseconds after the epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The moment `since_epoch` after the epoch. Saturates after 584 years.
    pub fn from_duration(since_epoch: Duration) -> Self {
        Self(u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// This moment plus `span`. Saturates.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// The span from `earlier` to this moment; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}s", self.0 / 1_000_000_000, self.0 % 1_000_000_000 / 1_000)
    }
}

/// When the core wants [`Core::handle_timeout`](crate::Core::handle_timeout) to be called, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The moment. After the call at or past it, the next deadline is later.
    pub at: Time,
    /// What is due then, for logs and tests.
    pub reason: DeadlineReason,
}

/// What a [`Deadline`] is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DeadlineReason {
    /// A transport must have finished TLS and the KGP handshake.
    Handshake,
    /// The next request of a browser must have begun.
    KeepAlive,
    /// A request head must be complete.
    RequestHead,
    /// The embedder must have said whether a visitor is let in.
    Access,
    /// A stream waits for room to be opened.
    OpenWait,
    /// The other end must have said whether it reached a site.
    OpenAnswer,
    /// An answer that another browser has asked for must have come.
    Collapse,
    /// The embedder must have named the ways to a site.
    Way,
    /// An upstream proxy must have said whether it reached a site.
    Upstream,
    /// The first bytes after a CONNECT must say whether they are TLS.
    Peek,
    /// A browser, a site or a proxy must have finished its TLS handshake.
    TlsHandshake,
    /// A byte must have moved on a proxied connection.
    Idle,
    /// A site is dialled again.
    Redial,
    /// A site must have begun to answer a request.
    Answer,
    /// A connection to a site that waits for another exchange is given up.
    Kept,
    /// A session acknowledges what it has received, sends a keepalive, or gives its transport up.
    Session,
    /// A session that lost its transport is given up.
    Grace,
    /// A client dials its server again.
    Reconnect,
    /// A drained session must have ended.
    Drain,
    /// What another worker is to know is offered again.
    Notes,
    /// A socket whose last bytes were written must have gone.
    Linger,
    /// More bytes may pass, by the client's limit of bytes a second.
    Rate,
}
