//! Where the event loop writes how the run stands, and everybody else reads it.
//!
//! One lock, held for a copy at most, and never by a data worker: those are asked by other means.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sc_proto::contract::{
    ConnectFailure, ConnectionNumber, Event, TransportLoss, TunnelEnd, TunnelId,
};

use super::link::{At, Change, Link};
use super::links::{Links, connection_of};
use super::meters::Meters;
use crate::client::controller::Place;

/// How the run stands.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// The tunnel's name.
    pub(crate) name: Option<String>,
    /// The tunnel, once the server has made it.
    pub(crate) tunnel: Option<TunnelPlace>,
    /// The links to its server.
    pub(crate) links: Links,
    /// Whether it is on its way up, serving, or ending.
    pub(crate) phase: Phase,
}

/// Where the tunnel is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TunnelPlace {
    /// Its id.
    pub(crate) id: TunnelId,
    /// The server as it is dialled: a name or an address, without brackets.
    pub(crate) host: String,
    /// And its port.
    pub(crate) port: u16,
    /// Where browsers reach it, as `host:port`.
    pub(crate) proxy: String,
    /// The address of the server that was last connected to.
    pub(crate) peer: Option<String>,
}

/// A run's phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not ready yet.
    Starting,
    /// It was ready, and nobody has asked for its end.
    Serving,
    /// It is to end.
    Stopping,
    /// It has ended.
    Ended,
}

impl Snapshot {
    /// Whether tests may use the tunnel now.
    pub(crate) fn is_ready(&self) -> bool {
        self.phase == Phase::Serving && self.links.is_connected()
    }
}

/// See the module's head.
pub(crate) struct Board {
    snapshot: Mutex<Snapshot>,
    /// What nobody else counts.
    pub(super) meters: Meters,
    /// When the connects that are under way began.
    connecting: Mutex<BTreeMap<u8, Instant>>,
}

impl Board {
    /// For a tunnel of this name, with so many connections.
    pub(crate) fn new(name: Option<String>, connections: u8) -> Self {
        let links = Links::new(connections, At::now());
        let snapshot = Snapshot { name, tunnel: None, links, phase: Phase::Starting };
        Self { snapshot: Mutex::new(snapshot), meters: Meters::new(), connecting: Mutex::default() }
    }

    /// How the run stands now.
    pub(crate) fn read(&self) -> Snapshot {
        self.lock().clone()
    }

    /// The data plane tells something.
    pub(crate) fn on_event(&self, event: &Event) -> Option<Change> {
        let now = At::now();
        self.meter(event, now.instant);
        let change = {
            let mut snapshot = self.lock();
            let change = snapshot.links.on_event(event, now);
            if let (Event::TunnelUp { peer, .. }, Some(tunnel)) = (event, &mut snapshot.tunnel) {
                tunnel.peer = Some(peer.to_string());
            }
            change
        };
        self.meters.count(change.as_ref());
        change
    }

    /// The server is being dialled for a new session.
    pub(crate) fn on_connect(&self, place: &Place, connection: ConnectionNumber) {
        self.connecting().insert(connection.index(), Instant::now());
        let tunnel = TunnelPlace {
            id: place.tunnel,
            host: place.server_name.clone(),
            port: place.server.port,
            proxy: place.proxy.clone(),
            peer: None,
        };
        let mut snapshot = self.lock();
        let before = snapshot.tunnel.take();
        let peer = before.and_then(|before| before.peer);
        snapshot.tunnel = Some(TunnelPlace { peer, ..tunnel });
    }

    /// When the next try of each connection without a session comes, if that is settled.
    pub(crate) fn set_next_tries(
        &self,
        tries: impl Iterator<Item = (ConnectionNumber, Option<Instant>)>,
    ) {
        self.lock().links.set_next_tries(tries);
    }

    /// The tunnel can be used.
    pub(crate) fn on_ready(&self) {
        self.set_phase(Phase::Serving);
    }

    /// The run is to end.
    pub(crate) fn on_stopping(&self) {
        self.set_phase(Phase::Stopping);
    }

    /// The run is over.
    pub(crate) fn on_end(&self) {
        self.set_phase(Phase::Ended);
        let changes = self.lock().links.end(At::now());
        changes.iter().for_each(|change| self.meters.count(Some(change)));
    }

    /// A phase follows another, never the other way round.
    fn set_phase(&self, phase: Phase) {
        let mut snapshot = self.lock();
        let goes_on = match snapshot.phase {
            Phase::Starting => true,
            Phase::Serving => phase != Phase::Starting,
            Phase::Stopping => phase == Phase::Ended,
            Phase::Ended => false,
        };
        if goes_on {
            snapshot.phase = phase;
        }
    }

    fn meter(&self, event: &Event, now: Instant) {
        match event {
            Event::TunnelUp { connection, .. } => {
                let began = self.connecting().remove(&connection.index());
                let server = self.lock().tunnel.as_ref().map(|tunnel| tunnel.address());
                if let (Some(began), Some(server)) = (began, server) {
                    self.meters.connected(&server, now.saturating_duration_since(began));
                }
            }
            Event::TunnelInterrupted { cause, .. } => self.meters.trouble(loss_name(cause)),
            Event::Reconnecting { failure, .. } | Event::ConnectFailed { failure, .. } => {
                self.meters.trouble(failure_name(failure));
            }
            Event::TunnelResumed { outage, .. } => self.meters.resumed(*outage),
            Event::TunnelDown { end: TunnelEnd::Lost(loss), .. } => {
                // An outage has been counted when it began.
                let was_connected = connection_of(event).is_some_and(|connection| {
                    let index = usize::from(connection.index());
                    self.lock().links.each().get(index).is_some_and(Link::is_connected)
                });
                if was_connected {
                    self.meters.trouble(loss_name(loss));
                }
            }
            _ => {}
        }
    }

    fn connecting(&self) -> MutexGuard<'_, BTreeMap<u8, Instant>> {
        self.connecting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Snapshot> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TunnelPlace {
    /// `host:port` of the server.
    pub(crate) fn address(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

/// A word for a label: there are as many as causes.
fn loss_name(loss: &TransportLoss) -> &'static str {
    match loss {
        TransportLoss::Closed => "closed",
        TransportLoss::Failed => "failed",
        TransportLoss::Silent => "silent",
        TransportLoss::HandshakeTimeout => "handshake_timeout",
        TransportLoss::Tls(_) => "tls",
        TransportLoss::Protocol(_) => "protocol",
        TransportLoss::Refused(_) => "refused",
        TransportLoss::Ended => "ended",
        _ => "other",
    }
}

fn failure_name(failure: &ConnectFailure) -> &'static str {
    match failure {
        ConnectFailure::Dial(_) => "dial",
        ConnectFailure::Transport(loss) => loss_name(loss),
        ConnectFailure::ServerName(_) => "server_name",
        _ => "other",
    }
}

/// How long something took, for histograms.
pub(super) fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
