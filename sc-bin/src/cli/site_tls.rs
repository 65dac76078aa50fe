//! The options about TLS with sites and proxies, of both versions.

use std::time::Duration;

use clap::Args;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use sc_proto::rules::{HostRules, InvalidRules};

use super::environment::Environment;
use super::go_duration::{self, InvalidDuration};

/// How long a handshake may take, unless said otherwise.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Largest file of authorities, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// The options.
#[derive(Args, Debug, Default)]
pub(crate) struct SiteTlsArgs {
    /// PEM file of CAs to trust in sites and https:// proxies beside the system's: a path or a
    /// data: URL; may be given several times [env: SAUCE_CACERT_FILE]
    #[arg(long, value_name = "FILE")]
    cacert_file: Vec<String>,
    /// Hosts whose certificate is not checked when their TLS is re-signed: regular expressions as
    /// for --deny-domains. Whoever stands between this machine and those hosts can read and change
    /// all [env: SAUCE_TLS_INSECURE_DOMAINS]
    #[arg(long, value_name = "[-]REGEXP", value_delimiter = ',', allow_hyphen_values = true)]
    tls_insecure_domains: Vec<String>,
    /// How long a TLS handshake with a site or proxy may take [default: 10s]
    /// [env: SAUCE_HTTP_TLS_HANDSHAKE_TIMEOUT]
    #[arg(long, value_name = "DURATION")]
    http_tls_handshake_timeout: Option<String>,
}

/// What they come to.
#[derive(Clone, Debug)]
pub(crate) struct SiteTlsSettings {
    /// Where the authorities came from.
    pub(crate) files: Vec<String>,
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
            files: Vec::new(),
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
    /// The limit.
    #[error("--http-tls-handshake-timeout: {0}")]
    Handshake(#[from] InvalidDuration),
}

impl SiteTlsArgs {
    /// Fills in what the environment says, and reads the files.
    pub(super) fn resolve(self, env: &Environment) -> Result<SiteTlsSettings, SiteTlsError> {
        let listed = |given: Vec<String>, name: &str| match given.is_empty() {
            true => {
                let text = env.first(&[name]).unwrap_or_default();
                text.split(',').filter(|item| !item.is_empty()).map(str::to_owned).collect()
            }
            false => given,
        };
        // A data: URL has a comma of its own, so the variable names one file.
        let files = match self.cacert_file.is_empty() {
            true => env.first(&["SAUCE_CACERT_FILE"]).into_iter().collect(),
            false => self.cacert_file,
        };
        let mut authorities = Vec::new();
        for file in &files {
            authorities.extend(read(file).map_err(|why| {
                let shown = if file.starts_with("data:") { "data:…" } else { file };
                SiteTlsError::Authority { file: shown.to_owned(), why }
            })?);
        }
        let unchecked_list = listed(self.tls_insecure_domains, "SAUCE_TLS_INSECURE_DOMAINS");
        let unchecked = match unchecked_list.as_slice() {
            [] => None,
            items => Some(HostRules::expressions(items.iter().map(String::as_str))?),
        };
        let handshake = self
            .http_tls_handshake_timeout
            .or_else(|| env.first(&["SAUCE_HTTP_TLS_HANDSHAKE_TIMEOUT"]));
        let handshake = handshake.map_or(Ok(HANDSHAKE), |text| go_duration::parse(&text))?;
        Ok(SiteTlsSettings { files, authorities, unchecked_list, unchecked, handshake })
    }
}

/// The certificates of a path or a `data:` URL.
fn read(file: &str) -> Result<Vec<Vec<u8>>, String> {
    let pem = match file.strip_prefix("data:") {
        Some(url) => data(url)?,
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

/// What a `data:` URL holds: base64, or text with `%` escapes (RFC 2397).
fn data(url: &str) -> Result<Vec<u8>, String> {
    use base64::Engine as _;
    let (kind, content) = match url.split_once(',') {
        Some(parts) => parts,
        // Version 5 also takes base64 alone.
        None => ("base64", url),
    };
    if kind.ends_with("base64") {
        let engine = base64::engine::general_purpose::STANDARD;
        return engine.decode(content.trim()).map_err(|_| "it is not base64".to_owned());
    }
    let mut bytes = content.bytes();
    let mut out = Vec::with_capacity(content.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        match (digit(), digit()) {
            (Some(high), Some(low)) => out.push((high << 4 | low) as u8),
            _ => return Err("a % in it is not followed by two digits".to_owned()),
        }
    }
    Ok(out)
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
