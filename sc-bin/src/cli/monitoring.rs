//! How a client shows its state, and where: the options of both versions.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::environment::Environment;
use super::go_duration::{self, InvalidDuration};
use super::settings::CONCEALED;
use crate::logs::usual_path;
use crate::monitor::{BasicAuth, InvalidBasicAuth, InvalidListenAddress, ListenAddress};

/// The options of version 4.
#[derive(Args, Debug, Default)]
pub(crate) struct V4Monitoring {
    /// Serve the client's state by HTTP there: /readiness, /liveness, /api/v1/status, /metrics;
    /// `:PORT` is all addresses of this machine [env: SAUCE_STATUS_ADDRESS]
    #[arg(long, value_name = "HOST:PORT")]
    status_address: Option<String>,
    /// Deprecated: serve /debug/vars there; --status-address does that too
    /// [env: SAUCE_METRICS_ADDRESS]
    #[arg(long, value_name = "HOST:PORT")]
    metrics_address: Option<String>,
    /// Write the process id there, and remove the file at the end
    /// [default: sc_client-NAME.pid in the folder for temporary files] [env: SAUCE_PIDFILE]
    #[arg(short = 'd', long, value_name = "FILE")]
    pidfile: Option<PathBuf>,
    /// Write some JSON there when the tunnel is ready, and remove the file at the end
    /// [env: SAUCE_READYFILE]
    #[arg(short = 'f', long, value_name = "FILE")]
    readyfile: Option<PathBuf>,
}

/// The options of version 5.
#[derive(Args, Debug, Default)]
pub(crate) struct V5Monitoring {
    /// Serve the client's state by HTTP there: /readyz, /healthz, /info, /metrics and more;
    /// `unix:/PATH` is a socket in the file system [env: SAUCE_API_ADDRESS]
    #[arg(long, value_name = "HOST:PORT")]
    api_address: Option<String>,
    /// Ask those who come to --api-address for this; does not stay visible in the process list
    /// [env: SAUCE_API_BASIC_AUTH]
    #[arg(long, value_name = "USER[:PASS]")]
    api_basic_auth: Option<String>,
    /// How long a connection to --api-address may wait for its next request
    /// [default: 1h] [env: SAUCE_API_IDLE_TIMEOUT]
    #[arg(long, value_name = "DURATION")]
    api_idle_timeout: Option<String>,
}

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
    /// Where it goes, if it can, when nobody said where.
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
    /// The duration.
    #[error("--api-idle-timeout: {0}")]
    Duration(#[from] InvalidDuration),
}

impl V4Monitoring {
    /// What the options and the environment come to.
    pub(super) fn resolve(
        self,
        tunnel: Option<&str>,
        env: &Environment,
    ) -> Result<Monitoring, MonitoringError> {
        let path = |flag: Option<PathBuf>, name: &str| {
            let given = flag.or_else(|| env.first(&[name]).map(PathBuf::from));
            given.filter(|path| !path.as_os_str().is_empty())
        };
        let (status, metrics) = ("--status-address", "--metrics-address");
        Ok(Monitoring {
            status_address: address(
                status,
                given(self.status_address, env, "SAUCE_STATUS_ADDRESS"),
            )?,
            metrics_address: address(
                metrics,
                given(self.metrics_address, env, "SAUCE_METRICS_ADDRESS"),
            )?,
            pid_file: path(self.pidfile, "SAUCE_PIDFILE"),
            usual_pid_file: Some(usual_path("sc_client", tunnel, "pid")),
            ready_file: path(self.readyfile, "SAUCE_READYFILE"),
            ..Monitoring::default()
        })
    }
}

impl V5Monitoring {
    /// What the options and the environment come to.
    pub(super) fn resolve(self, env: &Environment) -> Result<Monitoring, MonitoringError> {
        let auth = self.api_basic_auth.filter(|auth| auth != CONCEALED);
        let auth = given(auth, env, "SAUCE_API_BASIC_AUTH");
        let idle = given(self.api_idle_timeout, env, "SAUCE_API_IDLE_TIMEOUT");
        Ok(Monitoring {
            api_address: address(
                "--api-address",
                given(self.api_address, env, "SAUCE_API_ADDRESS"),
            )?,
            api_basic_auth: auth.map(|auth| BasicAuth::parse(&auth)).transpose()?,
            api_idle_timeout: idle.map(|idle| go_duration::parse(&idle)).transpose()?,
            ..Monitoring::default()
        })
    }
}

/// The flag, else the environment; empty is nothing.
fn given(flag: Option<String>, env: &Environment, name: &str) -> Option<String> {
    flag.filter(|value| !value.is_empty()).or_else(|| env.first(&[name]))
}

fn address(
    flag: &'static str,
    text: Option<String>,
) -> Result<Option<ListenAddress>, MonitoringError> {
    let parsed = text.map(|text| ListenAddress::parse(&text)).transpose();
    parsed.map_err(|why| MonitoringError::Address { flag, why })
}
