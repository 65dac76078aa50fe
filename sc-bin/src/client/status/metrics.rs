//! The metrics of a client. `docs/monitoring.md` has them all in tables; names with the original's
//! meaning are the original's, those of KGP begin with `kgp_`.

use std::time::Instant;

use sc_proto::SessionStatistics;
use sc_proto::contract::DialFailure;
use sc_proto::endpoint::Counters;

use super::board::Snapshot;
use super::exchanges;
use super::link::State;
use super::meters::{Meters, PREFIX};
use crate::monitor::exposition::{Exposition, Samples, amount, number};
use crate::monitor::worker::{self, WorkerReport};
use crate::monitor::{build, process};

/// All of them as text. Without workers, what only these know is left out.
pub(super) fn text(snapshot: &Snapshot, meters: &Meters, workers: &[WorkerReport]) -> String {
    let mut all = Exposition::new(PREFIX);
    identity(&mut all, snapshot);
    link(&mut all, snapshot);
    meters.expose(&mut all);
    if !workers.is_empty() {
        let counted = Counted(workers);
        tunnel(&mut all, snapshot, &counted);
        sites(&mut all, &counted);
        exchanges::expose(&mut all, workers);
        sessions(&mut all, &counted);
        worker::expose(&mut all, workers);
    }
    process::expose(&mut all);
    all.text()
}

/// What all workers have counted together: a tunnel's connections are spread over them.
struct Counted<'a>(&'a [WorkerReport]);

impl Counted<'_> {
    fn sum(&self, of: impl Fn(&Counters) -> u64) -> u64 {
        self.0.iter().map(|worker| of(&worker.core.counters)).sum()
    }

    fn sessions(&self) -> impl Iterator<Item = &SessionStatistics> {
        self.0.iter().flat_map(|worker| &worker.sessions)
    }

    fn dial_failures(&self, wanted: DialFailure) -> u64 {
        let of = |counters: &Counters| {
            let mut all = counters.dial_failures.iter();
            all.find(|(failure, _)| *failure == wanted).map_or(0, |(_, count)| count)
        };
        self.sum(of)
    }
}

fn identity(all: &mut Exposition, snapshot: &Snapshot) {
    let mut version = Samples::new();
    let labels = [("commit", build::COMMIT), ("time", build::TIME), ("version", build::VERSION)];
    version.add(&labels, 1.0);
    all.gauges("version", "This program; always 1.", version);
    let Some(tunnel) = &snapshot.tunnel else { return };
    let mut info = Samples::new();
    let id = tunnel.id.to_string();
    let labels = [
        ("addr", tunnel.peer.as_deref().unwrap_or_default()),
        ("hostname", tunnel.host.as_str()),
        ("id", id.as_str()),
        ("name", snapshot.name.as_deref().unwrap_or_default()),
    ];
    info.add(&labels, 1.0);
    all.gauges("tunnel_info", "The tunnel and its server; always 1.", info);
}

fn link(all: &mut Exposition, snapshot: &Snapshot) {
    let link = &snapshot.links;
    let mut states = Samples::new();
    for name in State::NAMES {
        states.add(&[("state", name)], f64::from(u8::from(link.state().name() == name)));
    }
    all.gauges("kgp_link_state", "1 for the state that the link is in, 0 for the others.", states);
    all.gauge(
        "kgp_link_state_since_seconds",
        "Since when the link is in that state, in seconds since 1970.",
        number(link.since().unix),
    );
    all.gauge(
        "ready",
        "Whether tests may use the tunnel now, as 1 or 0.",
        f64::from(u8::from(snapshot.is_ready())),
    );
    all.counter(
        "kgp_reconnects_total",
        "How often the link was connected again, by a resumed or a new session.",
        number(link.reconnects()),
    );
    all.counter(
        "kgp_down_seconds_total",
        "Time without a connection to the server after the first.",
        link.down_until(Instant::now()).as_secs_f64(),
    );
    all.gauge(
        "tunnel_connections_total",
        "Connections to the server that carry the tunnel now.",
        amount(link.connected()),
    );
}

/// Connections to the server.
fn tunnel(all: &mut Exposition, snapshot: &Snapshot, counted: &Counted<'_>) {
    let dials = "Connections to the server that were begun.";
    all.counter("tunnel_dials_total", dials, number(counted.sum(|c| c.transports.dials)));
    let host = snapshot.tunnel.as_ref().map(|tunnel| tunnel.address()).unwrap_or_default();
    for (name, help, value) in [
        (
            "tunnel_dialer_dialed_total",
            "Connections to the server that were made.",
            counted.sum(|c| c.transports.sockets.connected),
        ),
        (
            "tunnel_dialer_closed_total",
            "Connections to the server that have ended.",
            counted.sum(|c| c.transports.sockets.closed),
        ),
        (
            "tunnel_dialer_errors_total",
            "Connections to the server that could not be made.",
            counted.sum(|c| c.transports.dial_failures),
        ),
    ] {
        let mut samples = Samples::new();
        samples.add(&[("host", host.as_str())], number(value));
        all.counters(name, help, samples);
    }
    let help = "Bytes that came from the server, TLS included.";
    all.counter("tunnel_received_bytes", help, number(counted.sum(|c| c.transports.sockets.read)));
    let help = "Bytes that went to the server, TLS included.";
    all.counter("tunnel_sent_bytes", help, number(counted.sum(|c| c.transports.sockets.written)));
}

/// Connections to the applications under test.
fn sites(all: &mut Exposition, counted: &Counted<'_>) {
    let dialled = "Connections to sites that were made.";
    all.counter("dialer_dialed_total", dialled, number(counted.sum(|c| c.proxied.connected)));
    let closed = "Connections to sites that have ended.";
    all.counter("dialer_closed_total", closed, number(counted.sum(|c| c.proxied.closed)));
    let mut errors = Samples::new();
    for failure in DialFailure::ALL {
        errors.add(&[("reason", reason(failure))], number(counted.dial_failures(failure)));
    }
    all.counters(
        "dialer_errors_total",
        "Connections to sites that could not be made, by reason.",
        errors,
    );
    let mut proxy = Samples::new();
    for (reason, count) in [
        ("net_dial", counted.sum(|c| c.dial_failures.total())),
        ("net_read", counted.sum(|c| c.proxied.read_failures)),
        ("net_write", counted.sum(|c| c.proxied.write_failures)),
    ] {
        proxy.add(&[("reason", reason)], number(count));
    }
    all.counters("proxy_errors_total", "What failed between client and sites.", proxy);
    let received = "Bytes that came from sites.";
    all.counter("site_received_bytes_total", received, number(counted.sum(|c| c.proxied.read)));
    all.counter(
        "site_sent_bytes_total",
        "Bytes that went to sites.",
        number(counted.sum(|c| c.proxied.written)),
    );
}

fn sessions(all: &mut Exposition, counted: &Counted<'_>) {
    let stalls: u64 = counted.sessions().map(|session| session.credit_stalls).sum();
    for (name, help, value) in [
        ("kgp_sessions_total", "Sessions that began.", counted.sum(|c| c.sessions)),
        (
            "kgp_resumes_total",
            "How often a session went on with another connection.",
            counted.sum(|c| c.resumes),
        ),
        ("kgp_replayed_bytes_total", "Bytes sent again after that.", counted.sum(|c| c.replayed)),
        (
            "kgp_streams_opened_total",
            "Streams: one for each proxied connection.",
            counted.sum(|c| c.streams),
        ),
        (
            "kgp_credit_stalls_total",
            "How often a stream had to wait for the server's reader.",
            counted.sum(|c| c.credit_stalls) + stalls,
        ),
    ] {
        all.counter(name, help, number(value));
    }
    let sum = |of: fn(&SessionStatistics) -> usize| counted.sessions().map(of).sum::<usize>();
    let mut streams = Samples::new();
    for (state, count) in [
        ("opening", sum(|session| session.streams.opening)),
        ("open", sum(|session| session.streams.open)),
        ("half_closed", sum(|session| session.streams.half_closed)),
    ] {
        streams.add(&[("state", state)], amount(count));
    }
    all.gauges("kgp_streams", "Streams by state.", streams);
    all.gauge(
        "kgp_stalled_streams",
        "Of these, those that may send nothing until the server's reader takes some.",
        amount(sum(|session| session.streams.stalled)),
    );
    all.gauge(
        "kgp_unacknowledged_bytes",
        "Bytes that the server has not acknowledged: they are kept for sending again.",
        number(counted.sessions().map(|session| session.unacknowledged).sum()),
    );
    all.gauge(
        "kgp_unsent_bytes",
        "Of these, bytes that wait for the connection.",
        number(counted.sessions().map(|session| session.unsent).sum()),
    );
    if let Some(rtt) = counted.sessions().filter_map(|session| session.rtt).max() {
        let help = "Smoothed round trip time to the server; absent until it was measured.";
        all.gauge("kgp_rtt_seconds", help, rtt.as_secs_f64());
    }
}

fn reason(failure: DialFailure) -> &'static str {
    match failure {
        DialFailure::Refused => "refused",
        DialFailure::Unreachable => "unreachable",
        DialFailure::TimedOut => "timed_out",
        DialFailure::NameNotFound => "name_not_found",
        DialFailure::Denied => "denied",
        DialFailure::Tls => "tls",
        DialFailure::Resources => "resources",
        DialFailure::Draining => "draining",
        DialFailure::LocalhostDenied => "localhost_denied",
        DialFailure::ProxyUnreachable => "proxy_unreachable",
        DialFailure::ProxyCredentials => "proxy_credentials",
        DialFailure::ProxyDenied => "proxy_denied",
        DialFailure::ProxyFailed => "proxy_failed",
        DialFailure::ProxyProtocol => "proxy_protocol",
        DialFailure::ProxyTimedOut => "proxy_timed_out",
        DialFailure::NoWay => "no_way",
        DialFailure::CertificateExpired => "tls_certificate_expired",
        DialFailure::CertificateNotYetValid => "tls_certificate_not_yet_valid",
        DialFailure::CertificateIssuer => "tls_certificate_issuer",
        DialFailure::CertificateName => "tls_certificate_name",
        DialFailure::Certificate => "tls_certificate",
        DialFailure::NotTls => "tls_not_spoken",
        DialFailure::TlsTimedOut => "tls_timed_out",
        DialFailure::ProxyTls => "proxy_tls",
        DialFailure::Loop => "loop",
        DialFailure::BadRequest => "bad_request",
        DialFailure::NameServers => "name_servers",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_reason_has_a_label_of_its_own() {
        let labels: BTreeSet<_> = DialFailure::ALL.into_iter().map(reason).collect();
        assert_eq!(labels.len(), DialFailure::ALL.len());
    }
}
