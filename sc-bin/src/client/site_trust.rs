//! What the office trusts in TLS with sites and proxies.

use std::sync::{Arc, OnceLock};

use sc_proto::contract::Host;
use sc_proto::egress::SiteTrust;
use sc_proto::rules::HostRules;
use sc_proto::tls::{KeyLog, TlsClient, TlsError, Trust};

use super::trust;
use crate::cli::SiteTlsSettings;

/// The system's authorities, those of `--cacert-file`, and hosts that need none. The system's are
/// read when the first site is reached by TLS: most clients never need them.
#[derive(Debug)]
pub(super) struct OfficeTrust {
    given: Vec<Vec<u8>>,
    unchecked: Option<HostRules>,
    keys: Option<Arc<dyn KeyLog>>,
    checks: OnceLock<Result<TlsClient, TlsError>>,
    anything: OnceLock<Result<TlsClient, TlsError>>,
}

impl OfficeTrust {
    /// `keys`: where the keys of its TLS go.
    pub(super) fn new(settings: &SiteTlsSettings, keys: Option<Arc<dyn KeyLog>>) -> Self {
        Self {
            given: settings.authorities.clone(),
            unchecked: settings.unchecked.clone(),
            keys,
            checks: OnceLock::new(),
            anything: OnceLock::new(),
        }
    }

    fn authorities(&self) -> Result<TlsClient, TlsError> {
        let mut roots = self.given.clone();
        // Without a file of its own this does not fail.
        let system = trust::roots(None).unwrap_or_default();
        roots.extend(system.iter().map(|der| der.to_vec()));
        self.client(Trust::Roots(roots))
    }

    fn client(&self, trust: Trust) -> Result<TlsClient, TlsError> {
        let client = TlsClient::for_sites(trust)?;
        Ok(match &self.keys {
            Some(keys) => client.telling_keys(Arc::clone(keys)),
            None => client,
        })
    }
}

impl SiteTrust for OfficeTrust {
    fn client_for(&self, host: &Host) -> Result<TlsClient, TlsError> {
        if self.unchecked.as_ref().is_some_and(|rules| rules.matches(host)) {
            log::debug!("the certificate of {host} is not checked (--tls-insecure-domains)");
            return self.anything.get_or_init(|| self.client(Trust::Anything)).clone();
        }
        self.checks.get_or_init(|| self.authorities()).clone()
    }
}
