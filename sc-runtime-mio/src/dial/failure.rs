//! What an error of the operating system means for a dial.
//!
//! Both runtimes are built with this file.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use sc_proto::contract::DialFailure;

/// Judges a failed connection attempt to `address`.
pub(super) fn of_connect(error: &io::Error, address: SocketAddr) -> DialFailure {
    match error.kind() {
        ErrorKind::ConnectionRefused => DialFailure::Refused,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
            DialFailure::Unreachable
        }
        ErrorKind::TimedOut => DialFailure::TimedOut,
        // Filtered by this machine: EACCES, EPERM.
        ErrorKind::PermissionDenied => DialFailure::Denied,
        // A machine without IPv6 has no source address for it; with IPv4 it means that all ports
        // are taken.
        ErrorKind::AddrNotAvailable if address.is_ipv6() => DialFailure::Unreachable,
        ErrorKind::AddrNotAvailable
        | ErrorKind::AddrInUse
        | ErrorKind::OutOfMemory
        // A full routing cache.
        | ErrorKind::WouldBlock => DialFailure::Resources,
        _ => by_code(error),
    }
}

/// Judges a failed name lookup.
///
/// std gives the resolver's code (`EAI_...`) as text only, in the C locale as Rust programs never
/// set another.
pub(super) fn of_lookup(error: &io::Error) -> DialFailure {
    if error.raw_os_error().is_some() {
        return by_code(error);
    }
    let text = error.to_string();
    if text.contains("emporary failure") || text.contains("ry again") {
        // EAI_AGAIN (glibc and BSD, musl). That says nothing of the name.
        DialFailure::NameServers
    } else {
        DialFailure::NameNotFound
    }
}

/// The codes that [`ErrorKind`] has no stable name for.
#[cfg(unix)]
fn by_code(error: &io::Error) -> DialFailure {
    use rustix::io::Errno;
    match Errno::from_io_error(error) {
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => DialFailure::Resources,
        Some(Errno::HOSTDOWN) => DialFailure::Unreachable,
        _ => DialFailure::Other,
    }
}

/// `WSAEMFILE`, `WSAENOBUFS`; `WSAEHOSTDOWN`.
#[cfg(not(unix))]
fn by_code(error: &io::Error) -> DialFailure {
    match error.raw_os_error() {
        Some(10024 | 10055) => DialFailure::Resources,
        Some(10064) => DialFailure::Unreachable,
        _ => DialFailure::Other,
    }
}

/// Of two failures of one dial, the one that tells more about the target.
pub(super) fn more_telling(a: DialFailure, b: DialFailure) -> DialFailure {
    // A refusal proves that the host is there. "Unreachable" is often just the family that this
    // network does not have.
    const fn rank(failure: DialFailure) -> u8 {
        match failure {
            DialFailure::Refused => 0,
            DialFailure::TimedOut => 1,
            DialFailure::Denied => 2,
            DialFailure::Tls => 3,
            DialFailure::Resources => 4,
            DialFailure::Unreachable => 5,
            DialFailure::NameNotFound => 6,
            DialFailure::NameServers => 7,
            DialFailure::Draining => 8,
            // Other, and what is not known here.
            _ => 9,
        }
    }
    if rank(b) < rank(a) { b } else { a }
}

#[cfg(all(test, unix))]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn codes_become_typed_failures() {
        let v4: SocketAddr = "10.0.0.1:80".parse().unwrap();
        for (code, failure) in [
            (Errno::CONNREFUSED, DialFailure::Refused),
            (Errno::HOSTUNREACH, DialFailure::Unreachable),
            (Errno::NETUNREACH, DialFailure::Unreachable),
            (Errno::NETDOWN, DialFailure::Unreachable),
            (Errno::HOSTDOWN, DialFailure::Unreachable),
            (Errno::TIMEDOUT, DialFailure::TimedOut),
            (Errno::ACCESS, DialFailure::Denied),
            (Errno::PERM, DialFailure::Denied),
            (Errno::MFILE, DialFailure::Resources),
            (Errno::NFILE, DialFailure::Resources),
            (Errno::NOBUFS, DialFailure::Resources),
            (Errno::NOMEM, DialFailure::Resources),
            (Errno::ADDRNOTAVAIL, DialFailure::Resources),
            (Errno::AGAIN, DialFailure::Resources),
            (Errno::CONNRESET, DialFailure::Other),
        ] {
            assert_eq!(of_connect(&code.into(), v4), failure, "{code:?}");
        }
        let v6: SocketAddr = "[::1]:80".parse().unwrap();
        assert_eq!(of_connect(&Errno::ADDRNOTAVAIL.into(), v6), DialFailure::Unreachable);
    }

    #[test]
    fn lookups_tell_a_missing_name_from_a_missing_server() {
        let failed = |detail: &str| {
            let text = format!("failed to lookup address information: {detail}");
            of_lookup(&io::Error::other(text))
        };
        for (detail, failure) in [
            ("Name or service not known", DialFailure::NameNotFound),
            ("No address associated with hostname", DialFailure::NameNotFound),
            ("Name does not resolve", DialFailure::NameNotFound),
            ("Temporary failure in name resolution", DialFailure::NameServers),
            ("Try again", DialFailure::NameServers),
        ] {
            assert_eq!(failed(detail), failure, "{detail}");
        }
        assert_eq!(of_lookup(&Errno::MFILE.into()), DialFailure::Resources);
    }

    #[test]
    fn a_refusal_tells_most() {
        use DialFailure::{Other, Refused, TimedOut, Unreachable};
        assert_eq!(more_telling(Unreachable, Refused), Refused);
        assert_eq!(more_telling(Refused, TimedOut), Refused);
        assert_eq!(more_telling(Other, Unreachable), Unreachable);
    }
}
