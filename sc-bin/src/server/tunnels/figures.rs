//! Tunnels in numbers, for metrics.

use sc_proto::Event;
use sc_proto::contract::TunnelId;

use super::{Attachment, Live, Sessions, Tunnels};
use crate::api::Status;
use crate::monitor::worker::{NoAnswer, WorkerReport};

/// A tunnel that has not ended, at a moment.
#[derive(Clone, Debug)]
pub(crate) struct TunnelFigures {
    /// Its id.
    pub(crate) id: TunnelId,
    /// Whose it is.
    pub(crate) owner: String,
    /// Its name.
    pub(crate) name: Option<String>,
    /// Where its life has got to.
    pub(crate) status: Status,
    /// The link to its client.
    pub(crate) link: LinkState,
    /// What has happened to it.
    pub(crate) told: Told,
}

/// The link of a tunnel to its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkState {
    /// The client is there.
    Connected,
    /// It is not, and its session waits for it.
    Interrupted,
    /// There is no session.
    None,
}

impl LinkState {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Interrupted => "interrupted",
            Self::None => "none",
        }
    }
}

/// What the data plane has told about a tunnel, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Sessions that began.
    pub(crate) sessions: u64,
    /// How often one lost its transport.
    pub(crate) interruptions: u64,
    /// How often one went on.
    pub(crate) resumes: u64,
    /// Bytes sent again for that.
    pub(crate) replayed: u64,
}

impl Told {
    fn count(&mut self, event: &Event) {
        match event {
            Event::TunnelUp { .. } => self.sessions += 1,
            Event::TunnelInterrupted { .. } => self.interruptions += 1,
            Event::TunnelResumed { replayed, .. } => {
                self.resumes += 1;
                self.replayed += replayed;
            }
            _ => {}
        }
    }
}

impl Sessions {
    fn link(&self) -> LinkState {
        let is = |wanted| self.attachments.values().any(|attachment| *attachment == wanted);
        if is(Attachment::Attached) {
            LinkState::Connected
        } else if is(Attachment::Interrupted) {
            LinkState::Interrupted
        } else {
            LinkState::None
        }
    }
}

impl Tunnels {
    /// All tunnels that have not ended.
    pub(crate) fn figures(&self) -> Vec<TunnelFigures> {
        self.state().live.values().map(Live::figures).collect()
    }

    /// One that has not ended.
    pub(crate) fn figures_of(&self, id: TunnelId) -> Option<TunnelFigures> {
        self.state().live.get(&id).map(Live::figures)
    }

    /// How the data plane's workers stand.
    pub(crate) fn workers(&self) -> Result<Vec<WorkerReport>, NoAnswer> {
        self.data_plane.report()
    }

    /// Counts what an event tells of a tunnel.
    pub(super) fn count(&self, id: TunnelId, event: &Event) {
        if let Some(live) = self.state().live.get_mut(&id) {
            live.told.count(event);
        }
    }
}

impl Live {
    fn figures(&self) -> TunnelFigures {
        TunnelFigures {
            id: self.record.id,
            owner: self.record.owner.clone(),
            name: self.record.tunnel_identifier.clone(),
            status: self.record.status,
            link: self.sessions.link(),
            told: self.told,
        }
    }
}
