//! One tunnel: how it does, what happened to it, and how it was set up.

use std::fmt::Display;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{Html, Response};
use maud::{Markup, PreEscaped, html};

use super::amounts::{self, bytes, counted, round_trip};
use super::error::PageError;
use super::graph::{Step, graph};
use super::layout::{self, Shell};
use super::live::{self, Snapshot};
use super::memo::Memo;
use super::row::{Row, Standing};
use super::visitor::Visitor;
use super::{LIST, Page};
use crate::api::{Job, Tunnel};
use crate::server::accounts::Account;
use crate::server::registry::Deed;
use crate::server::rest::find_for;
use crate::server::tunnels::{Happening, unix_now};

/// Jobs that are listed.
const MAX_JOBS: usize = 50;
/// How far from a record's moment the deed of it may be on record, in seconds.
const AROUND: u64 = 30;

/// What was on record, of a tunnel that began and ended at these moments.
type Deeds = Memo<(Option<u64>, Option<u64>), Vec<Deed>>;

/// A tunnel with what its page tells beyond its row.
struct Story {
    row: Row,
    jobs: Vec<Job>,
    happenings: Vec<Happening>,
    /// Newest first.
    deeds: Vec<Deed>,
}

/// `GET /tunnels/{id}`.
pub(super) async fn show(
    visitor: Visitor,
    State(page): State<Arc<Page>>,
    Path(id): Path<String>,
) -> Result<Html<String>, PageError> {
    let story = story(&page, &visitor.account, id, &Memo::default()).await?;
    let has_ended = story.row.standing == Standing::Stopped;
    let live = (!has_ended).then(|| format!("{}/live", story.row.path()));
    let state = story.snapshot(Some(unix_now()));
    let part = |id: &str| PreEscaped(state.part(id).to_owned());
    let content = html! {
        nav.crumbs aria-label="Breadcrumb" { a href=(LIST) { "Tunnels" } }
        (part("head"))
        (part("vitals"))
        @if !has_ended {
            div.pair { (part("minute")) (part("hour")) }
            div.pair { (part("jobs")) (part("events")) }
            (use_it(&story.row.tunnel))
        } @else {
            (part("events"))
        }
        (settings(&story.row))
    };
    let title = format!("Tunnel {}", story.row.name());
    Ok(Shell { title: &title, visitor: &visitor, live: live.as_deref() }.page(&content))
}

/// `GET /tunnels/{id}/live`.
pub(super) async fn live(
    visitor: Visitor,
    State(page): State<Arc<Page>>,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let deeds = Arc::new(Memo::default());
    live::follow(page, &visitor, move |page, account| {
        let (id, deeds) = (id.clone(), Arc::clone(&deeds));
        async move { Ok(story(&page, &account, id, &deeds).await?.snapshot(None)) }
    })
}

async fn story(
    page: &Page,
    account: &Account,
    id: String,
    deeds_before: &Deeds,
) -> Result<Story, PageError> {
    let found = find_for(&page.rest, account, id).await?;
    let (id, organisation) = (found.tunnel.id, found.owner.organisation.clone());
    let tunnels = &page.rest.tunnels;
    let figures = tunnels.figures_of(id);
    let moments = (found.tunnel.launch_time, found.tunnel.shutdown_time);
    let deeds = match deeds_before.get(&moments) {
        Some(deeds) => deeds,
        None => deeds(page, &organisation, &found.tunnel).await?,
    };
    // That of a moment ago may not be on record yet.
    if deeds.len() >= usize::from(moments.0.is_some()) + usize::from(moments.1.is_some()) {
        deeds_before.set(moments, deeds.clone());
    }
    let row = page.row(account, found, figures, tunnels.jobs_of(id));
    Ok(Story {
        row,
        jobs: tunnels.jobs_on(id, MAX_JOBS),
        happenings: tunnels.happenings(id),
        deeds,
    })
}

/// Who started and ended it.
async fn deeds(page: &Page, organisation: &str, tunnel: &Tunnel) -> Result<Vec<Deed>, PageError> {
    let moments = [tunnel.shutdown_time, tunnel.launch_time];
    let mut all: Vec<Deed> = Vec::new();
    for moment in moments.into_iter().flatten() {
        let span = moment.saturating_sub(AROUND)..=moment.saturating_add(AROUND);
        let id = tunnel.id.to_string();
        let found = page.rest.registry.deeds_about(organisation, &id, span).await;
        for deed in found.map_err(|error| PageError::Rest(error.into()))? {
            if !all.contains(&deed) {
                all.push(deed);
            }
        }
    }
    Ok(all)
}

impl Story {
    fn snapshot(&self, now: Option<u64>) -> Snapshot {
        let mut state = Snapshot::default();
        state.set("head", &self.head());
        state.set("vitals", &self.vitals(now));
        let course = &self.row.course;
        state.set("minute", &graph("minute", Step::Second, &course.seconds));
        state.set("hour", &graph("hour", Step::Minute, &course.minutes));
        state.set("jobs", &self.jobs(now));
        state.set("events", &self.events());
        state
    }

    fn head(&self) -> Markup {
        let Row { tunnel, standing, .. } = &self.row;
        html! {
            div #head.headline data-state=(standing.shown()) data-name=(self.row.name()) {
                h1 { (self.row.name()) }
                (standing.badge())
                p.summary {
                    span { "of " (tunnel.owner) }
                    span { (self.row.sharing()) }
                    @if tunnel.tunnel_pool { span { "member of a pool" } }
                }
                div.tools { (self.row.stop_link()) }
            }
        }
    }

    fn vitals(&self, now: Option<u64>) -> Markup {
        let Row { tunnel, course, jobs, .. } = &self.row;
        let vitals = &course.vitals;
        let began = tunnel.launch_time.unwrap_or(tunnel.creation_time);
        if let Some(end) = tunnel.shutdown_time {
            return html! {
                dl #vitals.vitals {
                    (tile("Lasted", &html! { (amounts::span(end.saturating_sub(began))) }, ""))
                    (tile("Ended", &layout::at(end), "UTC"))
                    (tile("Why", &html! { (tunnel.shutdown_reason.as_deref().unwrap_or("–")) }, ""))
                }
            };
        }
        let flow = course.seconds.last().copied().unwrap_or_default();
        let told = self.row.figures.as_ref().map(|figures| figures.told).unwrap_or_default();
        let stalled = match vitals.stalled {
            0 => String::new(),
            stalled => format!("{stalled} wait for a reader"),
        };
        let unacknowledged = match vitals.unacknowledged {
            0 => String::new(),
            waiting => format!("{} on the way", bytes(waiting)),
        };
        let interruptions = match told.interruptions {
            0 => String::new(),
            count => counted(count as usize, "interruption", "interruptions"),
        };
        html! {
            dl #vitals.vitals {
                (tile("Duration", &layout::since(began, now), ""))
                (tile("Round trip", &html! {
                    @match vitals.rtt { Some(rtt) => (round_trip(rtt)), None => "–" }
                }, ""))
                (tile("To browsers", &html! { (amounts::rate(flow.down)) }, ""))
                (tile("To sites", &html! { (amounts::rate(flow.up)) }, &unacknowledged))
                (tile("Streams", &html! { (vitals.streams) }, &stalled))
                (tile("Jobs", &html! { (jobs) }, ""))
                (tile("Connections", &html! { (vitals.connections) }, ""))
                (tile("Reconnects", &html! { (self.row.reconnects()) }, &interruptions))
            }
        }
    }

    fn jobs(&self, now: Option<u64>) -> Markup {
        let more = (self.row.jobs as usize).saturating_sub(self.jobs.len());
        html! {
            section #jobs.card aria-labelledby="jobs-title" {
                h2 #jobs-title { "Jobs" }
                @if self.jobs.is_empty() {
                    p.quiet { "None runs. A job is a test session that uses the tunnel." }
                } @else {
                    ul.lines {
                        @for job in &self.jobs {
                            li {
                                span { (job.name.as_deref().unwrap_or(&job.id)) }
                                span.quiet {
                                    (job.owner) " · " (layout::since(job.creation_time, now))
                                }
                            }
                        }
                    }
                    @if more > 0 { p.quiet { "and " (more) " more" } }
                }
            }
        }
    }

    fn events(&self) -> Markup {
        // In one second it begins, then things happen, then it ends.
        let rank = |deed: &Deed| if deed.action == "tunnel-started" { 0 } else { 2 };
        let done = self.deeds.iter().map(|deed| ((deed.time, rank(deed)), deed_text(deed)));
        let happened = self.happenings.iter().rev();
        let happened = happened.map(|one| ((one.time, 1), layout::sentence(&one.text)));
        let mut all: Vec<((u64, u8), String)> = done.chain(happened).collect();
        all.sort_by_key(|(order, _)| std::cmp::Reverse(*order));
        html! {
            section #events.card aria-labelledby="events-title" {
                h2 #events-title { "Events" }
                @if all.is_empty() { p.quiet { "Nothing is on record." } }
                @else {
                    div.scroll tabindex="0" role="region" aria-label="List of events, times in UTC" {
                        ol.lines {
                            @for ((time, _), text) in &all {
                                li { span { (text) } span.quiet { (layout::at(*time)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn deed_text(deed: &Deed) -> String {
    let by = deed.actor.as_deref().unwrap_or("the server");
    match (deed.action.as_str(), &deed.detail) {
        ("tunnel-started", _) => format!("Started by {by}."),
        ("tunnel-ended", Some(why)) => format!("Ended by {by}: {why}."),
        (other, _) => format!("{other} by {by}."),
    }
}

fn tile(name: &str, value: &Markup, note: &str) -> Markup {
    html! {
        div { dt { (name) } dd { (value) @if !note.is_empty() { span.quiet { (note) } } } }
    }
}

fn use_it(tunnel: &Tunnel) -> Markup {
    html! {
        section.card aria-labelledby="use-title" {
            h2 #use-title { "Use it" }
            p.quiet { "A browser’s HTTP proxy:" }
            (layout::command("proxy", "Proxy address", &[format!("http://{}", tunnel.proxy_address)]))
            @if let Some(name) = &tunnel.tunnel_identifier {
                p.quiet { "A test’s capability, in " code { "sauce:options" } ":" }
                (layout::command("capability", "Capability", &[
                    format!("\"tunnelName\": {}", serde_json::Value::from(name.as_str())),
                ]))
            }
        }
    }
}

/// What does not change while it runs.
fn settings(row: &Row) -> Markup {
    let Tunnel { metadata, rules, .. } = &row.tunnel;
    let lists = [
        ("Direct hosts", &rules.direct_domains),
        ("Only these hosts", &rules.tunnel_domains),
        ("Domains", &rules.domain_names),
        ("Refused hosts", &rules.deny_domains),
        ("Refused URLs", &rules.fast_fail_regexps),
        ("TLS re-signed", &rules.tls_resign_domains),
        ("TLS untouched", &rules.tls_passthrough_domains),
        ("TLS untouched (v4)", &rules.no_ssl_bump_domains),
        ("TLS always re-signed", &rules.always_resign_domains),
    ];
    let lists = lists.into_iter().filter_map(|(name, list)| Some((name, list.as_ref()?)));
    let lists: Vec<_> = lists.filter(|(_, list)| !list.is_empty()).collect();
    let tunnel = &row.tunnel;
    let command = [metadata.command.as_deref(), metadata.command_args.as_deref()];
    let command = command.into_iter().flatten().collect::<Vec<_>>().join(" ");
    html! {
        section.card aria-labelledby="settings-title" {
            h2 #settings-title { "Settings" }
            dl.settings {
                div { dt { "Id" } dd.id { (tunnel.id.to_string()) } }
                (setting("Proxy", Some(&tunnel.proxy_address)))
                (setting("Server", Some(&format_args!("{}:{}", tunnel.host, tunnel.ssh_port))))
                (setting("Protocol", Some(&"KGP")))
                (setting("Created", Some(&format_args!("{} UTC", amounts::moment(tunnel.creation_time)))))
                (setting("Caching", tunnel.no_proxy_caching.map(|not| if not { "off" } else { "on" }).as_ref()))
                (setting("Client host", metadata.hostname.as_ref()))
                (setting("Client version", metadata.release.as_ref()))
                (setting("Client build", metadata.build.as_ref().or(metadata.git_version.as_ref())))
                (setting("Platform", metadata.platform.as_ref()))
                (setting("CPUs", metadata.host_cpu.as_ref()))
                (setting("Memory", metadata.host_memory.map(bytes).as_ref()))
                (setting("Open files", metadata.nofile_limit.as_ref()))
                (setting("Goes through", metadata.external_proxy.as_ref()))
                (setting("Command", Some(&command).filter(|command| !command.is_empty())))
                @for (name, value) in metadata.extra.iter().flatten() {
                    (setting(name, Some(value)))
                }
                @for (name, list) in lists {
                    div { dt { (name) } dd { ul.rules { @for rule in list { li { code { (rule) } } } } } }
                }
            }
        }
    }
}

fn setting(name: &str, value: Option<&impl Display>) -> Markup {
    html! {
        @if let Some(value) = value { div { dt { (name) } dd { (value.to_string()) } } }
    }
}
