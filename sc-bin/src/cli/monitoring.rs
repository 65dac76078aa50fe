//! How a client shows its state, and where: the options of both versions.

use std::path::PathBuf;
use std::time::Duration;

use super::settings::Dialect;
use super::values::{ValueError, Values};
use crate::logs::usual_path;
use crate::monitor::{BasicAuth, InvalidBasicAuth, InvalidListenAddress, ListenAddress};

/// How a client shows its state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Monitoring {
    /// Version 4's status server.
    pub(crate) status_address: Option<ListenAddress>,
    /// Its predecessor.
    pub(crate) metrics_address: Option<ListenAddress>,
    /// Version 5's API server.
    pub(crate) api_address: Option<ListenAddress>,
    /// Who may ask it.
    pub(crate) api_basic_auth: Option<BasicAuth>,
    /// How long its connections may be idle, if not as long as by default.
    pub(crate) api_idle_timeout: Option<Duration>,
    /// Where the process id goes.
    pub(crate) pid_file: Option<PathBuf>,
    /// Where it goes, if it can, when nobody said where: version 4 has a usual place.
    pub(crate) usual_pid_file: Option<PathBuf>,
    /// Where it is said that the tunnel is ready.
    pub(crate) ready_file: Option<PathBuf>,
}

/// One of the options is not right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MonitoringError {
    /// An address.
    #[error("{flag}: {why}")]
    Address {
        /// The option.
        flag: &'static str,
        /// What is wrong.
        why: InvalidListenAddress,
    },
    /// The user and password.
    #[error("--api-basic-auth: {0}")]
    BasicAuth(#[from] InvalidBasicAuth),
    /// A value that may not be given.
    #[error(transparent)]
    Value(#[from] ValueError),
}

impl Monitoring {
    /// Checks what was given.
    pub(super) fn of(values: &Values) -> Result<Self, MonitoringError> {
        let auth = values.text("api-basic-auth").map(|auth| BasicAuth::parse(&auth));
        Ok(Self {
            status_address: address("--status-address", values.text("status-address"))?,
            metrics_address: address("--metrics-address", values.text("metrics-address"))?,
            api_address: address("--api-address", values.text("api-address"))?,
            api_basic_auth: auth.transpose()?,
            api_idle_timeout: values.duration("api-idle-timeout")?,
            pid_file: values.path("pidfile"),
            usual_pid_file: (values.dialect() == Dialect::V4)
                .then(|| usual_path("sc_client", values.text("tunnel-name").as_deref(), "pid")),
            ready_file: values.path("readyfile"),
        })
    }
}

/// An address to listen on, of the option `flag`.
pub(super) fn address(
    flag: &'static str,
    text: Option<String>,
) -> Result<Option<ListenAddress>, MonitoringError> {
    let parsed = text.map(|text| ListenAddress::parse(&text)).transpose();
    parsed.map_err(|why| MonitoringError::Address { flag, why })
}
