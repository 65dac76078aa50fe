//! What was given for each option, from the command line, the environment or a configuration file.
//!
//! They count in this order, option by option; lists of two sources are not joined. An empty value
//! is none. The default is with who asks.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::config_file::{self, ConfigFileError, Entry};
use super::environment::Environment;
use super::go_duration::{self, InvalidDuration};
use super::settings::{CONCEALED, Dialect};
use super::table::{self, Effect, Given, Kind, Row, Secrecy};

/// The values of a run, by the ids of their options.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    dialect: Dialect,
    found: BTreeMap<&'static str, Found>,
}

/// What one option has got.
#[derive(Clone)]
struct Found {
    row: &'static Row,
    /// Not empty, and none of them is.
    items: Vec<OsString>,
    origin: Origin,
}

/// Where a value came from; the greater counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// A file, with its key and where that stands.
    File(String),
    /// A variable.
    Variable(String),
    /// A flag, as its version names it.
    Flag(&'static str),
}

/// What was given is not what may be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ValueError {
    /// No number, or none in its range.
    #[error("{origin}: {text:?} is not a whole number from {} to {}", range.start(), range.end())]
    Number {
        /// Where it came from.
        origin: Origin,
        /// What was given.
        text: String,
        /// What it may be.
        range: RangeInclusive<i64>,
    },
    /// Neither true nor false.
    #[error("{origin}: {text:?}: true or false is meant here")]
    Switch {
        /// Where it came from.
        origin: Origin,
        /// What was given.
        text: String,
    },
    /// None of the words.
    #[error("{origin}: {text:?} is none of [possible values: {}]", words.join(", "))]
    Choice {
        /// Where it came from.
        origin: Origin,
        /// What was given.
        text: String,
        /// What it may be.
        words: &'static [&'static str],
    },
    /// No duration.
    #[error("{origin}: {why}")]
    Duration {
        /// Where it came from.
        origin: Origin,
        /// What is wrong.
        why: InvalidDuration,
    },
    /// An option that needs a decision.
    #[error("{origin}: {remedy}")]
    Refused {
        /// Where it came from.
        origin: Origin,
        /// What to do.
        remedy: &'static str,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(place) => f.write_str(place),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(flag) => write!(f, "--{flag}"),
        }
    }
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Values {
    /// Adds what the environment and the configuration file say.
    ///
    /// # Errors
    ///
    /// The configuration file cannot be read or has what it may not have.
    pub(crate) fn of(given: Given, env: &Environment) -> Result<Self, ConfigFileError> {
        let mut values = Self { dialect: given.dialect, found: BTreeMap::new() };
        for (row, texts) in given.values {
            // A secret may have been moved to the variable.
            let is_moved = row.secrecy != Secrecy::Open
                && match row.is_list() {
                    true => texts.iter().all(|text| text == CONCEALED),
                    false => texts.last().is_some_and(|text| text == CONCEALED),
                };
            let items = match is_moved {
                true => values_of(row, env).map(|(_, items)| items).unwrap_or_default(),
                false => split(row, texts),
            };
            values.put(row, items, || Origin::Flag(row.long));
        }
        for row in table::rows(given.dialect) {
            if let Some((name, items)) = values_of(row, env).filter(|_| !values.has(row)) {
                values.put(row, items, || Origin::Variable(name));
            }
        }
        if let Some(path) = values.path("config-file") {
            for Entry { row, items, place } in config_file::read(&path, given.dialect)? {
                if !values.has(row) {
                    values.put(row, items, || Origin::File(place));
                }
            }
        }
        Ok(values)
    }

    fn put(&mut self, row: &'static Row, items: Vec<OsString>, origin: impl FnOnce() -> Origin) {
        let items: Vec<_> = items.into_iter().filter(|item| !item.is_empty()).collect();
        if !items.is_empty() {
            self.found.insert(row.id, Found { row, items, origin: origin() });
        }
    }

    fn has(&self, row: &Row) -> bool {
        self.found.contains_key(row.id)
    }

    fn get(&self, id: &str) -> Option<&Found> {
        debug_assert!(
            [Dialect::V4, Dialect::V5].into_iter().any(|d| table::identified(d, id).is_some()),
            "there is no option {id}"
        );
        self.found.get(id)
    }

    /// In whose words all of it was given.
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Where the value of an option came from; `None`: it has none.
    pub(crate) fn origin(&self, id: &str) -> Option<&Origin> {
        self.get(id).map(|found| &found.origin)
    }

    /// The last text. What is not UTF-8 can only be a path.
    pub(crate) fn text(&self, id: &str) -> Option<String> {
        let found = self.get(id)?;
        found.items.last().map(|item| item.to_string_lossy().into_owned())
    }

    /// The last path.
    pub(crate) fn path(&self, id: &str) -> Option<PathBuf> {
        self.get(id)?.items.last().map(PathBuf::from)
    }

    /// The items of a list; `None`: it was not given.
    pub(crate) fn list(&self, id: &str) -> Option<Vec<String>> {
        let found = self.get(id)?;
        Some(found.items.iter().map(|item| item.to_string_lossy().into_owned()).collect())
    }

    /// The items of a list, if any.
    pub(crate) fn items(&self, id: &str) -> Vec<String> {
        self.list(id).unwrap_or_default()
    }

    /// Whether a switch is on; `None`: it was not given.
    pub(crate) fn switch(&self, id: &str) -> Result<Option<bool>, ValueError> {
        let Some(text) = self.text(id) else { return Ok(None) };
        match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(Some(true)),
            "false" | "0" | "no" | "off" => Ok(Some(false)),
            _ => Err(ValueError::Switch { origin: self.named(id), text }),
        }
    }

    /// A number of a range.
    pub(crate) fn number<N: TryFrom<i64>>(
        &self,
        id: &str,
        range: RangeInclusive<i64>,
    ) -> Result<Option<N>, ValueError> {
        let Some(text) = self.text(id) else { return Ok(None) };
        let number = text.trim().parse().ok().filter(|number| range.contains(number));
        match number.and_then(|number| N::try_from(number).ok()) {
            Some(number) => Ok(Some(number)),
            None => Err(ValueError::Number { origin: self.named(id), text, range }),
        }
    }

    /// How often something was given, or the number that was.
    pub(crate) fn count(&self, id: &str) -> Result<u8, ValueError> {
        let Some(found) = self.get(id) else { return Ok(0) };
        let mut sum = 0_u8;
        for item in &found.items {
            let text = item.to_string_lossy();
            let switch = match text.trim() {
                "true" => Some(1),
                "false" => Some(0),
                number => number.parse().ok(),
            };
            let Some(more) = switch else {
                let (origin, text) = (found.origin.clone(), text.into_owned());
                return Err(ValueError::Number { origin, text, range: 0..=i64::from(u8::MAX) });
            };
            sum = sum.saturating_add(more);
        }
        Ok(sum)
    }

    /// One of the words of the option.
    pub(crate) fn word(&self, id: &str) -> Result<Option<&'static str>, ValueError> {
        let Some(found) = self.get(id) else { return Ok(None) };
        let text = self.text(id).unwrap_or_default();
        let Kind::Choice(words) = found.row.kind else { return Ok(None) };
        match words.iter().find(|word| word.eq_ignore_ascii_case(text.trim())) {
            Some(word) => Ok(Some(word)),
            None => Err(ValueError::Choice { origin: self.named(id), text, words }),
        }
    }

    /// A time that is more than nothing.
    pub(crate) fn duration(&self, id: &str) -> Result<Option<Duration>, ValueError> {
        let parsed = self.text(id).map(|text| go_duration::parse(&text)).transpose();
        parsed.map_err(|why| ValueError::Duration { origin: self.named(id), why })
    }

    /// A time; `None`: it was not given, or is nothing.
    pub(crate) fn duration_or_none(&self, id: &str) -> Result<Option<Duration>, ValueError> {
        match self.text(id).as_deref().map(str::trim) {
            Some("0" | "0s") => Ok(None),
            _ => self.duration(id),
        }
    }

    /// Where a value that is there came from.
    pub(crate) fn named(&self, id: &str) -> Origin {
        self.origin(id).cloned().unwrap_or(Origin::Flag(""))
    }

    /// What to tell of options that change nothing.
    ///
    /// # Errors
    ///
    /// An option that cannot be taken.
    pub(crate) fn notes(&self) -> Result<Vec<String>, ValueError> {
        let mut notes = Vec::new();
        for (id, Found { row, origin, .. }) in &self.found {
            if row.kind == Kind::Switch && self.switch(id)? != Some(true) {
                continue;
            }
            match row.effect {
                Effect::Works => {}
                Effect::Nothing(why) => notes.push(format!("{origin} has no effect: {why}")),
                Effect::Refused(remedy) => {
                    return Err(ValueError::Refused { origin: origin.clone(), remedy });
                }
            }
        }
        Ok(notes)
    }

    /// Every option with its value or its default, without secrets.
    pub(crate) fn shown(&self) -> BTreeMap<&'static str, String> {
        let rows = table::rows(self.dialect).filter(|row| row.effect == Effect::Works);
        rows.map(|row| {
            let value = match (self.found.get(row.id), row.secrecy) {
                (None, _) => row.default.to_owned(),
                (Some(_), Secrecy::Secret) => CONCEALED.to_owned(),
                (Some(found), secrecy) => {
                    let first = match row.is_list() || row.kind == Kind::Count {
                        true => 0,
                        false => found.items.len() - 1,
                    };
                    let items = found.items.get(first..).unwrap_or_default().iter();
                    items.map(|item| shown(item, secrecy)).collect::<Vec<_>>().join(",")
                }
            };
            (row.long, value)
        })
        .collect()
    }
}

/// A value without user and password, and a `data:` URL without what it holds.
fn shown(item: &OsString, secrecy: Secrecy) -> String {
    let text = item.to_string_lossy();
    if text.starts_with("data:") {
        return "data:…".to_owned();
    }
    let (scheme, rest) = match text.find("://") {
        Some(at) => text.split_at(at + 3),
        None if secrecy == Secrecy::UserInfo => ("", &*text),
        None => return text.into_owned(),
    };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest.get(..end).and_then(|authority| authority.rfind('@')) {
        Some(at) => format!("{scheme}{}", rest.get(at + 1..).unwrap_or_default()),
        None => text.into_owned(),
    }
}

/// What the environment says of an option: the variable, and the items.
fn values_of(row: &Row, env: &Environment) -> Option<(String, Vec<OsString>)> {
    let name = row.variables().into_iter().find(|name| env.first(&[name]).is_some())?;
    let text = env.first(&[&name])?;
    Some((name, split(row, vec![text.into()])))
}

/// The items of texts, at what separates those of this option.
pub(super) fn split(row: &Row, texts: Vec<OsString>) -> Vec<OsString> {
    let Some(separator) = row.separator() else { return texts };
    let pieces = |text: &OsString| -> Vec<OsString> {
        text.to_string_lossy().split(separator).map(|piece| piece.trim().into()).collect()
    };
    texts.iter().flat_map(pieces).collect()
}

#[cfg(test)]
mod tests;

#[cfg(test)]
impl Values {
    /// The values of a command line and of variables.
    pub(crate) fn of_words(words: &[&str], variables: &[(&str, &str)]) -> Self {
        use clap::Parser as _;
        let given = super::args::Cli::parse_from(words).tunnel().unwrap();
        let pairs = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Self::of(given, &pairs.collect()).unwrap()
    }

    /// The same, with words between blanks.
    pub(crate) fn of_line(line: &str, variables: &[(&str, &str)]) -> Self {
        Self::of_words(&line.split(' ').collect::<Vec<_>>(), variables)
    }
}
