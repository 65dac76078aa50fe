//! In which order the addresses of a target are tried.
//!
//! Both runtimes are built with this file.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Most addresses of one name that are tried. Names with more exist, but a dial that has failed
/// sixteen times has failed.
const MAX_ADDRESSES: usize = 16;

/// Orders what a resolver found: it has sorted by preference (RFC 6724), here the families take
/// turns, beginning with the first one's (RFC 8305, section 4). Doubles are dropped.
pub(super) fn interleave(found: &[SocketAddr]) -> VecDeque<SocketAddr> {
    let first_is_v6 = found.first().is_some_and(SocketAddr::is_ipv6);
    let mut first = found.iter().filter(|a| a.is_ipv6() == first_is_v6);
    let mut second = found.iter().filter(|a| a.is_ipv6() != first_is_v6);
    let mut order = VecDeque::new();
    loop {
        let (a, b) = (first.next(), second.next());
        if a.is_none() && b.is_none() {
            return order;
        }
        for address in [a, b].into_iter().flatten() {
            if order.len() < MAX_ADDRESSES && !order.contains(address) {
                order.push_back(*address);
            }
        }
    }
}

/// The addresses of a name that is never asked of a resolver: `localhost` and names under it are
/// the loopback addresses, whatever a name server says (RFC 6761, section 6.3).
pub(super) fn loopback(name: &str, port: u16) -> Option<[SocketAddr; 2]> {
    let is_localhost =
        name.strip_suffix("localhost").is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    is_localhost.then(|| {
        [IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST)]
            .map(|ip| SocketAddr::new(ip, port))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|a| a.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns_from_the_preferred_one() {
        let found = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.0.0.1:1", "[::1]:1"]);
        let order = addresses(&["[::1]:1", "1.0.0.1:1", "[::2]:1", "[::3]:1"]);
        assert_eq!(interleave(&found), order);
        let found = addresses(&["1.0.0.1:1", "1.0.0.2:1", "[::1]:1"]);
        let order = addresses(&["1.0.0.1:1", "[::1]:1", "1.0.0.2:1"]);
        assert_eq!(interleave(&found), order);
        assert!(interleave(&[]).is_empty());
    }

    #[test]
    fn a_long_answer_is_cut() {
        let found: Vec<_> = (0..100).map(|n| SocketAddr::from(([10, 0, 0, n], 80))).collect();
        assert_eq!(interleave(&found).len(), MAX_ADDRESSES);
    }

    #[test]
    fn localhost_is_loopback() {
        for name in ["localhost", "app.localhost"] {
            let found = loopback(name, 80).unwrap();
            assert!(found.iter().all(|a| a.ip().is_loopback() && a.port() == 80));
        }
        for name in ["notlocalhost", "localhost.example", "example"] {
            assert_eq!(loopback(name, 80), None, "{name}");
        }
    }
}
