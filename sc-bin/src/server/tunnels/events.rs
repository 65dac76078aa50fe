//! What the data plane tells about tunnels.

use std::fmt;
use std::time::Instant;

use sc_proto::contract::{SessionId, TunnelId};
use sc_proto::{Event, WorkerId};

use super::{Attachment, Label, Tunnels, unix_now};
use crate::api::Status;

impl Tunnels {
    /// Takes in one event of one worker.
    pub(crate) async fn on_event(&self, worker: WorkerId, event: Event) {
        match event {
            Event::TunnelUp { tunnel, session, peer } => {
                let news = format_args!("up: client {peer}");
                self.session_changed(tunnel, session, Some(Attachment::Attached), news).await;
            }
            Event::TunnelInterrupted { tunnel, session, cause } => {
                let news = format_args!("interrupted: {cause}; its streams wait for the client");
                self.session_changed(tunnel, session, Some(Attachment::Interrupted), news).await;
            }
            Event::TunnelResumed { tunnel, session, replayed, streams, outage } => {
                let news = format_args!(
                    "resumed after {:.1} s: {streams} streams kept, {replayed} bytes sent again",
                    outage.as_secs_f64()
                );
                self.session_changed(tunnel, session, Some(Attachment::Attached), news).await;
            }
            Event::TunnelDown { tunnel, session, end } => {
                let news = format_args!("down: {end}");
                self.session_changed(tunnel, session, None, news).await;
            }
            Event::TransportDropped { peer, loss } => {
                if self.strangers.admits(Instant::now()) {
                    log::info!("dropped a connection from {peer} to the tunnel listener: {loss}");
                }
            }
            Event::Stopped => self.stopped_workers.send_modify(|done| {
                done.insert(worker);
            }),
            // A client's: ConnectFailed, Reconnecting.
            _ => {}
        }
    }

    /// Takes in what happened to a session; logs it; writes down that the client is, or was until
    /// now, connected.
    async fn session_changed(
        &self,
        id: TunnelId,
        session: SessionId,
        attachment: Option<Attachment>,
        news: fmt::Arguments<'_>,
    ) {
        let now = unix_now();
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
            log::info!("{} {news}", Label(&live.record));
            if was_connected || is_connected {
                live.record.last_connected = Some(now);
            }
            let halting = live.halting.as_ref().filter(|_| live.sessions.is_empty());
            (was_connected || is_connected, halting.map(|halting| halting.why.clone()))
        };
        if seen {
            self.record_connected(id, now).await;
        }
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
            if !live.sessions.is_connected() {
                return;
            }
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
