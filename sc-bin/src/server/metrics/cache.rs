//! What the tunnels' caches have done.

use std::collections::BTreeMap;

use sc_proto::CacheStatistics;
use sc_proto::contract::TunnelId;

use crate::monitor::exposition::{Exposition, Labels, Samples, amount, number};
use crate::monitor::worker::WorkerReport;
use crate::server::tunnels::TunnelFigures;

/// A counter of each tunnel's cache: its name, what it says, and its figure.
type Counter = (&'static str, &'static str, fn(&CacheStatistics) -> u64);

const COUNTERS: [Counter; 8] = [
    ("hits_total", "Requests answered from the tunnel's cache.", |of| of.hits),
    (
        "collapsed_total",
        "Of these, those that got an answer which another request had asked for.",
        |of| of.collapsed,
    ),
    ("misses_total", "Requests that the cache had nothing usable for.", |of| of.misses),
    ("revalidated_total", "How often a site said that what is stored is still good.", |of| {
        of.revalidated
    }),
    ("bypassed_total", "Requests that the cache takes no part in.", |of| of.bypassed),
    (
        "saved_bytes_total",
        "Body bytes that browsers got and that did not cross the tunnel.",
        |of| of.saved,
    ),
    ("stored_total", "Answers that were stored.", |of| of.stored),
    ("evicted_total", "Answers that were dropped to make room.", |of| of.evicted),
];

/// Adds the figures of the tunnels that are shown.
pub(super) fn expose(all: &mut Exposition, shown: &[TunnelFigures], workers: &[WorkerReport]) {
    let caches = workers.iter().flat_map(|worker| &worker.caches);
    // A tunnel has a cache on each of its workers.
    let mut by_tunnel: BTreeMap<TunnelId, Vec<&CacheStatistics>> = BTreeMap::new();
    for (id, of) in caches {
        by_tunnel.entry(*id).or_default().push(of);
    }
    let mut counts: [Samples; COUNTERS.len()] = Default::default();
    let (mut objects, mut bytes) = (Samples::new(), Samples::new());
    for tunnel in shown {
        let Some(all) = by_tunnel.get(&tunnel.id) else { continue };
        let id = tunnel.id.to_string();
        let id: Labels<'_> = &[("id", id.as_str())];
        for (samples, (_, _, figure)) in counts.iter_mut().zip(COUNTERS) {
            samples.add(id, number(all.iter().map(|of| figure(of)).sum()));
        }
        objects.add(id, amount(all.iter().map(|of| of.objects).sum()));
        bytes.add(id, amount(all.iter().map(|of| of.bytes).sum()));
    }
    for (samples, (name, help, _)) in counts.into_iter().zip(COUNTERS) {
        all.counters(&format!("tunnel_cache_{name}"), help, samples);
    }
    all.gauges("tunnel_cache_answers", "Answers in the tunnel's cache.", objects);
    all.gauges("tunnel_cache_bytes", "Memory that the tunnel's cache takes.", bytes);
}
