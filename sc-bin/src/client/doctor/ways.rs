//! The proxies, and the PAC script, of the three kinds of traffic: REST, the tunnel, the sites.

use std::sync::mpsc;
use std::time::Duration;

use sc_proto::contract::{StreamKind, Target};
use sc_proto::egress::Way;

use super::network;
use crate::cli::{OwnProxy, PacSettings, Settings, SiteWay};
use crate::client::egress::shown_source;
use crate::client::{name_servers, pac};
use crate::doctor::Report;

/// How long a script may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// A site that a script is asked about, beside the server.
const SOME_SITE: &str = "www.example.com:80";

pub(super) fn check(settings: &Settings, report: &mut Report) {
    let egress = &settings.egress;
    own("REST", "proxy-rest", egress.rest.as_ref(), report);
    own("the tunnel", "proxy-tunnel", egress.tunnel.as_ref(), report);
    match &egress.sites {
        SiteWay::Direct => report.good("proxy-sites", "sites are reached without a proxy"),
        SiteWay::Proxy(way) => proxy("sites", "proxy-sites", way, report),
        SiteWay::Detected(detected) => {
            report.good(
                "proxy-sites",
                format!("the variable {} names a proxy for sites", detected.variable),
            );
            proxy("sites", "proxy-sites", &detected.way, report);
        }
        SiteWay::Pac(script) => script_answers(settings, script, report),
    }
}

fn own(whose: &str, check: &'static str, given: Option<&OwnProxy>, report: &mut Report) {
    match given {
        None => report.good(check, format!("{whose}: without a proxy")),
        Some(given) => proxy(whose, check, &given.way, report),
    }
}

fn proxy(whose: &str, check: &'static str, way: &Way, report: &mut Report) {
    let Some(proxy) = way.proxy() else {
        return report.good(check, format!("{whose}: without a proxy"));
    };
    let found = network::addresses(check, &proxy.address, report);
    if found.is_empty() {
        return;
    }
    match network::connect(&found) {
        Ok(_) => report.good(check, format!("{whose}: by {way}, which takes connections")),
        Err(error) => report.wrong(
            check,
            format!("{whose}: no connection to the proxy {way}: {error}"),
            "check the proxy's address and port, and that it runs",
        ),
    }
}

fn script_answers(settings: &Settings, script: &PacSettings, report: &mut Report) {
    let shown = shown_source(&script.source);
    let loaded = name_servers(settings).and_then(|names| pac(settings, names));
    let script = match loaded {
        Ok(Some(script)) => script,
        Ok(None) => return,
        Err(failure) => {
            return report.wrong(
                "pac",
                format!("the PAC script {shown}: {failure}"),
                failure.next_step(),
            );
        }
    };
    report.good("pac", format!("the PAC script {shown} was read and runs"));
    let site: Option<Target> = SOME_SITE.parse().ok();
    for target in settings.rest.target().into_iter().chain(site) {
        let (tell, told) = mpsc::sync_channel(1);
        // Who has stopped waiting needs no answer.
        script.ask(StreamKind::Http, target.clone(), move |ways| drop(tell.try_send(ways)));
        match told.recv_timeout(PATIENCE) {
            Ok(ways) if !ways.is_empty() => {
                let shown: Vec<_> = ways.iter().map(ToString::to_string).collect();
                report.good("pac", format!("for {target} it says {}", shown.join("; ")));
                for way in ways.iter().filter(|way| way.proxy().is_some()) {
                    proxy("sites", "pac", way, report);
                }
            }
            _ => report.wrong(
                "pac",
                format!("for {target} it names no way that can be used"),
                "correct the script: FindProxyForURL has to return DIRECT or a proxy",
            ),
        }
    }
}
