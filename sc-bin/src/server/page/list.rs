//! The list of tunnels.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::{Html, Response};
use maud::{Markup, PreEscaped, html};
use sc_proto::contract::TunnelId;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::amounts::counted;
use super::error::PageError;
use super::layout::{self, Shell};
use super::live::{self, Snapshot};
use super::memo::Memo;
use super::row::{Row, Standing};
use super::visitor::Visitor;
use super::{LIST, Page, STOP_MINE, command};
use crate::api::Status;
use crate::server::accounts::{Account, Role};
use crate::server::tunnels::unix_now;

/// Most rows. Others are found by the filter.
const MAX_ROWS: usize = 500;
/// Ended tunnels that are shown, and records that are looked through for them.
const MAX_ENDED: usize = 10;
const MAX_LOOKED_AT: u32 = 50;
/// Longest filter, in characters.
const MAX_FILTER: usize = 100;
const COLUMNS: u8 = 13;

/// What the query says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    /// Only tunnels that have this in what is shown of them.
    q: String,
    /// What was just done.
    done: Option<String>,
}

impl Wanted {
    fn filter(&self) -> String {
        self.q.trim().chars().take(MAX_FILTER).collect()
    }

    fn done(&self) -> Option<&'static str> {
        match self.done.as_deref()? {
            "stop" => Some("The tunnel stops. What runs may finish."),
            "cut" => Some("The tunnel was stopped."),
            "stop-mine" => Some("Your tunnels stop. What runs may finish."),
            "cut-mine" => Some("Your tunnels were stopped."),
            _ => None,
        }
    }
}

/// `GET /tunnels`.
pub(super) async fn show(
    visitor: Visitor,
    State(page): State<Arc<Page>>,
    Query(wanted): Query<Wanted>,
) -> Result<Html<String>, PageError> {
    let filter = wanted.filter();
    let (account, ended) = (&visitor.account, Memo::default());
    let state = snapshot(&page, account, &filter, &ended, Some(unix_now())).await?;
    let live = match filter.is_empty() {
        true => "/tunnels/live".to_owned(),
        false => format!("/tunnels/live?q={}", percent_encoded(&filter)),
    };
    let part = |id: &str| PreEscaped(state.part(id).to_owned());
    let rows = state.order.iter().flatten();
    let content = html! {
        @if let Some(done) = wanted.done() { p.done role="status" { (done) } }
        div.headline {
            h1 { "Tunnels" }
            (part("summary"))
            div.tools {
                form.filter method="get" action=(LIST) role="search" {
                    label.hidden-text for="q" { "Filter by name, client host, owner or id" }
                    input #q type="search" name="q" value=(filter) placeholder="Filter";
                    button.small type="submit" { "Filter" }
                }
                (part("mine"))
            }
        }
        (part("empty"))
        div #table.table-frame hidden[state.order.as_ref().is_none_or(Vec::is_empty)] {
            table.tunnels role="table" aria-label="Tunnels" { (head()) tbody #rows role="rowgroup" {
                @for id in rows { (part(id)) }
            } }
        }
        (part("more"))
        section.card aria-labelledby="start-title" {
            h2 #start-title { "Start a tunnel" }
            p.quiet {
                "On a machine that reaches your application. Put your access key in place of the dots; "
                "the name is what tests give as tunnelName."
            }
            (layout::command("start", "Commands that start a tunnel", &command::start(&page, &visitor)))
        }
        (part("ended"))
    };
    Ok(Shell { title: "Tunnels", visitor: &visitor, live: Some(&live) }.page(&content))
}

/// `GET /tunnels/live`.
pub(super) async fn live(
    visitor: Visitor,
    State(page): State<Arc<Page>>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, PageError> {
    let filter = wanted.filter();
    let ended = Arc::new(Memo::default());
    live::follow(page, &visitor, move |page, account| {
        let (filter, ended) = (filter.clone(), Arc::clone(&ended));
        async move { snapshot(&page, &account, &filter, &ended, None).await }
    })
}

fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        match byte.is_ascii_alphanumeric() {
            true => all.push(char::from(byte)),
            false => all.push_str(&format!("%{byte:02X}")),
        }
        all
    })
}

/// What there is to see at this moment.
async fn snapshot(
    page: &Page,
    account: &Account,
    filter: &str,
    ended_before: &Memo<Vec<TunnelId>, Markup>,
    now: Option<u64>,
) -> Result<Snapshot, PageError> {
    let mut rows = page.rows(account).await?;
    let all = rows.len();
    let own = rows.iter().filter(|row| row.is_own && row.standing != Standing::Stopping).count();
    // One that has ended is one that is not here any more.
    let own_ids = rows.iter().filter(|row| row.is_own).map(|row| row.tunnel.id).collect();
    let mut state = Snapshot::default();
    state.set("summary", &summary(&rows));
    state.set("mine", &stop_mine(own));
    state.set("empty", &empty(account, all));
    let wanted = filter.to_lowercase();
    rows.retain(|row| row.has(&wanted));
    let left_out = (all - rows.len(), rows.len().saturating_sub(MAX_ROWS));
    rows.truncate(MAX_ROWS);
    state.set("more", &more(filter, rows.len(), left_out));
    let mut order = Vec::new();
    let pools = pools(&rows);
    let mut before = None;
    for row in &rows {
        if let Some(pool) = row.pool().filter(|pool| before != Some(*pool))
            && let Some(sum) = pools.get(&pool)
        {
            let id = pool_element(pool);
            state.set(&id, &sum.markup(&id, pool.1));
            order.push(id);
        }
        before = row.pool();
        let id = row.element();
        state.set(&id, &row.markup(now));
        order.push(id);
    }
    state.order = Some(order);
    let ended = match ended_before.get(&own_ids) {
        Some(ended) => ended,
        None => ended(page, account).await?,
    };
    state.set("ended", &ended);
    ended_before.set(own_ids, ended);
    Ok(state)
}

fn summary(rows: &[Row]) -> Markup {
    let count = |standing| rows.iter().filter(|row| row.standing == standing).count();
    let (ready, reconnecting) = (count(Standing::Ready), count(Standing::Reconnecting));
    let pools = pools(rows).len();
    let jobs: u32 = rows.iter().map(|row| row.jobs).sum();
    html! {
        p #summary.summary {
            span { strong { (rows.len()) } " active" }
            @if !rows.is_empty() { span { strong { (ready) } " ready" } }
            @if reconnecting > 0 { span.notable { strong { (reconnecting) } " reconnecting" } }
            @if pools > 0 { span { (counted(pools, "pool", "pools")) } }
            @if jobs > 0 { span { (counted(jobs as usize, "job", "jobs")) } }
        }
    }
}

fn stop_mine(own: usize) -> Markup {
    html! {
        div #mine {
            @if own > 0 {
                a.button.small.stop href=(STOP_MINE) data-stop-mine=(own) { "Stop my tunnels" }
            }
        }
    }
}

fn empty(account: &Account, all: usize) -> Markup {
    if all > 0 {
        return html! { div #empty hidden {} };
    }
    html! {
        section #empty.card.empty aria-labelledby="empty-title" {
            h2 #empty-title { "No tunnel is running" }
            @if account.role == Role::Service {
                p {
                    "A service account uses tunnels that others share, and starts none. As soon as "
                    "somebody of your teams shares one, it is listed here."
                }
            } @else {
                p {
                    "A tunnel lets browsers here reach an application that only your network reaches. "
                    "Three steps:"
                }
                ol {
                    li { strong { "Start it" } " where the application is reachable, by the commands below." }
                    li {
                        strong { "Wait" } " for “Sauce Connect is up”. The tunnel appears here by itself, "
                        "with its proxy address."
                    }
                    li {
                        strong { "Use it" } ": give the tunnel’s proxy to a browser, or its name as "
                        code { "tunnelName" } " to your tests."
                    }
                }
            }
        }
    }
}

fn more(filter: &str, shown: usize, (filtered, cut): (usize, usize)) -> Markup {
    html! {
        p #more.quiet hidden[filter.is_empty() && cut == 0] {
            @if !filter.is_empty() {
                (counted(shown, "tunnel has", "tunnels have")) " “" (filter) "”; "
                (filtered) " others are not shown. " a href=(LIST) { "Show all" }
            }
            @if cut > 0 { " " (cut) " more are left out: use the filter." }
        }
    }
}

fn head() -> Markup {
    let columns = [
        ("Type", ""),
        ("State", ""),
        ("Name", ""),
        ("Client host", ""),
        ("Owner", ""),
        ("Sharing", ""),
        ("Duration", ""),
        ("RTT", "number"),
        ("Throughput", ""),
        ("Streams", "number"),
        ("Jobs", "number"),
        ("Reconnects", "number"),
    ];
    html! {
        thead role="rowgroup" { tr role="row" {
            @for (name, class) in columns {
                th scope="col" role="columnheader" class=(class) { (name) }
            }
            th scope="col" role="columnheader" { span.hidden-text { "Stop" } }
        } }
    }
}

/// A pool's members together.
#[derive(Debug, Default)]
struct Pool {
    members: usize,
    ready: usize,
    jobs: u32,
    streams: usize,
}

fn pools(rows: &[Row]) -> BTreeMap<(&str, &str), Pool> {
    let mut pools = BTreeMap::<_, Pool>::new();
    for row in rows {
        let Some(pool) = row.pool() else { continue };
        let pool = pools.entry(pool).or_default();
        pool.members += 1;
        pool.ready += usize::from(row.standing == Standing::Ready);
        pool.jobs += row.jobs;
        pool.streams += row.course.vitals.streams;
    }
    pools
}

fn pool_element((owner, name): (&str, &str)) -> String {
    let hash = Sha256::new().chain_update(owner).chain_update([0]).chain_update(name).finalize();
    hash.iter().take(8).fold("p-".to_owned(), |id, byte| format!("{id}{byte:02x}"))
}

impl Pool {
    fn markup(&self, id: &str, name: &str) -> Markup {
        html! {
            tr.pool id=(id) role="row" {
                th scope="row" role="rowheader" colspan=(COLUMNS) aria-colspan=(COLUMNS) {
                    span.kind { "Pool" } " " span.pool-name { (name) } " "
                    span.quiet {
                        (self.ready) " of " (self.members) " ready · "
                        (counted(self.jobs as usize, "job", "jobs")) " · "
                        (counted(self.streams, "stream", "streams"))
                    }
                }
            }
        }
    }
}

/// The user's own tunnels that ended last.
async fn ended(page: &Page, account: &Account) -> Result<Markup, PageError> {
    let newest = page.rest.tunnels.newest(&account.name, MAX_LOOKED_AT).await;
    let mut newest = newest.map_err(|error| PageError::Rest(error.into()))?;
    newest.retain(|tunnel| tunnel.status == Status::Terminated);
    newest.sort_by_key(|tunnel| std::cmp::Reverse(tunnel.shutdown_time));
    newest.truncate(MAX_ENDED);
    Ok(html! {
        section #ended.card hidden[newest.is_empty()] aria-labelledby="ended-title" {
            h2 #ended-title { "Ended lately" }
            ul.ended {
                @for tunnel in &newest {
                    li {
                        (Standing::Stopped.badge()) " "
                        a href={ (LIST) "/" (tunnel.id) } {
                            (tunnel.tunnel_identifier.as_deref().unwrap_or("unnamed"))
                        }
                        span.quiet {
                            @if let Some(reason) = &tunnel.shutdown_reason { (reason) " · " }
                            @if let Some(end) = tunnel.shutdown_time { (layout::at(end)) " UTC" }
                        }
                    }
                }
            }
        }
    })
}
