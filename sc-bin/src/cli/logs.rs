//! The options about logs, the console and the doctor, of both versions.

use std::path::PathBuf;
use std::time::Duration;

use super::log_http::LogHttp;
use super::values::{ValueError, Values};

/// What is logged, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(dead_code, reason = "read by what it is about")]
pub(crate) struct LogSettings {
    /// The file, `-` for standard output: `--logfile` or `--log-file`.
    pub(crate) file: Option<PathBuf>,
    /// After how many bytes another file is begun, never if `None`: `--max-logsize`.
    pub(crate) max_size: Option<u64>,
    /// How a line looks: `text` or `json` of `--log-format`.
    pub(crate) format: Option<&'static str>,
    /// What is worth a line: `error`, `info` or `debug` of `--log-level`.
    pub(crate) level: Option<&'static str>,
    /// How often `--verbose` was given.
    pub(crate) verbosity: u8,
    /// What is logged of HTTP.
    pub(crate) http: LogHttp,
    /// How often figures of the traffic are written, never if `None`: `--log-stats`.
    pub(crate) statistics: Option<Duration>,
    /// How the console looks: `pretty` or `text` of `--output-format`.
    pub(crate) console: Option<&'static str>,
    /// Whether `--doctor` asks for checks instead of a tunnel.
    pub(crate) doctor: bool,
}

impl LogSettings {
    /// Checks what was given.
    pub(super) fn of(values: &Values) -> Result<Self, ValueError> {
        let max_size: Option<u64> = values.number("max-logsize", 0..=i64::MAX)?;
        let seconds: Option<u32> = values.number("log-stats", 0..=86_400)?;
        let statistics = seconds.filter(|seconds| *seconds > 0);
        Ok(Self {
            file: values.path("log-file"),
            max_size: max_size.filter(|size| *size > 0),
            format: values.word("log-format")?,
            level: values.word("log-level")?,
            verbosity: values.count("verbose")?,
            http: LogHttp::of(&values.items("log-http"), || values.named("log-http"))?,
            statistics: statistics.map(|seconds| Duration::from_secs(seconds.into())),
            console: values.word("output-format")?,
            doctor: values.switch("doctor")? == Some(true),
        })
    }
}
