//! The whole way: a tunnel for a moment, and requests through it to a site on this machine.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use base64::Engine as _;
use sc_proto::contract::Target;
use sc_proto::egress::{LocalhostPolicy, Way};

use super::{network, rest, site};
use crate::api::Rules;
use crate::cli::{EgressSettings, Exit, Monitoring, Settings, SiteWay, TunnelName};
use crate::client::controller::Input;
use crate::client::egress::own_proxy;
use crate::client::inputs::Sender;
use crate::client::{Failure, Inputs, Line, Speaker, plane, serve, trust};
use crate::doctor::{Report, tls};

/// How long the tunnel may take to be ready: longer than the client tries.
const START: Duration = Duration::from_secs(120);
/// How long it may take to end.
const END: Duration = Duration::from_secs(20);
/// What it says and nobody has heard yet. More is not needed.
const QUEUE: usize = 64;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Requests whose time is taken.
const ROUNDS: usize = 10;
/// What KGP's TLS is called.
const ALPN: &[u8] = b"kgp/1";

pub(super) fn check(settings: &Settings, report: &mut Report) {
    let (mut run, site) = match begin(settings) {
        Ok(begun) => begun,
        Err(failure) => {
            return report.wrong("tunnel", failure.to_string(), failure.next_step());
        }
    };
    let is_ready = run.wait_ready(report);
    if let Some(server) = run.server.as_deref().and_then(|server| server.parse().ok()) {
        certificates(settings, &server, report);
    }
    if let (true, Some(proxy)) = (is_ready, &run.proxy) {
        through(settings, proxy, site, report);
    }
    match run.end() {
        Some(Exit::Orderly) if is_ready => report.good("tunnel", "it was ended again"),
        _ if is_ready => report.warn(
            "tunnel",
            "it was not ended in order",
            "the server ends it by itself within 60 s; `sc list` shows it until then",
        ),
        _ => {}
    }
}

/// A tunnel on a thread of its own.
struct Run {
    thread: JoinHandle<Exit>,
    inputs: Sender,
    told: Receiver<Told>,
    /// Where browsers reach it, once that was said.
    proxy: Option<String>,
    /// Its server, likewise.
    server: Option<String>,
}

/// Starts the site and the tunnel.
fn begin(settings: &Settings) -> Result<(Run, SocketAddr), Failure> {
    let machine = |error: io::Error| Failure::Machine {
        what: "the temporary tunnel does not start",
        error: error.to_string(),
    };
    let site = site::start().map_err(machine)?;
    let settings = temporary(settings, plane::random_u64()?);
    let inputs = Inputs::new().map_err(machine)?;
    let sender = inputs.sender.clone();
    let (tell, told) = mpsc::sync_channel(QUEUE);
    let run = move || {
        let mut messenger = Messenger(tell);
        serve(&settings, &mut messenger, inputs).unwrap_or_else(|failure| {
            messenger.fail(&failure);
            failure.exit()
        })
    };
    let thread = thread::Builder::new().name("sc-doctor".to_owned()).spawn(run).map_err(machine)?;
    Ok((Run { thread, inputs: sender, told, proxy: None, server: None }, site))
}

impl Run {
    /// Waits until it is ready; tells if it is, and why not otherwise.
    fn wait_ready(&mut self, report: &mut Report) -> bool {
        let begun = Instant::now();
        loop {
            match self.told.recv_timeout(START.saturating_sub(begun.elapsed())) {
                Ok(Told::Line(Line::Provisioned { proxy, .. })) => self.proxy = Some(proxy),
                Ok(Told::Line(Line::Connecting { server })) => self.server = Some(server),
                Ok(Told::Line(Line::Ready)) => break,
                Ok(Told::Line(_)) => {}
                Ok(Told::Failure(text, next)) => {
                    report.wrong("tunnel", text, next);
                    return false;
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    report.wrong("tunnel", "it is not ready in time", "look into the server's log");
                    return false;
                }
            }
        }
        let took = begun.elapsed().as_secs_f64();
        report.good("tunnel", format!("a temporary tunnel was ready after {took:.2} s"));
        true
    }

    /// Ends it. `None`: it did not end in time.
    fn end(self) -> Option<Exit> {
        // It may have ended by itself.
        let _ = self.inputs.send(Input::Signal);
        let begun = Instant::now();
        loop {
            match self.told.recv_timeout(END.saturating_sub(begun.elapsed())) {
                Ok(_) => {}
                // The thread has let go of its end.
                Err(RecvTimeoutError::Disconnected) => return self.thread.join().ok(),
                Err(RecvTimeoutError::Timeout) => return None,
            }
        }
    }
}

/// The settings with another name, and without what two tunnels cannot share. The site is on this
/// machine, whatever rules there are for others.
fn temporary(settings: &Settings, number: u64) -> Settings {
    Settings {
        name: TunnelName::new(format!("doctor-{:08x}", number >> 32)),
        monitoring: Monitoring::default(),
        rules: Rules { rule_syntax: settings.rules.rule_syntax, ..Rules::default() },
        egress: EgressSettings {
            sites: SiteWay::Direct,
            localhost: LocalhostPolicy::Direct,
            denied: Vec::new(),
            deny: None,
            name_servers: None,
            exchanges: Default::default(),
            ..settings.egress.clone()
        },
        ..settings.clone()
    }
}

/// Shows what the tunnel's server shows. Whether it is the right one the tunnel itself has judged.
fn certificates(settings: &Settings, server: &Target, report: &mut Report) {
    let way = settings.egress.tunnel.as_ref().and_then(|proxy| own_proxy(proxy, &server.host));
    match network::connect_by(way.unwrap_or(&Way::Direct), server) {
        None => {}
        Some(Err(error)) => report.wrong(
            "tunnel-tcp",
            format!("no connection to {server}: {error}"),
            "check that the server's tunnel address can be reached from here and that `sc server` \
             tells the right --tunnel-host. Please check your firewall and proxy settings.",
        ),
        Some(Ok(mut socket)) => {
            report.good("tunnel-tcp", format!("{server} takes connections"));
            let roots = trust::roots(settings.tunnel_ca.as_deref()).unwrap_or_default();
            match tls::look(&mut socket, &server.host.to_string(), &roots, ALPN) {
                Ok(shown) => rest::chain("tunnel-tls", &shown, report),
                Err(error) => report.wrong(
                    "tunnel-tls",
                    format!("TLS with {server} failed: {error}"),
                    "check that nothing between opens TLS, and that it is the tunnel's port",
                ),
            }
        }
    }
}

fn through(settings: &Settings, proxy: &str, site: SocketAddr, report: &mut Report) {
    let reached =
        proxy.to_socket_addrs().and_then(|found| network::connect(&found.collect::<Vec<_>>()));
    let socket = match reached {
        Ok(socket) => socket,
        Err(error) => {
            return report.warn(
                "loop",
                format!("the tunnel's proxy {proxy} is not reached from here: {error}"),
                "nothing to do if only browsers elsewhere are to reach it; its speed was not measured",
            );
        }
    };
    match measure(settings, socket, site) {
        Ok(Measured { round_trip, rate }) => report.good(
            "loop",
            format!(
                "a request through the tunnel and back takes {:.1} ms; {:.1} MB/s with one connection",
                round_trip.as_secs_f64() * 1000.0,
                rate / 1e6
            ),
        ),
        Err(error) => report.wrong(
            "loop",
            format!("requests through the tunnel fail: {error}"),
            "look into the server's log",
        ),
    }
}

/// What went through.
struct Measured {
    /// The median of some requests.
    round_trip: Duration,
    /// Bytes a second.
    rate: f64,
}

fn measure(settings: &Settings, socket: TcpStream, site: SocketAddr) -> io::Result<Measured> {
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_nodelay(true)?;
    let mut browser = Browser { answers: BufReader::new(socket.try_clone()?), socket, login: None };
    if let Err(error) = browser.get(site, "/") {
        let Some(Unauthorized) = error.get_ref().and_then(|e| e.downcast_ref()) else {
            return Err(error);
        };
        let text = format!("{}:{}", settings.user, settings.access_key.expose());
        browser.login = Some(base64::engine::general_purpose::STANDARD.encode(text));
        let socket = TcpStream::connect(browser.socket.peer_addr()?)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        (browser.answers, browser.socket) = (BufReader::new(socket.try_clone()?), socket);
    }
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        browser.get(site, "/")?;
        times.push(begun.elapsed());
    }
    times.sort();
    let begun = Instant::now();
    let bytes = browser.get(site, "/many")?;
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let rate = bytes as f64 / begun.elapsed().as_secs_f64();
    Ok(Measured { round_trip: times.get(ROUNDS / 2).copied().unwrap_or_default(), rate })
}

/// The proxy wants user and key.
#[derive(Debug, thiserror::Error)]
#[error("the proxy wants a user and password (407)")]
struct Unauthorized;

/// One connection to the tunnel's proxy.
struct Browser {
    socket: TcpStream,
    answers: BufReader<TcpStream>,
    login: Option<String>,
}

impl Browser {
    /// Gets a page of the site; says how many bytes it had.
    fn get(&mut self, site: SocketAddr, path: &str) -> io::Result<u64> {
        let login = self.login.as_ref();
        let login =
            login.map_or(String::new(), |login| format!("Proxy-Authorization: Basic {login}\r\n"));
        let request = format!("GET http://{site}{path} HTTP/1.1\r\nHost: {site}\r\n{login}\r\n");
        self.socket.write_all(request.as_bytes())?;
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") && head.len() < 16_384 {
            if self.answers.by_ref().take(8192).read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let status = head.split(' ').nth(1).unwrap_or_default();
        match status {
            "200" => {}
            "407" => return Err(io::Error::other(Unauthorized)),
            _ => return Err(io::Error::other(format!("it was answered {status}"))),
        }
        let field = |line: &str| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<u64>().ok())?
        };
        let length = head.lines().find_map(field).unwrap_or(0).min(site::MANY);
        io::copy(&mut self.answers.by_ref().take(length), &mut io::sink())
    }
}

/// What the run says.
enum Told {
    Line(Line),
    /// What is wrong, and what to do.
    Failure(String, String),
}

/// Passes on what the run says.
struct Messenger(SyncSender<Told>);

impl Speaker for Messenger {
    fn say(&mut self, line: &Line) {
        // More than anybody waits for is not needed.
        let _ = self.0.try_send(Told::Line(line.clone()));
    }

    fn fail(&mut self, failure: &Failure) {
        let text = format!("{failure} (tried: {})", failure.tried());
        let _ = self.0.try_send(Told::Failure(text, failure.next_step().to_owned()));
    }
}
