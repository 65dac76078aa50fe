//! A whole driver of the core with blocking sockets and threads: `std::net` and nothing else.
//! It serves one tunnel: `blocking TUNNEL SECRET SERVER:PORT PIN`, where PIN is the SHA-256 of the
//! server's certificate. It is here to prove the contract, not for use: its arguments show in `ps`.
#![allow(clippy::print_stdout)]

use std::collections::{BTreeMap, hash_map::RandomState};
use std::hash::BuildHasher;
use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use sc_proto::contract::{ClientId, Connect, ConnectionNumber, DialFailure, TunnelSecret};
use sc_proto::tls::{TlsClient, Trust};
use sc_proto::{Action, Command, Config, Core, Event, Read, SocketId, Time, WorkerId, Write};

/// How long a write may block, how soon a short one is tried again, how late a deadline may be.
const TICK: Duration = Duration::from_millis(2);

/// From a socket's thread: how its dial ended, then `None` whenever a read would not block.
type Report = (SocketId, Option<io::Result<TcpStream>>);
/// The socket, once connected, and where it is sent to be watched for the next bytes.
type Socket = (Option<Arc<TcpStream>>, mpsc::SyncSender<Arc<TcpStream>>);

struct Driver {
    core: Core,
    sockets: BTreeMap<SocketId, Socket>,
    reports: mpsc::SyncSender<Report>,
    now: Time,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let mut arg = || args.next().ok_or("needs TUNNEL SECRET SERVER PIN");
    let connect = Box::new(Connect {
        tunnel: arg()?.parse()?,
        secret: arg()?.parse()?,
        client: ClientId(std::array::from_fn(|_| RandomState::new().hash_one(0) as u8)),
        connection: ConnectionNumber::ONLY,
        server: arg()?.parse()?,
        server_name: "pinned".into(),
        tls: TlsClient::new(Trust::Pin(*arg()?.parse::<TunnelSecret>()?.expose()))?,
    });
    let seed = std::array::from_fn(|_| RandomState::new().hash_one(0) as u8);
    let (epoch, (reports, inbox)) = (Instant::now(), mpsc::sync_channel(64));
    let mut driver = Driver {
        core: Core::new(Config::default(), WorkerId(0), seed),
        sockets: BTreeMap::new(),
        reports,
        now: Time::ZERO,
    };
    driver.core.command(Command::Connect(connect), driver.now);
    loop {
        while let Some(action) = driver.core.poll_action(driver.now) {
            let _ = driver.perform(action);
        }
        while let Some(event) = driver.core.poll_event() {
            println!("{event:?}");
            if !matches!(event, Event::TunnelUp { .. }) {
                return Ok(());
            }
        }
        let report = inbox.recv_timeout(TICK);
        driver.now = Time::from_duration(epoch.elapsed());
        let _ = report.ok().and_then(|report| driver.take(report));
        for id in driver.sockets.keys() {
            driver.core.writable(*id);
        }
        driver.core.handle_timeout(driver.now);
    }
}

impl Driver {
    /// Takes a report. One of a closed socket ends here, and with it what it carries.
    fn take(&mut self, (id, dialled): Report) -> Option<()> {
        let (place, watch) = self.sockets.get_mut(&id)?;
        match dialled.map(|d| d.and_then(|stream| Ok((stream.peer_addr()?, stream)))) {
            None => self.core.readable(id),
            Some(Ok((peer, stream))) => {
                watch.send(place.insert(Arc::new(stream)).clone()).ok()?;
                self.core.connected(id, peer, self.now);
            }
            Some(Err(error)) => {
                self.sockets.remove(&id)?;
                let failure = match error.kind() {
                    ErrorKind::ConnectionRefused => DialFailure::Refused,
                    _ => DialFailure::Other,
                };
                self.core.dial_failed(id, failure, self.now);
            }
        }
        Some(())
    }

    fn perform(&mut self, action: Action) -> Option<()> {
        let stream = |id| self.sockets.get(id)?.0.as_deref();
        match action {
            #[rustfmt::skip]
            Action::Dial { socket: id, target, deadline, .. } => {
                let (watch, watched) = mpsc::sync_channel::<Arc<TcpStream>>(1);
                self.sockets.insert(id, (None, watch));
                let (reports, patience) = (self.reports.clone(), deadline.since(self.now));
                std::thread::spawn(move || {
                    let _ = reports.send((id, Some(dial(&target.to_string(), patience))));
                    for stream in watched {
                        let _ = stream.peek(&mut [0]); // Returns on bytes, the end or an error.
                        let _ = reports.send((id, None));
                    }
                });
            }
            Action::Read(id) => {
                let outcome = match stream(&id)?.read(self.core.read_space(id)) {
                    Ok(0) => Read::End,
                    Ok(n) => Read::Drained(n), // Another read might block.
                    Err(_) => Read::Failed,
                };
                self.core.read_done(id, outcome, self.now);
                let (stream, watch) = self.sockets.get(&id)?;
                watch.send(stream.clone()?).ok()?;
            }
            Action::Write(id) => {
                let mut out: [&[u8]; 16] = [&[]; 16];
                let len = self.core.write_slices(id, &mut out);
                let outcome = match stream(&id)?.write_vectored(&out.map(IoSlice::new)[..len]) {
                    Ok(n) => Write::Bytes(n),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => Write::Blocked(0),
                    Err(_) => Write::Failed,
                };
                self.core.write_done(id, outcome, self.now);
            }
            Action::ShutdownWrite(id) => stream(&id)?.shutdown(Shutdown::Write).ok()?,
            // Ends its thread, too. std cannot reset; there is no worker to hand over to.
            Action::Close { socket: id, .. } | Action::HandOver { socket: id, .. } => {
                self.sockets.remove(&id)?.0?.shutdown(Shutdown::Both).ok()?;
            }
        }
        Some(())
    }
}

fn dial(target: &str, patience: Duration) -> io::Result<TcpStream> {
    let mut dialled = Err(ErrorKind::NotFound.into());
    for address in target.to_socket_addrs()? {
        dialled = dialled.or_else(|_| TcpStream::connect_timeout(&address, patience));
    }
    let stream = dialled?;
    stream.set_nodelay(true).and(stream.set_write_timeout(Some(TICK)))?;
    Ok(stream)
}
