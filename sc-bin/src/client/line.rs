//! What a run tells its user, before any wording.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sc_proto::contract::{ConnectionNumber, TunnelId};

use super::failure::Failure;

/// One thing to tell while all is well, or nearly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// The run begins.
    Start {
        /// The REST API.
        rest: String,
        /// The tunnel's name.
        name: Option<String>,
        /// The REST API is reached in the clear.
        warning: Option<&'static str>,
    },
    /// The state is served by HTTP.
    Monitor {
        /// By which server.
        name: &'static str,
        /// Where.
        address: String,
    },
    /// How sites are reached from here.
    Egress(String),
    /// A text from the server.
    ServerSays(String),
    /// An option that changes nothing.
    Note(String),
    /// Something failed and is tried again.
    Retry {
        /// What.
        step: &'static str,
        /// Why it failed.
        error: String,
        /// When the next try comes.
        wait: Duration,
    },
    /// The server has made the tunnel.
    Provisioned {
        /// Its id.
        id: TunnelId,
        /// Where browsers reach it, as `host:port`.
        proxy: String,
    },
    /// The server is dialled.
    Connecting {
        /// `host:port`.
        server: String,
    },
    /// A connection is up for the first time.
    Established {
        /// Which.
        connection: ConnectionNumber,
        /// How many are up.
        up: usize,
        /// The server's address.
        peer: SocketAddr,
    },
    /// The tunnel can be used.
    Ready,
    /// The session of a connection was lost, and others go on; it is being restored.
    ConnectionLost {
        /// Which.
        connection: ConnectionNumber,
        /// Why.
        why: String,
    },
    /// A connection that was missing is up.
    ConnectionBack {
        /// Which.
        connection: ConnectionNumber,
        /// How many are up.
        up: usize,
    },
    /// All sessions were lost; the tunnel is being restored.
    Lost {
        /// Why.
        why: String,
    },
    /// A new session took the place of those that were lost.
    Restored,
    /// The server has given the tunnel up; it is made again.
    Recovering,
    /// A session lost its transport; its streams wait.
    Interrupted {
        /// Which connection that is.
        connection: ConnectionNumber,
        /// How many are up.
        left: usize,
        /// What happened to the transport.
        cause: String,
    },
    /// A try to get a new transport failed.
    Reconnecting {
        /// For which connection.
        connection: ConnectionNumber,
        /// Which try, from 1.
        attempt: u32,
        /// Why it failed.
        cause: String,
        /// The pause before the next.
        wait: Duration,
    },
    /// A session goes on with a new transport.
    Resumed {
        /// Which connection that is.
        connection: ConnectionNumber,
        /// Bytes that are sent again from here.
        replayed: u64,
        /// Streams that were kept.
        streams: usize,
        /// How long there was no transport.
        outage: Duration,
    },
    /// Someone else asked for the end; running jobs may finish.
    Halting {
        /// The word in the record.
        reason: Option<String>,
    },
    /// A signal asked for the end.
    Stopping,
    /// Jobs still run.
    WaitingForJobs {
        /// How many.
        jobs: u32,
        /// How long they are waited for, in all.
        limit: Duration,
    },
    /// The wait for jobs is over though some still run, or it is not known.
    JobsLeft,
    /// A second signal: no more waiting.
    Forced,
    /// The server could not be told; it ends the tunnel by itself.
    NotDeleted {
        /// Why.
        error: String,
    },
    /// The last line.
    Goodbye,
}

/// What a start waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// The REST API's first word.
    Configuration,
    /// The answer that there is a tunnel.
    Tunnel,
    /// The tunnel's server to be ready for it.
    Running,
    /// A connection to this server.
    Connection(String),
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration => f.write_str("waiting for the REST API"),
            Self::Tunnel => f.write_str("waiting for the server to make the tunnel"),
            Self::Running => f.write_str("waiting for the tunnel to run"),
            Self::Connection(server) => write!(f, "connecting to {server}"),
        }
    }
}

/// Someone who words lines and failures, and puts them where people or wrappers look.
pub(crate) trait Speaker {
    /// Tells that all is well, or nearly.
    fn say(&mut self, line: &Line);
    /// Tells why the run ends.
    fn fail(&mut self, failure: &Failure);
    /// From now on this is waited for.
    fn wait_for(&mut self, _what: Waiting) {}
    /// When [`Speaker::on_time`] is due, if ever.
    fn next_deadline(&self) -> Option<Instant> {
        None
    }
    /// Shows how long it has waited.
    fn on_time(&mut self, _now: Instant) {}
}
