//! Who opened a connection to the demo site: this process, whose client end of the tunnel dials
//! it, or someone else. Linux tells; elsewhere nobody knows.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::{fs, io};

/// The way a connection came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// This process opened it: it came out of the tunnel.
    Tunnel,
    /// Another process opened it.
    Direct,
    /// The system does not tell.
    Unknown,
}

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
    match holds_socket(inode) {
        Ok(true) => Route::Tunnel,
        Ok(false) => Route::Direct,
        Err(_) => Route::Unknown,
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

/// Whether this process has the socket open.
fn holds_socket(inode: u64) -> io::Result<bool> {
    let wanted = format!("socket:[{inode}]");
    for entry in fs::read_dir("/proc/self/fd")? {
        // A descriptor may be closed while the folder is read.
        if fs::read_link(entry?.path()).is_ok_and(|link| link.as_os_str() == wanted.as_str()) {
            return Ok(true);
        }
    }
    Ok(false)
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
