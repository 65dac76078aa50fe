//! A configuration file with every option, commented out: what `config-file` prints.

use std::fmt::Write as _;

use crate::cli::settings::Dialect;
use crate::cli::table::{self, Effect, Kind, Row};

/// Widest line of a comment.
const WIDTH: usize = 96;

/// The file, in YAML. Without the `#` before a key the line is in force.
pub(crate) fn template(dialect: Dialect) -> String {
    let command = match dialect {
        Dialect::V4 => "sc legacy --config-file FILE",
        Dialect::V5 => "sc run --config-file FILE",
    };
    let mut out = String::new();
    comment(
        &mut out,
        &format!(
            "Options of `{command}`. Take away the # before a key to set it. Flags and environment \
             variables go before this file. Keep it to yourself if it has secrets."
        ),
    );
    for section in table::sections(dialect) {
        let rows = section.rows.iter().filter(|row| row.id != "config-file");
        // Writing to a string does not fail.
        let _ = write!(out, "\n# == {} ==\n", section.title);
        for row in rows.filter(|row| !matches!(row.effect, Effect::Refused(_))) {
            out.push('\n');
            comment(&mut out, &about(row));
            let _ = writeln!(out, "#{}:{}", row.long, example(row));
        }
    }
    out
}

fn about(row: &Row) -> String {
    let mut text = format!("{}.", row.help);
    if let Effect::Nothing(why) = row.effect {
        text = format!("No effect: {why}.");
    }
    if let Kind::Choice(words) = row.kind {
        let _ = write!(text, " One of: {}.", words.join(", "));
    }
    let _ = write!(text, " Variable: {}.", row.variables().join(", "));
    text
}

/// What stands after the colon: the default.
fn example(row: &Row) -> String {
    match row.kind {
        Kind::List | Kind::Rules | Kind::Lines | Kind::Files if row.default.is_empty() => {
            " []".to_owned()
        }
        Kind::List | Kind::Rules | Kind::Lines | Kind::Files => format!(" [{}]", row.default),
        Kind::Switch if row.default.is_empty() => " false".to_owned(),
        Kind::Count if row.default.is_empty() => " 0".to_owned(),
        _ if row.default.is_empty() => String::new(),
        _ => format!(" {}", row.default),
    }
}

fn comment(out: &mut String, text: &str) {
    let mut line = "#".to_owned();
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH && line.len() > 1 {
            out.push_str(&line);
            out.push('\n');
            line.truncate(1);
        }
        line.push(' ');
        line.push_str(word);
    }
    out.push_str(&line);
    out.push('\n');
}
