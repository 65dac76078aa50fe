//! The metrics of a server. `docs/monitoring.md` has them all in tables.
//!
//! They name tunnels and their owners, so they have an address of their own, which is off unless
//! one is given, and beyond this machine want a password. Labels are bounded: a tunnel's figures
//! bear its id, at most [`MAX_SHOWN`] tunnels are shown, and a series ends with its tunnel.

mod cache;
mod settings;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use sc_proto::SessionStatistics;
use sc_proto::contract::TunnelId;
use sc_proto::endpoint::{Carried, Counters, Sockets};
use sc_proto::http1::ErrorCode;

use super::running::StartError;
use super::tunnels::{TunnelFigures, Tunnels};
use crate::api;
use crate::monitor::exposition::{Exposition, Labels, Samples, amount, number};
use crate::monitor::worker::{self, WorkerReport};
use crate::monitor::{Answer, Handler, Listener, Monitor, Options, Status, build, process};
pub(crate) use settings::{MetricsServer, MetricsSettingsError};

const PREFIX: &str = "sc_server_";
/// Tunnels with figures of their own. More are counted.
const MAX_SHOWN: usize = 1000;

/// Listens, if there shall be metrics.
pub(super) fn listen(
    server: Option<&MetricsServer>,
) -> Result<Option<(Listener, Options)>, StartError> {
    let Some(MetricsServer { address, auth }) = server else { return Ok(None) };
    let options = Options { auth: auth.clone(), ..Options::default() };
    match Listener::bind(address) {
        Ok(listener) => Ok(Some((listener, options))),
        Err(source) => Err(StartError::ListenMetrics { address: address.clone(), source }),
    }
}

/// Serves them.
pub(super) fn serve(
    listener: Option<(Listener, Options)>,
    tunnels: &Arc<Tunnels>,
) -> io::Result<Option<Monitor>> {
    let start = |(listener, options)| Monitor::start(listener, options, handler(tunnels));
    listener.map(start).transpose()
}

/// Answers `/metrics`, and `/healthz` for who only wants to know whether it works.
fn handler(tunnels: &Arc<Tunnels>) -> Handler {
    let tunnels = Arc::clone(tunnels);
    Arc::new(move |request| match request.path.as_str() {
        "/metrics" => {
            // What the data plane does not tell is left out, the rest is told.
            let workers = tunnels.workers().unwrap_or_default();
            Answer::metrics(text(tunnels.figures(), &workers))
        }
        "/healthz" => match tunnels.workers() {
            Ok(_) => Answer::bare(Status::Ok, "OK"),
            Err(error) => Answer::text(Status::Unavailable, error.to_string()),
        },
        _ => Answer::text(Status::NotFound, "there is /metrics and /healthz"),
    })
}

/// All metrics as text.
fn text(mut tunnels: Vec<TunnelFigures>, workers: &[WorkerReport]) -> String {
    let mut all = Exposition::new(PREFIX);
    let labels = [("commit", build::COMMIT), ("time", build::TIME), ("version", build::VERSION)];
    let mut version = Samples::new();
    version.add(&labels, 1.0);
    all.gauges("version", "This program; always 1.", version);
    by_status(&mut all, &tunnels);
    all.gauge(
        "tunnels_not_shown",
        "Tunnels without figures of their own here: there are too many.",
        amount(tunnels.len().saturating_sub(MAX_SHOWN)),
    );
    tunnels.truncate(MAX_SHOWN);
    each(&mut all, &tunnels);
    sessions(&mut all, &tunnels, workers);
    cache::expose(&mut all, &tunnels, workers);
    totals(&mut all, workers);
    worker::expose(&mut all, workers);
    process::expose(&mut all);
    all.text()
}

fn by_status(all: &mut Exposition, tunnels: &[TunnelFigures]) {
    let mut samples = Samples::new();
    for (name, status) in [
        ("booting", api::Status::Booting),
        ("running", api::Status::Running),
        ("halting", api::Status::Halting),
    ] {
        let count = tunnels.iter().filter(|tunnel| tunnel.status == status).count();
        samples.add(&[("status", name)], amount(count));
    }
    all.gauges("tunnels", "Tunnels that have not ended, by status.", samples);
}

/// What the control plane knows of each tunnel.
fn each(all: &mut Exposition, tunnels: &[TunnelFigures]) {
    let (mut info, mut states) = (Samples::new(), Samples::new());
    let mut counts: [Samples; 4] = Default::default();
    for tunnel in tunnels {
        let id = tunnel.id.to_string();
        let id = ("id", id.as_str());
        let name = tunnel.name.as_deref().unwrap_or_default();
        info.add(&[id, ("name", name), ("owner", &tunnel.owner)], 1.0);
        for state in ["connected", "interrupted", "none"] {
            let is_so = f64::from(u8::from(tunnel.link.name() == state));
            states.add(&[id, ("state", state)], is_so);
        }
        let told = tunnel.told;
        let values = [told.sessions, told.interruptions, told.resumes, told.replayed];
        for (samples, value) in counts.iter_mut().zip(values) {
            samples.add(&[id], number(value));
        }
    }
    all.gauges("tunnel_info", "A tunnel and whose it is; always 1.", info);
    all.gauges(
        "tunnel_link_state",
        "1 for the state of the tunnel's link to its client, 0 for the others.",
        states,
    );
    let names = [
        ("tunnel_sessions_total", "Sessions of the tunnel that began: the first, and lost ones."),
        ("tunnel_interruptions_total", "How often a session lost its connection."),
        ("tunnel_resumes_total", "How often a session went on with another connection."),
        ("tunnel_replayed_bytes_total", "Bytes sent again from here after that."),
    ];
    for ((name, help), samples) in names.into_iter().zip(counts) {
        all.counters(name, help, samples);
    }
}

/// What the data plane knows of each tunnel's sessions.
fn sessions(all: &mut Exposition, shown: &[TunnelFigures], workers: &[WorkerReport]) {
    let mut by_tunnel: BTreeMap<TunnelId, Vec<&SessionStatistics>> = BTreeMap::new();
    for session in workers.iter().flat_map(|worker| &worker.sessions) {
        by_tunnel.entry(session.tunnel).or_default().push(session);
    }
    let (mut connections, mut rtt) = (Samples::new(), Samples::new());
    let (mut streams, mut stalled) = (Samples::new(), Samples::new());
    let (mut unacknowledged, mut stalls) = (Samples::new(), Samples::new());
    let (mut received, mut sent) = (Samples::new(), Samples::new());
    for tunnel in shown {
        let Some(of) = by_tunnel.get(&tunnel.id) else { continue };
        let id = tunnel.id.to_string();
        let id: Labels<'_> = &[("id", id.as_str())];
        let sum = |figure: fn(&SessionStatistics) -> u64| {
            number(of.iter().map(|session| figure(session)).sum())
        };
        let count = |figure: fn(&SessionStatistics) -> usize| {
            amount(of.iter().map(|session| figure(session)).sum())
        };
        connections.add(id, count(|session| usize::from(session.carried == Carried::Yes)));
        streams.add(id, count(|session| session.streams.all()));
        stalled.add(id, count(|session| session.streams.stalled));
        unacknowledged.add(id, sum(|session| session.unacknowledged));
        stalls.add(id, sum(|session| session.credit_stalls));
        received.add(id, sum(|session| session.received));
        sent.add(id, sum(|session| session.sent));
        if let Some(measured) = of.iter().filter_map(|session| session.rtt).max() {
            rtt.add(id, measured.as_secs_f64());
        }
    }
    let help = "Connections that carry the tunnel now.";
    all.gauges("tunnel_connections", help, connections);
    all.gauges("tunnel_streams", "Streams of the tunnel.", streams);
    let help = "Of these, those that may send nothing until the client's reader takes some.";
    all.gauges("tunnel_stalled_streams", help, stalled);
    let help = "Smoothed round trip time to the client; absent until it was measured.";
    all.gauges("tunnel_rtt_seconds", help, rtt);
    let help = "Bytes that the client has not acknowledged: they are kept for sending again.";
    all.gauges("tunnel_unacknowledged_bytes", help, unacknowledged);
    let help = "How often a stream had to wait for the client's reader, in its present sessions.";
    all.counters("tunnel_credit_stalls_total", help, stalls);
    let help =
        "Reliable bytes that came from the client in its present sessions, frame headers included.";
    all.counters("tunnel_received_bytes_total", help, received);
    let help =
        "Reliable bytes put in for the client in its present sessions, frame headers included.";
    all.counters("tunnel_sent_bytes_total", help, sent);
}

/// All workers together.
fn totals(all: &mut Exposition, workers: &[WorkerReport]) {
    if workers.is_empty() {
        return;
    }
    let sum = |of: fn(&Counters) -> u64| {
        number(workers.iter().map(|worker| of(&worker.core.counters)).sum())
    };
    let now = |of: fn(&WorkerReport) -> usize| amount(workers.iter().map(of).sum());
    all.counter("sessions_total", "Sessions that began.", sum(|c| c.sessions));
    let help = "How often a session went on with another connection.";
    all.counter("resumes_total", help, sum(|c| c.resumes));
    let help = "Bytes sent again from here after that.";
    all.counter("replayed_bytes_total", help, sum(|c| c.replayed));
    let help = "Streams: one for each request that is under way, or connection.";
    all.counter("streams_opened_total", help, sum(|c| c.streams));
    let help = "Requests that wait for a stream.";
    all.gauge("waiting_requests", help, now(|worker| worker.core.waiting));
    browsers(all, workers);
    sockets(all, workers, |counters| counters.transports.sockets, "client");
    sockets(all, workers, |counters| counters.proxied, "browser");
}

/// Who came to proxy ports, and what sc itself answered.
fn browsers(all: &mut Exposition, workers: &[WorkerReport]) {
    let counters = || workers.iter().map(|worker| worker.core.counters);
    let sum = |of: fn(&Counters) -> u64| number(counters().map(|counters| of(&counters)).sum());
    let help = "Browsers' connections that were closed: not from --proxy-networks.";
    all.counter("proxy_connections_refused_total", help, sum(|c| c.visits.outside));
    let help = "Requests with credentials whose user was let in a moment ago.";
    all.counter("proxy_visitors_remembered_total", help, sum(|c| c.visits.remembered));
    let help = "Requests with credentials that were looked up.";
    all.counter("proxy_visitors_looked_up_total", help, sum(|c| c.visits.asked));
    let mut errors = Samples::new();
    for code in ErrorCode::ALL {
        let count = |counters: Counters| {
            counters.errors.iter().find(|(of, _)| of == code).map_or(0, |(_, count)| count)
        };
        errors.add(&[("code", code.word())], number(counters().map(count).sum()));
    }
    let help = "Answers of sc itself instead of a site's, by X-Sc-Error.";
    all.counters("error_answers_total", help, errors);
}

fn sockets(
    all: &mut Exposition,
    workers: &[WorkerReport],
    of: fn(&Counters) -> Sockets,
    whose: &str,
) {
    let sum = |figure: fn(&Sockets) -> u64| {
        number(workers.iter().map(|worker| figure(&of(&worker.core.counters))).sum())
    };
    let name = |figure: &str| format!("{whose}_{figure}");
    let help = |what: &str| format!("Connections of {whose}s that {what}.");
    let taken = help("were accepted, or handed from one worker to another");
    all.counter(&name("connections_total"), &taken, sum(|sockets| sockets.connected));
    let ended = help("have ended, or were handed over");
    all.counter(&name("connections_closed_total"), &ended, sum(|sockets| sockets.closed));
    let received = format!("Bytes that came from {whose}s.");
    all.counter(&name("received_bytes_total"), &received, sum(|sockets| sockets.read));
    let sent = format!("Bytes that went to {whose}s.");
    all.counter(&name("sent_bytes_total"), &sent, sum(|sockets| sockets.written));
}
