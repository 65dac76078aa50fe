//! A tunnel as a row of the list.

use std::collections::BTreeMap;

use maud::{Markup, html};
use sc_proto::contract::TunnelId;

use super::amounts::round_trip;
use super::error::PageError;
use super::graph::spark;
use super::health::Course;
use super::{LIST, Page, layout};
use crate::api::{Status, Tunnel};
use crate::server::accounts::Account;
use crate::server::rest::{Found, usable_by};
use crate::server::tunnels::{LinkState, TunnelFigures};

/// Where a tunnel stands, as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Starting,
    Waiting,
    Ready,
    Reconnecting,
    Stopping,
    Stopped,
}

/// A tunnel and all that is shown of it.
#[derive(Debug)]
pub(super) struct Row {
    /// The record.
    pub(super) tunnel: Tunnel,
    /// Where it stands.
    pub(super) standing: Standing,
    /// How its client's connections did. None for one that runs elsewhere, or has ended.
    pub(super) figures: Option<TunnelFigures>,
    /// What went through it.
    pub(super) course: Course,
    /// Jobs that use it.
    pub(super) jobs: u32,
    /// Whether the visitor may end it, and whether it is the visitor's.
    pub(super) may_stop: bool,
    pub(super) is_own: bool,
}

impl Standing {
    fn of(tunnel: &Tunnel, link: Option<LinkState>) -> Self {
        match (tunnel.status, link) {
            (Status::Booting, _) => Self::Starting,
            (Status::Halting, _) => Self::Stopping,
            (Status::Terminated, _) => Self::Stopped,
            (Status::Running, Some(LinkState::Interrupted)) => Self::Reconnecting,
            (Status::Running, _) if tunnel.is_ready => Self::Ready,
            (Status::Running, _) => Self::Waiting,
        }
    }

    /// The word in class names.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Waiting => "waiting",
            Self::Ready => "ready",
            Self::Reconnecting => "reconnecting",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }

    /// The word for people.
    pub(super) fn shown(self) -> &'static str {
        match self {
            Self::Starting => "Starting",
            Self::Waiting => "No client",
            Self::Ready => "Ready",
            Self::Reconnecting => "Reconnecting",
            Self::Stopping => "Stopping",
            Self::Stopped => "Stopped",
        }
    }

    fn explained(self) -> &'static str {
        match self {
            Self::Starting => "The server sets it up",
            Self::Waiting => "Its client is not connected",
            Self::Ready => "Its client is connected: tests can use it",
            Self::Reconnecting => "Its client lost its connection; what runs waits for it",
            Self::Stopping => "Takes nothing new; what runs may finish",
            Self::Stopped => "It has ended",
        }
    }

    /// As a badge.
    pub(super) fn badge(self) -> Markup {
        html! {
            span class={ "badge " (self.word()) } title=(self.explained()) { (self.shown()) }
        }
    }
}

impl Page {
    /// The rows that a user sees: all that REST would tell of, pools together, own ones first.
    pub(super) async fn rows(&self, user: &Account) -> Result<Vec<Row>, PageError> {
        let users = self.users.of(&self.rest.registry, user).await?;
        let found = usable_by(&self.rest, user, &users).await?;
        let figures = self.rest.tunnels.figures().into_iter();
        let mut figures: BTreeMap<TunnelId, TunnelFigures> =
            figures.map(|figures| (figures.id, figures)).collect();
        let jobs = self.rest.tunnels.jobs_by_tunnel();
        let rows = found.into_iter().map(|found| {
            let id = found.tunnel.id;
            self.row(user, found, figures.remove(&id), jobs.get(&id).copied().unwrap_or(0))
        });
        let mut rows: Vec<Row> = rows.collect();
        // What was first stays first within a name.
        rows.sort_by(|a, b| a.place().cmp(&b.place()));
        Ok(rows)
    }

    /// A tunnel as a user sees it.
    pub(super) fn row(
        &self,
        user: &Account,
        found: Found,
        figures: Option<TunnelFigures>,
        jobs: u32,
    ) -> Row {
        let Found { tunnel, owner } = found;
        Row {
            standing: Standing::of(&tunnel, figures.as_ref().map(|figures| figures.link)),
            course: self.health.course(tunnel.id),
            jobs,
            may_stop: user.may_stop_of(&owner) && tunnel.status != Status::Terminated,
            is_own: owner.name == user.name,
            figures,
            tunnel,
        }
    }
}

impl Row {
    fn place(&self) -> (bool, &str, Option<&str>, u64) {
        let Tunnel { owner, tunnel_identifier, creation_time, .. } = &self.tunnel;
        (!self.is_own, owner, tunnel_identifier.as_deref(), *creation_time)
    }

    /// Its name, as people read it.
    pub(super) fn name(&self) -> &str {
        self.tunnel.tunnel_identifier.as_deref().unwrap_or("unnamed")
    }

    /// The pool it belongs to: owner and name.
    pub(super) fn pool(&self) -> Option<(&str, &str)> {
        let name = self.tunnel.tunnel_identifier.as_deref()?;
        self.tunnel.tunnel_pool.then_some((self.tunnel.owner.as_str(), name))
    }

    /// Where its own page is.
    pub(super) fn path(&self) -> String {
        format!("{LIST}/{}", self.tunnel.id)
    }

    /// The element of its row.
    pub(super) fn element(&self) -> String {
        format!("t-{}", self.tunnel.id)
    }

    /// How often its client came back.
    pub(super) fn reconnects(&self) -> u64 {
        self.figures.as_ref().map_or(0, |figures| figures.told.resumes)
    }

    /// Whether others may use it.
    pub(super) fn sharing(&self) -> &'static str {
        match (self.tunnel.shared_tunnel, self.is_own) {
            (true, true) => "shared",
            (true, false) => "shared with you",
            (false, _) => "private",
        }
    }

    /// The host of its client.
    pub(super) fn client_host(&self) -> &str {
        self.tunnel.metadata.hostname.as_deref().unwrap_or("–")
    }

    /// Whether a text is in what the list shows of it.
    pub(super) fn has(&self, lower_case: &str) -> bool {
        let id = self.tunnel.id.to_string();
        [self.name(), self.client_host(), self.tunnel.owner.as_str(), id.as_str()]
            .iter()
            .any(|text| text.to_lowercase().contains(lower_case))
    }

    /// The link that asks whether to end it, or to cut what one that is ending waits for.
    pub(super) fn stop_link(&self) -> Markup {
        let word = if self.standing == Standing::Stopping { "Cut" } else { "Stop" };
        html! {
            @if self.may_stop {
                a.button.small.stop href={ (self.path()) "/stop" } data-stop=(self.name())
                    aria-label={ (word) " " (self.name()) } { (word) }
            }
        }
    }

    /// The row. `now`: durations are written out.
    pub(super) fn markup(&self, now: Option<u64>) -> Markup {
        let vitals = &self.course.vitals;
        let began = self.tunnel.launch_time.unwrap_or(self.tunnel.creation_time);
        let reconnects = self.reconnects();
        html! {
            tr.member[self.pool().is_some()] id=(self.element()) role="row"
                data-state=(self.standing.shown()) data-name=(self.name()) {
                td.type role="cell" { abbr title="Sauce Connect, over KGP" { "SC" } }
                td.state role="cell" { (self.standing.badge()) }
                th.name scope="row" role="rowheader" {
                    a href=(self.path()) .unnamed[self.tunnel.tunnel_identifier.is_none()] {
                        (self.name())
                    }
                }
                td.host role="cell" data-label="Client host" { (self.client_host()) }
                td.owner role="cell" data-label="Owner" { (self.tunnel.owner) }
                td.sharing role="cell" data-label="Sharing" { (self.sharing()) }
                td.since role="cell" data-label="Duration" { (layout::since(began, now)) }
                td.number role="cell" data-label="RTT" {
                    @match vitals.rtt { Some(rtt) => (round_trip(rtt)), None => "–" }
                }
                td.flow role="cell" data-label="Throughput" { (spark(&self.course.seconds)) }
                td.number role="cell" data-label="Streams" { (vitals.streams) }
                td.number role="cell" data-label="Jobs" { (self.jobs) }
                td.number role="cell" data-label="Reconnects" .notable[reconnects > 0] {
                    (reconnects)
                }
                td.act role="cell" { (self.stop_link()) }
            }
        }
    }
}
