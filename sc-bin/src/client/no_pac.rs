//! In the place of [`pac`](super) in a build without the feature `pac`: scripts are refused.

use rustls_pki_types::CertificateDer;
use sc_proto::contract::{StreamKind, Target};
use sc_proto::egress::{Logins, Way};

use crate::runtime::NameServers;

/// This build has no JavaScript engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this sc was built without the feature `pac`")]
pub(crate) struct PacError;

/// There is none.
#[derive(Clone)]
pub(crate) enum Pac {}

impl Pac {
    /// Refuses.
    ///
    /// # Errors
    ///
    /// Always.
    pub(crate) fn start(
        _source: &str,
        _ca: &[CertificateDer<'static>],
        _logins: Logins,
        _names: Option<NameServers>,
    ) -> Result<Self, PacError> {
        Err(PacError)
    }

    /// Nobody can call it.
    pub(crate) fn script(&self) -> &std::sync::Arc<str> {
        match *self {}
    }

    /// Nobody can call it.
    pub(crate) fn ask(
        &self,
        _kind: StreamKind,
        _target: Target,
        _tell: impl FnOnce(Vec<Way>) + Send + 'static,
    ) {
        match *self {}
    }
}
