//! `docs/cli.md`, which is made of the table.

use std::fmt::Write as _;
use std::path::Path;

use clap::CommandFactory as _;

use super::{Effect, Kind, Row, Secrecy, sections};
use crate::cli::args::Cli;
use crate::cli::settings::Dialect;

/// What is the same whatever the options are.
const HEAD: &str = include_str!("document_head.md");

/// The page.
fn page() -> String {
    let mut out = HEAD.to_owned();
    for (dialect, title, command) in [
        (Dialect::V4, "Options of version 4", "`sc …` and `sc legacy …`"),
        (Dialect::V5, "Options of version 5", "`sc run …`"),
    ] {
        let _ = write!(
            out,
            "\n## {title}\n\n{command}. The key in a configuration file is the flag without dashes.\n"
        );
        for section in sections(dialect) {
            let _ = write!(out, "\n### {}\n\n", section.title);
            out.push_str("| flag | variables | takes | default | meaning |\n");
            out.push_str("| --- | --- | --- | --- | --- |\n");
            for row in section.rows {
                option(&mut out, row);
            }
        }
    }
    out.push_str("\n## The other commands\n");
    for command in Cli::command().get_subcommands_mut() {
        if !["run", "legacy", "help"].contains(&command.get_name()) {
            let name = command.get_name().to_owned();
            let help = command.clone().bin_name(format!("sc {name}")).term_width(100).render_help();
            let help = help.to_string();
            let lines = help.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
            let _ = write!(out, "\n### `sc {name}`\n\n```text\n{lines}\n```\n");
        }
    }
    out
}

fn option(out: &mut String, row: &Row) {
    let letter = row.short.map_or(String::new(), |letter| format!("`-{letter}`, "));
    let aliases: String = row.aliases.iter().map(|alias| format!(", `--{alias}`")).collect();
    let variables = row.variables().iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
    let takes = match row.kind {
        Kind::Switch if row.value.is_empty() => "switch".to_owned(),
        Kind::Switch => format!("switch, or `{}` after `=`", row.value),
        Kind::Count => "how often".to_owned(),
        Kind::Choice(words) => {
            words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
        }
        Kind::Number => format!("number `{}`", row.value),
        Kind::Duration => "duration, as `1m30s`".to_owned(),
        Kind::List | Kind::Rules => format!("list of `{}`", row.value),
        Kind::Lines | Kind::Files => format!("`{}`, repeated", row.value),
        Kind::Text | Kind::Path => format!("`{}`", row.value),
    };
    let default = match row.default {
        "" => String::new(),
        default => format!("`{default}`"),
    };
    let mut meaning = row.help.to_owned();
    match row.effect {
        Effect::Works => {}
        Effect::Nothing(why) => meaning = format!("Taken without effect: {why}"),
        Effect::Refused(remedy) => meaning = format!("{meaning}. Refused: {remedy}"),
    }
    if row.secrecy != Secrecy::Open {
        meaning.push_str(" (secret)");
    }
    if !row.successor.is_empty() {
        let _ = write!(meaning, ". In version 5: `--{}`", row.successor);
    }
    let meaning = meaning.replace('|', "\\|").replace('<', "&lt;").replace('*', "\\*");
    let _ = writeln!(
        out,
        "| {letter}`--{}`{aliases} | {} | {takes} | {default} | {meaning} |",
        row.long,
        variables.join(", ")
    );
}

#[test]
fn the_page_is_up_to_date() {
    // Which runtimes there are, and with that some defaults, depends on the build.
    if !cfg!(all(feature = "mio", feature = "smol", feature = "server", feature = "manual")) {
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    let page = page();
    if std::env::var_os("SC_RENEW_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == page,
        "docs/cli.md is not what the table says; SC_RENEW_DOCS=1 cargo test -p sc-bin up_to_date renews it"
    );
}
