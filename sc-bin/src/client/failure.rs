//! Why a tunnel did not come up or did not stay: the cause, what was tried, what to do next.

use std::time::Duration;

use sc_proto::contract::{ConnectFailure, DialFailure, Refusal, TransportLoss};

use sc_proto::tls::{Fault, TlsError};

use super::pac::PacError;
use super::rest_error::RestError;
use super::trust::TrustError;
use crate::cli::Exit;

/// The end of a run that nobody on this side asked for. `Display` says the cause.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The REST API could not be asked, or said no.
    #[error("{step}: the REST API at {url}: {error}")]
    Rest {
        /// What it was asked for.
        step: &'static str,
        /// Where.
        url: String,
        /// The last answer.
        error: RestError,
        /// How often it was tried.
        tries: u32,
        /// From the first try to the last.
        over: Duration,
    },
    /// The server does not want this client to start.
    #[error("the server refuses: {0}")]
    Fatal(String),
    /// The record names a server that cannot be one.
    #[error("the server names {0:?} as the tunnel's address, which is none")]
    Address(String),
    /// The tunnel did not become `running` in time.
    #[error("the tunnel did not run within {} s ({last})", limit.as_secs())]
    NotRunning {
        /// How long it was waited for.
        limit: Duration,
        /// What was last known.
        last: String,
    },
    /// No connection to the tunnel's server.
    #[error("Sauce Connect could not establish a connection to {server}: {failure}")]
    Connect {
        /// The server.
        server: String,
        /// Why not.
        failure: ConnectFailure,
        /// How often it was tried.
        tries: u32,
        /// From the first try to the last.
        over: Duration,
    },
    /// Someone else ended the tunnel.
    #[error("the tunnel was ended from elsewhere{}", because(reason.as_deref()))]
    EndedElsewhere {
        /// The word in its record.
        reason: Option<String>,
    },
    /// The server ended the tunnel for reasons of its own: its restart, or a client unseen for
    /// too long.
    #[error("the server ended the tunnel{}", because(reason.as_deref()))]
    EndedByServer {
        /// The word in its record.
        reason: Option<String>,
    },
    /// The session ended, and the server does not take the user or the key any more.
    #[error("the tunnel's connection ended, and {server} does not take this user and key any more")]
    KeyVoid {
        /// The REST API.
        server: String,
    },
    /// The connection was lost for good.
    #[error("the connection to {server} was lost and did not come back: {last}")]
    Lost {
        /// The server.
        server: String,
        /// The last failure.
        last: String,
        /// How often it was tried.
        tries: u32,
        /// For how long.
        over: Duration,
    },
    /// A CA file is not usable.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The PAC script cannot be had or used.
    #[error("--pac: {0}")]
    Pac(#[from] PacError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An address of this machine cannot be had.
    #[error("cannot listen on {address} for {flag}: {error}")]
    Listen {
        /// The option.
        flag: &'static str,
        /// Its value.
        address: String,
        /// What the operating system said.
        error: String,
    },
    /// A file cannot be written.
    #[error("{flag} {path}: {error}")]
    File {
        /// The option.
        flag: &'static str,
        /// Its value.
        path: String,
        /// What the operating system said.
        error: String,
    },
    /// This machine did not give what a tunnel needs.
    #[error("{what}: {error}")]
    Machine {
        /// What it did not give.
        what: &'static str,
        /// What it said.
        error: String,
    },
}

impl Failure {
    /// What was done before giving up.
    pub(crate) fn tried(&self) -> String {
        match self {
            Self::Rest { step, tries, over, .. } => tried(step, *tries, *over),
            Self::Connect { tries, over, .. } => tried("connecting", *tries, *over),
            Self::Lost { tries, over, .. } => tried("reconnecting", *tries, *over),
            Self::NotRunning { limit, .. } => {
                format!("asking for the tunnel's state each second for {} s", limit.as_secs())
            }
            Self::Fatal(_) => "asking the server for a tunnel".to_owned(),
            Self::Address(_) => "reading the server's answer".to_owned(),
            Self::EndedElsewhere { .. } | Self::EndedByServer { .. } | Self::KeyVoid { .. } => {
                "serving the tunnel".to_owned()
            }
            Self::Trust(_) | Self::Pac(_) => "reading it".to_owned(),
            Self::Tls(_) => "setting TLS up".to_owned(),
            Self::Listen { .. } => "listening, before anything else".to_owned(),
            Self::File { .. } => "writing it, before anything else".to_owned(),
            Self::Machine { .. } => "asking the operating system".to_owned(),
        }
    }

    /// What a person does next.
    pub(crate) fn next_step(&self) -> &'static str {
        match self {
            Self::Rest { error, .. } => error.next_step(),
            Self::Fatal(_) => "follow what the server says, or ask its owner",
            Self::Address(_) => "start `sc server` with the right --tunnel-host",
            Self::NotRunning { .. } => "look into the server's log, then start again",
            Self::Connect { failure, .. } => connect_step(failure),
            Self::EndedElsewhere { .. } => {
                "start it again if that was not meant; a tunnel that starts with the same name \
                 and user ends the one before, so give each its own name with -i"
            }
            Self::EndedByServer { .. } => {
                "start it again; under a service manager let it restart on exit code 4"
            }
            Self::KeyVoid { .. } => {
                "the user was removed, or has a new key: `sc server user list` shows the users, \
                 `sc server user rotate NAME` makes a new key"
            }
            Self::Lost { .. } => {
                "check the server and the network between, then start again; under a service \
                 manager let it restart on exit code 4"
            }
            Self::Trust(_) => "give a PEM file with at least one CA certificate",
            Self::Pac(_) => "open the script where --pac says it is, and correct it or the option",
            Self::Tls(_) => "name the CA file of the tunnel's server with --tunnel-cainfo",
            Self::Listen { .. } => {
                "give another address, or port 0 for any free one; another client may have this"
            }
            Self::File { .. } => "give a path in a folder that can be written",
            Self::Machine { .. } => "free some resources of this machine, then start again",
        }
    }

    /// How the process ends by this.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::EndedElsewhere { .. } | Self::KeyVoid { .. } => Exit::EndedElsewhere,
            Self::Lost { .. } | Self::EndedByServer { .. } => Exit::ConnectionLost,
            Self::Listen { .. } => Exit::Listener,
            Self::Rest { .. }
            | Self::Fatal(_)
            | Self::Address(_)
            | Self::NotRunning { .. }
            | Self::Connect { .. }
            | Self::Trust(_)
            | Self::Pac(_)
            | Self::Tls(_)
            | Self::File { .. }
            | Self::Machine { .. } => Exit::Failed,
        }
    }
}

fn because(reason: Option<&str>) -> String {
    reason.map_or(String::new(), |reason| format!(" (reason: {reason})"))
}

fn tried(what: &str, tries: u32, over: Duration) -> String {
    match tries {
        0 | 1 => format!("{what}, once"),
        _ => format!("{what}, {tries} times in {:.1} s", over.as_secs_f64()),
    }
}

/// What is worth doing about a failed connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnectRemedy {
    /// It may pass: try again.
    TryAgain,
    /// The server does not know the tunnel or is ending it: its record tells more.
    AskRecord,
    /// It will be the same each time.
    GiveUp,
}

/// Judges a failed connection.
pub(super) fn remedy(failure: &ConnectFailure) -> ConnectRemedy {
    match failure {
        ConnectFailure::Dial(
            DialFailure::Denied
            | DialFailure::ProxyCredentials
            | DialFailure::ProxyDenied
            | DialFailure::NoWay
            | DialFailure::Loop
            | DialFailure::BadRequest,
        )
        | ConnectFailure::ServerName(_) => ConnectRemedy::GiveUp,
        ConnectFailure::Transport(loss) => match loss {
            TransportLoss::Refused(Refusal::Credentials | Refusal::Ending | Refusal::Session) => {
                ConnectRemedy::AskRecord
            }
            // The keys' end asks for a new connection; a cut connection may be a server's restart.
            TransportLoss::Tls(error) => match (error, error.fault()) {
                (TlsError::KeysExhausted, _) | (_, Fault::Network) => ConnectRemedy::TryAgain,
                (_, Fault::Configuration | Fault::Peer | Fault::Internal) => ConnectRemedy::GiveUp,
            },
            TransportLoss::Refused(Refusal::Version | Refusal::Parameters)
            | TransportLoss::Protocol(_) => ConnectRemedy::GiveUp,
            // Closed, failed, silent, too slow, replaced: the network's moods.
            _ => ConnectRemedy::TryAgain,
        },
        _ => ConnectRemedy::TryAgain,
    }
}

/// Whether a failure of [`ConnectRemedy::GiveUp`] may pass for a tunnel that worked before:
/// something opens TLS between for a while, or the server came back with another certificate,
/// which its REST API then tells.
pub(super) fn may_pass(failure: &ConnectFailure) -> bool {
    matches!(failure, ConnectFailure::Transport(TransportLoss::Tls(_) | TransportLoss::Protocol(_)))
}

fn connect_step(failure: &ConnectFailure) -> &'static str {
    match failure {
        ConnectFailure::Dial(_) => {
            "check that the server's tunnel address can be reached from here and that `sc server` \
             tells the right --tunnel-host. Please check your firewall and proxy settings."
        }
        ConnectFailure::Transport(TransportLoss::Tls(_)) | ConnectFailure::ServerName(_) => {
            "something between may open TLS, or the server's certificate is from a CA this \
             machine does not know: name that CA's file with --tunnel-cainfo"
        }
        ConnectFailure::Transport(TransportLoss::Refused(Refusal::Version)) => {
            "run the same version of sc here and on the server"
        }
        _ => "look into the server's log, then start again",
    }
}
