//! The options about the egress as a proxy on this machine, and about keys of TLS that are written
//! down.

use std::path::PathBuf;

use super::monitoring::MonitoringError;
use super::values::Values;
use crate::monitor::ListenAddress;

/// The egress as a proxy on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(dead_code, reason = "read where the proxy is opened")]
pub(crate) struct LocalProxy {
    /// Where it listens: `--scproxy-port` of version 4, `--debug-address` of version 5.
    pub(crate) address: Option<ListenAddress>,
    /// Most bytes a second that are read from sites; `None` is no limit.
    pub(crate) read_limit: Option<u64>,
    /// Most bytes a second that are written to sites; `None` is no limit.
    pub(crate) write_limit: Option<u64>,
}

/// Where the keys of TLS are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(dead_code, reason = "read where TLS is set up")]
pub(crate) struct KeyLogs {
    /// Those of the tunnel's own connections: `--tunnel-tls-keylog-file`.
    pub(crate) tunnel: Option<PathBuf>,
    /// Those of connections to sites: `--http-tls-keylog-file`.
    pub(crate) sites: Option<PathBuf>,
}

impl LocalProxy {
    /// Checks what was given.
    pub(super) fn of(values: &Values) -> Result<Self, MonitoringError> {
        let port: Option<u16> = values.number("scproxy-port", 0..=i64::from(u16::MAX))?;
        let address = match port {
            Some(port) => Some(ListenAddress::Tcp { host: "127.0.0.1".to_owned(), port }),
            None => super::monitoring::address("--debug-address", values.text("debug-address"))?,
        };
        let limit = |id| {
            let limit: Option<u64> = values.number(id, 0..=i64::MAX)?;
            Ok::<_, MonitoringError>(limit.filter(|limit| *limit > 0))
        };
        Ok(Self {
            address,
            read_limit: limit("scproxy-read-limit")?,
            write_limit: limit("scproxy-write-limit")?,
        })
    }
}

impl KeyLogs {
    /// Takes what was given.
    pub(super) fn of(values: &Values) -> Self {
        Self {
            tunnel: values.path("tunnel-tls-keylog-file"),
            sites: values.path("http-tls-keylog-file"),
        }
    }
}
