//! Upstream proxies, as offices have them: tinyproxy for HTTP, microsocks for SOCKS 5.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use tempfile::TempDir;

use crate::process::Process;
use crate::shared::Report;
use crate::{ports, wait};

/// User and password of the proxies that want them.
pub const USER: &str = "office";
/// See [`USER`].
pub const PASSWORD: &str = "s3cret-word";

/// A running proxy on a port of 127.0.0.1.
#[derive(Debug)]
pub struct Upstream {
    /// Its process: what it prints tells what went through it.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
    _folder: TempDir,
}

/// Whether a proxy wants [`USER`] and [`PASSWORD`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody may use it.
    Open,
    /// It wants them.
    Password,
}

impl Upstream {
    /// An HTTP proxy. `connect_ports` are those that CONNECT may go to; none: all.
    ///
    /// # Panics
    /// If tinyproxy does not come up.
    pub fn http(access: Access, connect_ports: &[u16]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = SocketAddr::from(([127, 0, 0, 1], ports::one()));
        let file = folder.path().join("tinyproxy.conf");
        let mut text = format!(
            "Port {}\nListen 127.0.0.1\nTimeout 60\nMaxClients 100\nLogLevel Info\n",
            address.port()
        );
        if access == Access::Password {
            text.push_str(&format!("BasicAuth {USER} {PASSWORD}\n"));
        }
        for port in connect_ports {
            text.push_str(&format!("ConnectPort {port}\n"));
        }
        fs::write(&file, text).expect("a file in our own folder");
        let mut command = Command::new("tinyproxy");
        command.arg("-d").arg("-c").arg(&file);
        Self::start("tinyproxy", command, address, folder)
    }

    /// A SOCKS proxy of version 5.
    ///
    /// # Panics
    /// If microsocks does not come up.
    pub fn socks(access: Access) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = SocketAddr::from(([127, 0, 0, 1], ports::one()));
        let mut command = Command::new("microsocks");
        command.args(["-i", "127.0.0.1", "-p", &address.port().to_string()]);
        if access == Access::Password {
            command.args(["-u", USER, "-P", PASSWORD]);
        }
        Self::start("microsocks", command, address, folder)
    }

    fn start(name: &str, command: Command, address: SocketAddr, folder: TempDir) -> Self {
        let process = Process::start(name, command);
        wait::until("the proxy to accept connections", || TcpStream::connect(address).ok());
        Self { process, address, _folder: folder }
    }

    /// As an option names it, with the password if `access` says so.
    pub fn url(&self, scheme: &str, access: Access) -> String {
        match access {
            Access::Open => format!("{scheme}://{}", self.address),
            Access::Password => format!("{scheme}://{USER}:{PASSWORD}@{}", self.address),
        }
    }

    /// How many of its lines name this text, a site's address say.
    pub fn mentions(&self, text: &str) -> usize {
        self.process.count_lines(text)
    }
}

impl Report for Upstream {
    fn report(&self) -> String {
        self.process.report()
    }
}
