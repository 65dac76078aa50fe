//! Hosts that are reached without a proxy, as the variable `no_proxy` lists them.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::contract::Host;
use crate::rules::HostRules;

/// A list of hosts that are reached without a proxy. The default is none.
#[derive(Clone, Debug, Default)]
pub struct Bypass {
    hosts: Option<HostRules>,
    networks: Vec<Network>,
}

/// Addresses with the same first bits.
#[derive(Clone, Copy, Debug)]
struct Network {
    base: IpAddr,
    bits: u32,
}

/// An item is none of what may stand in the list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?}: a host, .domain, an IP address, a network as 10.0.0.0/8 or * is meant here")]
pub struct InvalidBypass(String);

impl Bypass {
    /// Reads a list with commas: a host stands for itself and all below it, `.domain` and
    /// `*.domain` for all below, `*` for every host; addresses and networks stand for those who
    /// write addresses. A port behind a host is not taken.
    ///
    /// # Errors
    ///
    /// [`InvalidBypass`] names the item.
    pub fn parse(list: &str) -> Result<Self, InvalidBypass> {
        let (mut patterns, mut networks) = (Vec::new(), Vec::new());
        for item in list.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            if item.contains('/') {
                networks.push(Network::parse(item).ok_or_else(|| InvalidBypass(item.to_owned()))?);
                continue;
            }
            let both = [item.to_owned(), [".", item].concat()];
            let is_plain = HostRules::patterns([&*both[1]]).is_ok();
            let patterns_of_item = if is_plain { &both[..] } else { &both[..1] };
            HostRules::patterns(patterns_of_item.iter().map(String::as_str))
                .map_err(|_| InvalidBypass(item.to_owned()))?;
            patterns.extend_from_slice(patterns_of_item);
        }
        let hosts = match patterns.is_empty() {
            true => None,
            false => Some(
                HostRules::patterns(patterns.iter().map(String::as_str))
                    .map_err(|_| InvalidBypass(list.to_owned()))?,
            ),
        };
        Ok(Self { hosts, networks })
    }

    /// Whether `host` is in the list.
    pub fn matches(&self, host: &Host) -> bool {
        let in_network = match host {
            Host::Ip(ip) => self.networks.iter().any(|network| network.holds(*ip)),
            Host::Name(_) => false,
        };
        in_network || self.hosts.as_ref().is_some_and(|hosts| hosts.matches(host))
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (base, bits) = text.split_once('/')?;
        let (base, bits) = (base.parse::<IpAddr>().ok()?, bits.parse().ok()?);
        let most = if base.is_ipv4() { 32 } else { 128 };
        (bits <= most).then_some(Self { base, bits })
    }

    fn holds(&self, ip: IpAddr) -> bool {
        match (self.base, ip) {
            (IpAddr::V4(base), IpAddr::V4(ip)) => {
                let differ = base.to_bits() ^ ip.to_bits();
                differ.leading_zeros() >= self.bits
            }
            (IpAddr::V6(base), IpAddr::V6(ip)) => {
                let differ = base.to_bits() ^ ip.to_bits();
                differ.leading_zeros() >= self.bits
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_is_matched() {
        let list = "a.test, .b.test,*.c.test,10.0.0.0/8,192.168.1.1,fd00::/8,[::2],0.0.0.0/32";
        let bypass = Bypass::parse(list).unwrap();
        let matches = |text: &str| bypass.matches(&Host::parse(text).unwrap());
        for text in [
            "a.test",
            "x.a.test",
            "x.b.test",
            "y.x.c.test",
            "10.1.2.3",
            "192.168.1.1",
            "[fd12::1]",
            "[::2]",
            "0.0.0.0",
        ] {
            assert!(matches(text), "{text}");
        }
        for text in ["b.test", "c.test", "xa.test", "11.0.0.1", "192.168.1.2", "[fe00::1]", "[::3]"]
        {
            assert!(!matches(text), "{text}");
        }
        assert!(Bypass::parse("*").unwrap().matches(&Host::parse("x.test").unwrap()));
        assert!(Bypass::parse("0.0.0.0/0").unwrap().matches(&Host::parse("1.2.3.4").unwrap()));
        assert!(!Bypass::parse(" , ").unwrap().matches(&Host::parse("x.test").unwrap()));
    }

    #[test]
    fn what_cannot_be_meant_is_named() {
        for item in ["a/b", "10.0.0.0/33", "a b", "a.test:80", "::1/x"] {
            let list = ["ok.test,", item].concat();
            assert_eq!(Bypass::parse(&list).unwrap_err(), InvalidBypass(item.to_owned()));
        }
    }
}
