//! The resolver's thread: takes questions, carries out what the machine asks, and waits.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, TryRecvError};

use sc_proto::dns::{Action, ExchangeId, Resolver, Settings, Transport};

use super::hosts_file::HostsFile;
use super::{Question, Reply};
use crate::clock::Clock;
use crate::lines::{Line, Lines};

/// What is read at once. A datagram has at most 512 bytes where nobody agreed upon more (RFC 1035,
/// section 4.2.1).
const READ: usize = 4096;

/// The machine and its sockets.
pub(super) struct Server {
    resolver: Resolver<Reply>,
    hosts: HostsFile,
    lines: Lines,
    open: BTreeMap<usize, Exchange>,
    clock: Clock,
}

/// One question to one server.
struct Exchange {
    line: Line,
    server: SocketAddr,
    unsent: Vec<u8>,
}

/// What a socket came to in one step.
enum Step {
    /// So many bytes came.
    Bytes(usize),
    /// Nothing more now.
    Later,
    Failed,
}

impl Server {
    pub(super) fn new(lines: Lines, settings: &Settings, hosts: PathBuf, seed: [u8; 32]) -> Self {
        Self {
            resolver: Resolver::new(settings, seed),
            hosts: HostsFile::new(hosts),
            lines,
            open: BTreeMap::new(),
            clock: Clock::start(),
        }
    }

    /// Serves until nobody can ask any more. An error means that the operating system's poll is
    /// broken.
    pub(super) fn serve(mut self, asked: &Receiver<Question>) -> io::Result<()> {
        let mut ready = Vec::new();
        loop {
            if !self.take(asked) {
                return Ok(());
            }
            let now = self.clock.now();
            let patience = self.resolver.next_deadline().map(|at| at.since(now));
            let open = self.open.iter();
            let waiting = open.map(|(key, one)| (*key, &one.line, !one.unsent.is_empty()));
            self.lines.wait(waiting, patience, &mut ready)?;
            for key in ready.drain(..) {
                self.progress(key);
            }
            self.resolver.handle_timeout(self.clock.now());
            self.carry_out();
        }
    }

    /// Takes what is asked. `false`: nobody can ask any more.
    fn take(&mut self, asked: &Receiver<Question>) -> bool {
        loop {
            match asked.try_recv() {
                Ok(Question { name, reply }) => {
                    if let Some(hosts) = self.hosts.changed() {
                        self.resolver.set_hosts(hosts);
                    }
                    self.resolver.ask(&name, reply, self.clock.now());
                    self.carry_out();
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn carry_out(&mut self) {
        while let Some(action) = self.resolver.poll_action() {
            match action {
                Action::Open { exchange, server, transport, message } => {
                    self.begin(exchange, server, transport, message);
                }
                Action::Close(exchange) => {
                    if let Some(exchange) = self.open.remove(&exchange.0) {
                        self.lines.close(exchange.line);
                    }
                }
            }
        }
        while let Some((reply, answer)) = self.resolver.poll_answer() {
            reply(answer);
        }
    }

    fn begin(&mut self, id: ExchangeId, server: SocketAddr, by: Transport, message: Vec<u8>) {
        let opened = self.lines.open(id.0, by, server);
        let line = match opened {
            Ok(line) => line,
            Err(error) => {
                log::debug!("name server {server}: {error}");
                return self.resolver.failed(id, self.clock.now());
            }
        };
        let mut exchange = Exchange { line, server, unsent: message };
        match exchange.send() {
            Step::Failed => {
                self.lines.close(exchange.line);
                self.resolver.failed(id, self.clock.now());
            }
            Step::Later | Step::Bytes(_) => drop(self.open.insert(id.0, exchange)),
        }
    }

    /// Sends and receives what an exchange can.
    fn progress(&mut self, key: usize) {
        let mut buffer = [0; READ];
        // What is received may end it.
        while let Some(exchange) = self.open.get_mut(&key) {
            let (server, step) = (exchange.server, exchange.step(&mut buffer));
            let now = self.clock.now();
            match step {
                Step::Bytes(n) => {
                    let bytes = buffer.get(..n).unwrap_or_default();
                    self.resolver.received(ExchangeId(key), server, bytes, now);
                    self.carry_out();
                }
                Step::Later => return,
                Step::Failed => {
                    self.resolver.failed(ExchangeId(key), now);
                    self.carry_out();
                    return;
                }
            }
        }
    }
}

impl Exchange {
    /// Sends what is left; never comes to bytes.
    fn send(&mut self) -> Step {
        while !self.unsent.is_empty() {
            match self.line.write(&self.unsent) {
                Ok(n) => drop(self.unsent.drain(..n.min(self.unsent.len()))),
                Err(error) => return Step::after(&error, self.server),
            }
        }
        Step::Later
    }

    fn step(&mut self, buffer: &mut [u8]) -> Step {
        if matches!(self.send(), Step::Failed) {
            return Step::Failed;
        }
        match self.line.read(buffer) {
            Ok(0) if self.line.is_stream() => Step::Failed,
            Ok(n) => Step::Bytes(n),
            Err(error) => Step::after(&error, self.server),
        }
    }
}

impl Step {
    fn after(error: &io::Error, server: SocketAddr) -> Self {
        match error.kind() {
            // Not connected: not yet.
            ErrorKind::WouldBlock | ErrorKind::NotConnected | ErrorKind::Interrupted => Self::Later,
            _ => {
                log::debug!("name server {server}: {error}");
                Self::Failed
            }
        }
    }
}
