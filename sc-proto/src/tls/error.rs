//! What can go wrong with TLS, and whose fault it is.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use rustls::pki_types::pem;
use rustls::{CertificateError, Error as RustlsError, InconsistentKeys, InvalidMessage};

/// TLS failed: on this connection, or already with its configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The PEM of a certificate chain or of root certificates cannot be used.
    #[error("cannot use the certificate file: {0}")]
    CertificatePem(PemProblem),
    /// The PEM of a private key cannot be used.
    #[error("cannot use the private key file: {0}")]
    KeyPem(PemProblem),
    /// The private key is another one than the certificate's.
    #[error("the private key does not belong to the certificate; give the key it was issued for")]
    KeyMismatch,
    /// None of the root certificates can be read, or there is none.
    #[error("no usable root certificate; give a CA file or install the system's certificates")]
    NoRoots,
    /// The server's name is neither a host name nor an IP address.
    #[error("{0:?} is not a host name or IP address that TLS can verify")]
    ServerName(String),
    /// Certificate, key or settings are refused by the TLS library, which says why.
    #[error("TLS cannot be set up: {0}")]
    Configuration(String),

    /// Client: the server's certificate is not accepted.
    #[error("the server's certificate is not accepted: {0}")]
    Certificate(#[from] CertificateProblem),
    /// The peer does not speak KGP: ALPN found no common protocol.
    #[error("the peer does not speak kgp/1 (ALPN); check address and port")]
    Alpn,
    /// No TLS version, cipher suite or other feature in common.
    #[error("no TLS in common with the peer: {0}")]
    Incompatible(String),
    /// The peer ended the connection with this alert.
    #[error("the peer refused: {0}")]
    PeerAlert(Alert),
    /// What came is not TLS at all: plain HTTP, perhaps.
    #[error("what answers there is not TLS")]
    NotTls,
    /// What came is not TLS, or breaks its rules.
    #[error("the peer does not follow TLS: {0}")]
    Protocol(String),
    /// The peer's handshake messages are larger than this side takes.
    #[error("the peer's handshake is too large")]
    TooLarge,

    /// A record is not what the peer encrypted: it was changed on the way.
    #[error("a record was changed on its way")]
    Tampered,
    /// The connection ended without the peer's goodbye (close_notify): data may be missing.
    #[error("the connection was cut before the peer closed it")]
    Truncated,

    /// TLS 1.2: so much was sent that its keys must not be used any more. Connect again.
    #[error("the keys of this connection are used up")]
    KeysExhausted,
    /// A failure of this program or of its TLS library.
    #[error("TLS failed inside this program: {0}")]
    Internal(String),
}

/// Whose fault a [`TlsError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// What the user configured on this side.
    Configuration,
    /// The peer, or what the user configured there.
    Peer,
    /// Whatever lies between the peers.
    Network,
    /// This program.
    Internal,
}

impl TlsError {
    /// Whose fault this is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::CertificatePem(_)
            | Self::KeyPem(_)
            | Self::KeyMismatch
            | Self::NoRoots
            | Self::ServerName(_)
            | Self::Configuration(_) => Fault::Configuration,
            Self::Certificate(_)
            | Self::Alpn
            | Self::Incompatible(_)
            | Self::PeerAlert(_)
            | Self::Protocol(_)
            | Self::NotTls
            | Self::TooLarge => Fault::Peer,
            Self::Tampered | Self::Truncated => Fault::Network,
            Self::KeysExhausted | Self::Internal(_) => Fault::Internal,
        }
    }

    /// An error of rustls while a configuration is built.
    pub(super) fn configuration(error: RustlsError) -> Self {
        match error {
            RustlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => Self::KeyMismatch,
            RustlsError::InvalidCertificate(problem) => {
                Self::Configuration(format!("bad certificate: {problem}"))
            }
            other => Self::Configuration(other.to_string()),
        }
    }

    /// An error of rustls on a connection.
    pub(super) fn connection(error: RustlsError) -> Self {
        match error {
            RustlsError::InvalidCertificate(problem) => Self::Certificate(problem.into()),
            RustlsError::NoCertificatesPresented => {
                Self::Certificate(CertificateProblem::Unusable("none was sent".into()))
            }
            RustlsError::NoApplicationProtocol => Self::Alpn,
            RustlsError::PeerIncompatible(what) => Self::Incompatible(format!("{what:?}")),
            RustlsError::AlertReceived(alert) => match Alert(alert.into()) {
                Alert::NO_APPLICATION_PROTOCOL => Self::Alpn,
                alert => Self::PeerAlert(alert),
            },
            RustlsError::InvalidMessage(
                InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
            ) => Self::NotTls,
            RustlsError::DecryptError => Self::Tampered,
            error @ (RustlsError::InappropriateMessage { .. }
            | RustlsError::InappropriateHandshakeMessage { .. }
            | RustlsError::InvalidMessage(_)
            | RustlsError::PeerMisbehaved(_)
            | RustlsError::PeerSentOversizedRecord) => Self::Protocol(error.to_string()),
            other => Self::Internal(other.to_string()),
        }
    }
}

/// Why a server's certificate is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateProblem {
    /// It is past its last day.
    #[error("it has expired")]
    Expired,
    /// It is before its first day, or this machine's clock is wrong.
    #[error("it is not valid yet; check this machine's clock")]
    NotYetValid,
    /// No trusted root has issued it.
    #[error("it is not issued by a trusted authority")]
    UnknownIssuer,
    /// It is for other names.
    #[error("it is not for this name but for: {}", .presented.join(", "))]
    WrongName {
        /// The names in it.
        presented: Vec<String>,
    },
    /// Its fingerprint is not the expected one.
    #[error("its fingerprint is not the expected one")]
    Pin,
    /// Any other problem, in words of the TLS library.
    #[error("{0}")]
    Unusable(String),
}

impl From<CertificateError> for CertificateProblem {
    fn from(error: CertificateError) -> Self {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::NotYetValid
            }
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            CertificateError::NotValidForName => Self::WrongName { presented: Vec::new() },
            CertificateError::NotValidForNameContext { presented, .. } => Self::WrongName {
                presented: presented.iter().map(|name| plain_name(name)).collect(),
            },
            CertificateError::ApplicationVerificationFailure => Self::Pin,
            other => Self::Unusable(other.to_string()),
        }
    }
}

/// The name alone: webpki writes `DnsName("example.com")` and `IpAddress(127.0.0.1)`.
fn plain_name(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"').into()
}

/// Why a PEM text cannot be used. Carries no part of the text, which may be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PemProblem {
    /// There is no such section in it.
    #[error("there is none in it")]
    Missing,
    /// A `-----BEGIN` line is damaged.
    #[error("a BEGIN line is damaged")]
    Begin,
    /// A section has no `-----END` line.
    #[error("an END line is missing")]
    End,
    /// What is between the lines is not base64.
    #[error("its base64 is damaged")]
    Base64,
    /// A section is larger than the PEM reader takes.
    #[error("it is too large")]
    TooLarge,
}

impl From<pem::Error> for PemProblem {
    fn from(error: pem::Error) -> Self {
        match error {
            pem::Error::MissingSectionEnd { .. } => Self::End,
            pem::Error::IllegalSectionStart { .. } => Self::Begin,
            pem::Error::Base64Decode(_) => Self::Base64,
            pem::Error::SectionTooLarge => Self::TooLarge,
            _ => Self::Missing,
        }
    }
}

/// An alert of TLS, by its code (RFC 8446, section 6).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Alert(pub u8);

impl Alert {
    /// The peer knows no common application protocol (RFC 7301, section 3.2).
    pub const NO_APPLICATION_PROTOCOL: Self = Self(120);

    /// The name the RFC gives it, if it is one that peers send.
    pub fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "close_notify",
            10 => "unexpected_message",
            20 => "bad_record_mac",
            22 => "record_overflow",
            40 => "handshake_failure",
            42 => "bad_certificate",
            43 => "unsupported_certificate",
            44 => "certificate_revoked",
            45 => "certificate_expired",
            46 => "certificate_unknown",
            47 => "illegal_parameter",
            48 => "unknown_ca",
            49 => "access_denied",
            50 => "decode_error",
            51 => "decrypt_error",
            70 => "protocol_version",
            71 => "insufficient_security",
            80 => "internal_error",
            86 => "inappropriate_fallback",
            90 => "user_canceled",
            100 => "no_renegotiation",
            109 => "missing_extension",
            110 => "unsupported_extension",
            112 => "unrecognized_name",
            113 => "bad_certificate_status_response",
            115 => "unknown_psk_identity",
            116 => "certificate_required",
            120 => "no_application_protocol",
            _ => return None,
        })
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "TLS alert {name}"),
            None => write!(f, "TLS alert {}", self.0),
        }
    }
}

impl fmt::Debug for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Alert({} {})", self.0, self.name().unwrap_or("unknown"))
    }
}
