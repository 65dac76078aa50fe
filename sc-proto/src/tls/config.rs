//! Who a server is, and whom a client trusts.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::error::{PemProblem, TlsError};
use super::key_log::{KeyLog, Lines};
use super::verify::{PinVerifier, sha256};
use super::{ALPN, HTTP_ALPN};

pub(super) type Versions = &'static [&'static SupportedProtocolVersion];

/// TLS 1.3 is taken whenever both sides have it.
pub(super) static VERSIONS: Versions = &[&TLS13, &TLS12];

/// What is spoken within TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// KGP, and nothing else.
    Kgp,
    /// HTTP/1.1; a peer that does not say what it speaks means that.
    Http,
}

impl Protocol {
    /// The name that is offered.
    pub(super) const fn alpn(self) -> &'static [u8] {
        match self {
            Self::Kgp => ALPN,
            Self::Http => HTTP_ALPN,
        }
    }

    /// Whether a connection may have agreed on this.
    pub(super) fn permits(self, agreed: Option<&[u8]>) -> bool {
        agreed == Some(self.alpn()) || (agreed.is_none() && self == Self::Http)
    }
}

/// Who a server is: its certificate chain and key. Cheap to clone.
///
/// Its `Debug` form shows the fingerprint only.
#[derive(Clone)]
pub struct TlsServer {
    config: Arc<ServerConfig>,
    leaf_sha256: [u8; 32],
    pub(super) protocol: Protocol,
}

impl TlsServer {
    /// Takes a certificate chain, leaf first, and the leaf's private key (PKCS#8, PKCS#1 or
    /// SEC 1), both as PEM. Other sections of the PEM are skipped.
    ///
    /// # Errors
    /// All of fault [`Fault::Configuration`](super::Fault::Configuration). No text of the key gets
    /// into an error.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Self::build(chain, key, VERSIONS, vec![ALPN.to_vec()])
    }

    /// As [`Self::from_pem`], for a site that speaks HTTP/1.1.
    ///
    /// # Errors
    /// As [`Self::from_pem`].
    pub fn site_from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let server = Self::build(chain, key, VERSIONS, vec![HTTP_ALPN.to_vec()])?;
        Ok(Self { protocol: Protocol::Http, ..server })
    }

    pub(super) fn build(
        chain: &[u8],
        key: &[u8],
        versions: Versions,
        alpn: Vec<Vec<u8>>,
    ) -> Result<Self, TlsError> {
        let chain = certificates(chain)?;
        let leaf = chain.first().ok_or(TlsError::CertificatePem(PemProblem::Missing))?;
        let leaf_sha256 = sha256(leaf);
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|problem| TlsError::KeyPem(problem.into()))?;
        let mut config =
            ServerConfig::builder_with_details(provider(), Arc::new(FixedTime::default()))
                .with_protocol_versions(versions)
                .map_err(TlsError::configuration)?
                .with_no_client_auth()
                .with_single_cert(chain, key)
                .map_err(TlsError::configuration)?;
        config.alpn_protocols = alpn;
        // A resumed connection would save nothing here: transports are few and live long.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self { config: Arc::new(config), leaf_sha256, protocol: Protocol::Kgp })
    }

    /// SHA-256 of the leaf certificate's DER: what a client can pin with [`Trust::Pin`].
    pub fn leaf_sha256(&self) -> [u8; 32] {
        self.leaf_sha256
    }

    /// The same server, with records of at most `size` bytes.
    #[cfg(test)]
    pub(super) fn with_records_of(&self, size: usize) -> Self {
        let mut config = ServerConfig::clone(&self.config);
        config.max_fragment_size = Some(size);
        Self { config: Arc::new(config), ..*self }
    }

    /// The configuration of one connection, made at `unix_time` seconds.
    pub(super) fn at(&self, unix_time: u64) -> Arc<ServerConfig> {
        let mut config = ServerConfig::clone(&self.config);
        config.time_provider = Arc::new(FixedTime(unix_time));
        Arc::new(config)
    }
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsServer(sha256:")?;
        let mut digits = self.leaf_sha256.iter();
        digits.try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// What makes a client believe that a server is the right one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trust {
    /// A chain to one of these root certificates (DER), valid now and for the server's name.
    Roots(Vec<Vec<u8>>),
    /// The SHA-256 of the leaf certificate's DER; its name, issuer and dates do not matter then.
    Pin([u8; 32]),
    /// Any certificate. Whoever stands on the way can read and change all.
    Anything,
}

impl Trust {
    /// [`Trust::Roots`] from the certificates of a PEM file. Other sections are skipped.
    ///
    /// # Errors
    /// [`TlsError::CertificatePem`].
    pub fn roots_from_pem(pem: &[u8]) -> Result<Self, TlsError> {
        let roots = certificates(pem)?;
        Ok(Self::Roots(roots.iter().map(|der| der.to_vec()).collect()))
    }
}

/// What a client trusts. Cheap to clone.
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    pub(super) protocol: Protocol,
}

impl TlsClient {
    /// A client with this trust.
    ///
    /// Roots that cannot be read are left out, since every system's store has some.
    ///
    /// # Errors
    /// [`TlsError::NoRoots`] if no root is left.
    pub fn new(trust: Trust) -> Result<Self, TlsError> {
        Self::build(trust, VERSIONS, vec![ALPN.to_vec()])
    }

    /// A client with this trust for sites and proxies that speak HTTP/1.1.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn for_sites(trust: Trust) -> Result<Self, TlsError> {
        let client = Self::build(trust, VERSIONS, vec![HTTP_ALPN.to_vec()])?;
        Ok(Self { protocol: Protocol::Http, ..client })
    }

    /// The same client, whose connections tell their keys.
    #[must_use]
    pub fn telling_keys(&self, log: Arc<dyn KeyLog>) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.key_log = Arc::new(Lines(log));
        Self { config: Arc::new(config), protocol: self.protocol }
    }

    pub(super) fn build(
        trust: Trust,
        versions: Versions,
        alpn: Vec<Vec<u8>>,
    ) -> Result<Self, TlsError> {
        let provider = provider();
        let builder =
            ClientConfig::builder_with_details(provider.clone(), Arc::new(FixedTime::default()))
                .with_protocol_versions(versions)
                .map_err(TlsError::configuration)?;
        let builder = match trust {
            Trust::Roots(roots) => builder.with_root_certificates(root_store(roots)?),
            Trust::Pin(pin) => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(PinVerifier {
                    pin: Some(pin),
                    provider,
                }))
            }
            Trust::Anything => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(PinVerifier { pin: None, provider })),
        };
        let mut config = builder.with_no_client_auth();
        config.alpn_protocols = alpn;
        config.resumption = Resumption::disabled();
        Ok(Self { config: Arc::new(config), protocol: Protocol::Kgp })
    }

    /// The configuration of one connection, made at `unix_time` seconds.
    pub(super) fn at(&self, unix_time: u64) -> Arc<ClientConfig> {
        let mut config = ClientConfig::clone(&self.config);
        config.time_provider = Arc::new(FixedTime(unix_time));
        Arc::new(config)
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsClient")
    }
}

/// Reads a host name or an IP address that a certificate can be checked against.
pub(super) fn server_name(name: &str) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(name)
        .map(|name| name.to_owned())
        .map_err(|_| TlsError::ServerName(String::from(name)))
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|problem| TlsError::CertificatePem(problem.into()))?;
    if found.is_empty() {
        return Err(TlsError::CertificatePem(PemProblem::Missing));
    }
    Ok(found)
}

fn root_store(roots: Vec<Vec<u8>>) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    let roots = roots.into_iter().map(CertificateDer::from);
    let (_, unreadable) = store.add_parsable_certificates(roots);
    if unreadable > 0 {
        log::debug!("left out {unreadable} root certificates that cannot be read");
    }
    if store.is_empty() {
        return Err(TlsError::NoRoots);
    }
    Ok(store)
}

/// The wall clock of one connection: the moment it was made, in seconds of Unix time.
/// rustls asks only during the handshake.
#[derive(Debug, Default)]
pub(super) struct FixedTime(pub(super) u64);

impl TimeProvider for FixedTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0)))
    }
}
