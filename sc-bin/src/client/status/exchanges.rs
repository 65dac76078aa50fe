//! Metrics of the exchanges with sites, with the original's names.

use sc_proto::endpoint::{ExchangeStatistics, Exchanges, Sizes};

use crate::monitor::exposition::{Distribution, Exposition, Samples, number};
use crate::monitor::worker::WorkerReport;

/// Adds them.
pub(super) fn expose(all: &mut Exposition, workers: &[WorkerReport]) {
    let figures = together(workers);
    let codes: Vec<_> = figures.ended.keys().map(|(_, code)| code.to_string()).collect();
    let mut requests = Samples::new();
    let mut durations = Vec::new();
    for (((method, _), ended), code) in figures.ended.iter().zip(&codes) {
        let labels = vec![("code", code.as_str()), ("method", method.word())];
        requests.add(&labels, number(ended.count));
        let bounds = Exchanges::BOUNDS.map(|bound| number(bound) / 1000.0);
        durations.push(Distribution {
            labels,
            count: ended.count,
            sum: ended.took.as_secs_f64(),
            within: bounds.into_iter().zip(ended.within).collect(),
        });
    }
    let help = "Exchanges with sites that have ended, and CONNECTs that have begun or failed, by \
                the status of the answer and the method.";
    all.counters("http_requests_total", help, requests);
    let mut running = Samples::new();
    for (method, count) in &figures.running {
        running.add(&[("method", method.word())], number(*count));
    }
    let help = "Exchanges with sites that have not ended, by method.";
    all.gauges("http_requests_in_flight", help, running);
    let help = "From a request to the end of its answer; of CONNECT to the open way.";
    all.histograms("http_request_duration_seconds", help, durations);
    for (name, help, sizes) in [
        ("http_request_size_bytes", "Bodies of requests.", figures.sent),
        ("http_response_size_bytes", "Bodies of answers.", figures.received),
    ] {
        let within = Sizes::BOUNDS.map(number).into_iter().zip(sizes.within).collect();
        let (count, sum) = (sizes.count, number(sizes.bytes));
        all.histograms(name, help, vec![Distribution { labels: Vec::new(), count, sum, within }]);
    }
}

/// Those of all workers as one.
fn together(workers: &[WorkerReport]) -> ExchangeStatistics {
    let mut all = ExchangeStatistics::default();
    for worker in workers {
        all.add(&worker.exchanges);
    }
    all
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sc_proto::endpoint::Method;

    use super::*;

    #[test]
    fn workers_are_added_up_and_buckets_are_cumulative() {
        let mut worker = WorkerReport::default();
        let mut one =
            Exchanges { count: 1, took: Duration::from_millis(30), ..Exchanges::default() };
        one.within[3..].fill(1);
        worker.exchanges.ended.insert((Method::Get, 200), one);
        worker.exchanges.running.insert(Method::Post, 2);
        let mut all = Exposition::new("x_");
        expose(&mut all, &[worker.clone(), worker]);
        let text = all.text();
        for line in [
            "x_http_requests_total{code=\"200\",method=\"get\"} 2",
            "x_http_requests_in_flight{method=\"post\"} 4",
            "x_http_request_duration_seconds_bucket{code=\"200\",method=\"get\",le=\"0.025\"} 0",
            "x_http_request_duration_seconds_bucket{code=\"200\",method=\"get\",le=\"0.05\"} 2",
            "x_http_request_duration_seconds_count{code=\"200\",method=\"get\"} 2",
            "x_http_response_size_bytes_count 0",
        ] {
            assert!(text.lines().any(|got| got == line), "{line} in {text}");
        }
    }
}
