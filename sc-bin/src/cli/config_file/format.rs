//! The formats of configuration files.

use std::path::Path;

use serde_json::{Map, Value};

use super::error::Fault;

/// The formats, for people.
pub(super) const KNOWN: &str = "YAML (.yaml, .yml), JSON (.json) or TOML (.toml)";

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Yaml,
    Json,
    Toml,
}

/// What is wrong, and in which line if that is known.
type Wrong = (Option<usize>, Fault);

impl Format {
    /// By the extension; YAML if that says nothing.
    pub(super) fn of(path: &Path) -> Result<Self, Fault> {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        match extension.as_str() {
            "json" => Ok(Self::Json),
            "toml" => Ok(Self::Toml),
            "hcl" => Err(Fault::Format("HCL")),
            "properties" => Err(Fault::Format("a Java properties file")),
            _ => Ok(Self::Yaml),
        }
    }

    /// The keys of a file with their values.
    pub(super) fn parse(self, text: &str) -> Result<Map<String, Value>, Wrong> {
        let value = match self {
            Self::Yaml => yaml(text)?,
            Self::Json => serde_json::from_str(text)
                .map_err(|error| (Some(error.line()), Fault::Syntax(error.to_string())))?,
            Self::Toml => toml(text)?,
        };
        match value {
            Value::Object(keys) => Ok(keys),
            // Nothing but comments.
            Value::Null => Ok(Map::new()),
            _ => Err((None, Fault::NoKeys)),
        }
    }
}

/// In two steps: the first knows of no types, so that its errors repeat no value.
fn yaml(text: &str) -> Result<Value, Wrong> {
    let value: serde_norway::Value = serde_norway::from_str(text).map_err(|error| {
        let line = error.location().map(|place| place.line());
        (line, Fault::Syntax(error.to_string()))
    })?;
    serde_json::to_value(value).map_err(|_| (None, Fault::NoKeys))
}

fn toml(text: &str) -> Result<Value, Wrong> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map(|before| before.matches('\n').count() + 1);
        (line, Fault::Syntax(error.message().to_owned()))
    })?;
    serde_json::to_value(table).map_err(|_| (None, Fault::NoKeys))
}
