//! What the data plane tells about tunnels.

use std::fmt;
use std::time::Instant;

use sc_proto::contract::{ConnectionNumber, SessionId, TunnelId};
use sc_proto::{Event, WorkerId};

use super::{Attachment, Label, Sessions, Tunnels};
use crate::api::Status;
use crate::server::registry::Client;

impl Tunnels {
    /// Takes in one event of one worker.
    pub(crate) async fn on_event(&self, worker: WorkerId, event: Event) {
        if let Event::TunnelUp { tunnel, .. }
        | Event::TunnelInterrupted { tunnel, .. }
        | Event::TunnelResumed { tunnel, .. } = &event
        {
            self.count(*tunnel, &event);
        }
        match event {
            Event::TunnelUp { tunnel, session, connection, peer } => {
                let of = (session, connection);
                let news = format_args!("up: client {peer}");
                self.session_changed(tunnel, of, Some(Attachment::Attached), news).await;
            }
            Event::TunnelInterrupted { tunnel, session, connection, cause } => {
                let of = (session, connection);
                let news = format_args!("interrupted: {cause}; its streams wait for the client");
                self.session_changed(tunnel, of, Some(Attachment::Interrupted), news).await;
            }
            Event::TunnelResumed { tunnel, session, connection, replayed, streams, outage } => {
                let of = (session, connection);
                let news = format_args!(
                    "resumed after {:.1} s: {streams} streams kept, {replayed} bytes sent again",
                    outage.as_secs_f64()
                );
                self.session_changed(tunnel, of, Some(Attachment::Attached), news).await;
            }
            Event::TunnelDown { tunnel, session, connection, end } => {
                let news = format_args!("down: {end}");
                self.session_changed(tunnel, (session, connection), None, news).await;
            }
            Event::TransportDropped { peer, loss } if self.strangers.admits(Instant::now()) => {
                log::info!("dropped a connection from {peer} to the tunnel listener: {loss}");
            }
            Event::VisitorOutside { peer } => self.gate.came_from_outside(peer),
            Event::Stopped => self.stopped_workers.send_modify(|done| {
                done.insert(worker);
            }),
            // A stranger too many, or a client's: ConnectFailed, Reconnecting.
            _ => {}
        }
    }

    /// Takes in what happened to a session; logs it; writes down that the client is, or was until
    /// now, connected.
    async fn session_changed(
        &self,
        id: TunnelId,
        (session, connection): (SessionId, ConnectionNumber),
        attachment: Option<Attachment>,
        news: fmt::Arguments<'_>,
    ) {
        let now = self.registry.now();
        let (seen, asked_to_end) = {
            let mut state = self.state();
            // One that has ended meanwhile.
            let Some(live) = state.live.get_mut(&id) else {
                return;
            };
            let was_connected = live.sessions.is_connected();
            live.sessions.set(session, attachment, Instant::now());
            let is_connected = live.sessions.is_connected();
            live.record.is_ready = is_connected && live.record.status == Status::Running;
            log::info!("{}{} {news}", Label(&live.record), Which(connection));
            live.happenings.add(now, format!("{}{news}", Which(connection)));
            if let Some(summary) = live.sessions.summary(connection, was_connected) {
                log::info!("{} {summary}", Label(&live.record));
            }
            if was_connected || is_connected {
                live.record.last_connected = Some(now);
            }
            let halting = live.halting.as_ref().filter(|_| live.sessions.is_empty());
            let seen = match (was_connected, is_connected) {
                (_, true) => Some(Client::Here),
                (true, false) => Some(Client::Gone),
                (false, false) => None,
            };
            (seen, halting.map(|halting| halting.why.clone()))
        };
        if let Some(client) = seen
            && let Err(error) = self.registry.tunnel_client(id, now, client).await
        {
            log::error!("tunnel {id}: its state is not recorded: {error}");
        }
        if let Some(why) = asked_to_end {
            self.end(id, why).await;
        }
    }

    /// Takes in the heartbeat of the client of a tunnel that is carried here.
    pub(super) async fn heartbeat_here(&self, id: TunnelId) {
        let now = self.registry.now();
        {
            let mut state = self.state();
            let Some(live) = state.live.get_mut(&id) else {
                return;
            };
            if !live.sessions.is_connected() {
                return;
            }
            live.record.last_connected = Some(now);
        }
        if let Err(error) = self.registry.tunnel_connected(id, now).await {
            log::error!("tunnel {id}: its state is not recorded: {error}");
        }
    }
}

/// Which connection of a tunnel a line is about, if it has several.
struct Which(ConnectionNumber);

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(connection) = self;
        if connection.count() == 1 { Ok(()) } else { write!(f, ", {connection}:") }
    }
}

impl Sessions {
    /// What a change of one of several connections means for their tunnel, if it means anything.
    fn summary(&self, connection: ConnectionNumber, was_connected: bool) -> Option<&'static str> {
        let is_connected = self.is_connected();
        if connection.count() == 1 || was_connected == is_connected {
            return None;
        }
        Some(match (is_connected, self.is_empty()) {
            (true, _) => "has its client",
            (false, false) => "has no connection: all waits for its client",
            (false, true) => "has lost its client",
        })
    }
}
