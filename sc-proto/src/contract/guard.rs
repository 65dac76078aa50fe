//! Which addresses a dial may lead to.
//!
//! A name says nothing about where it leads: whoever owns it points it where they like. So what
//! is judged is the address it was resolved to, by the driver before it connects and by the core
//! once more after that.

use alloc::sync::Arc;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Which addresses a dial may lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressGuard {
    /// All: whoever asks stands in the same network as what is dialled.
    Anywhere,
    /// Addresses of the public Internet, and those of these networks. Never the machine itself,
    /// its links and what is told there of it (loopback, link-local and multicast addresses, the
    /// metadata services of clouds), whatever is listed.
    Public(Arc<[IpNet]>),
}

impl AddressGuard {
    /// Addresses of the public Internet only.
    pub fn public() -> Self {
        Self::Public(Arc::new([]))
    }

    /// Whether a dial may lead there.
    pub fn permits(&self, address: IpAddr) -> bool {
        let Self::Public(also) = self else { return true };
        let address = innermost(address);
        match ground(address) {
            Ground::Public => true,
            Ground::Private => also.iter().any(|network| network.contains(&address)),
            Ground::Forbidden => false,
        }
    }
}

/// What kind of place an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ground {
    Public,
    Private,
    Forbidden,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(segments: [u16; 8], prefix: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = segments;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

/// This network, loopback, link-local, multicast, broadcast (RFC 6890, section 2.2.2; RFC 5771),
/// and the metadata services that have another address than a link-local one.
const FORBIDDEN_V4: [Ipv4Net; 7] = [
    v4(0, 0, 0, 0, 8),
    v4(127, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    v4(100, 100, 100, 200, 32),
    v4(192, 0, 0, 192, 32),
    v4(224, 0, 0, 0, 4),
    v4(255, 255, 255, 255, 32),
];

/// Private and shared networks, those for documentation and benchmarks, and what is reserved
/// (RFC 1918, RFC 6598, RFC 5737, RFC 2544, RFC 6890).
const PRIVATE_V4: [Ipv4Net; 10] = [
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(240, 0, 0, 0, 4),
];

/// Unspecified, loopback, link-local, multicast (RFC 4291), and a cloud's metadata service.
const FORBIDDEN_V6: [Ipv6Net; 5] = [
    v6([0, 0, 0, 0, 0, 0, 0, 0], 128),
    v6([0, 0, 0, 0, 0, 0, 0, 1], 128),
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8),
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128),
];

/// The one network whose addresses are global (RFC 4291, section 2.4), and what of it is not: for
/// documentation (RFC 3849) and for protocols' own use (RFC 2928).
const PUBLIC_V6: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);
const PRIVATE_V6: [Ipv6Net; 2] =
    [v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32)];

/// IPv4 addresses written as IPv6 ones, and where in those they stand: mapped (RFC 4291, section
/// 2.5.5.2), translated (RFC 6052, RFC 8215) and 6to4 (RFC 3056).
const MAPPED: Ipv6Net = v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96);
const TRANSLATED: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);
const LOCALLY_TRANSLATED: Ipv6Net = v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 96);
const SIX_TO_FOUR: Ipv6Net = v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16);

/// The address that is reached in the end.
fn innermost(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let octets = v6.octets();
    let at = if [MAPPED, TRANSLATED, LOCALLY_TRANSLATED].iter().any(|net| net.contains(&v6)) {
        12
    } else if SIX_TO_FOUR.contains(&v6) {
        2
    } else {
        return address;
    };
    match octets.get(at..at + 4) {
        Some(&[a, b, c, d]) => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        _ => address,
    }
}

fn ground(address: IpAddr) -> Ground {
    let (forbidden, public) = match address {
        IpAddr::V4(ip) => (
            FORBIDDEN_V4.iter().any(|net| net.contains(&ip)),
            !PRIVATE_V4.iter().any(|net| net.contains(&ip)),
        ),
        IpAddr::V6(ip) => (
            FORBIDDEN_V6.iter().any(|net| net.contains(&ip)),
            PUBLIC_V6.contains(&ip) && !PRIVATE_V6.iter().any(|net| net.contains(&ip)),
        ),
    };
    match (forbidden, public) {
        (true, _) => Ground::Forbidden,
        (false, true) => Ground::Public,
        (false, false) => Ground::Private,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;

    const PUBLIC: [&str; 4] = ["1.1.1.1", "2606:4700::1", "::ffff:8.8.8.8", "2002:808:808::1"];
    const PRIVATE: [&str; 11] = [
        "10.1.2.3",
        "172.31.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "198.18.0.1",
        "240.0.0.1",
        "fd12::1",
        "2001:db8::1",
        "::ffff:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "::7",
    ];
    const FORBIDDEN: [&str; 14] = [
        "0.0.0.0",
        "127.0.0.1",
        "127.255.0.1",
        "169.254.169.254",
        "100.100.100.200",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "ff02::1",
        "fd00:ec2::254",
        "::ffff:127.0.0.1",
        "2002:7f00:1::",
    ];

    fn permitted(guard: &AddressGuard, address: &str) -> bool {
        guard.permits(address.parse().unwrap())
    }

    #[test]
    fn only_public_addresses_are_permitted_unless_others_are_listed() {
        let strict = AddressGuard::public();
        let everything = ["0.0.0.0/0", "::/0"].map(|net| net.parse().unwrap());
        let generous = AddressGuard::Public(Arc::new(everything));
        for address in PUBLIC {
            assert!(permitted(&strict, address), "{address}");
        }
        for address in PRIVATE {
            assert!(!permitted(&strict, address), "{address}");
            assert!(permitted(&generous, address), "{address}");
        }
        for address in FORBIDDEN {
            assert!(!permitted(&generous, address), "{address}");
            assert!(permitted(&AddressGuard::Anywhere, address), "{address}");
        }
    }

    #[test]
    fn a_listed_network_is_no_other_one() {
        let guard = AddressGuard::Public(Arc::new(["10.1.0.0/16".parse().unwrap()]));
        assert!(permitted(&guard, "10.1.255.255"));
        assert!(permitted(&guard, "::ffff:10.1.0.1"));
        assert!(!permitted(&guard, "10.2.0.0"));
    }
}
