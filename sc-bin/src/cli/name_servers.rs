//! The options about who is asked for the names of sites.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use clap::Args;
use sc_proto::dns::{MAX_SERVERS, ServerOrder, Settings};

use super::environment::Environment;
use super::go_duration::{self, InvalidDuration};

/// Where name servers listen (RFC 1035, section 4.2).
const PORT: u16 = 53;
/// How long one has for an answer unless said otherwise, as in version 5.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Version 4's option.
#[derive(Args, Debug, Default)]
pub(crate) struct V4NameServerArgs {
    /// Name servers for the sites under test, instead of this machine's own resolver: the first is
    /// asked, the others when it fails. The hosts file comes first all the same [env: SAUCE_DNS]
    #[arg(long, value_name = "IP[:PORT]", value_delimiter = ',')]
    dns: Vec<String>,
}

/// Version 5's options.
#[derive(Args, Debug, Default)]
pub(crate) struct V5NameServerArgs {
    /// Name server for the sites under test, instead of this machine's own resolver; of several the
    /// first is asked, the others when it fails. The hosts file comes first all the same
    /// [env: SAUCE_DNS_SERVER]
    #[arg(short = 'n', long, value_name = "IP[:PORT]", value_delimiter = ',')]
    dns_server: Vec<String>,
    /// How long a name server has for its answer [default: 5s] [env: SAUCE_DNS_TIMEOUT]
    #[arg(long, value_name = "DURATION")]
    dns_timeout: Option<String>,
    /// Each name is asked of the next server [env: SAUCE_DNS_ROUND_ROBIN]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true")]
    dns_round_robin: Option<bool>,
}

/// What was given.
#[derive(Debug, Default)]
pub(super) struct Given {
    servers: Vec<String>,
    timeout: Option<String>,
    round_robin: Option<bool>,
    /// The option and the variables, in the names of the version.
    names: Names,
}

#[derive(Clone, Copy, Debug, Default)]
enum Names {
    V4,
    #[default]
    V5,
}

/// An option about name servers is not right.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameServerError {
    /// No address.
    #[error("{option}: {text:?} is no address of a name server: give IP, IP:PORT or [IPV6]:PORT")]
    Address {
        /// The option.
        option: &'static str,
        /// What was given.
        text: String,
    },
    /// Too many.
    #[error("{0}: more than {MAX_SERVERS} name servers")]
    Many(&'static str),
    /// No duration.
    #[error("--dns-timeout: {0}")]
    Timeout(InvalidDuration),
    /// Neither true nor false.
    #[error("SAUCE_DNS_ROUND_ROBIN={0:?}: true or false is meant here")]
    RoundRobin(String),
    /// An option that needs a server.
    #[error("{0} needs a name server: give --dns-server IP")]
    NoServer(&'static str),
}

impl From<V4NameServerArgs> for Given {
    fn from(args: V4NameServerArgs) -> Self {
        Self { servers: args.dns, names: Names::V4, ..Self::default() }
    }
}

impl From<V5NameServerArgs> for Given {
    fn from(args: V5NameServerArgs) -> Self {
        Self {
            servers: args.dns_server,
            timeout: args.dns_timeout,
            round_robin: args.dns_round_robin,
            names: Names::V5,
        }
    }
}

impl Given {
    /// Fills in what the environment says, and checks all of it. `None`: the system's resolver.
    pub(super) fn resolve(self, env: &Environment) -> Result<Option<Settings>, NameServerError> {
        let (option, variable) = match self.names {
            Names::V4 => ("--dns", "SAUCE_DNS"),
            Names::V5 => ("--dns-server", "SAUCE_DNS_SERVER"),
        };
        let mut servers = Vec::new();
        let listed = env.first(&[variable]).unwrap_or_default();
        let given: Vec<&str> = match self.servers.is_empty() {
            true => listed.split(',').collect(),
            false => self.servers.iter().map(String::as_str).collect(),
        };
        for text in given.into_iter().map(str::trim).filter(|text| !text.is_empty()) {
            let wrong = || NameServerError::Address { option, text: text.to_owned() };
            servers.push(address(text).ok_or_else(wrong)?);
        }
        if servers.is_empty() {
            return match (self.timeout, self.round_robin) {
                (Some(_), _) => Err(NameServerError::NoServer("--dns-timeout")),
                (None, Some(true)) => Err(NameServerError::NoServer("--dns-round-robin")),
                (None, Some(false) | None) => Ok(None),
            };
        }
        if servers.len() > MAX_SERVERS {
            return Err(NameServerError::Many(option));
        }
        let (mut timeout, mut order) = (TIMEOUT, ServerOrder::Listed);
        if let Names::V5 = self.names {
            if let Some(text) = self.timeout.or_else(|| env.first(&["SAUCE_DNS_TIMEOUT"])) {
                timeout = go_duration::parse(&text).map_err(NameServerError::Timeout)?;
            }
            if turns(self.round_robin, env)? {
                order = ServerOrder::RoundRobin;
            }
        }
        Ok(Some(Settings { servers, order, timeout }))
    }
}

fn turns(flag: Option<bool>, env: &Environment) -> Result<bool, NameServerError> {
    match (flag, env.first(&["SAUCE_DNS_ROUND_ROBIN"])) {
        (Some(value), _) => Ok(value),
        (None, None) => Ok(false),
        (None, Some(text)) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" => Ok(true),
            "false" | "0" | "no" => Ok(false),
            _ => Err(NameServerError::RoundRobin(text)),
        },
    }
}

/// `IP`, `IP:PORT`, `[IPV6]` or `[IPV6]:PORT`.
fn address(text: &str) -> Option<SocketAddr> {
    let alone = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = match alone.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, PORT),
        Err(_) => text.parse().ok()?,
    };
    (address.port() != 0 && !address.ip().is_unspecified()).then_some(address)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::args::{Cli, Command};

    fn resolve(line: &str, pairs: &[(&str, &str)]) -> Result<Option<Settings>, NameServerError> {
        let cli = Cli::parse_from(line.split(' '));
        let given: Given = match cli.command {
            None => cli.tunnel.egress.name_servers.into(),
            Some(Command::Run(args)) => args.egress.name_servers.into(),
            Some(other) => panic!("{other:?} is no tunnel"),
        };
        let env = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        given.resolve(&env.collect())
    }

    fn servers(line: &str, pairs: &[(&str, &str)]) -> Vec<String> {
        let settings = resolve(line, pairs).unwrap();
        settings.map_or(Vec::new(), |s| s.servers.iter().map(SocketAddr::to_string).collect())
    }

    #[test]
    fn servers_are_a_list_in_both_versions() {
        for (line, list) in [
            ("sc", &[][..]),
            ("sc --dns 10.0.0.1,10.0.0.2:5353", &["10.0.0.1:53", "10.0.0.2:5353"]),
            (
                "sc --dns fd00::1 --dns [fd00::2]:54,[fd00::3]",
                &["[fd00::1]:53", "[fd00::2]:54", "[fd00::3]:53"],
            ),
            ("sc run", &[]),
            ("sc run -n 10.0.0.1 -n 10.0.0.2", &["10.0.0.1:53", "10.0.0.2:53"]),
            ("sc run --dns-server=10.0.0.1:99", &["10.0.0.1:99"]),
        ] {
            assert_eq!(servers(line, &[]), list, "{line}");
        }
        assert_eq!(servers("sc", &[("SAUCE_DNS", "10.0.0.1, 10.0.0.2")]).len(), 2);
        let variable = [("SAUCE_DNS_SERVER", "10.0.0.9")];
        assert_eq!(servers("sc run", &variable), ["10.0.0.9:53"]);
        assert_eq!(servers("sc run -n 10.0.0.1", &variable), ["10.0.0.1:53"]);
    }

    #[test]
    fn time_and_order() {
        let settings = |line, pairs: &[_]| resolve(line, pairs).unwrap().unwrap();
        let usual = settings("sc run -n 10.0.0.1", &[]);
        assert_eq!((usual.timeout, usual.order), (TIMEOUT, ServerOrder::Listed));
        let line = "sc run -n 10.0.0.1 --dns-timeout 1.5s --dns-round-robin";
        let other = settings(line, &[]);
        assert_eq!(other.timeout, Duration::from_millis(1500));
        assert_eq!(other.order, ServerOrder::RoundRobin);
        let variables = [("SAUCE_DNS_TIMEOUT", "2s"), ("SAUCE_DNS_ROUND_ROBIN", "1")];
        let other = settings("sc run -n 10.0.0.1", &variables);
        assert_eq!((other.timeout.as_secs(), other.order), (2, ServerOrder::RoundRobin));
        let other = settings("sc run -n 10.0.0.1 --dns-round-robin=false", &variables);
        assert_eq!(other.order, ServerOrder::Listed);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let error = |line: &str, pairs: &[_]| resolve(line, pairs).unwrap_err().to_string();
        for address in ["name.test", "10.0.0.1:0", "10.0.0.1:x", "0.0.0.0", "fd00::1:99999"] {
            let text = error(&format!("sc --dns {address}"), &[]);
            assert!(text.contains("--dns") && text.contains(address), "{text}");
        }
        let many = vec!["10.0.0.1"; 17].join(",");
        assert!(error(&format!("sc run -n {many}"), &[]).contains("16"));
        assert!(error("sc run -n 10.0.0.1 --dns-timeout 5", &[]).contains("--dns-timeout"));
        assert!(error("sc run --dns-timeout 5s", &[]).contains("--dns-server"));
        assert!(error("sc run --dns-round-robin", &[]).contains("--dns-server"));
        let variable = [("SAUCE_DNS_ROUND_ROBIN", "maybe")];
        assert!(error("sc run -n 10.0.0.1", &variable).contains("maybe"));
    }
}
