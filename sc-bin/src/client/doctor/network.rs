//! Names, the hosts file, and connections.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use base64::Engine as _;
use sc_proto::contract::{Host, Target};
use sc_proto::egress::Way;

use crate::client::egress::hosts_file;
use crate::doctor::Report;

/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest hosts file that is looked at, in bytes.
const HOSTS_LIMIT: u64 = 4 << 20;

/// The addresses of a host; what is wrong with its name is told.
pub(super) fn addresses(
    check: &'static str,
    target: &Target,
    report: &mut Report,
) -> Vec<SocketAddr> {
    let name = match &target.host {
        Host::Ip(ip) => return vec![SocketAddr::new(*ip, target.port)],
        Host::Name(name) => name.to_string(),
    };
    hosts(&name, report);
    match (name.as_str(), target.port).to_socket_addrs() {
        Ok(found) => {
            let found: Vec<_> = found.collect();
            let shown: Vec<_> = found.iter().map(|address| address.ip().to_string()).collect();
            report.good(check, format!("{name} has the addresses {}", shown.join(", ")));
            found
        }
        Err(error) => {
            report.wrong(
                check,
                format!("the name {name} has no address: {error}"),
                "correct the name, or this machine's name servers (/etc/resolv.conf); on a VPN, \
                 look whether it is up",
            );
            Vec::new()
        }
    }
}

/// A line in the hosts file goes before every name server, and is easily forgotten.
fn hosts(name: &str, report: &mut Report) {
    let path = hosts_file();
    let Ok(file) = std::fs::File::open(&path) else { return };
    for line in BufReader::new(file.take(HOSTS_LIMIT)).lines().map_while(Result::ok) {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else {
            continue;
        };
        if name != "localhost" && words.any(|word| word.eq_ignore_ascii_case(name)) {
            report.warn(
                "hosts-file",
                format!("{} says that {name} is {address}", path.display()),
                "remove that line unless it is meant: it goes before every name server",
            );
        }
    }
}

/// Connects to one of the addresses.
pub(super) fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "it has no address");
    for address in addresses {
        match TcpStream::connect_timeout(address, PATIENCE) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Connects to `target`, by an HTTP proxy if the way is one. `None`: this kind of proxy is not
/// looked through here.
pub(super) fn connect_by(way: &Way, target: &Target) -> Option<io::Result<TcpStream>> {
    let proxy = match way {
        Way::Direct => return Some(resolve(target).and_then(|found| connect(&found))),
        Way::Http(proxy) => proxy,
        Way::Https(_) | Way::Socks4(_) | Way::Socks5(_) => return None,
    };
    let login = proxy.credentials.as_ref().map_or(String::new(), |login| {
        let text = format!("{}:{}", login.user(), login.expose());
        let text = base64::engine::general_purpose::STANDARD.encode(text);
        format!("Proxy-Authorization: Basic {text}\r\n")
    });
    let ask = || {
        let mut socket = connect(&resolve(&proxy.address)?)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        write!(socket, "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{login}\r\n")?;
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && head.len() < 16_384 && socket.read(&mut byte)? == 1 {
            head.extend(byte);
        }
        let text = String::from_utf8_lossy(&head);
        let line = text.lines().next().unwrap_or_default();
        match line.split(' ').nth(1) {
            Some("200") => Ok(socket),
            _ => Err(io::Error::other(format!("the proxy answered {line:?}"))),
        }
    };
    Some(ask())
}

/// The addresses of a host, without a word.
pub(super) fn resolve(target: &Target) -> io::Result<Vec<SocketAddr>> {
    match &target.host {
        Host::Ip(ip) => Ok(vec![SocketAddr::new(*ip, target.port)]),
        Host::Name(name) => {
            Ok((name.to_string().as_str(), target.port).to_socket_addrs()?.collect())
        }
    }
}
