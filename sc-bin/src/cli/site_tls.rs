//! The options about TLS with sites and proxies, of both versions.

use std::time::Duration;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use sc_proto::rules::{HostRules, InvalidRules};

use super::data_url;
use super::values::{ValueError, Values};

/// How long a handshake may take, unless said otherwise.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Largest file of authorities, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// What they come to.
#[derive(Clone, Debug)]
pub(crate) struct SiteTlsSettings {
    /// Authorities to trust beside the system's, as DER.
    pub(crate) authorities: Vec<Vec<u8>>,
    /// Hosts whose certificate is not checked, as they were given.
    pub(crate) unchecked_list: Vec<String>,
    /// The same, compiled.
    pub(crate) unchecked: Option<HostRules>,
    /// How long a handshake may take.
    pub(crate) handshake: Duration,
}

impl Default for SiteTlsSettings {
    fn default() -> Self {
        Self {
            authorities: Vec::new(),
            unchecked_list: Vec::new(),
            unchecked: None,
            handshake: HANDSHAKE,
        }
    }
}

/// An option about TLS with sites is not right.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SiteTlsError {
    /// A file that cannot be read, or holds no certificate.
    #[error("--cacert-file {file:?}: {why}")]
    Authority {
        /// Which.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// The list of hosts.
    #[error("--tls-insecure-domains: {0}")]
    Unchecked(#[from] InvalidRules),
    /// A value that may not be given.
    #[error(transparent)]
    Value(#[from] ValueError),
}

impl SiteTlsSettings {
    /// Checks what was given, and reads the files.
    pub(super) fn of(values: &Values) -> Result<Self, SiteTlsError> {
        let mut authorities = Vec::new();
        for file in &values.items("cacert-file") {
            authorities.extend(read(file).map_err(|why| {
                let shown = if file.starts_with("data:") { "data:…" } else { file };
                SiteTlsError::Authority { file: shown.to_owned(), why }
            })?);
        }
        let unchecked_list = values.items("tls-insecure-domains");
        let unchecked = match unchecked_list.as_slice() {
            [] => None,
            items => Some(HostRules::expressions(items.iter().map(String::as_str))?),
        };
        let handshake = values.duration("http-tls-handshake-timeout")?.unwrap_or(HANDSHAKE);
        Ok(Self { authorities, unchecked_list, unchecked, handshake })
    }
}

/// The certificates of a path or a `data:` URL.
fn read(file: &str) -> Result<Vec<Vec<u8>>, String> {
    let pem = match file.strip_prefix("data:") {
        Some(url) => data_url::decode(url).map_err(|error| error.to_string())?,
        None => {
            use std::io::Read as _;
            let mut content = Vec::new();
            std::fs::File::open(file)
                .and_then(|opened| opened.take(MAX_FILE).read_to_end(&mut content))
                .map_err(|error| error.to_string())?;
            content
        }
    };
    let found = CertificateDer::pem_slice_iter(&pem)
        .map(|der| der.map(|der| der.to_vec()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| "it is not a PEM file".to_owned())?;
    if found.is_empty() { Err("there is no certificate in it".to_owned()) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_come_from_files_and_urls() {
        let made = rcgen::generate_simple_self_signed(vec!["ca.test".to_owned()]).unwrap();
        let der = vec![made.cert.der().to_vec()];
        let pem = made.cert.pem();
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), &pem).unwrap();
        assert_eq!(read(path.path().to_str().unwrap()).unwrap(), der);
        use base64::Engine as _;
        let encoded = base64::engine::general_purpose::STANDARD.encode(&pem);
        assert_eq!(read(&format!("data:application/x-pem-file;base64,{encoded}")).unwrap(), der);
        assert_eq!(read(&format!("data:{encoded}")).unwrap(), der);
        let escaped = pem.replace('+', "%2B").replace('\n', "%0A");
        assert_eq!(read(&format!("data:,{escaped}")).unwrap(), der);
        for bad in ["/no/such/file", "data:,nothing", "data:%%%", "data:,%4"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
