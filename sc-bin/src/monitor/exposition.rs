//! Metrics in Prometheus' text format, made at the moment they are asked for.
//!
//! Figures are read from where they are counted anyway, so there is no second book of them; what
//! nobody else counts is kept in metrics of the `prometheus` crate and collected here too.

use prometheus::TextEncoder;
use prometheus::core::Collector;
#[cfg(feature = "client")]
use prometheus::proto::{Bucket, Histogram};
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

/// Metrics on their way out.
#[derive(Debug)]
pub(crate) struct Exposition {
    prefix: &'static str,
    families: Vec<MetricFamily>,
}

/// The labels of a sample: names and values.
pub(crate) type Labels<'a> = &'a [(&'a str, &'a str)];

/// Samples of one metric.
#[derive(Debug, Default)]
pub(crate) struct Samples(Vec<(Vec<LabelPair>, f64)>);

impl Samples {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// With one more.
    pub(crate) fn add(&mut self, labels: Labels<'_>, value: f64) {
        self.0.push((pairs(labels), value));
    }
}

fn pairs(labels: Labels<'_>) -> Vec<LabelPair> {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    labels.iter().map(pair).collect()
}

/// Whether a metric may go down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Gauge,
    Counter,
}

impl Exposition {
    /// Nothing yet. Names get `prefix` in front, but for those of [`Self::plain_gauge`] and
    /// [`Self::plain_counter`].
    pub(crate) fn new(prefix: &'static str) -> Self {
        Self { prefix, families: Vec::new() }
    }

    /// A figure that goes up and down.
    pub(crate) fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.gauges(name, help, one(value));
    }

    /// A figure that goes up only.
    pub(crate) fn counter(&mut self, name: &str, help: &str, value: f64) {
        self.counters(name, help, one(value));
    }

    /// Figures that go up and down.
    pub(crate) fn gauges(&mut self, name: &str, help: &str, samples: Samples) {
        self.push(format!("{}{name}", self.prefix), help, Kind::Gauge, samples);
    }

    /// Figures that go up only.
    pub(crate) fn counters(&mut self, name: &str, help: &str, samples: Samples) {
        self.push(format!("{}{name}", self.prefix), help, Kind::Counter, samples);
    }

    /// Distributions of something.
    #[cfg(feature = "client")]
    pub(crate) fn histograms(&mut self, name: &str, help: &str, all: Vec<Distribution<'_>>) {
        if all.is_empty() {
            return;
        }
        let mut family = MetricFamily::default();
        family.set_name(format!("{}{name}", self.prefix));
        family.set_help(help.to_owned());
        family.set_field_type(MetricType::HISTOGRAM);
        family.set_metric(all.into_iter().map(Distribution::metric).collect());
        self.families.push(family);
    }

    /// As [`Self::gauge`], without the prefix.
    #[cfg(any(test, target_os = "linux"))]
    pub(super) fn plain_gauge(&mut self, name: &str, help: &str, value: f64) {
        self.push(name.to_owned(), help, Kind::Gauge, one(value));
    }

    /// As [`Self::counter`], without the prefix.
    #[cfg(any(test, target_os = "linux"))]
    pub(super) fn plain_counter(&mut self, name: &str, help: &str, value: f64) {
        self.push(name.to_owned(), help, Kind::Counter, one(value));
    }

    /// What a metric of the `prometheus` crate has counted. Its name has the prefix already.
    pub(crate) fn collect(&mut self, collector: &dyn Collector) {
        // One without a sample yet must not be written.
        let families = collector.collect().into_iter();
        self.families.extend(families.filter(|family| !family.get_metric().is_empty()));
    }

    /// All of it as text.
    pub(crate) fn text(&self) -> String {
        // It refuses metrics without a name or without samples, which there are none of.
        TextEncoder::new().encode_to_string(&self.families).unwrap_or_else(|error| {
            log::error!("metrics cannot be written: {error}");
            String::new()
        })
    }

    fn push(&mut self, name: String, help: &str, kind: Kind, samples: Samples) {
        if samples.0.is_empty() {
            return;
        }
        let mut family = MetricFamily::default();
        family.set_name(name);
        family.set_help(help.to_owned());
        family.set_field_type(match kind {
            Kind::Gauge => MetricType::GAUGE,
            Kind::Counter => MetricType::COUNTER,
        });
        let metric = |(labels, value)| {
            let mut metric = Metric::default();
            metric.set_label(labels);
            match kind {
                Kind::Gauge => {
                    let mut gauge = Gauge::default();
                    gauge.set_value(value);
                    metric.set_gauge(gauge);
                }
                Kind::Counter => {
                    let mut counter = Counter::default();
                    counter.set_value(value);
                    metric.set_counter(counter);
                }
            }
            metric
        };
        family.set_metric(samples.0.into_iter().map(metric).collect());
        self.families.push(family);
    }
}

/// A distribution.
#[cfg(feature = "client")]
#[derive(Debug)]
pub(crate) struct Distribution<'a> {
    /// Its labels.
    pub(crate) labels: Vec<(&'static str, &'a str)>,
    /// How many.
    pub(crate) count: u64,
    /// All together.
    pub(crate) sum: f64,
    /// Bounds, and how many are not above them.
    pub(crate) within: Vec<(f64, u64)>,
}

#[cfg(feature = "client")]
impl Distribution<'_> {
    fn metric(self) -> Metric {
        let mut histogram = Histogram::default();
        histogram.set_sample_count(self.count);
        histogram.set_sample_sum(self.sum);
        let bucket = |(bound, count)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(count);
            bucket
        };
        histogram.set_bucket(self.within.into_iter().map(bucket).collect());
        let mut labels = Samples::new();
        labels.add(&self.labels, 0.0);
        let mut metric = Metric::default();
        metric.set_label(labels.0.into_iter().flat_map(|(labels, _)| labels).collect());
        metric.set_histogram(histogram);
        metric
    }
}

/// A count as metrics have it. Exact up to 2^53.
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}

/// The same for what is in memory.
pub(crate) fn amount(count: usize) -> f64 {
    count as f64
}

fn one(value: f64) -> Samples {
    let mut samples = Samples::new();
    samples.add(&[], value);
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_format() {
        let mut all = Exposition::new("x_");
        let mut samples = Samples::new();
        samples.add(&[("name", "a\"b\\c\nd")], 1.5);
        samples.add(&[("name", "ü")], 2.0);
        all.gauges("level", "How high.", samples);
        all.counter("steps_total", "How many.", number(3));
        all.plain_gauge("other", "Without the prefix.", 0.0);
        all.gauges("none", "Not there at all.", Samples::new());
        let text = "# HELP x_level How high.\n# TYPE x_level gauge\n\
                    x_level{name=\"a\\\"b\\\\c\\nd\"} 1.5\nx_level{name=\"ü\"} 2\n\
                    # HELP x_steps_total How many.\n# TYPE x_steps_total counter\nx_steps_total 3\n\
                    # HELP other Without the prefix.\n# TYPE other gauge\nother 0\n";
        assert_eq!(all.text(), text);
    }
}
