//! A tunnel whose transport goes over a [`Link`], and what its two ends say about cuts.

use std::net::{Ipv4Addr, SocketAddr};

use crate::binary;
use crate::deployment::{Places, Server, Tunnel};
use crate::link::Link;
use crate::ports;
use crate::shared::Report;

/// What the client prints when its transport has gone.
pub const INTERRUPTED: &str = "Connection interrupted (";
/// What it prints when the session goes on with a new one.
pub const RESUMED: &str = "Connection resumed after ";

/// A server, a link, and a client that reaches the server over the link.
#[derive(Debug)]
pub struct Linked {
    /// Server and client.
    pub tunnel: Tunnel,
    /// Between them.
    pub link: Link,
}

/// Options of both ends.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinkedOptions<'a> {
    /// The server's.
    pub server: &'a [&'a str],
    /// The client's.
    pub client: &'a [&'a str],
}

/// One line that tells of a resumed session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resumed {
    /// How long there was no transport, in seconds.
    pub outage: f64,
    /// Streams that were kept.
    pub streams: u64,
    /// Bytes that this side sent again.
    pub replayed: u64,
}

impl Linked {
    /// Starts all three with default options.
    ///
    /// # Panics
    /// If anything of it does not come up.
    pub fn start() -> Self {
        Self::start_with(LinkedOptions::default())
    }

    /// Starts all three.
    ///
    /// # Panics
    /// If anything of it does not come up.
    pub fn start_with(options: LinkedOptions<'_>) -> Self {
        let (server, link) = linked_server(options.server);
        let tunnel = Tunnel::start_on(server, |mut command| {
            command.args(options.client);
            command
        });
        Self { tunnel, link }
    }

    /// How often the client has said that its transport has gone.
    pub fn interruptions(&self) -> usize {
        self.tunnel.client.process.count_lines(INTERRUPTED)
    }

    /// All that the client has said about resumed sessions.
    pub fn resumed(&self) -> Vec<Resumed> {
        self.tunnel.client.process.lines().iter().filter_map(|line| Resumed::parse(line)).collect()
    }
}

/// A server whose clients are told the address of the link. Both have the same port: the server
/// on 127.0.0.2, the link on 127.0.0.1.
///
/// # Panics
/// If one of them does not come up.
pub fn linked_server(options: &[&str]) -> (Server, Link) {
    let outside = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::one()));
    let inside = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), outside.port()));
    let mut places = Places::on_loopback();
    places.tunnel = inside;
    places.options = vec!["--tunnel-host".to_owned(), outside.ip().to_string()];
    places.options.extend(options.iter().map(|option| (*option).to_owned()));
    let server = Server::start_at(binary::command(), places);
    (server, Link::start(outside, inside))
}

impl Resumed {
    /// Reads `… resumed after S s: N streams kept, B bytes sent again`.
    fn parse(line: &str) -> Option<Self> {
        let (_, told) = line.split_once(RESUMED)?;
        let mut words = told.split_whitespace();
        let outage = words.next()?.parse().ok()?;
        let mut numbers = words.filter_map(|word| word.parse().ok());
        Some(Self { outage, streams: numbers.next()?, replayed: numbers.next()? })
    }
}

impl Report for Linked {
    fn report(&self) -> String {
        format!("{}\n{:?}", self.tunnel.report(), self.link.carried())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_resumed_session_is_read() {
        let line = "Connection resumed after 0.3 s: 51 streams kept, 1048 bytes sent again";
        let expected = Resumed { outage: 0.3, streams: 51, replayed: 1048 };
        assert_eq!(Resumed::parse(line), Some(expected));
        assert_eq!(Resumed::parse("Connection interrupted (closed)"), None);
    }
}
