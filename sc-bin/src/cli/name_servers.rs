//! The options about who is asked for the names of sites.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sc_proto::dns::{MAX_SERVERS, ServerOrder, Settings};

use super::settings::Dialect;
use super::values::{Origin, ValueError, Values};

/// Where name servers listen (RFC 1035, section 4.2).
const PORT: u16 = 53;
/// How long one has for an answer unless said otherwise, as in version 5.
const TIMEOUT: Duration = Duration::from_secs(5);

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
    /// A value that may not be given.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// An option that needs a server.
    #[error("{0} needs a name server: give --dns-server IP")]
    NoServer(&'static str),
}

/// Checks what was given. `None`: the system's resolver.
pub(super) fn of(values: &Values) -> Result<Option<Settings>, NameServerError> {
    let option = match values.dialect() {
        Dialect::V4 => "--dns",
        Dialect::V5 => "--dns-server",
    };
    let read = |text: &String| {
        let wrong = || NameServerError::Address { option, text: text.to_owned() };
        address(text).ok_or_else(wrong)
    };
    let servers = values.items("dns-server").iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let timeout = values.duration("dns-timeout")?;
    let takes_turns = values.switch("dns-round-robin")? == Some(true);
    if servers.is_empty() {
        // A variable may be there for other runs.
        let is_said = |id| matches!(values.origin(id), Some(Origin::Flag(_)));
        return match () {
            () if is_said("dns-timeout") => Err(NameServerError::NoServer("--dns-timeout")),
            () if is_said("dns-round-robin") && takes_turns => {
                Err(NameServerError::NoServer("--dns-round-robin"))
            }
            () => Ok(None),
        };
    }
    if servers.len() > MAX_SERVERS {
        return Err(NameServerError::Many(option));
    }
    let order = if takes_turns { ServerOrder::RoundRobin } else { ServerOrder::Listed };
    Ok(Some(Settings { servers, order, timeout: timeout.unwrap_or(TIMEOUT) }))
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
    use super::*;

    fn resolve(line: &str, pairs: &[(&str, &str)]) -> Result<Option<Settings>, NameServerError> {
        of(&Values::of_line(line, pairs))
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
