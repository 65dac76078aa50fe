//! Ending tunnels: on request, by collision, by silence, with the server.

use std::time::{Duration, Instant};

use sc_proto::contract::{Stop, TunnelId};

use super::jobs::JobEnd;
use super::{Halting, Label, Live, Phase, Tunnels, Waiting};
use crate::api::Status;
use crate::server::ports::ProxyPorts;
use crate::server::registry::{Deed, End, SERVER_LOST};

/// Longest reason kept, in characters.
const MAX_REASON: usize = 200;

/// Why a tunnel ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EndReason {
    /// Somebody asked, by REST.
    Request {
        /// Who.
        by: String,
        /// The reason that was given.
        reason: Option<String>,
    },
    /// Somebody started another one of that name.
    Collision {
        /// Who.
        by: String,
    },
    /// It was without its client for too long.
    Unconnected,
    /// Its owner was removed.
    OwnerRemoved,
    /// The server stopped.
    ServerShutdown,
    /// The server came up and found it left over.
    ServerRestart,
    /// Its server is gone, another one of the fleet says.
    ServerLost,
}

impl EndReason {
    /// What the record says about it.
    pub(crate) fn at(&self, unix_seconds: u64) -> End {
        let reason = match self {
            Self::Request { reason: Some(reason), .. } if !reason.is_empty() => {
                reason.chars().filter(|c| !c.is_control()).take(MAX_REASON).collect()
            }
            Self::Request { .. } => "request".to_owned(),
            Self::Collision { .. } => "collision".to_owned(),
            Self::Unconnected => "serverTimeout".to_owned(),
            Self::OwnerRemoved => "ownerRemoved".to_owned(),
            Self::ServerShutdown => "serverShutdown".to_owned(),
            Self::ServerRestart => "serverRestart".to_owned(),
            Self::ServerLost => SERVER_LOST.to_owned(),
        };
        End { at: unix_seconds, user_shutdown: matches!(self, Self::Request { .. }), reason }
    }
}

impl EndReason {
    /// Who wanted it; nobody: the server.
    fn by(&self) -> Option<&str> {
        match self {
            Self::Request { by, .. } | Self::Collision { by } => Some(by),
            _ => None,
        }
    }
}

/// What becomes of the streams of a tunnel that is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Streams {
    /// They may finish: the tunnel is `halting` until its client has closed the session.
    MayFinish,
    /// They are cut.
    AreCut,
}

/// How long a tunnel may be `halting`. A client learns it by its next poll (5 s) and then gives
/// its streams 30 s.
const HALTING_LIMIT: Duration = Duration::from_secs(60);

/// How long a tunnel may wait for jobs that still use it.
const JOBS_LIMIT: Duration = Duration::from_secs(3 * 3600);

impl Tunnels {
    /// Ends a tunnel. One that has ended stays as it is.
    ///
    /// Not to be dropped half-way, as [`Tunnels::create`].
    pub(crate) async fn end(&self, id: TunnelId, why: EndReason) {
        let mut ports = self.life.lock().await;
        self.end_held(&mut ports, id, why).await;
    }

    /// Ends a tunnel that is carried here on the request of the user `by`. Not to be dropped half-way, as [`Tunnels::create`].
    pub(crate) async fn end_on_request_here(
        &self,
        id: TunnelId,
        by: String,
        reason: Option<String>,
        streams: Streams,
    ) {
        let why = EndReason::Request { by, reason };
        let mut ports = self.life.lock().await;
        match streams {
            Streams::MayFinish => {
                self.halt_or_end(&mut ports, id, why, Waiting::Jobs).await;
                self.move_jobs(Instant::now()).await;
                if self.jobs_of(id) == 0 {
                    self.jobs_are_done(id);
                }
            }
            Streams::AreCut => self.end_held(&mut ports, id, why).await,
        }
    }

    /// Ends a tunnel whose place a newer one of its name takes: what runs may finish, unless its
    /// client is not there at the moment, which the newer one was started for, then.
    pub(super) async fn end_collided(&self, ports: &mut ProxyPorts, id: TunnelId, by: &str) {
        let why = EndReason::Collision { by: by.to_owned() };
        let connected = self.state().live.get(&id).is_some_and(|live| live.sessions.is_connected());
        match connected {
            true => self.halt_or_end(ports, id, why, Waiting::Streams).await,
            false => self.end_held(ports, id, why).await,
        }
    }

    /// Lets what runs finish, or ends the tunnel if there is nothing that could run.
    async fn halt_or_end(
        &self,
        ports: &mut ProxyPorts,
        id: TunnelId,
        why: EndReason,
        waiting: Waiting,
    ) {
        if !self.halt(id, &why, waiting) {
            return self.end_held(ports, id, why).await;
        }
        ports.released();
        if let Err(error) = self.registry.tunnel_halting(id, &why.at(self.registry.now())).await {
            log::error!("tunnel {id}: that it is to end is not recorded: {error}");
        }
    }

    /// Takes no new connections and lets what runs finish, if the tunnel has its client. Says
    /// whether it has.
    fn halt(&self, id: TunnelId, why: &EndReason, waiting: Waiting) -> bool {
        let mut state = self.state();
        let Some(live) = state.live.get_mut(&id) else {
            return false;
        };
        if live.sessions.is_empty() {
            return false;
        }
        if live.halting.is_none() {
            let end = why.at(self.registry.now());
            live.record.status = Status::Halting;
            live.record.is_ready = false;
            live.record.user_shutdown = Some(end.user_shutdown);
            live.record.shutdown_reason = Some(end.reason);
            live.halting = Some(Halting { why: why.clone(), since: Instant::now(), waiting });
            match waiting {
                Waiting::Jobs => self.data_plane.close_proxy(live.place),
                Waiting::Streams => self.data_plane.drain_tunnel(id, live.place),
            }
            log::info!("{} ends when what runs is done", Label(&live.record));
        }
        true
    }

    /// A tunnel has no more jobs. If it is to end, what runs may finish now.
    pub(super) fn jobs_are_done(&self, id: TunnelId) {
        let mut state = self.state();
        let Some(live) = state.live.get_mut(&id) else { return };
        let place = live.place;
        if let Some(halting) = live.halting.as_mut().filter(|one| one.waiting == Waiting::Jobs) {
            (halting.waiting, halting.since) = (Waiting::Streams, Instant::now());
            self.data_plane.drain_tunnel(id, place);
        }
    }

    /// Ends a tunnel. Whoever makes or ends one holds `ports`, from [`Tunnels::life`].
    pub(super) async fn end_held(&self, ports: &mut ProxyPorts, id: TunnelId, why: EndReason) {
        let (place, end, organisation, deed) = {
            // One step, so that whoever looks finds one or the other.
            let mut state = self.state();
            let Some(live) = state.live.remove(&id) else {
                return;
            };
            // The first reason counts.
            let why = live.halting.map_or(why, |halting| halting.why);
            let end = why.at(self.registry.now());
            let mut record = live.record;
            let by = why.by().unwrap_or("the server");
            log::info!("{} ended by {by}: {:?}", Label(&record), end.reason);
            let deed = Deed {
                time: end.at,
                actor: why.by().map(str::to_owned),
                action: "tunnel-ended".to_owned(),
                subject: id.to_string(),
                detail: Some(end.reason.clone()),
            };
            record.status = Status::Terminated;
            record.is_ready = false;
            record.shutdown_time = Some(end.at);
            record.user_shutdown = Some(end.user_shutdown);
            record.shutdown_reason = Some(end.reason.clone());
            state.ended.insert(id, record);
            (live.place, end, live.organisation, deed)
        };
        self.data_plane.remove_tunnel(id, place);
        ports.released();
        if let Err(error) = self.registry.tunnel_ended(id, &end).await {
            log::error!("tunnel {id}: its end is not recorded: {error}");
        }
        self.note(&organisation, deed).await;
        self.state().ended.remove(&id);
    }

    /// Ends tunnels that at `now` have been without their client, or halting, for too long.
    pub(crate) async fn end_overdue(&self, now: Instant) {
        let is_over = |since: Instant, limit| now.saturating_duration_since(since) >= limit;
        let is_due = |live: &Live| match (&live.halting, live.sessions.unconnected_since()) {
            (Some(Halting { waiting: Waiting::Jobs, since, .. }), None) => {
                is_over(*since, JOBS_LIMIT)
            }
            (Some(Halting { waiting: Waiting::Jobs, .. }), Some(since)) => {
                is_over(since, self.unconnected_limit)
            }
            (Some(halting), _) => is_over(halting.since, HALTING_LIMIT),
            (None, Some(since)) => is_over(since, self.unconnected_limit),
            (None, None) => false,
        };
        let due: Vec<TunnelId> = {
            let state = self.state();
            let live = state.live.values().filter(|live| is_due(live));
            live.map(|live| live.record.id).collect()
        };
        for id in due {
            let mut ports = self.life.lock().await;
            // Its client may have come while others were ended.
            if self.state().live.get(&id).is_some_and(is_due) {
                self.end_held(&mut ports, id, EndReason::Unconnected).await;
            }
        }
    }

    /// Ends tunnels and jobs whose owner is no user any more.
    pub(crate) async fn end_of_removed_owners(&self) {
        let live: Vec<_> = {
            let state = self.state();
            let all = state.live.values();
            all.map(|live| (live.record.id, live.record.owner.clone())).collect()
        };
        if live.is_empty() && !self.has_jobs() {
            return;
        }
        let users = match self.registry.users(None).await {
            Ok(users) => users,
            Err(error) => {
                return log::error!("cannot tell whether owners of tunnels are gone: {error}");
            }
        };
        for (id, owner) in live {
            if !users.iter().any(|user| user.name == owner) {
                self.end(id, EndReason::OwnerRemoved).await;
            }
        }
        for (id, owner) in self.job_owners() {
            if !users.iter().any(|user| user.name == owner) {
                self.end_job(&id, JobEnd::OwnerRemoved).await;
            }
        }
    }

    /// Takes no more tunnels, closes the proxy ports, and lets what runs finish. Says whether
    /// there is anything to wait for.
    pub(crate) async fn begin_stop(&self) -> Draining {
        let _life = self.life.lock().await;
        let mut draining = Draining::Nothing;
        {
            let mut state = self.state();
            state.phase = Phase::Stopping;
            for live in state.live.values_mut() {
                live.record.status = Status::Halting;
                live.record.is_ready = false;
                if live.halting.is_none() {
                    // A client that reads this comes back after the restart.
                    let end = EndReason::ServerShutdown.at(self.registry.now());
                    live.record.user_shutdown = Some(end.user_shutdown);
                    live.record.shutdown_reason = Some(end.reason);
                }
                self.data_plane.close_proxy(live.place);
                if !live.sessions.is_empty() {
                    draining = Draining::Sessions;
                }
            }
        }
        if let Err(error) = self.registry.tunnels_halting().await {
            log::error!("that tunnels are to end is not recorded: {error}");
        }
        if draining == Draining::Sessions {
            self.data_plane.stop_sessions(Stop::Drain);
        }
        draining
    }

    /// Waits until all sessions have ended.
    pub(crate) async fn drained(&self) {
        let workers = self.data_plane.worker_count();
        let mut stopped = self.stopped_workers.subscribe();
        // The sender lives as long as `self`.
        let _ = stopped.wait_for(|done| done.len() >= workers).await;
    }

    /// Ends all that is left, and the data plane.
    pub(crate) async fn finish_stop(&self) {
        self.data_plane.stop_sessions(Stop::Now);
        let mut ports = self.life.lock().await;
        let ids: Vec<_> = self.state().live.keys().copied().collect();
        for id in ids {
            self.end_held(&mut ports, id, EndReason::ServerShutdown).await;
        }
    }

    /// Ends the data plane's threads. Blocks until they are gone.
    pub(crate) fn stop_data_plane(&self) {
        self.data_plane.stop();
    }
}

/// What a stop has to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Draining {
    /// No tunnel has a session.
    Nothing,
    /// Sessions that finish what runs.
    Sessions,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_kept_short_and_clean() {
        let reason = |text: &str| {
            EndReason::Request { by: "jane".to_owned(), reason: Some(text.to_owned()) }.at(7).reason
        };
        assert_eq!(reason("sigterm"), "sigterm");
        assert_eq!(reason("a\n\u{1b}b"), "ab");
        assert_eq!(reason(""), "request");
        assert_eq!(reason(&"é".repeat(500)).chars().count(), MAX_REASON);
        assert!(EndReason::Request { by: "jane".to_owned(), reason: None }.at(7).user_shutdown);
        assert!(!EndReason::Unconnected.at(7).user_shutdown);
    }
}
