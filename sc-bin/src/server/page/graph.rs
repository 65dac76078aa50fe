//! Graphs of what went through a tunnel, as SVG.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::amounts::rate;
use super::health::{Flow, KEPT};

/// The top of a graph of nothing, in bytes a second: a few bytes shall not look like a lot.
const LEAST_TOP: u64 = 1000;
/// Sizes in the units of the drawings. They are stretched.
const WIDTH: u64 = KEPT as u64 - 1;
const HEIGHT: u64 = 100;

/// How far two samples are apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Second,
    Minute,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Second => "minute",
            Self::Minute => "hour",
        }
    }

    fn ago(self, steps: usize) -> String {
        let unit = if self == Self::Second { "s" } else { "min" };
        match steps {
            0 => "now".to_owned(),
            steps => format!("{steps} {unit} ago"),
        }
    }
}

/// Both ways together, small, beside its figure: the figure is what is read out.
pub(super) fn spark(samples: &[Flow]) -> Markup {
    let sums: Vec<u64> = samples.iter().map(|flow| flow.down + flow.up).collect();
    let top = top(sums.iter().copied());
    let now = sums.last().copied().unwrap_or(0);
    html! {
        svg.spark viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none"
            aria-hidden="true" focusable="false" {
            path.base d={ "M0 " (HEIGHT) "H" (WIDTH) } {}
            path.area d=(area(&sums, top)) {}
            path.line d=(line(&sums, top)) {}
        }
        span.figure { (rate(now)) }
    }
}

/// A graph with both ways, and the same as a table.
pub(super) fn graph(id: &str, step: Step, samples: &[Flow]) -> Markup {
    let down: Vec<u64> = samples.iter().map(|flow| flow.down).collect();
    let up: Vec<u64> = samples.iter().map(|flow| flow.up).collect();
    let top = top(down.iter().chain(&up).copied());
    let most = |way: &[u64]| rate(way.iter().copied().max().unwrap_or(0));
    let (title, detail) = (format!("{id}-title"), format!("{id}-detail"));
    html! {
        figure.graph id=(id) {
            figcaption {
                span.name { "Last " (step.name()) }
                span.key.down { "to browsers" }
                span.key.up { "to sites" }
            }
            div.plot {
                span.scale { (rate(top)) }
                span.scale.middle { (rate(top / 2)) }
                svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img"
                    aria-labelledby={ (title) " " (detail) } {
                    title id=(title) { "Throughput of the last " (step.name()) }
                    desc id=(detail) {
                        "At most " (most(&down)) " to browsers and " (most(&up)) " to sites."
                    }
                    path.grid d={ "M0 0H" (WIDTH) "M0 50H" (WIDTH) "M0 100H" (WIDTH) } {}
                    path.area.down d=(area(&down, top)) {}
                    path.line.down d=(line(&down, top)) {}
                    path.line.up d=(line(&up, top)) {}
                }
                span.when.first { (step.ago(KEPT)) }
                span.when.last { "now" }
            }
            details {
                summary { "As a table" }
                (table(step, samples))
            }
        }
    }
}

fn table(step: Step, samples: &[Flow]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region"
            aria-label={ "Throughput of the last " (step.name()) ", as a table" } {
            table.plain {
                thead { tr {
                    th scope="col" { "When" }
                    th.number scope="col" { "To browsers" }
                    th.number scope="col" { "To sites" }
                } }
                tbody {
                    @for (steps, flow) in samples.iter().rev().enumerate() {
                        tr {
                            th scope="row" { (step.ago(steps)) }
                            td.number { (rate(flow.down)) }
                            td.number { (rate(flow.up)) }
                        }
                    }
                    @if samples.is_empty() { tr { td colspan="3" { "Nothing yet" } } }
                }
            }
        }
    }
}

/// The largest sample, rounded up so that the scale does not change with each one.
fn top(samples: impl Iterator<Item = u64>) -> u64 {
    let most = samples.max().unwrap_or(0).max(LEAST_TOP);
    let mut step = LEAST_TOP;
    loop {
        for factor in [1, 2, 5] {
            let top = step.saturating_mul(factor);
            if top >= most {
                return top;
            }
        }
        step = step.saturating_mul(10);
    }
}

/// Points from the newest sample at the right to the oldest one.
fn points(samples: &[u64], top: u64) -> impl Iterator<Item = (u64, u64)> {
    let newest_first = samples.iter().rev().take(KEPT);
    (0..=WIDTH).rev().zip(newest_first.map(move |sample| {
        HEIGHT - (u128::from(*sample) * u128::from(HEIGHT) / u128::from(top.max(1))) as u64
    }))
}

fn line(samples: &[u64], top: u64) -> String {
    let mut path = String::new();
    for (x, y) in points(samples, top) {
        let letter = if path.is_empty() { 'M' } else { 'L' };
        let _ = write!(path, "{letter}{x} {y}");
    }
    path
}

fn area(samples: &[u64], top: u64) -> String {
    let line = line(samples, top);
    let Some((oldest, _)) = points(samples, top).last() else { return line };
    format!("{line}L{oldest} {HEIGHT}L{WIDTH} {HEIGHT}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_at_the_right_and_the_most_at_the_top() {
        assert_eq!(line(&[0, 500, 1000], 1000), "M59 0L58 50L57 100");
        assert_eq!(area(&[0, 1000], 1000), "M59 0L58 100L58 100L59 100Z");
        assert_eq!((line(&[], 1000), area(&[], 1000)), (String::new(), String::new()));
        assert_eq!(line(&[u64::MAX], u64::MAX), "M59 0");
    }

    #[test]
    fn scales_are_round() {
        for (most, round) in [(0, 1000), (1001, 2000), (4999, 5000), (5001, 10_000)] {
            assert_eq!(top([most].into_iter()), round);
        }
        assert_eq!(top([u64::MAX].into_iter()), u64::MAX);
    }
}
