//! The options about the egress as a proxy on this machine, and about keys of TLS that are written
//! down.

use std::num::NonZeroU64;
use std::path::PathBuf;

use super::monitoring::MonitoringError;
use super::values::Values;
use crate::monitor::ListenAddress;

/// The egress as a proxy on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LocalProxy {
    /// Where it listens: `--scproxy-port` of version 4, `--debug-address` of version 5.
    pub(crate) address: Option<ListenAddress>,
    /// Most bytes a second that are read from sites; `None` is no limit.
    pub(crate) read_limit: Option<NonZeroU64>,
    /// Most bytes a second that are written to sites; `None` is no limit.
    pub(crate) write_limit: Option<NonZeroU64>,
}

/// Where the keys of TLS are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
        let address = match address {
            // Who forgets the host does not mean to open the office to its network.
            Some(ListenAddress::Tcp { host, port }) if host.is_empty() => {
                Some(ListenAddress::Tcp { host: "127.0.0.1".to_owned(), port })
            }
            address => address,
        };
        let limit = |id| {
            let limit: Option<u64> = values.number(id, 0..=i64::MAX)?;
            Ok::<_, MonitoringError>(limit.and_then(NonZeroU64::new))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(line: &str) -> LocalProxy {
        LocalProxy::of(&Values::of_line(line, &[])).unwrap()
    }

    fn address(line: &str) -> Option<String> {
        proxy(line).address.map(|address| address.to_string())
    }

    #[test]
    fn the_local_proxy_is_on_this_machine_unless_a_host_is_given() {
        assert_eq!(address("sc"), None);
        assert_eq!(address("sc -X 0").as_deref(), Some("127.0.0.1:0"));
        assert_eq!(address("sc run --debug-address :3128").as_deref(), Some("127.0.0.1:3128"));
        let given = "sc run --debug-address 192.0.2.1:0";
        assert_eq!(address(given).as_deref(), Some("192.0.2.1:0"));
    }

    #[test]
    fn no_limit_is_0() {
        let limits = proxy("sc --scproxy-read-limit 0 --scproxy-write-limit 70");
        assert_eq!((limits.read_limit, limits.write_limit), (None, NonZeroU64::new(70)));
    }
}
