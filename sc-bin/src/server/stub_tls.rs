//! Stands in for `TlsServer::from_pem` and `leaf_sha256` until they are there.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use sc_proto::tls::{TlsError, TlsServer};
use sha2::{Digest as _, Sha256};

pub(crate) fn load(chain: &[u8], _key: &[u8]) -> Result<(TlsServer, [u8; 32]), TlsError> {
    let leaf = CertificateDer::from_pem_slice(chain).map_err(|e| TlsError(e.to_string()))?;
    Ok((TlsServer {}, Sha256::digest(&leaf).into()))
}
