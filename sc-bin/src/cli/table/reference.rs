//! The table against the originals' own tables, row by row.
//!
//! `reference_v4.txt` and `reference_v5.txt` have what the originals' public documents say.

use std::collections::BTreeMap;

use super::{Effect, Kind, Row, named};
use crate::cli::settings::Dialect;

/// Where a default here is another on purpose, and why.
const OTHER_DEFAULTS: &[(&str, &str)] = &[
    ("region", "the server is one's own"),
    ("tunnel-cert", "it has no effect"),
    ("ocsp", "it has no effect"),
    ("kgp-port", "it has no effect"),
    ("scproxy-port", "no port is opened unless asked for"),
    ("max-missed-acks", "a dead link is noticed within seconds"),
    ("reconnect", "open connections are kept for longer"),
    ("tls-resign-domains", "nothing is opened unless asked for"),
    ("tunnel-max-concurrent-streams", "one connection of KGP carries more"),
    ("proxy-localhost", "users' own ports are what most tests are about"),
    ("output-format", "it depends on where the output goes"),
];

fn kind(row: &Row) -> &'static str {
    match row.kind {
        Kind::Switch => "switch",
        Kind::Count => "count",
        Kind::Text => "text",
        Kind::Number => "number",
        Kind::Duration => "duration",
        Kind::Path => "path",
        Kind::Choice(_) => "choice",
        Kind::List | Kind::Rules | Kind::Lines | Kind::Files => "list",
    }
}

/// What is wrong with a row of the reference, as the table has it.
fn differences(line: &str, dialect: Dialect) -> Result<&'static Row, String> {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let [flag, letter, variables, expected, default] = cells[..] else {
        return Err(format!("{line}: not five cells"));
    };
    let row = named(dialect, flag).ok_or_else(|| format!("--{flag} is not in the table"))?;
    let letter = letter.chars().next().filter(|letter| *letter != '-');
    if row.short != letter {
        return Err(format!("--{flag} has the letter {:?}, not {letter:?}", row.short));
    }
    let known = row.variables();
    let missing =
        variables.split(' ').find(|name| *name != "-" && !known.iter().any(|k| k == name));
    if let Some(missing) = missing {
        return Err(format!("--{flag} does not read {missing}"));
    }
    if kind(row) != expected {
        return Err(format!("--{flag} is a {}, not a {expected}", kind(row)));
    }
    let none = ["-", "false", "0"];
    let same = row.default == default || none.contains(&default) && none.contains(&row.default);
    let same = same || none.contains(&default) && row.default.is_empty();
    let is_own = OTHER_DEFAULTS.iter().any(|(name, _)| *name == row.long)
        || default == "-" && row.long == "tunnel-connections";
    if !same && !is_own {
        return Err(format!("--{flag} is by default {:?}, not {default:?}", row.default));
    }
    Ok(row)
}

#[test]
fn every_row_of_the_references_is_covered() {
    let mut wrong = Vec::new();
    for (dialect, text, rows) in [
        (Dialect::V4, include_str!("reference_v4.txt"), 53),
        (Dialect::V5, include_str!("reference_v5.txt"), 51),
    ] {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let judged: Vec<_> = lines.map(|line| differences(line, dialect)).collect();
        let mut effects: BTreeMap<&str, usize> = BTreeMap::new();
        for row in judged.iter().flatten() {
            *effects
                .entry(match row.effect {
                    Effect::Works => "work",
                    Effect::Nothing(_) => "are taken with an explanation",
                    Effect::Refused(_) => "end with what to do",
                })
                .or_default() += 1;
        }
        let covered = judged.iter().filter(|row| row.is_ok()).count();
        println!("{dialect:?}: {covered}/{} rows covered; {effects:?}", judged.len());
        assert_eq!(judged.len(), rows, "rows were lost from the reference of {dialect:?}");
        wrong.extend(judged.into_iter().filter_map(Result::err));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
