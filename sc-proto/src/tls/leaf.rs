//! Who this side says it is when it stands in for a site.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};

use super::HTTP_ALPN;
use super::config::{FixedTime, VERSIONS, provider};
use super::error::{PemProblem, TlsError};
use crate::contract::Host;

/// A private key that leaves are issued for. Cheap to clone; never shown.
#[derive(Clone)]
pub struct LeafKey(Arc<dyn SigningKey>);

impl LeafKey {
    /// Takes a key in PKCS#8 (DER).
    ///
    /// # Errors
    /// [`TlsError::KeyPem`] if it is not one.
    pub fn from_pkcs8(der: Vec<u8>) -> Result<Self, TlsError> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der));
        let loaded = provider().key_provider.load_private_key(key);
        loaded.map(Self).map_err(|_| TlsError::KeyPem(PemProblem::Missing))
    }
}

impl fmt::Debug for LeafKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeafKey(****)")
    }
}

/// A certificate chain for one site and the key it was issued for. Cheap to clone.
#[derive(Clone)]
pub struct Leaf(Arc<CertifiedKey>);

impl Leaf {
    /// Takes a chain of certificates (DER), leaf first, which was issued for `key`.
    pub fn new(chain: Vec<Vec<u8>>, key: &LeafKey) -> Self {
        let chain = chain.into_iter().map(CertificateDer::from).collect();
        Self(Arc::new(CertifiedKey::new(chain, Arc::clone(&key.0))))
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Leaf")
    }
}

/// Where leaves come from. Asked on a data worker for every re-signed connection, so it answers
/// from a cache, or within the time of one signature.
pub trait Leaves: fmt::Debug + Send + Sync {
    /// The leaf for `host`, good at `unix_time` (seconds). `None`: there is none, and the browser's
    /// handshake fails.
    fn leaf(&self, host: &Host, unix_time: u64) -> Option<Leaf>;
}

/// TLS towards browsers whose traffic is re-signed. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Resigner {
    leaves: Arc<dyn Leaves>,
    config: Arc<ServerConfig>,
}

impl Resigner {
    /// Stands in for sites with these leaves.
    ///
    /// # Errors
    /// [`TlsError::Configuration`] if the TLS library refuses its own settings.
    pub fn new(leaves: Arc<dyn Leaves>) -> Result<Self, TlsError> {
        let nobody = Arc::new(OneHost { leaves: Arc::clone(&leaves), host: None, unix_time: 0 });
        let mut config =
            ServerConfig::builder_with_details(provider(), Arc::new(FixedTime::default()))
                .with_protocol_versions(VERSIONS)
                .map_err(TlsError::configuration)?
                .with_no_client_auth()
                .with_cert_resolver(nobody);
        config.alpn_protocols = vec![HTTP_ALPN.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self { leaves, config: Arc::new(config) })
    }

    /// The configuration of one connection to `host`, made at `unix_time` seconds.
    pub(super) fn at(&self, host: &Host, unix_time: u64) -> Arc<ServerConfig> {
        let mut config = ServerConfig::clone(&self.config);
        config.time_provider = Arc::new(FixedTime(unix_time));
        config.cert_resolver = Arc::new(OneHost {
            leaves: Arc::clone(&self.leaves),
            host: Some(host.clone()),
            unix_time,
        });
        Arc::new(config)
    }
}

/// The leaf of one connection: for the name that the browser says, or for the host it asked for.
#[derive(Debug)]
struct OneHost {
    leaves: Arc<dyn Leaves>,
    host: Option<Host>,
    unix_time: u64,
}

impl ResolvesServerCert for OneHost {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let said = hello.server_name().and_then(|name| Host::parse(name).ok());
        let host = said.as_ref().or(self.host.as_ref())?;
        self.leaves.leaf(host, self.unix_time).map(|leaf| leaf.0)
    }
}
