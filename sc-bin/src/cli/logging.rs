//! The options about logs and the console, of both versions and of the server.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

#[cfg(feature = "client")]
use super::environment::Environment;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OutputFormat {
    /// With a line that shows what is waited for
    #[cfg(feature = "operations")]
    Pretty,
    /// Lines only
    Text,
}

/// What both versions have; in version 4 some of it is ours.
#[cfg(feature = "client")]
#[derive(clap::Args, Debug, Default)]
pub(crate) struct LogArgs {
    /// Log lines as text or as JSON, an object a line [default: text] [env: SAUCE_LOG_FORMAT]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// What is logged [default: info] [env: SAUCE_LOG_LEVEL]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<LogLevel>,
    /// Size in bytes at which a log file is put away under its name with a serial number; 0: never
    /// [default: 0] [env: SAUCE_MAX_LOGSIZE]
    #[cfg(feature = "operations")]
    #[arg(long, value_name = "BYTES")]
    max_logsize: Option<u64>,
    /// Log the tunnel's figures so often; 0: never [default: 0] [env: SAUCE_LOG_STATS]
    #[cfg(feature = "operations")]
    #[arg(short = 'z', long, value_name = "SECONDS")]
    log_stats: Option<u64>,
    /// Console with a line of progress, or lines only
    /// [default: pretty on a terminal, else text] [env: SAUCE_OUTPUT_FORMAT]
    #[arg(long, value_name = "FORMAT")]
    output_format: Option<OutputFormat>,
}

/// Version 4's options.
#[cfg(feature = "client")]
#[derive(clap::Args, Debug, Default)]
pub(crate) struct V4LogArgs {
    /// Log file; - is standard output [default: sc-NAME.log in the folder for temporary files]
    /// [env: SAUCE_LOGFILE]
    #[arg(short = 'l', long, value_name = "FILE")]
    logfile: Option<PathBuf>,
    /// Log more: -v is --log-level debug [env: SAUCE_VERBOSE]
    #[arg(short = 'v', long, action = clap::ArgAction::Count)]
    verbose: u8,
    #[command(flatten)]
    common: LogArgs,
}

/// Version 5's options.
#[cfg(feature = "client")]
#[derive(clap::Args, Debug, Default)]
pub(crate) struct V5LogArgs {
    /// Log file; - is standard output [default: standard output] [env: SAUCE_LOG_FILE]
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,
    #[command(flatten)]
    common: LogArgs,
}

/// What the command line of either version gave.
#[cfg(feature = "client")]
pub(super) enum Given {
    V4(V4LogArgs),
    V5(V5LogArgs),
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

/// An environment variable does not say what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}={text:?} cannot be used; `sc help` says what it may be")]
pub(crate) struct BadLogVariable {
    name: &'static str,
    text: String,
}

#[cfg(feature = "client")]
impl Given {
    /// What the options and the environment come to, for a tunnel of this name.
    pub(super) fn resolve(
        self,
        tunnel: Option<&str>,
        env: &Environment,
    ) -> Result<Logging, BadLogVariable> {
        let (dialect, file, verbose, common) = match self {
            Self::V4(V4LogArgs { logfile, verbose, common }) => {
                let said = match verbose {
                    0 => variable(env, "SAUCE_VERBOSE", |text| text.parse().ok())?.unwrap_or(0),
                    said => said,
                };
                (Dialect::V4, (logfile, "--logfile", "SAUCE_LOGFILE"), said, common)
            }
            Self::V5(V5LogArgs { log_file, common }) => {
                (Dialect::V5, (log_file, "--log-file", "SAUCE_LOG_FILE"), 0, common)
            }
        };
        let (given, flag, name) = file;
        let given = given.or_else(|| env.first(&[name]).map(PathBuf::from));
        let to = match given.filter(|path| !path.as_os_str().is_empty()) {
            Some(path) => file_or_stdout(flag, path),
            None if dialect == Dialect::V4 => Destination::Usual(usual_path("sc", tunnel, "log")),
            None => Destination::Stdout,
        };
        let format = common.log_format;
        let format =
            format.map_or_else(|| variable(env, "SAUCE_LOG_FORMAT", named), |f| Ok(Some(f)));
        let level = match common.log_level {
            Some(level) => Some(level),
            None => variable(env, "SAUCE_LOG_LEVEL", named)?,
        };
        let level = level.unwrap_or(if verbose > 0 { LogLevel::Debug } else { LogLevel::Info });
        #[cfg(feature = "operations")]
        let (max_size, stats) = {
            let number = |given: Option<u64>, name| match given {
                Some(given) => Ok(given),
                None => {
                    variable(env, name, |text| text.parse().ok()).map(Option::unwrap_or_default)
                }
            };
            let stats = number(common.log_stats, "SAUCE_LOG_STATS")?;
            (number(common.max_logsize, "SAUCE_MAX_LOGSIZE")?, stats)
        };
        #[cfg(not(feature = "operations"))]
        let (max_size, stats) = (0, 0);
        let text = if dialect == Dialect::V4 { Shape::V4 } else { Shape::V5 };
        Ok(Logging {
            log: LogSettings {
                filter: Filter::new(level.into()),
                shape: shape(format?, text),
                to,
                warnings: Warnings::OnConsoleToo,
                max_size: NonZeroU64::new(max_size),
            },
            output: match common.output_format {
                Some(output) => Some(output),
                None => variable(env, "SAUCE_OUTPUT_FORMAT", named)?,
            },
            // A day is as good as longer.
            stats: (stats > 0).then(|| Duration::from_secs(stats.min(86_400))),
        })
    }
}

/// The value of a variable that is set and not empty.
#[cfg(feature = "client")]
fn variable<T>(
    env: &Environment,
    name: &'static str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, BadLogVariable> {
    let Some(text) = env.first(&[name]) else { return Ok(None) };
    read(text.trim()).map(Some).ok_or(BadLogVariable { name, text })
}

#[cfg(feature = "client")]
fn named<T: clap::ValueEnum>(text: &str) -> Option<T> {
    T::from_str(text, true).ok()
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

#[cfg(all(test, feature = "client", feature = "operations"))]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::args::{Cli, Command};

    fn resolve(line: &str, env: &[(&str, &str)]) -> Result<Logging, BadLogVariable> {
        let env = env.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let cli = Cli::parse_from(line.split(' '));
        let given = match cli.command {
            None => Given::V4(cli.tunnel.logging),
            Some(Command::Run(args)) => Given::V5(args.logging),
            Some(other) => panic!("{other:?} is no tunnel"),
        };
        given.resolve(Some("ci"), &env)
    }

    #[test]
    fn where_each_version_logs() {
        let usual = Destination::Usual(std::env::temp_dir().join("sc-ci.log"));
        for (line, env, to) in [
            ("sc", &[][..], usual),
            ("sc -l -", &[], Destination::Stdout),
            ("sc -l /x.log", &[], Destination::File("--logfile", "/x.log".into())),
            ("sc", &[("SAUCE_LOGFILE", "-")], Destination::Stdout),
            ("sc run", &[("SAUCE_LOGFILE", "/v4.log")], Destination::Stdout),
            ("sc run --log-file /y", &[], Destination::File("--log-file", "/y".into())),
            ("sc run", &[("SAUCE_LOG_FILE", "/z")], Destination::File("--log-file", "/z".into())),
        ] {
            assert_eq!(resolve(line, env).unwrap().log.to, to, "{line} {env:?}");
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
            ("sc run", &[("SAUCE_LOG_FORMAT", "JSON")], LevelFilter::Info, Shape::Json),
        ] {
            let log = resolve(line, env).unwrap().log;
            assert_eq!((log.filter, log.shape), (Filter::new(level), shape), "{line} {env:?}");
        }
        let said = resolve("sc --max-logsize 1000 -z 5", &[("SAUCE_MAX_LOGSIZE", "7")]).unwrap();
        assert_eq!(said.log.max_size, NonZeroU64::new(1000));
        assert_eq!(said.stats, Some(Duration::from_secs(5)));
        assert_eq!(resolve("sc run", &[]).unwrap().stats, None);
        let error = resolve("sc", &[("SAUCE_LOG_LEVEL", "much")]).unwrap_err().to_string();
        assert!(error.starts_with("SAUCE_LOG_LEVEL=\"much\""), "{error}");
    }
}
