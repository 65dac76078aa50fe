//! The tunnels that are measured, each started the way its own manual says, with TLS.
//!
//! All of them get the same [`Layout`]: where the server waits for its client, where the client
//! finds it, where users come in, and which site it leads to.

mod files;
mod haproxy;
mod penguin;
mod rathole;
mod sc;
mod ssh;
mod wstunnel;

use std::fmt::Debug;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use sc_tests::link::Link;
use sc_tests::ports;
use sc_tests::process::Process;

use crate::load::Entry;
use crate::origin;
use crate::programs;
use crate::usage::Processes;

/// A tunnel that can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Ours.
    Sc,
    /// Ours, driven by the smol runtime on both ends.
    ScSmol,
    /// Another build of ours, which `SC_PEERS_SC_OTHER` names: before a change, say.
    ScOther,
    /// rathole with its `tls` transport.
    Rathole,
    /// wstunnel, WebSocket in TLS.
    Wstunnel,
    /// rusty-penguin, many streams in one WebSocket in TLS: chisel's idea in Rust, not reversed.
    Penguin,
    /// Two haproxy with TLS between them; not a reverse tunnel, each connection dials anew.
    HaproxyTls,
    /// OpenSSH, `ssh -R`.
    Ssh,
    /// One haproxy without encryption: one hop.
    HaproxyPlain,
    /// Nothing between user and site.
    Direct,
}

/// Where everything is.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// Where the tunnel's server waits for its client.
    pub(crate) listen: SocketAddr,
    /// Where the client finds it: another address than `listen` when a link is between them.
    pub(crate) dial: SocketAddr,
    /// The address at which users come in.
    pub(crate) entry: IpAddr,
    /// The site, as the client sees it.
    pub(crate) origin: SocketAddr,
    /// Programs that become the server, and the client (`ip netns exec NAME`).
    pub(crate) server_prefix: Vec<String>,
    pub(crate) client_prefix: Vec<String>,
}

/// A tunnel that runs.
#[derive(Debug)]
pub(crate) struct Running {
    /// Where users come in.
    pub(crate) entry: Entry,
    /// What it consists of.
    pub(crate) processes: Processes,
    /// What must live as long as it does.
    kept: Option<Box<dyn Debug>>,
}

impl Peer {
    /// All of them, ours first.
    pub(crate) const ALL: [Self; 10] = [
        Self::Sc,
        Self::ScSmol,
        Self::ScOther,
        Self::Rathole,
        Self::Wstunnel,
        Self::Penguin,
        Self::HaproxyTls,
        Self::Ssh,
        Self::HaproxyPlain,
        Self::Direct,
    ];

    /// The one of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|peer| peer.name() == name)
    }

    /// The name in tables and options.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sc => "sc",
            Self::ScSmol => "sc-smol",
            Self::ScOther => "sc-other",
            Self::Rathole => "rathole",
            Self::Wstunnel => "wstunnel",
            Self::Penguin => "penguin",
            Self::HaproxyTls => "haproxy-tls",
            Self::Ssh => "ssh",
            Self::HaproxyPlain => "haproxy-plain",
            Self::Direct => "direct",
        }
    }

    /// The programs that it needs besides nginx.
    fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Sc | Self::ScSmol | Self::Direct => &[],
            Self::ScOther => &["sc_other"],
            Self::Rathole => &["rathole", "openssl"],
            Self::Wstunnel => &["wstunnel"],
            Self::Penguin => &["penguin"],
            Self::HaproxyTls | Self::HaproxyPlain => &["haproxy"],
            Self::Ssh => &["sshd", "ssh", "ssh-keygen"],
        }
    }

    /// The first of its programs that is not on this machine.
    pub(crate) fn missing_program(self) -> Option<&'static str> {
        self.programs().iter().copied().find(|name| programs::find(name).is_none())
    }

    /// What its program says about its version.
    pub(crate) fn version(self) -> Option<String> {
        let (program, argument) = match self {
            Self::Sc | Self::ScSmol | Self::ScOther => return sc::version(self),
            Self::Rathole => ("rathole", "--version"),
            Self::Wstunnel => ("wstunnel", "--version"),
            Self::Penguin => ("penguin", "--version"),
            Self::HaproxyTls | Self::HaproxyPlain => ("haproxy", "-v"),
            Self::Ssh => ("ssh", "-V"),
            Self::Direct => ("nginx", "-v"),
        };
        let output = programs::command(program, &[])?.arg(argument).output().ok()?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        // rathole prints a table about its build.
        let line = text.lines().find(|line| line.contains("Build Version:"));
        line.or_else(|| text.lines().next()).map(|line| line.trim().to_owned())
    }

    /// Starts it and waits until a request comes through.
    ///
    /// # Panics
    /// If that does not happen.
    pub(crate) fn start(self, layout: &Layout) -> Running {
        let running = match self {
            Self::Sc | Self::ScSmol | Self::ScOther => sc::start(self, layout),
            Self::Rathole => rathole::start(layout),
            Self::Wstunnel => wstunnel::start(layout),
            Self::Penguin => penguin::start(layout),
            Self::HaproxyTls => haproxy::start_pair(layout),
            Self::Ssh => ssh::start(layout),
            Self::HaproxyPlain => haproxy::start_hop(layout),
            Self::Direct => {
                let entry = Entry { address: layout.origin, connect: None };
                Running { entry, processes: Processes::default(), kept: None }
            }
        };
        let limit = Instant::now() + Duration::from_secs(20);
        while !serves(running.entry) {
            assert!(Instant::now() < limit, "{} does not serve: {running:?}", self.name());
            thread::sleep(Duration::from_millis(10));
        }
        running
    }
}

impl Layout {
    /// Everything on loopback, the client beside the server.
    pub(crate) fn on_loopback(origin: SocketAddr) -> Self {
        let listen = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), ports::one()));
        Self {
            listen,
            dial: listen,
            entry: Ipv4Addr::LOCALHOST.into(),
            origin,
            server_prefix: Vec::new(),
            client_prefix: Vec::new(),
        }
    }

    /// As [`Self::on_loopback`], with a link between client and server: both have the same port.
    pub(crate) fn over_link(origin: SocketAddr) -> (Self, Link) {
        let mut layout = Self::on_loopback(origin);
        layout.dial = (Ipv4Addr::LOCALHOST, layout.listen.port()).into();
        let link = Link::start(layout.dial, layout.listen);
        (layout, link)
    }

    /// A free address for users to come in, for a tunnel without a CONNECT of its own.
    fn entry(&self) -> Entry {
        Entry { address: (self.entry, ports::one()).into(), connect: None }
    }
}

impl Running {
    fn new(entry: Entry, ends: Vec<Process>, kept: impl Debug + 'static) -> Self {
        let processes = Processes(ends.iter().map(Process::pid).collect());
        Self { entry, processes, kept: Some(Box::new((ends, kept))) }
    }
}

impl Drop for Running {
    /// A shell that starts its program again must not outlive it, so the ends go first.
    fn drop(&mut self) {
        let children = self.processes.descendants();
        self.kept = None;
        children.kill();
    }
}

/// Whether one small request by a new connection is answered, within a second.
pub(crate) fn serves(entry: Entry) -> bool {
    let limit = Duration::from_secs(1);
    let ask = || -> io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&entry.address, limit)?;
        stream.set_read_timeout(Some(limit))?;
        let mut buffer = [0; 4096];
        if let Some(target) = entry.connect {
            write!(stream, "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")?;
            let count = stream.read(&mut buffer)?;
            if !buffer[..count].starts_with(b"HTTP/1.1 200") {
                return Ok(false);
            }
        }
        stream.write_all(origin::LAST_SMALL_REQUEST)?;
        let count = stream.read(&mut buffer)?;
        Ok(buffer[..count].starts_with(b"HTTP/1.1 200"))
    };
    ask().unwrap_or(false)
}
