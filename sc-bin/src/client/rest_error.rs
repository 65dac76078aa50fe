//! What can go wrong with a REST call, and what a client does about it.

use std::io;
use std::time::Duration;

/// A REST call came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RestError {
    /// The server's name has no address.
    #[error("the server's name was not found")]
    NameNotFound,
    /// No connection, or it broke.
    #[error("no connection ({0})")]
    Unreachable(String),
    /// No answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// What answers there does not speak TLS.
    #[error("what answers there does not speak TLS")]
    NoTls,
    /// The server's certificate was not accepted, or TLS failed otherwise.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// An answer that is not a success.
    #[error("it answered {code}{}{text}", if text.is_empty() { "" } else { ": " })]
    Status {
        /// The HTTP status.
        code: u16,
        /// What the answer says, printable and short.
        text: String,
    },
    /// An answer that this version cannot read.
    #[error("its answer cannot be read: {0}")]
    Answer(String),
    /// The call could not be made at all.
    #[error("the call could not be made: {0}")]
    Local(String),
}

/// How long a start goes on trying where that may help.
pub(super) const RETRY_LIMIT: Duration = Duration::from_secs(45);
/// The same for names: a resolver may need a moment after a network came up, a typing error
/// should not take as long to be told.
pub(super) const NAME_RETRY_LIMIT: Duration = Duration::from_secs(5);

impl RestError {
    /// For how long, from the first try, it is worth trying again. `None`: never.
    pub(super) fn retry_limit(&self) -> Option<Duration> {
        match self {
            Self::Unreachable(_) | Self::TimedOut => Some(RETRY_LIMIT),
            // Whoever does not know the method or the version never will.
            Self::Status { code: 501 | 505, .. } => None,
            Self::Status { code, .. } if *code >= 500 || [408, 425, 429].contains(code) => {
                Some(RETRY_LIMIT)
            }
            Self::NameNotFound => Some(NAME_RETRY_LIMIT),
            Self::Status { .. } | Self::NoTls | Self::Tls(_) | Self::Answer(_) | Self::Local(_) => {
                None
            }
        }
    }

    /// Whether another server of a fleet may do better.
    pub(super) fn is_of_server(&self) -> bool {
        match self {
            Self::NameNotFound
            | Self::Unreachable(_)
            | Self::TimedOut
            | Self::NoTls
            | Self::Tls(_)
            | Self::Answer(_) => true,
            Self::Status { code, .. } => *code >= 500,
            Self::Local(_) => false,
        }
    }

    /// Whether the server says that there is no such tunnel (any more).
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Self::Status { code: 404 | 410, .. })
    }

    /// Whether the server may have done what it was asked for, though it did not say so.
    pub(super) fn may_have_been_done(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TimedOut | Self::Answer(_) => true,
            Self::Status { code, .. } => *code >= 500,
            Self::NameNotFound | Self::NoTls | Self::Tls(_) | Self::Local(_) => false,
        }
    }

    /// Whether the server does not take the user or the key (any more).
    pub(super) fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Status { code: 401 | 403, .. })
    }

    /// What a person does next.
    pub(super) fn next_step(&self) -> &'static str {
        match self {
            Self::NameNotFound => "check the host in the REST URL, and this machine's DNS",
            Self::Unreachable(_) | Self::TimedOut => {
                "check that the server runs (`sc server`), the REST URL, and firewalls between. \
                 Please check your firewall and proxy settings."
            }
            Self::NoTls => {
                "check the port of the REST URL; if the server was started without \
                 --rest-tls-cert, the URL begins with http:// and not https://"
            }
            Self::Tls(_) => {
                "if the server's certificate is not from a public CA, name its CA file with \
                 --cainfo (version 4), --rest-cainfo (sc run) or SAUCE_CAINFO"
            }
            Self::Status { code: 401, .. } => {
                "check user name and access key; `sc server user list` shows the users, \
                 `sc server user rotate NAME` makes a new key"
            }
            Self::Status { code: 403, .. } => "ask the server's owner for the right to do this",
            Self::Status { code: 404, .. } => {
                "check the path of the REST URL (it usually ends with /rest/v1) and the user name"
            }
            Self::Status { code: 300..=399, .. } => "use the URL that the server redirects to",
            Self::Status { code: 501 | 505, .. } => {
                "check that the REST URL leads to an sc server, not to another program"
            }
            Self::Status { code: 500.., .. } => "look into the server's log",
            Self::Status { .. } => "follow what the answer says",
            Self::Answer(_) => {
                "check that the REST URL, http or https included, leads to an sc server of this version"
            }
            Self::Local(_) => "free some resources of this machine, then try again",
        }
    }
}

impl From<ureq::Error> for RestError {
    fn from(error: ureq::Error) -> Self {
        use ureq::Error;
        match error {
            Error::HostNotFound => Self::NameNotFound,
            Error::Timeout(_) => Self::TimedOut,
            Error::Io(error) => from_io(&error),
            Error::ConnectionFailed => Self::Unreachable("connection failed".to_owned()),
            Error::Rustls(error) => from_tls(&error),
            Error::Tls(text) => Self::Tls(text.to_owned()),
            Error::Pem(error) => Self::Tls(format!("{error:?}")),
            Error::Json(error) => Self::Answer(error.to_string()),
            Error::Protocol(error) => Self::Answer(error.to_string()),
            other => Self::Answer(other.to_string()),
        }
    }
}

fn from_io(error: &io::Error) -> RestError {
    // TLS failures of the handshake come wrapped into an I/O error.
    let inner = error.get_ref();
    if let Some(tls) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return from_tls(tls);
    }
    if is_lookup_failure(error) {
        return RestError::NameNotFound;
    }
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => RestError::TimedOut,
        io::ErrorKind::ConnectionRefused => RestError::Unreachable("connection refused".to_owned()),
        _ => RestError::Unreachable(error.to_string()),
    }
}

fn from_tls(error: &rustls::Error) -> RestError {
    match error {
        rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => {
            RestError::NoTls
        }
        other => RestError::Tls(other.to_string()),
    }
}

/// Whether a name has no address. std has no kind for it, only this text on Unix and the system's
/// code (`WSAHOST_NOT_FOUND`) on Windows. A resolver that fails for now counts as unreachable.
fn is_lookup_failure(error: &io::Error) -> bool {
    let text = error.to_string();
    let passes = text.contains("emporary failure") || text.ends_with("ry again");
    error.raw_os_error() == Some(11_001)
        || text.starts_with("failed to lookup address information") && !passes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16) -> RestError {
        RestError::Status { code, text: String::new() }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for error in [
            RestError::Unreachable("connection refused".to_owned()),
            RestError::TimedOut,
            status(500),
            status(502),
            status(503),
            status(429),
        ] {
            assert_eq!(error.retry_limit(), Some(RETRY_LIMIT), "{error}");
        }
        assert_eq!(RestError::NameNotFound.retry_limit(), Some(NAME_RETRY_LIMIT));
        for error in [
            status(301),
            status(400),
            status(401),
            status(403),
            status(404),
            status(501),
            RestError::NoTls,
            RestError::Tls("UnknownIssuer".to_owned()),
            RestError::Answer("EOF".to_owned()),
        ] {
            assert_eq!(error.retry_limit(), None, "{error}");
        }
    }

    #[test]
    fn a_name_without_an_address_is_told_from_a_resolver_that_is_away() {
        use std::net::ToSocketAddrs as _;
        let error = ("no.such.host.invalid", 1).to_socket_addrs().unwrap_err();
        let told = from_io(&error);
        // A machine without a resolver may say the second.
        let passes = error.to_string().contains("emporary failure");
        assert_eq!(told == RestError::NameNotFound, !passes, "{error}");
        let away = "failed to lookup address information: Temporary failure in name resolution";
        let away = from_io(&io::Error::other(away));
        assert!(matches!(away, RestError::Unreachable(_)), "{away}");
    }

    #[test]
    fn texts_read_well() {
        assert_eq!(status(502).to_string(), "it answered 502");
        let error = RestError::Status { code: 401, text: "Not authorized".to_owned() };
        assert_eq!(error.to_string(), "it answered 401: Not authorized");
    }
}
