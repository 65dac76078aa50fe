//! Why something did not work, as types that both ends and the logs share.

use alloc::string::String;

use crate::tls::{CertificateProblem, TlsError};

/// Why the egress could not reach a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum DialFailure {
    /// The host answered that nothing listens there.
    #[error("connection refused")]
    Refused,
    /// No route to the host or its network.
    #[error("host unreachable")]
    Unreachable,
    /// No answer within the dial deadline.
    #[error("timed out")]
    TimedOut,
    /// The name has no address.
    #[error("name not found")]
    NameNotFound,
    /// A rule of the office forbids this target.
    #[error("denied")]
    Denied,
    /// TLS with the site failed: its handshake was broken off or refused.
    #[error("TLS with the site failed")]
    Tls,
    /// The client is out of descriptors, memory or ports.
    #[error("out of resources")]
    Resources,
    /// The client is ending and takes no new connections.
    #[error("the client is shutting down")]
    Draining,
    /// Any other failure.
    #[error("connection failed")]
    Other,
    /// The office forbids its client's own machine as a target.
    #[error("localhost is denied")]
    LocalhostDenied,
    /// The office's upstream proxy could not be reached.
    #[error("the upstream proxy cannot be reached")]
    ProxyUnreachable,
    /// The upstream proxy wants credentials, or others.
    #[error("the upstream proxy does not accept the client's credentials")]
    ProxyCredentials,
    /// The upstream proxy refuses to connect there.
    #[error("the upstream proxy refuses this site")]
    ProxyDenied,
    /// The upstream proxy could not reach the target.
    #[error("the upstream proxy cannot reach the site")]
    ProxyFailed,
    /// The upstream proxy said something else than its protocol allows, or closed.
    #[error("the upstream proxy gave no proper answer")]
    ProxyProtocol,
    /// The upstream proxy, or the site behind it, took too long.
    #[error("the upstream proxy gave no answer in time")]
    ProxyTimedOut,
    /// What chooses the upstream proxy (a PAC script) failed, so there is no way.
    #[error("no upstream proxy could be chosen")]
    NoWay,
    /// The request has passed this client before.
    #[error("the request goes round in a circle")]
    Loop,
    /// What came on the stream is not one request that can be read in one way only.
    #[error("the request can be read in two ways")]
    BadRequest,
    /// The site's certificate is past its last day.
    #[error("the site's certificate has expired")]
    CertificateExpired,
    /// The site's certificate is before its first day.
    #[error("the site's certificate is not valid yet")]
    CertificateNotYetValid,
    /// No authority that the client trusts issued the site's certificate.
    #[error("the site's certificate is not issued by an authority that the sc client trusts")]
    CertificateIssuer,
    /// The site's certificate is for other names.
    #[error("the site's certificate is for other names")]
    CertificateName,
    /// The site's certificate cannot be used for any other reason.
    #[error("the site's certificate cannot be used")]
    Certificate,
    /// What answered on the site's port is not TLS.
    #[error("the site does not speak TLS on this port")]
    NotTls,
    /// The site's TLS handshake took too long.
    #[error("the site's TLS handshake took too long")]
    TlsTimedOut,
    /// TLS with the upstream proxy failed, or its certificate is not accepted.
    #[error("TLS with the upstream proxy failed")]
    ProxyTls,
    /// No name server could say whether the name has an address.
    #[error("no name server gave an answer")]
    NameServers,
}

impl From<&TlsError> for DialFailure {
    /// What a failure of TLS with a site is told as.
    fn from(error: &TlsError) -> Self {
        match error {
            TlsError::Certificate(problem) => match problem {
                CertificateProblem::Expired => Self::CertificateExpired,
                CertificateProblem::NotYetValid => Self::CertificateNotYetValid,
                CertificateProblem::UnknownIssuer => Self::CertificateIssuer,
                CertificateProblem::WrongName { .. } => Self::CertificateName,
                CertificateProblem::Pin | CertificateProblem::Unusable(_) => Self::Certificate,
            },
            TlsError::NotTls => Self::NotTls,
            _ => Self::Tls,
        }
    }
}

impl DialFailure {
    /// All of them.
    pub const ALL: [Self; 28] = [
        Self::Refused,
        Self::Unreachable,
        Self::TimedOut,
        Self::NameNotFound,
        Self::Denied,
        Self::Tls,
        Self::Resources,
        Self::Draining,
        Self::Other,
        Self::LocalhostDenied,
        Self::ProxyUnreachable,
        Self::ProxyCredentials,
        Self::ProxyDenied,
        Self::ProxyFailed,
        Self::ProxyProtocol,
        Self::ProxyTimedOut,
        Self::NoWay,
        Self::Loop,
        Self::BadRequest,
        Self::CertificateExpired,
        Self::CertificateNotYetValid,
        Self::CertificateIssuer,
        Self::CertificateName,
        Self::Certificate,
        Self::NotTls,
        Self::TlsTimedOut,
        Self::ProxyTls,
        Self::NameServers,
    ];
}

/// Why a stream was reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum ResetReason {
    /// Whoever used the stream is gone (its socket was closed or reset).
    #[error("cancelled")]
    Cancelled,
    /// The stream's socket failed.
    #[error("connection lost")]
    ConnectionLost,
    /// The stream waited longer than it may.
    #[error("timed out")]
    TimedOut,
    /// The peer broke the rules of the stream.
    #[error("protocol violated")]
    Protocol,
    /// The session is ending.
    #[error("shutting down")]
    ShuttingDown,
    /// The answer is larger than the office lets pass.
    #[error("the answer is larger than the client lets pass")]
    AnswerTooLarge,
}

/// Why a server refused a client's handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The server does not speak the client's version of KGP.
    #[error("the server does not speak this version of KGP")]
    Version,
    /// No such tunnel, or its secret is another one. One code for both, to tell nothing to a guesser.
    #[error("the server does not know this tunnel or its secret")]
    Credentials,
    /// A parameter is outside its limits.
    #[error("a parameter of the handshake is outside its limits")]
    Parameters,
    /// The tunnel is ending.
    #[error("the tunnel is ending")]
    Ending,
    /// No such session, or its secret is another one: its grace has ended, or the server has
    /// started anew.
    #[error("the server does not know this session any more")]
    Session,
}

/// Why a transport ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportLoss {
    /// The peer closed it.
    #[error("closed by the peer")]
    Closed,
    /// It was reset or failed.
    #[error("connection lost")]
    Failed,
    /// Nothing came for too long.
    #[error("no sign of life from the peer")]
    Silent,
    /// TLS and the handshake took too long.
    #[error("the handshake was not finished in time")]
    HandshakeTimeout,
    /// TLS failed.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The peer sent something KGP does not allow.
    #[error(transparent)]
    Protocol(#[from] crate::kgp::ProtocolError),
    /// The server refused the client's handshake, or this side did.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// A newer transport took its place, or its tunnel ended.
    #[error("replaced or ended on this side")]
    Ended,
}

/// Why a client has no transport yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectFailure {
    /// The server could not be reached.
    #[error("cannot reach the server: {0}")]
    Dial(DialFailure),
    /// The server was reached but the transport ended before the session began.
    #[error("{0}")]
    Transport(TransportLoss),
    /// The server's name cannot be used for TLS.
    #[error("{0:?} is not a name that TLS can verify")]
    ServerName(String),
}
