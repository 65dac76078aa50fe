//! Whom to trust: the system's certificate authorities or those of a given file.

use std::path::{Path, PathBuf};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{self, PemObject as _};

/// Certificates cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustError {
    /// The file cannot be read, or is not PEM.
    #[error("the CA file {path:?} cannot be used: {why}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The file has no certificate.
    #[error("the CA file {0:?} has no certificate in it")]
    Empty(PathBuf),
}

/// The certificates of `file`, or of the system without one. The system may have none at all:
/// then nothing is trusted, and the TLS failure that follows says so.
pub(super) fn roots(file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let Some(path) = file else {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            log::debug!("system certificates: {error}");
        }
        return Ok(found.certs);
    };
    let unusable = |error: pem::Error| TrustError::File {
        path: path.to_owned(),
        why: match error {
            pem::Error::Io(error) => error.to_string(),
            _ => "it is not a PEM file".to_owned(),
        },
    };
    let certificates = CertificateDer::pem_file_iter(path)
        .map_err(unusable)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(unusable)?;
    if certificates.is_empty() {
        return Err(TrustError::Empty(path.to_owned()));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(content: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        file
    }

    #[test]
    fn a_ca_file_is_read() {
        let made = rcgen::generate_simple_self_signed(vec!["ca.test".to_owned()]).unwrap();
        let two = made.cert.pem().repeat(2);
        let found = roots(Some(file(two.as_bytes()).path())).unwrap();
        assert_eq!(found, vec![made.cert.der().clone(), made.cert.der().clone()]);
    }

    #[test]
    fn a_bad_ca_file_is_told() {
        let missing = roots(Some(Path::new("/no/such/file"))).unwrap_err().to_string();
        assert!(missing.contains("/no/such/file") && missing.contains("No such file"), "{missing}");
        let empty = roots(Some(file(b"no PEM here\n").path())).unwrap_err();
        assert!(matches!(empty, TrustError::Empty(_)));
        let broken = file(b"-----BEGIN CERTIFICATE-----\n\xff\xff\n-----END CERTIFICATE-----\n");
        assert!(matches!(roots(Some(broken.path())).unwrap_err(), TrustError::File { .. }));
    }
}
