//! The load: what browsers would do, made as cheaply as we can, because it shares the machine's
//! cores with what is measured.
//!
//! One thread drives all connections of a [`Plan`] by epoll. Bodies of downloads are never copied
//! out of the kernel (`MSG_TRUNC`), so that a gigabyte costs the generator a few thousand calls.

mod connection;
mod engine;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

/// What every connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Downloads without end.
    Bulk,
    /// Asks for 1 KiB again and again on one connection.
    KeepAlive,
    /// Asks for 1 KiB once on every connection, and opens the next.
    Reconnect,
    /// Asks for 1 KiB once and then stays open.
    Idle,
}

/// Where connections go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The address that is dialled.
    pub(crate) address: SocketAddr,
    /// The target of the CONNECT that comes first; none where the address itself leads there.
    pub(crate) connect: Option<SocketAddr>,
}

/// What a generator does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Where to.
    pub(crate) entry: Entry,
    /// What.
    pub(crate) work: Work,
    /// How many connections at a time.
    pub(crate) connections: usize,
}

/// What the thread of a generator and its owner tell one another.
#[derive(Debug, Default)]
struct Shared {
    recording: AtomicBool,
    stop: AtomicBool,
    bytes: AtomicU64,
    requests: AtomicU64,
    failures: AtomicU64,
}

/// A running generator.
#[derive(Debug)]
pub(crate) struct Load {
    shared: Arc<Shared>,
    thread: JoinHandle<Outcome>,
}

/// What has been done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    /// Bytes received in answers.
    pub(crate) bytes: u64,
    /// Answers that were complete.
    pub(crate) requests: u64,
    /// Connections that failed.
    pub(crate) failures: u64,
}

/// What was recorded between [`Load::record`] and [`Load::end`].
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// From the first byte of the request (the dial, with [`Work::Reconnect`]) to the last of the
    /// answer, in microseconds, in order of size.
    pub(crate) latencies: Vec<u32>,
    /// Bytes that each connection received.
    pub(crate) bytes: Vec<u64>,
    /// How many of the first connections failed.
    pub(crate) broken: usize,
}

impl Done {
    /// What has been done since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            bytes: self.bytes - earlier.bytes,
            requests: self.requests - earlier.requests,
            failures: self.failures - earlier.failures,
        }
    }
}

impl Load {
    /// Starts it.
    pub(crate) fn start(plan: Plan) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = thread::spawn(move || engine::run(plan, &theirs));
        Self { shared, thread }
    }

    /// From now on, latencies and bytes are recorded.
    pub(crate) fn record(&self) {
        self.shared.recording.store(true, Ordering::Relaxed);
    }

    /// What has been done since the start.
    pub(crate) fn done(&self) -> Done {
        Done {
            bytes: self.shared.bytes.load(Ordering::Relaxed),
            requests: self.shared.requests.load(Ordering::Relaxed),
            failures: self.shared.failures.load(Ordering::Relaxed),
        }
    }

    /// Ends it and closes its connections.
    ///
    /// # Panics
    /// If its thread panicked.
    pub(crate) fn end(self) -> Outcome {
        self.shared.stop.store(true, Ordering::Relaxed);
        let mut outcome = self.thread.join().expect("the generator's thread lives");
        outcome.latencies.sort_unstable();
        outcome
    }
}

impl Outcome {
    /// The latency that this part (0 to 1) of all requests did not exceed, in milliseconds.
    pub(crate) fn quantile(&self, part: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let index = (last as f64 * part).round() as usize;
        self.latencies.get(index).map_or(f64::NAN, |&micros| f64::from(micros) / 1000.0)
    }

    /// The bytes of the slowest connection, as a part of the mean.
    pub(crate) fn slowest(&self) -> f64 {
        let total: u64 = self.bytes.iter().sum();
        let mean = total as f64 / self.bytes.len().max(1) as f64;
        self.bytes.iter().min().map_or(f64::NAN, |&least| least as f64 / mean)
    }
}
