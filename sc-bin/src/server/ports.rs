//! Proxy ports: one listening socket per tunnel, from a range.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::str::FromStr;
use std::time::{Duration, Instant};

use serde::Deserialize;
use socket2::{Domain, Protocol, Socket, Type};

use super::tunnels::MAX_TUNNELS;

/// Which ports tunnels' proxies may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RangeText")]
pub(crate) enum PortRange {
    /// Whatever port the system gives.
    Any,
    /// From the first to the last, both included; neither is 0.
    Between(u16, u16),
}

impl PortRange {
    /// How many tunnels can have one, as far as is known.
    pub(crate) fn count(self) -> u32 {
        match self {
            Self::Any => u32::from(MAX_TUNNELS),
            Self::Between(first, last) => {
                u32::from(MAX_TUNNELS).min(u32::from(last.saturating_sub(first)) + 1)
            }
        }
    }
}

/// A text is not a port range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no range of ports: write FIRST-LAST, for example 20000-20999, or 0 for any port")]
pub(crate) struct InvalidRange(String);

/// In YAML `20000` and `0` are numbers.
#[derive(Deserialize)]
#[serde(untagged)]
enum RangeText {
    Number(u64),
    Text(String),
}

impl TryFrom<RangeText> for PortRange {
    type Error = InvalidRange;
    fn try_from(text: RangeText) -> Result<Self, InvalidRange> {
        match text {
            RangeText::Number(number) => number.to_string().parse(),
            RangeText::Text(text) => text.parse(),
        }
    }
}

impl FromStr for PortRange {
    type Err = InvalidRange;
    fn from_str(text: &str) -> Result<Self, InvalidRange> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.trim().parse(), last.trim().parse()) {
            (Ok(0), Ok(0)) => Ok(Self::Any),
            (Ok(first), Ok(last)) if 0 < first && first <= last => Ok(Self::Between(first, last)),
            _ => Err(InvalidRange(text.to_owned())),
        }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("0"),
            Self::Between(first, last) => write!(f, "{first}-{last}"),
        }
    }
}

/// No proxy port could be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PortError {
    /// All are taken.
    #[error(
        "no proxy port is free in {range} on {ip}: end a tunnel, or give the server a wider range \
         by --proxy-ports"
    )]
    Exhausted {
        /// The range.
        range: PortRange,
        /// The address.
        ip: IpAddr,
    },
    /// The system refused for another reason than that a port is taken.
    #[error("cannot listen on {address} for the tunnel's proxy: {source}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

/// Connections that wait to be accepted: a page load opens many at once, and all clients come back
/// in one moment after a restart. The system may hold fewer (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;

/// The port of a tunnel that ended is closed a moment later by its worker: so long a full range is
/// tried again, and so often.
const RELEASE: Duration = Duration::from_secs(1);
const RETRY_AFTER: Duration = Duration::from_millis(20);

/// Gives out proxy ports. A port is free again when its socket is closed: the system keeps the
/// books.
#[derive(Debug)]
pub(crate) struct ProxyPorts {
    ip: IpAddr,
    range: PortRange,
    /// Where in the range to look first: behind the port given last, so that a browser which
    /// still has an old address does not fall into somebody else's new tunnel at once.
    next: u16,
    /// When a tunnel last ended.
    released: Option<Instant>,
}

impl ProxyPorts {
    /// Ports of a range on an address.
    pub(crate) fn new(ip: IpAddr, range: PortRange) -> Self {
        let next = match range {
            PortRange::Any => 0,
            PortRange::Between(first, _) => first,
        };
        Self { ip, range, next, released: None }
    }

    /// A tunnel ended: its port is about to be free.
    pub(crate) fn released(&mut self) {
        self.released = Some(Instant::now());
    }

    /// Binds a free port and listens on it: the one of `wish` if it can be had, and none of those
    /// that are `kept` for others while there is another.
    pub(crate) async fn acquire(
        &mut self,
        wish: Option<u16>,
        kept: &BTreeSet<u16>,
    ) -> Result<TcpListener, PortError> {
        if let Some(listener) = self.acquire_wished(wish).await {
            return Ok(listener);
        }
        loop {
            let done = match self.try_acquire(kept) {
                Err(PortError::Exhausted { .. }) => self.try_acquire(&BTreeSet::new()),
                done => done,
            };
            match done {
                Err(PortError::Exhausted { .. }) if self.one_is_about_to_be_free() => {
                    tokio::time::sleep(RETRY_AFTER).await;
                }
                done => return done,
            }
        }
    }

    async fn acquire_wished(&self, wish: Option<u16>) -> Option<TcpListener> {
        let port = wish.filter(|port| match self.range {
            PortRange::Any => *port != 0,
            PortRange::Between(first, last) => (first..=last).contains(port),
        })?;
        loop {
            match listen(SocketAddr::new(self.ip, port)) {
                Ok(listener) => return Some(listener),
                Err(_) if self.one_is_about_to_be_free() => {
                    tokio::time::sleep(RETRY_AFTER).await;
                }
                Err(_) => return None,
            }
        }
    }

    fn one_is_about_to_be_free(&self) -> bool {
        self.released.is_some_and(|at| at.elapsed() < RELEASE)
    }

    fn try_acquire(&mut self, kept: &BTreeSet<u16>) -> Result<TcpListener, PortError> {
        let (first, last) = match self.range {
            PortRange::Any => (0, 0),
            PortRange::Between(first, last) => (first, last),
        };
        for port in (self.next..=last).chain(first..self.next) {
            if kept.contains(&port) {
                continue;
            }
            let address = SocketAddr::new(self.ip, port);
            match listen(address) {
                Ok(listener) => {
                    self.next = if port == last { first } else { port + 1 };
                    return Ok(listener);
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(source) => return Err(PortError::Bind { address, source }),
            }
        }
        Err(PortError::Exhausted { range: self.range, ip: self.ip })
    }
}

/// A listening socket, non-blocking.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // On Unix this lets a port be bound again while old connections linger; on Windows it would
    // let two programs share it.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn ranges() {
        for (text, range, shown) in [
            ("0", PortRange::Any, "0"),
            ("0-0", PortRange::Any, "0"),
            ("7", PortRange::Between(7, 7), "7-7"),
            ("1-65535", PortRange::Between(1, 65535), "1-65535"),
        ] {
            assert_eq!(text.parse::<PortRange>().unwrap(), range);
            assert_eq!(range.to_string(), shown);
        }
        for text in ["", "-", "2-1", "0-9", "1-65536", "a-b", "1-2-3", "-1"] {
            assert!(text.parse::<PortRange>().is_err(), "{text:?}");
        }
    }

    #[tokio::test]
    async fn a_taken_port_is_skipped_and_a_full_range_said() {
        // Two neighbouring ports that are free at this moment.
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let (taken, free) = loop {
            let taken = listen(SocketAddr::new(ip, 0)).unwrap();
            let port = taken.local_addr().unwrap().port();
            if let Some(next) = port.checked_add(1)
                && listen(SocketAddr::new(ip, next)).is_ok()
            {
                break (taken, next);
            }
        };
        let none = BTreeSet::new();
        let mut ports = ProxyPorts::new(ip, PortRange::Between(free - 1, free));
        let got = ports.acquire(None, &none).await.unwrap();
        assert_eq!(got.local_addr().unwrap().port(), free);
        let full = ports.acquire(None, &none).await;
        assert!(matches!(full, Err(PortError::Exhausted { .. })), "{full:?}");
        ports.released();
        drop(taken);
        assert_eq!(
            ports.acquire(None, &none).await.unwrap().local_addr().unwrap().port(),
            free - 1
        );
    }

    #[tokio::test]
    async fn a_port_is_kept_for_its_tunnel_while_there_is_another() {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let first = loop {
            let port = listen(SocketAddr::new(ip, 0)).unwrap().local_addr().unwrap().port();
            if port < u16::MAX && listen(SocketAddr::new(ip, port + 1)).is_ok() {
                break port;
            }
        };
        let mut ports = ProxyPorts::new(ip, PortRange::Between(first, first + 1));
        let kept = BTreeSet::from([first]);
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let other = ports.acquire(None, &kept).await.unwrap();
        assert_eq!(port(&other), first + 1);
        let back = ports.acquire(Some(first), &kept).await.unwrap();
        assert_eq!(port(&back), first);
        drop(back);
        // Better a kept one than none; a wish outside of the range is none.
        let last = ports.acquire(Some(1), &kept).await.unwrap();
        assert_eq!(port(&last), first);
    }
}
