//! Configuration files: YAML, JSON or TOML with a key for each option, named like its flag.

mod convert;
mod error;
mod format;
mod template;

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use serde_json::Value;

use convert::ConvertError;
pub(crate) use error::ConfigFileError;
use error::Fault;
use format::Format;
pub(super) use template::template;

use super::environment::Environment;
use super::settings::Dialect;
use super::table::{self, Given, Kind, Row};
use super::values::{Values, split};

/// Largest file, in bytes.
const LIMIT: u64 = 1 << 20;

/// One key of a file.
pub(super) struct Entry {
    pub(super) row: &'static Row,
    pub(super) items: Vec<OsString>,
    /// The key and where it stands, for people.
    pub(super) place: String,
}

/// Reads a file with options of a version.
///
/// # Errors
///
/// [`ConfigFileError`] names the file and, where that is known, the line. It repeats no value.
pub(super) fn read(path: &Path, dialect: Dialect) -> Result<Vec<Entry>, ConfigFileError> {
    let failed = |line, fault| ConfigFileError { path: path.display().to_string(), line, fault };
    let format = Format::of(path).map_err(|fault| failed(None, fault))?;
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(LIMIT + 1).read_to_string(&mut text))
        .map_err(|error| failed(None, Fault::Read(error.to_string())))?;
    if text.len() as u64 > LIMIT {
        return Err(failed(None, Fault::TooLarge));
    }
    let keys = format.parse(&text).map_err(|(line, fault)| failed(line, fault))?;
    let mut entries: Vec<Entry> = Vec::new();
    for (key, value) in keys {
        let line = line_of(&text, &key);
        let found = table::named(dialect, &key).filter(|row| row.id != "config-file");
        let row = found.ok_or_else(|| failed(line, Fault::unknown(&key, dialect)))?;
        if entries.iter().any(|entry| entry.row.id == row.id) {
            return Err(failed(line, Fault::Twice(key)));
        }
        let items = items(row, value).map_err(|what| failed(line, Fault::Kind { key, what }))?;
        let line = line.map_or(String::new(), |line| format!(", line {line}"));
        let place = format!("{} in {}{line}", row.long, path.display());
        entries.push(Entry { row, items, place });
    }
    Ok(entries)
}

/// The converted configuration could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    /// What was given cannot be read.
    #[error(transparent)]
    Read(#[from] ConfigFileError),
    /// It cannot be converted.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// It cannot be written.
    #[error("{path}: {error}")]
    Write {
        /// Where.
        path: String,
        /// Why not.
        error: io::Error,
    },
}

/// Writes options of version 4 as a file for version 5, readable by its owner only; `-` is standard
/// output.
///
/// # Errors
///
/// [`WriteError`]; nothing is written then.
pub(super) fn write_converted(
    given: Given,
    env: &Environment,
    place: &Path,
) -> Result<(), WriteError> {
    let text = convert::converted(&Values::of(given, env)?, env)?;
    let written = match place == Path::new("-") {
        true => io::stdout().write_all(text.as_bytes()),
        false => private(place).and_then(|mut file| file.write_all(text.as_bytes())),
    };
    written.map_err(|error| WriteError::Write { path: place.display().to_string(), error })
}

/// A new or emptied file.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The values of one key.
fn items(row: &'static Row, value: Value) -> Result<Vec<OsString>, &'static str> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(values) if row.is_list() => {
            values.into_iter().map(|value| scalar(value).map(OsString::from)).collect()
        }
        Value::Array(_) => Err("takes one value, and has a list"),
        Value::Object(pairs) if row.id == "metadata" => {
            let between = if row.value.contains(':') { ':' } else { '=' };
            let pair = |(key, value)| Ok(format!("{key}{between}{}", scalar(value)?).into());
            pairs.into_iter().map(pair).collect()
        }
        Value::Object(_) if row.id == "extra-info" => Ok(vec![value.to_string().into()]),
        Value::Object(_) => Err("takes a value or a list, and has keys of its own"),
        Value::Bool(true) if !matches!(row.kind, Kind::Switch | Kind::Count) => {
            Err("takes a value, and true is none of them")
        }
        value => Ok(split(row, vec![scalar(value)?.into()])),
    }
}

fn scalar(value: Value) -> Result<String, &'static str> {
    match value {
        Value::String(text) => Ok(text),
        Value::Bool(switch) => Ok(switch.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null => Ok(String::new()),
        Value::Array(_) | Value::Object(_) => Err("takes plain values in its list"),
    }
}

/// Where a key stands, from 1: the first line that begins with it.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let quotes = |c| c == '"' || c == '\'';
    let begins = |line: &str| {
        let line = line.trim_start_matches(['{', ',']).trim_start().trim_start_matches(quotes);
        line.strip_prefix(key).is_some_and(|rest| {
            rest.trim_start_matches(quotes).trim_start().starts_with([':', '='])
        })
    };
    text.lines().position(|line| begins(line.trim_start())).map(|line| line + 1)
}

#[cfg(test)]
mod tests;
