//! Who opened a connection to the demo site: this process, whose client end of the tunnel dials
//! it, another client, or someone else. Linux tells; elsewhere nobody knows.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// The way a connection came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// This process opened it: it came out of the tunnel.
    Tunnel,
    /// Another sc process opened it: it came out of that one's tunnel.
    OtherTunnel,
    /// Some other process opened it.
    Direct,
    /// The system does not tell.
    Unknown,
}

const SELF: &str = "/proc/self";

/// The way of the connection from `peer` to `site`, both of this machine.
pub(super) fn route(peer: SocketAddr, site: SocketAddr) -> Route {
    let table = match peer {
        SocketAddr::V4(_) => "/proc/self/net/tcp",
        SocketAddr::V6(_) => "/proc/self/net/tcp6",
    };
    let Ok(table) = fs::read_to_string(table) else {
        return Route::Unknown;
    };
    let Some(inode) = table.lines().find_map(|row| inode(row, peer, site)) else {
        return Route::Unknown;
    };
    match holder(inode) {
        Some(process) if process == Path::new(SELF) => Route::Tunnel,
        Some(process) if is_sc(&process) => Route::OtherTunnel,
        // Other users' processes cannot be looked into.
        Some(_) | None => Route::Direct,
    }
}

/// The inode in a row of the table if it is the socket from `local` to `remote`
/// (proc_net_tcp.txt of the Linux documentation).
fn inode(row: &str, local: SocketAddr, remote: SocketAddr) -> Option<u64> {
    let mut columns = row.split_whitespace().skip(1);
    let from = address(columns.next()?)?;
    let to = address(columns.next()?)?;
    if (from, to) != (local, remote) {
        return None;
    }
    columns.nth(6)?.parse().ok()
}

/// `0100007F:1F90`: the address in words of 4 bytes in the machine's order, then the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let mut bytes = Vec::with_capacity(16);
    for word in ip.as_bytes().chunks(8) {
        let word = std::str::from_utf8(word).ok()?;
        bytes.extend(u32::from_str_radix(word, 16).ok()?.to_ne_bytes());
    }
    let ip = match bytes.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        _ => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

/// The process that has the socket open, this one first, as its folder.
fn holder(inode: u64) -> Option<PathBuf> {
    let others = fs::read_dir("/proc").ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let is_process = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.as_encoded_bytes().iter().all(u8::is_ascii_digit))
    };
    std::iter::once(PathBuf::from(SELF))
        .chain(others.filter(is_process))
        .find(|process| holds_socket(process, inode))
}

/// Whether a process has the socket open. What cannot be read counts as no.
fn holds_socket(process: &Path, inode: u64) -> bool {
    let wanted = format!("socket:[{inode}]");
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else {
        return false;
    };
    descriptors
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .any(|link| link.as_os_str() == wanted.as_str())
}

/// Whether a process runs a program of the same file name as this one.
fn is_sc(process: &Path) -> bool {
    let program =
        |process: &Path| Some(fs::read_link(process.join("exe")).ok()?.file_name()?.to_owned());
    program(process).is_some_and(|name| program(Path::new(SELF)) == Some(name))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_of_this_process_is_known() {
        for at in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(at) else {
                // No IPv6 here.
                continue;
            };
            let site = listener.local_addr().unwrap();
            let stream = TcpStream::connect(site).unwrap();
            assert_eq!(route(stream.local_addr().unwrap(), site), Route::Tunnel);
            let nobody = SocketAddr::new(site.ip(), 1);
            assert_eq!(route(nobody, site), Route::Unknown);
        }
    }
}
