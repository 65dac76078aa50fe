//! Where metrics are served, and who may ask.

use std::path::PathBuf;

use crate::monitor::{BasicAuth, InvalidBasicAuth, InvalidListenAddress, ListenAddress};

/// Where metrics are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MetricsServer {
    /// The address.
    pub(crate) address: ListenAddress,
    /// Who may ask.
    pub(crate) auth: Option<BasicAuth>,
}

/// The options do not come to a place for metrics.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MetricsSettingsError {
    /// The address is none.
    #[error("--metrics-address: {0}")]
    Address(#[from] InvalidListenAddress),
    /// The password cannot be read.
    #[error("--metrics-auth-file {}: {source}", path.display())]
    ReadAuth {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is none.
    #[error("--metrics-auth-file {}: {why}", path.display())]
    Auth {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: InvalidBasicAuth,
    },
    /// They would be open to a network.
    #[error(
        "metrics name tunnels and their owners, and others could read them at {0}: give \
         --metrics-auth-file, or an address of this machine alone, such as 127.0.0.1:9090"
    )]
    Open(ListenAddress),
}

impl MetricsServer {
    /// What the options come to. Metrics are for this machine, or for those who know a password.
    pub(crate) fn of(
        address: Option<String>,
        auth_file: Option<PathBuf>,
    ) -> Result<Option<Self>, MetricsSettingsError> {
        let Some(address) = address else { return Ok(None) };
        let address = ListenAddress::parse(&address)?;
        let auth = auth_file.map(read).transpose()?;
        if auth.is_none() && !address.is_on_this_machine() {
            return Err(MetricsSettingsError::Open(address));
        }
        Ok(Some(Self { address, auth }))
    }
}

fn read(path: PathBuf) -> Result<BasicAuth, MetricsSettingsError> {
    match std::fs::read_to_string(&path) {
        Ok(text) => BasicAuth::parse(text.trim_end_matches(['\r', '\n']))
            .map_err(|why| MetricsSettingsError::Auth { path, why }),
        Err(source) => Err(MetricsSettingsError::ReadAuth { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> Result<Option<MetricsServer>, MetricsSettingsError> {
        MetricsServer::of(Some(address.to_owned()), None)
    }

    #[test]
    fn they_are_for_this_machine_or_for_who_knows_the_password() {
        for local in ["127.0.0.1:9090", "localhost:0", "[::1]:9090", "unix:/tmp/m"] {
            assert_eq!(at(local).unwrap().unwrap().auth, None, "{local}");
        }
        for open in ["0.0.0.0:9090", ":9090", "[::]:9090", "sc.example:9090"] {
            let error = at(open).unwrap_err().to_string();
            assert!(error.contains("--metrics-auth-file"), "{open}: {error}");
        }
        assert!(at("x").unwrap_err().to_string().contains("--metrics-address"));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "anna:pass\n").unwrap();
        let server = MetricsServer::of(Some(":9090".to_owned()), Some(file.path().to_owned()));
        let auth = server.unwrap().unwrap().auth;
        assert_eq!(auth, Some(BasicAuth::parse("anna:pass").unwrap()));
        std::fs::write(file.path(), "\n").unwrap();
        let wrong = MetricsServer::of(Some(":9090".to_owned()), Some(file.path().to_owned()));
        assert!(matches!(wrong, Err(MetricsSettingsError::Auth { .. })));
    }
}
