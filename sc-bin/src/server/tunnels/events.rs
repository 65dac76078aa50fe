//! What the data plane tells about tunnels.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Instant;

use sc_proto::contract::{SessionId, TunnelEnd, TunnelId};
use sc_proto::{Event, WorkerId};

use super::{Connection, Label, Tunnels, unix_now};
use crate::api::Status;

impl Tunnels {
    /// Takes in one event of one worker.
    pub(crate) async fn on_event(&self, worker: WorkerId, event: Event) {
        match event {
            Event::TunnelUp { tunnel, session, peer } => {
                self.session_up(tunnel, session, peer).await
            }
            Event::TunnelDown { tunnel, session, end } => {
                self.session_down(tunnel, session, &end).await
            }
            Event::TransportDropped { peer, loss } => {
                if self.strangers.admits(Instant::now()) {
                    log::info!("dropped a connection from {peer} to the tunnel listener: {loss}");
                }
            }
            // A client's.
            Event::ConnectFailed { .. } => {}
            Event::Stopped => self.stopped_workers.send_modify(|done| {
                done.insert(worker);
            }),
        }
    }

    async fn session_up(&self, id: TunnelId, session: SessionId, peer: SocketAddr) {
        let now = unix_now();
        {
            let mut state = self.state();
            // One that has ended meanwhile.
            let Some(live) = state.live.get_mut(&id) else {
                return;
            };
            match &mut live.connection {
                Connection::Up(sessions) => {
                    sessions.insert(session);
                }
                waiting @ Connection::Waiting { .. } => {
                    *waiting = Connection::Up(BTreeSet::from([session]));
                }
            }
            live.record.is_ready = live.record.status == Status::Running;
            live.record.last_connected = Some(now);
            log::info!("{} up: client {peer}", Label(&live.record));
        }
        self.record_connected(id, now).await;
    }

    async fn session_down(&self, id: TunnelId, session: SessionId, end: &TunnelEnd) {
        let now = unix_now();
        let asked_to_end = {
            let mut state = self.state();
            let Some(live) = state.live.get_mut(&id) else {
                return;
            };
            let Connection::Up(sessions) = &mut live.connection else {
                return;
            };
            sessions.remove(&session);
            live.record.last_connected = Some(now);
            // A client that came again may be up before the loss of its old session is seen.
            if !sessions.is_empty() {
                None
            } else {
                live.connection = Connection::Waiting { since: Instant::now() };
                live.record.is_ready = false;
                log::info!("{} down: {end}", Label(&live.record));
                live.halting.as_ref().map(|halting| halting.why.clone())
            }
        };
        self.record_connected(id, now).await;
        if let Some(why) = asked_to_end {
            self.end(id, why).await;
        }
    }

    /// Takes in a client's heartbeat. What it says about its connection is only believed as far
    /// as the server sees it too.
    pub(crate) async fn heartbeat(&self, id: TunnelId) {
        let now = unix_now();
        {
            let mut state = self.state();
            let Some(live) = state.live.get_mut(&id) else {
                return;
            };
            let Connection::Up(_) = live.connection else {
                return;
            };
            live.record.last_connected = Some(now);
        }
        self.record_connected(id, now).await;
    }

    async fn record_connected(&self, id: TunnelId, now: u64) {
        if let Err(error) = self.registry.tunnel_connected(id, now).await {
            log::error!("tunnel {id}: its state is not recorded: {error}");
        }
    }
}
