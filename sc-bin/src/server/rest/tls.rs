//! The REST API's own certificate.

use std::path::PathBuf;
use std::sync::Arc;

use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::super::certificate::CertificateFiles;

/// The certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestTlsError {
    /// A file is not there or holds no PEM.
    #[error("cannot read {what} {} for the REST API's HTTPS: {}", path.display(), why(source))]
    File {
        /// Certificate or key.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// Certificate and key do not go together, or cannot be used.
    #[error("cannot use {} for the REST API's HTTPS: {source}", path.display())]
    Unusable {
        /// The certificate's file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

fn why(error: &pem::Error) -> String {
    match error {
        pem::Error::NoItemsFound => "there is none in it".to_owned(),
        pem::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// HTTPS with a given certificate.
pub(crate) fn acceptor(files: &CertificateFiles) -> Result<TlsAcceptor, RestTlsError> {
    let unreadable = |what, path: &PathBuf| {
        let path = path.clone();
        move |source| RestTlsError::File { what, path, source }
    };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(unreadable("the certificate", &files.certificate))?;
    if chain.is_empty() {
        return Err(unreadable("the certificate", &files.certificate)(pem::Error::NoItemsFound));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(unreadable("the private key", &files.key))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|source| RestTlsError::Unusable { path: files.certificate.clone(), source })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
