//! Ending tunnels: on request, by collision, by silence, with the server.

use std::time::Instant;

use sc_proto::contract::{Stop, TunnelId};

use super::{Label, Live, Phase, Tunnels, unix_now};
use crate::api::Status;
use crate::server::registry::End;

/// Longest reason kept, in characters.
const MAX_REASON: usize = 200;

/// Why a tunnel ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EndReason {
    /// Its owner asked, by REST; with the reason that was given.
    Request(Option<String>),
    /// Its owner started another one of that name.
    Collision,
    /// It was without its client for too long.
    Unconnected,
    /// Its owner was removed.
    OwnerRemoved,
    /// The server stopped.
    ServerShutdown,
    /// The server came up and found it left over.
    ServerRestart,
}

impl EndReason {
    /// What the record says about it.
    pub(crate) fn at(&self, unix_seconds: u64) -> End {
        let reason = match self {
            Self::Request(Some(reason)) if !reason.is_empty() => {
                reason.chars().filter(|c| !c.is_control()).take(MAX_REASON).collect()
            }
            Self::Request(_) => "request".to_owned(),
            Self::Collision => "collision".to_owned(),
            Self::Unconnected => "serverTimeout".to_owned(),
            Self::OwnerRemoved => "ownerRemoved".to_owned(),
            Self::ServerShutdown => "serverShutdown".to_owned(),
            Self::ServerRestart => "serverRestart".to_owned(),
        };
        End { at: unix_seconds, user_shutdown: matches!(self, Self::Request(_)), reason }
    }
}

impl Tunnels {
    /// Ends a tunnel. One that has ended stays as it is.
    ///
    /// Not to be dropped half-way, as [`Tunnels::create`].
    pub(crate) async fn end(&self, id: TunnelId, why: &EndReason) {
        let _life = self.life.lock().await;
        self.end_held(id, why).await;
    }

    /// Ends a tunnel; the caller holds [`Tunnels::life`].
    pub(super) async fn end_held(&self, id: TunnelId, why: &EndReason) {
        let Some(live) = self.state().live.remove(&id) else {
            return;
        };
        self.data_plane.remove_tunnel(id, live.place);
        let end = why.at(unix_now());
        let by = if end.user_shutdown { "its owner" } else { "the server" };
        log::info!("{} ended by {by}: {:?}", Label(&live.record), end.reason);
        if let Err(error) = self.registry.tunnel_ended(id, &end).await {
            log::error!("{}: its end is not recorded: {error}", Label(&live.record));
        }
    }

    /// Ends tunnels that at `now` have been without their client for too long.
    pub(crate) async fn end_unconnected(&self, now: Instant) {
        let is_due = |live: &Live| {
            let since = live.sessions.unconnected_since();
            since
                .is_some_and(|since| now.saturating_duration_since(since) >= self.unconnected_limit)
        };
        let due = |id: Option<TunnelId>| -> Vec<TunnelId> {
            let state = self.state();
            let live = state.live.values().filter(|live| is_due(live));
            live.map(|live| live.record.id)
                .filter(|found| id.is_none_or(|id| id == *found))
                .collect()
        };
        for id in due(None) {
            let _life = self.life.lock().await;
            // Its client may have come while others were ended.
            if !due(Some(id)).is_empty() {
                self.end_held(id, &EndReason::Unconnected).await;
            }
        }
    }

    /// Ends tunnels whose owner is no user any more.
    pub(crate) async fn end_of_removed_owners(&self) {
        let live: Vec<_> = {
            let state = self.state();
            let all = state.live.values();
            all.map(|live| (live.record.id, live.record.owner.clone())).collect()
        };
        if live.is_empty() {
            return;
        }
        let users = match self.registry.users().await {
            Ok(users) => users,
            Err(error) => {
                return log::error!("cannot tell whether owners of tunnels are gone: {error}");
            }
        };
        for (id, owner) in live {
            if !users.iter().any(|user| user.name == owner) {
                self.end(id, &EndReason::OwnerRemoved).await;
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
        let _life = self.life.lock().await;
        let ids: Vec<_> = self.state().live.keys().copied().collect();
        for id in ids {
            self.end_held(id, &EndReason::ServerShutdown).await;
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
        let reason = |text: &str| EndReason::Request(Some(text.to_owned())).at(7).reason;
        assert_eq!(reason("sigterm"), "sigterm");
        assert_eq!(reason("a\n\u{1b}b"), "ab");
        assert_eq!(reason(""), "request");
        assert_eq!(reason(&"é".repeat(500)).chars().count(), MAX_REASON);
        assert!(EndReason::Request(None).at(7).user_shutdown);
        assert!(!EndReason::Unconnected.at(7).user_shutdown);
    }
}
