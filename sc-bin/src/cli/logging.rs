//! How a client or a server logs, from what its options say.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

#[cfg(feature = "client")]
use super::logs;
#[cfg(feature = "client")]
use super::settings::Dialect;
use crate::logs::{Destination, Filter, LogSettings, Shape, Warnings, usual_path};

/// The least severe records that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[cfg_attr(feature = "server", derive(serde::Deserialize), serde(rename_all = "lowercase"))]
pub(crate) enum LogLevel {
    /// What went wrong
    Error,
    /// And what may have
    Warn,
    /// And what happens
    Info,
    /// And how
    Debug,
}

/// The shape of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[cfg_attr(feature = "server", derive(serde::Deserialize), serde(rename_all = "lowercase"))]
pub(crate) enum LogFormat {
    /// Lines for people
    Text,
    /// An object a line
    #[cfg(feature = "operations")]
    Json,
}

/// How the console looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputFormat {
    /// With a line that shows what is waited for
    #[cfg(feature = "operations")]
    Pretty,
    /// Lines only
    Text,
}

/// How a client logs and speaks.
#[cfg(feature = "client")]
#[derive(Clone, Debug)]
pub(crate) struct Logging {
    /// The log.
    pub(crate) log: LogSettings,
    /// How the console looks, if that was said.
    pub(crate) output: Option<OutputFormat>,
    /// How often figures are logged, if ever.
    pub(crate) stats: Option<Duration>,
}

#[cfg(feature = "client")]
impl Default for Logging {
    /// Everything to standard output.
    fn default() -> Self {
        Self {
            log: LogSettings {
                filter: Filter::new(LevelFilter::Info),
                shape: Shape::V5,
                to: Destination::Stdout,
                warnings: Warnings::InLog,
                max_size: None,
            },
            output: None,
            stats: None,
        }
    }
}

#[cfg(feature = "client")]
impl Logging {
    /// What was given comes to, for a tunnel of this name.
    pub(super) fn of(dialect: Dialect, tunnel: Option<&str>, given: &logs::LogSettings) -> Self {
        let (flag, shape, usual) = match dialect {
            Dialect::V4 => {
                ("--logfile", Shape::V4, Destination::Usual(usual_path("sc", tunnel, "log")))
            }
            Dialect::V5 => ("--log-file", Shape::V5, Destination::Stdout),
        };
        let to = given.file.clone().map_or(usual, |path| file_or_stdout(flag, path));
        let level = match given.level.and_then(|word| word.parse().ok()) {
            Some(level) => level,
            None if given.verbosity > 0 => LevelFilter::Debug,
            None => LevelFilter::Info,
        };
        let shape = match given.format {
            #[cfg(feature = "operations")]
            Some("json") => Shape::Json,
            _ => shape,
        };
        Self {
            log: LogSettings {
                filter: Filter::new(level),
                shape,
                to,
                warnings: Warnings::OnConsoleToo,
                max_size: given.max_size.and_then(NonZeroU64::new),
            },
            output: match given.console {
                #[cfg(feature = "operations")]
                Some("pretty") => Some(OutputFormat::Pretty),
                Some(_) => Some(OutputFormat::Text),
                None => None,
            },
            stats: given.statistics,
        }
    }
}

fn file_or_stdout(flag: &'static str, path: PathBuf) -> Destination {
    match path.as_os_str() == "-" {
        true => Destination::Stdout,
        false => Destination::File(flag, path),
    }
}

fn shape(format: Option<LogFormat>, text: Shape) -> Shape {
    match format {
        #[cfg(feature = "operations")]
        Some(LogFormat::Json) => Shape::Json,
        Some(LogFormat::Text) | None => text,
    }
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::Error,
            LogLevel::Warn => Self::Warn,
            LogLevel::Info => Self::Info,
            LogLevel::Debug => Self::Debug,
        }
    }
}

/// What a server's options about its log say.
#[cfg(feature = "server")]
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerLog {
    /// The file, if it is not standard error.
    pub(crate) file: Option<PathBuf>,
    /// The shape.
    pub(crate) format: Option<LogFormat>,
    /// The least severe records.
    pub(crate) level: Option<LogLevel>,
    /// When a file is put away.
    pub(crate) max_size: Option<u64>,
}

/// A server's log: to standard error, since scripts read its standard output.
#[cfg(feature = "server")]
pub(crate) fn of_server(given: ServerLog) -> LogSettings {
    let to = given.file.map(|path| file_or_stdout("--log-file", path));
    LogSettings {
        filter: Filter::new(given.level.unwrap_or(LogLevel::Info).into()),
        shape: shape(given.format, Shape::V5),
        to: to.unwrap_or(Destination::Stderr),
        warnings: Warnings::InLog,
        max_size: given.max_size.and_then(NonZeroU64::new),
    }
}

/// The log of `sc dev`: warnings, to standard output.
#[cfg(all(feature = "client", feature = "server"))]
pub(super) fn of_dev() -> LogSettings {
    LogSettings {
        filter: Filter::new(LevelFilter::Warn),
        shape: Shape::V5,
        to: Destination::Stdout,
        warnings: Warnings::InLog,
        max_size: None,
    }
}

#[cfg(test)]
#[cfg(all(feature = "client", feature = "operations"))]
mod tests {
    use super::*;
    use crate::cli::Settings;

    const NEEDED: [(&str, &str); 3] = [
        ("SAUCE_USERNAME", "jane"),
        ("SAUCE_ACCESS_KEY", "KEY"),
        ("SAUCE_REST_URL", "http://127.0.0.1:1"),
    ];

    fn resolve(line: &str, env: &[(&str, &str)]) -> Logging {
        let mut all = NEEDED.to_vec();
        all.push(("SAUCE_TUNNEL_NAME", "ci"));
        all.extend(env);
        Settings::of_line(line, &all).unwrap().logging
    }

    #[test]
    fn where_each_version_logs() {
        let usual = Destination::Usual(std::env::temp_dir().join("sc-ci.log"));
        for (line, env, to) in [
            ("sc", &[][..], usual),
            ("sc -l -", &[], Destination::Stdout),
            ("sc -l /x.log", &[], Destination::File("--logfile", "/x.log".into())),
            ("sc", &[("SAUCE_LOGFILE", "-")], Destination::Stdout),
            ("sc run", &[], Destination::Stdout),
            ("sc run --log-file /y", &[], Destination::File("--log-file", "/y".into())),
            ("sc run", &[("SAUCE_LOG_FILE", "/z")], Destination::File("--log-file", "/z".into())),
        ] {
            assert_eq!(resolve(line, env).log.to, to, "{line} {env:?}");
        }
    }

    #[test]
    fn levels_shapes_and_sizes() {
        for (line, env, level, shape) in [
            ("sc", &[][..], LevelFilter::Info, Shape::V4),
            ("sc -v", &[], LevelFilter::Debug, Shape::V4),
            ("sc -vv", &[("SAUCE_VERBOSE", "0")], LevelFilter::Debug, Shape::V4),
            ("sc", &[("SAUCE_VERBOSE", "2")], LevelFilter::Debug, Shape::V4),
            ("sc run --log-level error", &[], LevelFilter::Error, Shape::V5),
            ("sc run --log-format json", &[], LevelFilter::Info, Shape::Json),
        ] {
            let log = resolve(line, env).log;
            assert_eq!((log.filter, log.shape), (Filter::new(level), shape), "{line} {env:?}");
        }
        let said = resolve("sc --max-logsize 1000 -z 5", &[("SAUCE_MAX_LOGSIZE", "7")]);
        assert_eq!(said.log.max_size, NonZeroU64::new(1000));
        assert_eq!(said.stats, Some(Duration::from_secs(5)));
        assert_eq!(resolve("sc run", &[]).stats, None);
    }
}
