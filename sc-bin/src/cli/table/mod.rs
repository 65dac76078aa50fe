//! The table of a tunnel's options: the one source of flags, environment variables, keys of
//! configuration files, defaults, help, completion, man pages and `docs/cli.md`.
//!
//! A [`Row`] is one option of one version of the original's command line. `v4` and `v5` list them;
//! `shared` has those that are the same in both. What the values mean is decided by who asks
//! [`super::values`] for them.
//!
//! A new option is a row here, and a question for its id, such as `values.switch("tunnel-pool")`,
//! where it is about something. Where a program is built without what it is about, its row says so
//! by [`Effect::Refused`].

#[cfg(all(test, feature = "config"))]
mod document;
mod parser;
#[cfg(test)]
mod reference;
mod shared;
mod v4;
mod v5;

#[cfg(feature = "operations")]
pub(crate) use parser::CheckedArgs;
pub(crate) use parser::{Given, LegacyArgs, Purpose, V4Args, V5Args, misunderstood, other_form};

use std::ffi::OsStr;

use super::settings::Dialect;

/// Options that belong together, under one headline of the help.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) rows: &'static [Row],
}

/// One option of one version.
#[derive(Debug)]
pub(crate) struct Row {
    /// The flag, without dashes; also the key in configuration files.
    pub(crate) long: &'static str,
    /// Its letter.
    pub(crate) short: Option<char>,
    /// Other spellings of the flag and the key.
    pub(crate) aliases: &'static [&'static str],
    /// What settings ask for: the same for both versions where they mean the same.
    pub(crate) id: &'static str,
    /// Its variables if there are more than `SAUCE_` and the flag; the first that is set counts.
    variables: &'static [&'static str],
    /// What may be given.
    pub(crate) kind: Kind,
    /// What stands for a value in the help.
    pub(crate) value: &'static str,
    /// What it is when nobody says anything, as it could be given; empty if it is nothing, or not
    /// known beforehand.
    pub(crate) default: &'static str,
    /// One sentence or two.
    pub(crate) help: &'static str,
    /// Whether it may be shown.
    pub(crate) secrecy: Secrecy,
    /// What becomes of it.
    pub(crate) effect: Effect,
    /// Version 4's rows: what version 5 says instead, if its row has another id.
    pub(crate) successor: &'static str,
}

/// What may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// On if given alone; `=false` and `=true` may follow.
    Switch,
    /// As often as it is given.
    Count,
    /// A text.
    Text,
    /// A whole number.
    Number,
    /// A time, as `1m30s`.
    Duration,
    /// A path.
    Path,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Items, at commas or from giving it again.
    List,
    /// The same, and items may begin with a dash.
    Rules,
    /// Items that may have commas and begin with a dash: from giving it again; lines in variables.
    Lines,
    /// Items that may have commas: from giving it again; a variable has one.
    Files,
}

/// Whether a value may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secrecy {
    /// To everybody.
    Open,
    /// Not what is before an `@`.
    UserInfo,
    /// Not at all.
    Secret,
}

/// What becomes of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// What its help says.
    Works,
    /// It is taken, for the sake of old scripts, and this is why it changes nothing.
    Nothing(&'static str),
    /// It ends the start, and this is what to do.
    Refused(&'static str),
}

impl Row {
    const fn new(long: &'static str, kind: Kind, value: &'static str, help: &'static str) -> Self {
        Self {
            long,
            short: None,
            aliases: &[],
            id: long,
            variables: &[],
            kind,
            value,
            default: "",
            help,
            secrecy: Secrecy::Open,
            effect: Effect::Works,
            successor: "",
        }
    }

    const fn short(mut self, letter: char) -> Self {
        self.short = Some(letter);
        self
    }

    const fn alias(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    const fn id(mut self, id: &'static str) -> Self {
        self.id = id;
        self
    }

    const fn env(mut self, variables: &'static [&'static str]) -> Self {
        self.variables = variables;
        self
    }

    const fn default(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }

    const fn help(mut self, help: &'static str) -> Self {
        self.help = help;
        self
    }

    const fn secret(mut self, secrecy: Secrecy) -> Self {
        self.secrecy = secrecy;
        self
    }

    const fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    const fn successor(mut self, successor: &'static str) -> Self {
        self.successor = successor;
        self
    }

    /// Its variables; the first that is set counts.
    pub(crate) fn variables(&self) -> Vec<String> {
        if self.variables.is_empty() {
            return vec![format!("SAUCE_{}", self.long.to_ascii_uppercase().replace('-', "_"))];
        }
        self.variables.iter().map(|name| (*name).to_owned()).collect()
    }

    /// All spellings of the flag and the key, without dashes.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.long).chain(self.aliases.iter().copied())
    }

    /// Whether it takes no value, unless after `=`.
    pub(crate) fn is_alone(&self) -> bool {
        matches!(self.kind, Kind::Switch | Kind::Count)
    }

    /// Whether all values count, and not the last alone.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self.kind, Kind::List | Kind::Rules | Kind::Lines | Kind::Files)
    }

    /// What separates the items of a list in one text.
    pub(crate) fn separator(&self) -> Option<char> {
        match self.kind {
            Kind::List | Kind::Rules => Some(','),
            Kind::Lines => Some('\n'),
            _ => None,
        }
    }
}

/// Whose options a command has, by its first word; `None`: those of no version.
pub(crate) fn dialect_of(first: Option<&OsStr>) -> Option<Dialect> {
    match first.and_then(OsStr::to_str) {
        None | Some("legacy") => Some(Dialect::V4),
        Some("run") => Some(Dialect::V5),
        Some(flag) if flag.starts_with('-') => Some(Dialect::V4),
        Some(_) => None,
    }
}

/// The options of a version.
pub(crate) fn sections(dialect: Dialect) -> &'static [Section] {
    match dialect {
        Dialect::V4 => v4::SECTIONS,
        Dialect::V5 => v5::SECTIONS,
    }
}

/// The options of a version, one after the other.
pub(crate) fn rows(dialect: Dialect) -> impl Iterator<Item = &'static Row> {
    sections(dialect).iter().flat_map(|section| section.rows)
}

/// The option of a name: flag, alias or key.
pub(crate) fn named(dialect: Dialect, name: &str) -> Option<&'static Row> {
    rows(dialect).find(|row| row.names().any(|spelling| spelling == name))
}

/// The option of a letter.
pub(crate) fn lettered(dialect: Dialect, letter: char) -> Option<&'static Row> {
    rows(dialect).find(|row| row.short == Some(letter))
}

/// The option of an id.
pub(crate) fn identified(dialect: Dialect, id: &str) -> Option<&'static Row> {
    rows(dialect).find(|row| row.id == id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_letters_and_ids_are_each_there_once() {
        for dialect in [Dialect::V4, Dialect::V5] {
            let (mut names, mut letters, mut ids) =
                (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
            for row in rows(dialect) {
                assert!(row.names().all(|name| names.insert(name)), "{}", row.long);
                assert!(row.short.is_none_or(|letter| letters.insert(letter)), "{}", row.long);
                assert!(ids.insert(row.id), "{}", row.id);
                assert!(!row.help.is_empty() && !row.help.ends_with('.'), "{}", row.long);
                assert!(row.is_alone() || !row.value.is_empty(), "{}", row.long);
                let derived = format!("SAUCE_{}", row.long.to_ascii_uppercase().replace('-', "_"));
                assert!(row.variables().contains(&derived), "{derived} of {}", row.long);
            }
        }
    }

    #[test]
    fn successors_are_options_of_version_5() {
        for row in rows(Dialect::V4).filter(|row| !row.successor.is_empty()) {
            let name = row.successor.split(' ').next().unwrap();
            assert!(named(Dialect::V5, name).is_some(), "{} -> {name}", row.long);
        }
    }
}
