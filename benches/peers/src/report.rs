//! Tables for people and JSON for programs.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::machine;
use crate::options::Options;
use crate::peer::Peer;
use crate::results::{Figure, Results, Sample};
use crate::targets;

/// Between these two lines of a page the tables go.
const BEGIN: &str = "<!-- benches/peers: begin -->";
const END: &str = "<!-- benches/peers: end -->";

/// One sample, for who watches.
pub(crate) fn line(sample: &Sample) -> String {
    let figures: Vec<_> =
        sample.iter().map(|(name, value)| format!("{} {name}", short(*value))).collect();
    figures.join(", ")
}

/// The tables.
pub(crate) fn markdown(
    results: &Results,
    peers: &[Peer],
    options: &Options,
    minutes: f64,
) -> String {
    let mut text = format!(
        "Machine: {}. {} interleaved rounds, {:?} a cell, {minutes:.0} minutes in all. \
         Figures are medians, with the least and the most in parentheses.\n",
        machine::describe(),
        options.rounds,
        options.times.window,
    );
    for &row in &options.rows {
        let columns = results.columns(row);
        let _ = writeln!(text, "\n**{}. {}**\n", row.letter(), row.title());
        let _ = writeln!(text, "| | {} |", columns.join(" | "));
        let _ = writeln!(text, "| --- |{}", " --- |".repeat(columns.len()));
        for &peer in peers.iter().filter(|peer| row.concerns(**peer)) {
            let cells = columns.iter().map(|column| cell(results.figure(row, peer, column)));
            let _ =
                writeln!(text, "| {} | {} |", peer.name(), cells.collect::<Vec<_>>().join(" | "));
        }
    }
    let targets = targets::judge(results);
    if !targets.is_empty() {
        text.push_str("\n**What ours has to reach**\n\n| row | demand | ours | limit | |\n");
        text.push_str("| --- | --- | --- | --- | --- |\n");
    }
    for target in targets {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            target.row.letter(),
            target.demand,
            short(target.ours),
            short(target.limit),
            if target.met { "reached" } else { "**missed**" }
        );
    }
    text.push_str("\nVersions: ");
    let versions = peers.iter().filter_map(|peer| peer.version());
    text.push_str(&versions.collect::<Vec<_>>().join("; "));
    text.push_str(".\n");
    text
}

/// The same and every single round.
pub(crate) fn json(results: &Results, peers: &[Peer], options: &Options, minutes: f64) -> String {
    let mut rows = Map::new();
    for &row in &options.rows {
        let mut of_row = Map::new();
        for &peer in peers {
            let mut figures = Map::new();
            for column in results.columns(row) {
                if let Some(figure) = results.figure(row, peer, column) {
                    let value = json!({
                        "median": figure.median, "min": figure.least, "max": figure.most,
                        "rounds": results.values(row, peer, column),
                    });
                    figures.insert(column.to_owned(), value);
                }
            }
            if !figures.is_empty() {
                of_row.insert(peer.name().to_owned(), figures.into());
            }
        }
        rows.insert(row.letter().to_string(), of_row.into());
    }
    let versions: Map<String, Value> = peers
        .iter()
        .filter_map(|peer| Some((peer.name().to_owned(), peer.version()?.into())))
        .collect();
    let all = json!({
        "machine": machine::describe(), "rounds": options.rounds, "minutes": minutes,
        "seconds": options.times.window.as_secs_f64(), "versions": versions, "rows": rows,
    });
    format!("{all:#}\n")
}

/// Replaces what is between the marks of a page.
///
/// # Panics
/// If the page cannot be read or has no marks.
pub(crate) fn put_into_page(page: &Path, text: &str) {
    let old = fs::read_to_string(page).expect("the page can be read");
    let (before, rest) = old.split_once(BEGIN).expect("the page has the mark of the beginning");
    let (_, after) = rest.split_once(END).expect("the page has the mark of the end");
    let new = format!("{before}{BEGIN}\n{text}{END}{after}");
    fs::write(page, new).expect("the page can be written");
}

fn cell(figure: Option<Figure>) -> String {
    let Some(figure) = figure.filter(|figure| figure.median.is_finite()) else {
        return "–".to_owned();
    };
    let (least, most) = (short(figure.least), short(figure.most));
    if least == most {
        return short(figure.median);
    }
    format!("{} ({least}–{most})", short(figure.median))
}

/// Three digits are all that a measurement of this kind holds.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 || value == value.trunc() => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_shown() {
        for (value, shown) in [(0.123, "0.12"), (12.34, "12.3"), (1234.5, "1234"), (3.0, "3")] {
            assert_eq!(short(value), shown);
        }
    }
}
