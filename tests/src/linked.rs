//! A tunnel whose transport goes over a [`Link`].

use std::net::{Ipv4Addr, SocketAddr};

use crate::binary;
use crate::deployment::{Places, Server, Tunnel};
use crate::link::Link;
use crate::ports;
use crate::shared::Report;

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

impl Report for Linked {
    fn report(&self) -> String {
        format!("{}\n{:?}", self.tunnel.report(), self.link.carried())
    }
}
