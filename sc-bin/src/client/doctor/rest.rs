//! The REST API: its name, its connection, its certificates, its answer, its clock.

use sc_proto::contract::Target;
use sc_proto::egress::Way;

use super::network;
use crate::calendar::{parse_http_date, unix_now};
use crate::cli::{RestTransport, Settings};
use crate::client::egress::own_proxy;
use crate::client::rest::Rest;
use crate::client::{trust, warning};
use crate::doctor::{Certificate, Report, days_left, tls};

/// So far a clock may be off before it is worth a word, in seconds.
const SKEW: u64 = 30;
/// A certificate with less than this left, in days, is worth a word.
const SOON: i64 = 30;

pub(super) fn check(settings: &Settings, report: &mut Report) {
    match warning(settings) {
        Some(text) => report.warn("rest-url", text, "serve REST by HTTPS (--rest-tls-cert)"),
        None => report.good("rest-url", settings.rest.to_string()),
    }
    let Some(target) = settings.rest.target() else {
        return report.wrong(
            "rest-url",
            format!("{} names no host", settings.rest),
            "write it as http(s)://HOST:PORT/rest/v1",
        );
    };
    let way = settings.egress.rest.as_ref().and_then(|proxy| own_proxy(proxy, &target.host));
    let way = way.cloned().unwrap_or(Way::Direct);
    // By a proxy it is the proxy who knows the name.
    if way == Way::Direct && network::addresses("rest-dns", &target, report).is_empty() {
        return;
    }
    match network::connect_by(&way, &target) {
        None => {}
        Some(Ok(mut socket)) => {
            report.good("rest-tcp", format!("{target} takes connections"));
            if settings.rest.transport() == RestTransport::Tls {
                certificates(settings, &target, &mut socket, report);
            }
        }
        Some(Err(error)) => report.wrong(
            "rest-tcp",
            format!("no connection to {target}: {error}"),
            "check that the server runs and that --rest-url is right. Please check your firewall \
             and proxy settings.",
        ),
    }
    answers(settings, report);
}

fn certificates(
    settings: &Settings,
    target: &Target,
    socket: &mut std::net::TcpStream,
    report: &mut Report,
) {
    let roots = match trust::roots(settings.rest_ca.as_deref()) {
        Ok(roots) => roots,
        Err(error) => {
            return report.wrong(
                "rest-tls",
                error.to_string(),
                "give a PEM file with at least one CA certificate",
            );
        }
    };
    let shown = match tls::look(socket, &target.host.to_string(), &roots, b"http/1.1") {
        Ok(shown) => shown,
        Err(error) => {
            return report.wrong(
                "rest-tls",
                format!("TLS with {target} failed: {error}"),
                "check that it is the HTTPS port; write http:// if it is not",
            );
        }
    };
    chain("rest-tls", &shown, report);
    if let Some(why) = shown.refused {
        report.wrong(
            "rest-tls",
            format!("the certificate of {target} is not accepted: {why}"),
            "name the CA's file with --cainfo (version 5: --rest-cainfo), or renew the certificate; \
             something between may open TLS, and then its CA is to be named",
        );
    }
}

/// Shows a chain, and what ends soon.
pub(super) fn chain(check: &'static str, shown: &tls::Shown, report: &mut Report) {
    let certificates = shown.chain.iter().filter_map(|der| Certificate::read(der));
    for (place, certificate) in certificates.enumerate() {
        let left = days_left(certificate.not_after);
        match left {
            0..SOON => report.warn(
                check,
                format!("certificate {place}: {certificate}: {left} days left"),
                "renew it on the server",
            ),
            _ => report.good(check, format!("certificate {place}: {certificate}")),
        }
    }
    if let Some(version) = &shown.version {
        report.good(check, version.clone());
    }
}

fn answers(settings: &Settings, report: &mut Report) {
    let rest = match Rest::new(settings) {
        Ok(rest) => rest,
        Err(error) => {
            let remedy = "give a PEM file with at least one CA certificate";
            return report.wrong("rest-login", error.to_string(), remedy);
        }
    };
    match rest.tunnels() {
        Ok(tunnels) => report.good(
            "rest-login",
            format!("user {} and key are right; {} tunnels run", settings.user, tunnels.len()),
        ),
        Err(error) => report.wrong(
            "rest-login",
            format!("the REST API at {}: {error}", settings.rest),
            error.next_step(),
        ),
    }
    if let Some(theirs) = rest.date().as_deref().and_then(parse_http_date) {
        let ours = unix_now();
        let off = theirs.abs_diff(ours);
        let text = format!(
            "this clock is {off} s {} the server's",
            match theirs > ours {
                true => "behind",
                false => "ahead of",
            }
        );
        match off > SKEW {
            true => report.warn(
                "clock",
                text,
                "set this machine's clock by NTP, or the server's: certificates are judged by it",
            ),
            false => report.good("clock", text),
        }
    }
}
