//! How a line looks: as in version 4, as in version 5, or as a JSON object.

use std::fmt::{self, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use log::{Level, Record};

use crate::calendar::Moment;

/// The shape of a log's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `YYYY-MM-DD HH:MM:SS.mmm [pid] [MODULE] [level] text`.
    V4,
    /// `YYYY/MM/DD HH:MM:SS.uuuuuu [module] [LEVEL] text`.
    V5,
    /// One object a line: `time`, `level`, `module`, `msg`, and a field for each `key=value` at the
    /// text's end.
    #[cfg(feature = "operations")]
    Json,
}

/// One line before any shape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    /// When; UTC.
    pub(crate) at: SystemTime,
    /// How grave.
    pub(crate) level: Level,
    /// Which part of the program says it.
    pub(crate) module: &'a str,
    /// What it says.
    pub(crate) text: fmt::Arguments<'a>,
}

impl Shape {
    /// Appends a line, with its end.
    pub(crate) fn write(self, out: &mut String, entry: &Entry<'_>) {
        // Writing to a string does not fail.
        let _ = match self {
            Self::V4 => v4(out, entry),
            Self::V5 => v5(out, entry),
            #[cfg(feature = "operations")]
            Self::Json => json::write(out, entry),
        };
        out.push('\n');
    }

    /// Appends a record's line, with its end.
    pub(super) fn write_record(self, out: &mut String, record: &Record<'_>) {
        let (level, module) = (record.level(), module(record.target()));
        self.write(out, &Entry { at: SystemTime::now(), level, module, text: *record.args() });
    }
}

fn v4(out: &mut String, entry: &Entry<'_>) -> fmt::Result {
    let (Moment { year, month, day, hour, minute, second }, micros) = moment(entry.at);
    write!(
        out,
        "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{:03} [{}] [",
        micros / 1000,
        std::process::id()
    )?;
    out.extend(entry.module.chars().map(|c| c.to_ascii_uppercase()));
    write!(out, "] [{}] ", name(entry.level))?;
    write!(OneLine(out), "{}", entry.text)
}

fn v5(out: &mut String, entry: &Entry<'_>) -> fmt::Result {
    let (Moment { year, month, day, hour, minute, second }, micros) = moment(entry.at);
    write!(
        out,
        "{year:04}/{month:02}/{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06} [{}] [{}] ",
        entry.module, entry.level
    )?;
    write!(OneLine(out), "{}", entry.text)
}

fn moment(at: SystemTime) -> (Moment, u32) {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    (Moment::of_unix(since.as_secs()), since.subsec_micros())
}

fn name(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warning",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

/// The part of the program that a record comes from, as people know it. A target without a path is
/// one already.
fn module(target: &str) -> &str {
    const PARTS: [(&str, &str); 13] = [
        ("sc::client::pac", "proxy"),
        ("sc::client::egress", "proxy"),
        ("sc::client::site_trust", "proxy"),
        ("sc::client::status", "api"),
        ("sc::client::plane", "tunnel"),
        ("sc::monitor", "api"),
        ("sc::server::rest", "rest"),
        ("sc::server::metrics", "metrics"),
        ("sc::server", "server"),
        ("sc::", "control"),
        ("sc_proto::kgp", "tunnel"),
        ("sc_proto", "proxy"),
        ("sc_runtime", "net"),
    ];
    let part = PARTS.iter().find(|(beginning, _)| target.starts_with(beginning));
    part.map_or_else(|| target.split("::").next().unwrap_or(target), |(_, name)| name)
}

/// Text of others cannot begin a line of its own, nor send a terminal commands.
struct OneLine<'a>(&'a mut String);

impl fmt::Write for OneLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.bytes().all(|b| b >= b' ' && b != 0x7f) {
            self.0.push_str(text);
        } else {
            self.0.extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }));
        }
        Ok(())
    }
}

#[cfg(feature = "operations")]
mod json {
    use std::fmt::{self, Write as _};

    use super::{Entry, moment};

    /// What every object has. A text cannot change it.
    const OWN: [&str; 4] = ["time", "level", "module", "msg"];

    pub(super) fn write(out: &mut String, entry: &Entry<'_>) -> fmt::Result {
        let (at, micros) = moment(entry.at);
        let time = at.rfc3339();
        let (time, level) = (time.trim_end_matches('Z'), entry.level);
        write!(out, "{{\"time\":\"{time}.{micros:06}Z\",\"level\":\"{level}\",\"module\":")?;
        text(out, entry.module);
        let whole = entry.text.to_string();
        let (message, fields) = taken_apart(&whole);
        out.push_str(",\"msg\":");
        text(out, message);
        for (key, value) in fields.into_iter().rev() {
            write!(out, ",\"{key}\":")?;
            match value.parse::<i64>() {
                Ok(number) if number.to_string() == value => write!(out, "{number}")?,
                _ => text(out, value),
            }
        }
        out.push('}');
        Ok(())
    }

    fn text(out: &mut String, text: &str) {
        out.push_str(&serde_json::Value::from(text).to_string());
    }

    /// A text and the `key=value` words at its end, the last first. Of two with one key the text
    /// keeps the first.
    fn taken_apart(text: &str) -> (&str, Vec<(&str, &str)>) {
        let mut rest = text;
        let mut fields: Vec<(&str, &str)> = Vec::new();
        while let Some((before, word)) = rest.rsplit_once(' ') {
            let Some((key, value)) = word.split_once('=') else { break };
            let is_key = key.bytes().all(|b| b.is_ascii_lowercase() || b"-_".contains(&b));
            let is_known = OWN.contains(&key) || fields.iter().any(|(known, _)| *known == key);
            if key.is_empty() || !is_key || is_known || value.contains('"') {
                break;
            }
            fields.push((key, value));
            rest = before.trim_end();
        }
        (rest, fields)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn shown(shape: Shape, text: &str) -> String {
        let at = UNIX_EPOCH + Duration::new(1_706_738_262, 194_037_000);
        let mut out = String::new();
        let entry = Entry { at, level: Level::Warn, module: "proxy", text: format_args!("{text}") };
        shape.write(&mut out, &entry);
        out
    }

    #[test]
    fn lines_of_each_version() {
        let pid = std::process::id();
        assert_eq!(
            shown(Shape::V4, "a\nb"),
            format!("2024-01-31 21:57:42.194 [{pid}] [PROXY] [warning] a b\n")
        );
        assert_eq!(
            shown(Shape::V5, "a\x1b[1m\r"),
            "2024/01/31 21:57:42.194037 [proxy] [WARN] a [1m \n"
        );
    }

    #[test]
    fn parts_of_the_program() {
        for (target, part) in [
            ("sc::client::pac::engine", "proxy"),
            ("sc::cli", "control"),
            ("sc_proto::kgp::session", "tunnel"),
            ("sc_runtime_mio::worker", "net"),
            ("ureq::run", "ureq"),
            ("request", "request"),
        ] {
            assert_eq!(module(target), part, "{target}");
        }
    }

    #[cfg(feature = "operations")]
    #[test]
    fn json_is_one_object_a_line() {
        let line = shown(Shape::Json, "a=b it \"went\"\n up proxy=http://a:1 n=7 m=007");
        assert_eq!(line.matches('\n').count(), 1, "{line:?}");
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        for (field, value) in [
            ("time", "2024-01-31T21:57:42.194037Z"),
            ("level", "WARN"),
            ("module", "proxy"),
            ("msg", "a=b it \"went\"\n up"),
            ("proxy", "http://a:1"),
            ("m", "007"),
        ] {
            assert_eq!(json[field], value, "{line}");
        }
        assert_eq!(json["n"], 7);
        let keys = |text| {
            let json: serde_json::Value = serde_json::from_str(&shown(Shape::Json, text)).unwrap();
            json.as_object().unwrap().len()
        };
        for plain in ["x level=low", "x A=b", "x =b", "x a=b c", "x a=1\"", ""] {
            assert_eq!(keys(plain), 4, "{plain}");
        }
        assert_eq!(keys("x a=1 a=2"), 5);
    }
}
