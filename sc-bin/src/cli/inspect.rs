//! Options to look into what a client does: its own proxy port, to try sites from where it runs, the
//! log of its exchanges, the keys of its TLS.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use clap::Args;

use super::environment::{Environment, KEY_LOG_VARIABLE};
use super::log_http::{InvalidLogHttp, LogHttp};
use crate::monitor::{InvalidListenAddress, ListenAddress};

/// Version 4's options.
#[derive(Args, Debug, Default)]
pub(crate) struct V4InspectArgs {
    /// Open the client's proxy on this port of 127.0.0.1, too, to try sites by hand with the same
    /// rules and ways; 0 is any free port [default: none] [env: SAUCE_SCPROXY_PORT]
    #[arg(short = 'X', long, value_name = "PORT")]
    scproxy_port: Option<String>,
}

/// Version 5's options.
#[derive(Args, Debug, Default)]
pub(crate) struct V5InspectArgs {
    /// Open the client's proxy there, too, to try sites by hand with the same rules and ways. It
    /// asks nobody who they are; without HOST it is on 127.0.0.1; port 0 is any free one
    /// [default: none] [env: SAUCE_DEBUG_ADDRESS]
    #[arg(long, value_name = "[HOST]:PORT")]
    debug_address: Option<String>,
    /// Log HTTP: none, short-url, url, headers, body, or errors (those of status 500 and more), for
    /// all or with api:, proxy: (sites) or control: (REST) in front, comma separated. Credentials and
    /// cookies are never shown [default: none] [env: SAUCE_LOG_HTTP]
    #[arg(long, value_name = "[MODULE:]MODE")]
    log_http: Option<String>,
    /// Append the keys of TLS with sites and proxies, for Wireshark: whoever has them can read what
    /// was recorded [env: SAUCE_HTTP_TLS_KEYLOG_FILE, SSLKEYLOGFILE]
    #[arg(long, value_name = "FILE")]
    http_tls_keylog_file: Option<PathBuf>,
    /// The same for the tunnel's own TLS [env: SAUCE_TUNNEL_TLS_KEYLOG_FILE]
    #[arg(long, value_name = "FILE")]
    tunnel_tls_keylog_file: Option<PathBuf>,
}

/// What they come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inspect {
    /// Where the client's own proxy port is.
    pub(crate) local_proxy: Option<ListenAddress>,
    /// What of HTTP is logged.
    pub(crate) log_http: LogHttp,
    /// Where the keys of TLS with sites and proxies go.
    pub(crate) site_keys: Option<PathBuf>,
    /// Where those of the tunnel's own go.
    pub(crate) tunnel_keys: Option<PathBuf>,
}

/// One of the options is not right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InspectError {
    /// A port.
    #[error("--scproxy-port: {0:?} is no port: a number from 0 to 65535 is meant here")]
    Port(String),
    /// An address.
    #[error("--debug-address: {0}")]
    Address(#[from] InvalidListenAddress),
    /// What is logged.
    #[error(transparent)]
    Log(#[from] InvalidLogHttp),
    /// A socket in the file system, which no browser takes for a proxy.
    #[error("--debug-address: a proxy is at HOST:PORT or :PORT")]
    Unix,
}

/// What the command line of either version gave.
pub(super) enum Given {
    V4(V4InspectArgs),
    V5(V5InspectArgs),
}

impl Given {
    /// What the options and the environment come to.
    pub(super) fn resolve(self, env: &Environment) -> Result<Inspect, InspectError> {
        match self {
            Self::V4(args) => args.resolve(env),
            Self::V5(args) => args.resolve(env),
        }
    }
}

impl V4InspectArgs {
    /// What the options and the environment come to.
    fn resolve(self, env: &Environment) -> Result<Inspect, InspectError> {
        let given = text(self.scproxy_port, env, "SAUCE_SCPROXY_PORT");
        let local_proxy = given.map(|text| match text.trim().parse() {
            Ok(port) => Ok(ListenAddress::Tcp { host: Ipv4Addr::LOCALHOST.to_string(), port }),
            Err(_) => Err(InspectError::Port(text)),
        });
        Ok(Inspect { local_proxy: local_proxy.transpose()?, ..Inspect::default() })
    }
}

impl V5InspectArgs {
    /// What the options and the environment come to.
    fn resolve(self, env: &Environment) -> Result<Inspect, InspectError> {
        let given = text(self.debug_address, env, "SAUCE_DEBUG_ADDRESS");
        let local_proxy = match given.map(|text| ListenAddress::parse(&text)).transpose()? {
            Some(ListenAddress::Unix(_)) => return Err(InspectError::Unix),
            // Who forgets the host does not mean to open the office to its network.
            Some(ListenAddress::Tcp { host, port }) if host.is_empty() => {
                Some(ListenAddress::Tcp { host: Ipv4Addr::LOCALHOST.to_string(), port })
            }
            given => given,
        };
        let path = |flag: Option<PathBuf>, names: &[&str]| {
            let given = flag.or_else(|| env.first(names).map(PathBuf::from));
            given.filter(|path| !path.as_os_str().is_empty())
        };
        let site_keys = ["SAUCE_HTTP_TLS_KEYLOG_FILE", KEY_LOG_VARIABLE];
        let log_http = text(self.log_http, env, "SAUCE_LOG_HTTP").unwrap_or_default();
        Ok(Inspect {
            local_proxy,
            log_http: log_http.parse()?,
            site_keys: path(self.http_tls_keylog_file, &site_keys),
            tunnel_keys: path(self.tunnel_tls_keylog_file, &["SAUCE_TUNNEL_TLS_KEYLOG_FILE"]),
        })
    }
}

/// The flag, else the environment; empty is nothing.
fn text(flag: Option<String>, env: &Environment, name: &str) -> Option<String> {
    flag.filter(|value| !value.is_empty()).or_else(|| env.first(&[name]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(port: &str) -> Result<Option<String>, InspectError> {
        let args = V4InspectArgs { scproxy_port: Some(port.to_owned()) };
        let inspect = args.resolve(&std::iter::empty().collect())?;
        Ok(inspect.local_proxy.map(|address| address.to_string()))
    }

    fn v5(address: &str) -> Result<Option<String>, InspectError> {
        let env = [("SAUCE_DEBUG_ADDRESS".to_owned(), address.to_owned())];
        let inspect = V5InspectArgs::default().resolve(&env.into_iter().collect())?;
        Ok(inspect.local_proxy.map(|address| address.to_string()))
    }

    #[test]
    fn the_local_proxy_is_on_this_machine_unless_a_host_is_given() {
        assert_eq!(v4("0"), Ok(Some("127.0.0.1:0".to_owned())));
        assert_eq!(v4("3128"), Ok(Some("127.0.0.1:3128".to_owned())));
        assert_eq!(v4(""), Ok(None));
        assert_eq!(v5(":3128"), Ok(Some("127.0.0.1:3128".to_owned())));
        assert_eq!(v5("192.0.2.1:0"), Ok(Some("192.0.2.1:0".to_owned())));
        assert_eq!(v4("70000"), Err(InspectError::Port("70000".to_owned())));
        assert_eq!(v5("unix:/tmp/x"), Err(InspectError::Unix));
        assert!(matches!(v5("3128"), Err(InspectError::Address(_))));
    }
}
