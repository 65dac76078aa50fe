//! The options about HTTP exchanges on their way to sites.

use std::time::Duration;

use clap::Args;
use sc_proto::egress::{
    Dials, Exchanges, Forwarded, HeaderRule, InvalidHeaderRule, InvalidLogin, Keep, Login, Logins,
};
use serde::Deserialize;

use super::environment::Environment;
use super::go_duration::{self, InvalidDuration};
use super::settings::CONCEALED;

/// Connections that wait for one site, and in all. The original's bound is 512 for a site; this
/// one is within what a client may have of open files.
const KEEP: Keep = Keep { per_site: 64, in_all: 256, idle: Duration::from_secs(90) };
/// Version 5 dials so often.
const ATTEMPTS: u32 = 3;
/// Most dials that may be asked for.
const MAX_ATTEMPTS: u32 = 10;
/// The server waits for 90 s in all until a site is reached.
const LONGEST_DIAL: Duration = Duration::from_secs(30);

/// Version 4's options.
#[derive(Args, Debug, Default)]
pub(crate) struct V4ExchangeArgs {
    /// User and password for a site, put into requests that have none; * is any host or port, port
    /// 80 is meant without one; repeat it for others; not visible in the process list
    /// [env: SAUCE_AUTH]
    #[arg(short, long, value_name = "HOST[:PORT]:USER:PASSWORD", value_delimiter = ',')]
    auth: Vec<String>,
    /// JSON: "inject-forwarded-for" (true: sites get X-Forwarded-For), "reply_body_max_size"
    /// (largest answer, as "30 MB"); it is stored with the tunnel [env: SAUCE_EXTRA_INFO]
    #[arg(long, value_name = "JSON")]
    extra_info: Option<String>,
}

/// Version 5's options.
#[derive(Args, Debug, Default)]
pub(crate) struct V5ExchangeArgs {
    /// User and password for a site or proxy, put into requests that have none; * is any host or
    /// port; not visible in the process list [env: SAUCE_AUTH]
    #[arg(short, long, value_name = "USER[:PASSWORD]@HOST:PORT", value_delimiter = ',')]
    auth: Vec<String>,
    /// Change the headers of requests: "name: value" adds, "name;" sets empty, "-name" removes,
    /// "-name*" removes all that begin so; repeat it for more; not visible in the process list
    /// [env: SAUCE_HEADER, a rule a line]
    #[arg(short = 'H', long, value_name = "RULE", allow_hyphen_values = true)]
    header: Vec<String>,
    /// Dials of a site that refuses, is not reachable or silent, before the request fails
    /// [default: 3] [env: SAUCE_HTTP_DIAL_ATTEMPTS]
    #[arg(long, value_name = "N")]
    http_dial_attempts: Option<String>,
    /// Pause before each dial after the first [default: 1s] [env: SAUCE_HTTP_DIAL_BACKOFF]
    #[arg(long, value_name = "DURATION")]
    http_dial_backoff: Option<String>,
    /// How long a dial may take, 30s at most [default: 25s] [env: SAUCE_HTTP_DIAL_TIMEOUT]
    #[arg(long, value_name = "DURATION")]
    http_dial_timeout: Option<String>,
    /// How long a connection to a site waits for another request
    /// [default: 1m30s] [env: SAUCE_HTTP_IDLE_CONN_TIMEOUT]
    #[arg(long, value_name = "DURATION")]
    http_idle_conn_timeout: Option<String>,
    /// How long a site may take to begin its answer; 0s is no limit
    /// [default: 0s] [env: SAUCE_HTTP_RESPONSE_HEADER_TIMEOUT]
    #[arg(long, value_name = "DURATION")]
    http_response_header_timeout: Option<String>,
}

/// What becomes of HTTP exchanges, as far as the client decides.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExchangeSettings {
    /// The rules.
    pub(crate) rules: Exchanges,
    /// How often a site is dialled.
    pub(crate) dials: Dials,
    /// How long a dial may take, if that was said.
    pub(crate) dial_timeout: Option<Duration>,
    /// Version 4's extras, as they were given, for the server.
    pub(crate) extra_info: Option<String>,
}

/// An option about exchanges is not right. None repeats what may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// Credentials.
    #[error("--auth: item {item}: {why}; it is written {form}")]
    Auth {
        /// Which, from 1.
        item: usize,
        /// What is wrong.
        why: InvalidLogin,
        /// The form of the version.
        form: &'static str,
    },
    /// A rule for headers.
    #[error("--header: item {item}: {why}")]
    Header {
        /// Which, from 1.
        item: usize,
        /// What is wrong.
        why: InvalidHeaderRule,
    },
    /// A number.
    #[error("--http-dial-attempts: a number from 1 to {MAX_ATTEMPTS} is meant here")]
    Attempts,
    /// A duration.
    #[error("{option}: {why}")]
    Duration {
        /// The option.
        option: &'static str,
        /// What is wrong.
        why: InvalidDuration,
    },
    /// A dial that the server would not wait for.
    #[error("--http-dial-timeout: 30s at most: the server waits no longer")]
    DialTimeout,
    /// Extras that cannot be read.
    #[error("--extra-info: {0}")]
    ExtraInfo(String),
}

/// What the command line of either version gave.
#[derive(Debug)]
pub(super) enum Given {
    V4(V4ExchangeArgs),
    V5(V5ExchangeArgs),
}

impl Default for Given {
    fn default() -> Self {
        Self::V5(V5ExchangeArgs::default())
    }
}

impl Given {
    /// Fills in what the environment says, and checks all of it.
    pub(super) fn resolve(self, env: &Environment) -> Result<ExchangeSettings, ExchangeError> {
        match self {
            Self::V4(args) => args.resolve(env),
            Self::V5(args) => args.resolve(env),
        }
    }
}

impl V4ExchangeArgs {
    fn resolve(self, env: &Environment) -> Result<ExchangeSettings, ExchangeError> {
        let form = "HOST[:PORT]:USER:PASSWORD";
        let logins = logins(items(self.auth, env, "SAUCE_AUTH", ','), form, Login::parse_v4)?;
        let given = self.extra_info.filter(|text| !text.is_empty());
        let extra_info = given.or_else(|| env.first(&["SAUCE_EXTRA_INFO"]));
        let extras = match &extra_info {
            Some(text) => Extras::parse(text)?,
            None => Extras::default(),
        };
        let forwarded =
            if extras.inject_forwarded_for { Forwarded::Keep } else { Forwarded::Remove };
        let max_answer = extras.largest_answer()?;
        let rules = Exchanges { forwarded, logins, keep: KEEP, max_answer, ..Exchanges::default() };
        Ok(ExchangeSettings { rules, extra_info, ..ExchangeSettings::default() })
    }
}

impl V5ExchangeArgs {
    fn resolve(self, env: &Environment) -> Result<ExchangeSettings, ExchangeError> {
        let form = "USER[:PASSWORD]@HOST:PORT";
        let logins = logins(items(self.auth, env, "SAUCE_AUTH", ','), form, Login::parse_v5)?;
        let headers = (1..).zip(items(self.header, env, "SAUCE_HEADER", '\n'));
        let headers = headers.map(|(item, text)| {
            HeaderRule::parse(&text).map_err(|why| ExchangeError::Header { item, why })
        });
        let span = |given: Option<String>, option, variable| {
            let text = given.or_else(|| env.first(&[variable]));
            let zero = |text: &String| matches!(text.trim(), "0" | "0s");
            let parsed = text.filter(|text| !zero(text)).map(|text| go_duration::parse(&text));
            parsed.transpose().map_err(|why| ExchangeError::Duration { option, why })
        };
        let attempts = self.http_dial_attempts.or_else(|| env.first(&["SAUCE_HTTP_DIAL_ATTEMPTS"]));
        let attempts = match attempts.map(|text| text.trim().parse()) {
            None => ATTEMPTS,
            Some(Ok(attempts)) if (1..=MAX_ATTEMPTS).contains(&attempts) => attempts,
            Some(_) => return Err(ExchangeError::Attempts),
        };
        let backoff =
            span(self.http_dial_backoff, "--http-dial-backoff", "SAUCE_HTTP_DIAL_BACKOFF")?;
        let dial_timeout =
            span(self.http_dial_timeout, "--http-dial-timeout", "SAUCE_HTTP_DIAL_TIMEOUT")?;
        if dial_timeout.is_some_and(|timeout| timeout > LONGEST_DIAL) {
            return Err(ExchangeError::DialTimeout);
        }
        let idle = span(
            self.http_idle_conn_timeout,
            "--http-idle-conn-timeout",
            "SAUCE_HTTP_IDLE_CONN_TIMEOUT",
        )?;
        let answer_timeout = span(
            self.http_response_header_timeout,
            "--http-response-header-timeout",
            "SAUCE_HTTP_RESPONSE_HEADER_TIMEOUT",
        )?;
        let rules = Exchanges {
            forwarded: Forwarded::Complete,
            headers: headers.collect::<Result<_, _>>()?,
            logins,
            keep: Keep { idle: idle.unwrap_or(KEEP.idle), ..KEEP },
            answer_timeout,
            ..Exchanges::default()
        };
        let dials = Dials { attempts, backoff: backoff.unwrap_or(Dials::default().backoff) };
        Ok(ExchangeSettings { rules, dials, dial_timeout, extra_info: None })
    }
}

/// The keys of version 4's `--extra-info` that mean something here. Others are stored only.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Extras {
    #[serde(rename = "inject-forwarded-for")]
    inject_forwarded_for: bool,
    reply_body_max_size: Option<Size>,
    /// The server puts it in; here it is only checked.
    #[serde(rename = "inject_job_id")]
    _inject_job_id: bool,
}

/// A size in bytes, as a number or with a unit.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Size {
    Bytes(u64),
    Text(String),
}

impl Extras {
    fn parse(text: &str) -> Result<Self, ExchangeError> {
        let wrong = |error: serde_json::Error| ExchangeError::ExtraInfo(error.to_string());
        // A list would be taken for the fields in their order.
        let object: serde_json::Map<_, _> = serde_json::from_str(text).map_err(wrong)?;
        serde_json::from_value(object.into()).map_err(wrong)
    }

    fn largest_answer(&self) -> Result<Option<u64>, ExchangeError> {
        let size = match &self.reply_body_max_size {
            None => return Ok(None),
            Some(Size::Bytes(bytes)) => Some(*bytes),
            Some(Size::Text(text)) => bytes_of(text),
        };
        let wrong = "reply_body_max_size is a number with B, KB, MB or GB, for example \"30 MB\"";
        match size {
            Some(0) => Ok(None),
            Some(bytes) => Ok(Some(bytes)),
            None => Err(ExchangeError::ExtraInfo(wrong.to_owned())),
        }
    }
}

fn bytes_of(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" | "bytes" => 1,
        "kb" => 1 << 10,
        "mb" => 1 << 20,
        "gb" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

fn logins(
    items: Vec<String>,
    form: &'static str,
    parse: fn(&str) -> Result<Login, InvalidLogin>,
) -> Result<Logins, ExchangeError> {
    let wrong = |(item, why)| ExchangeError::Auth { item, why, form };
    let parsed = (1..).zip(&items).map(|(item, text)| parse(text).map_err(|why| (item, why)));
    let parsed = parsed.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    Logins::new(parsed).map_err(wrong)
}

/// The items of the command line, or those of a variable. Secrets may have been moved there.
fn items(given: Vec<String>, env: &Environment, name: &str, between: char) -> Vec<String> {
    let items = match given.iter().all(|item| item == CONCEALED) {
        true => env.first(&[name]).unwrap_or_default().split(between).map(str::to_owned).collect(),
        false => given,
    };
    let items = items.into_iter().map(|item| item.trim().to_owned());
    items.filter(|item| !item.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::args::{Cli, Command};
    use crate::cli::egress;

    fn resolve(args: &[&str], variables: &[(&str, &str)]) -> Result<ExchangeSettings, String> {
        let env = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let given: egress::Given = match Cli::parse_from(args).command {
            None => Cli::parse_from(args).tunnel.egress.into(),
            Some(Command::Run(args)) => args.egress.into(),
            Some(other) => panic!("{other:?} is no tunnel"),
        };
        let settings = given.resolve(&env.collect()).map_err(|error| error.to_string())?;
        Ok(settings.exchanges)
    }

    fn user(settings: &ExchangeSettings, target: &str) -> Option<String> {
        let found = settings.rules.logins.find(&target.parse().unwrap());
        found.map(|found| format!("{}:{}", found.user(), found.expose()))
    }

    #[test]
    fn credentials_come_in_both_orders() {
        let v4 = resolve(&["sc", "-a", "a.test:8080:u:p", "--auth=b.test:v:q"], &[]).unwrap();
        assert_eq!(user(&v4, "a.test:8080").as_deref(), Some("u:p"));
        assert_eq!(user(&v4, "b.test:80").as_deref(), Some("v:q"));
        let v5 = resolve(&["sc", "run", "-a", "u:p@a.test:8080,v@*:443"], &[]).unwrap();
        assert_eq!(user(&v5, "a.test:8080").as_deref(), Some("u:p"));
        assert_eq!(user(&v5, "x.test:443").as_deref(), Some("v:"));
        let moved = [("SAUCE_AUTH", "u:p@a.test:1")];
        assert!(
            user(&resolve(&["sc", "run", "-a", "****"], &moved).unwrap(), "a.test:1").is_some()
        );
        let error = resolve(&["sc", "run", "-a", "u:SECRET@a:1,v:SECRET@a:1"], &[]).unwrap_err();
        assert!(error.contains("item 2") && error.contains("already"), "{error}");
        assert!(!error.contains("SECRET"));
        assert!(resolve(&["sc", "-a", "SECRET"], &[]).unwrap_err().contains("item 1"));
    }

    #[test]
    fn headers_are_rules_and_a_wrong_one_is_named() {
        let lines = ["sc", "run", "-H", "-X-*", "-H", "a: b, c", "--header", "d;"];
        assert_eq!(resolve(&lines, &[]).unwrap().rules.headers.len(), 3);
        let lines = [("SAUCE_HEADER", "-X-*\na: b, c")];
        assert_eq!(resolve(&["sc", "run"], &lines).unwrap().rules.headers.len(), 2);
        let error = resolve(&["sc", "run", "-H", "a: b", "-H", "host;"], &[]).unwrap_err();
        assert!(error.starts_with("--header: item 2: "), "{error}");
    }

    #[test]
    fn dials_and_times_are_version_5s() {
        let usual = resolve(&["sc", "run"], &[]).unwrap();
        assert_eq!((usual.dials.attempts, usual.dials.backoff), (3, Duration::from_secs(1)));
        assert_eq!(usual.rules.keep.idle, Duration::from_secs(90));
        assert_eq!(usual.rules.forwarded, Forwarded::Complete);
        assert_eq!((usual.rules.answer_timeout, usual.dial_timeout), (None, None));
        let line = "sc run --http-dial-attempts 1 --http-dial-backoff 5s --http-dial-timeout 10s \
                    --http-idle-conn-timeout 1m --http-response-header-timeout 90s";
        let said = resolve(&line.split_whitespace().collect::<Vec<_>>(), &[]).unwrap();
        assert_eq!((said.dials.attempts, said.dials.backoff), (1, Duration::from_secs(5)));
        assert_eq!(said.dial_timeout, Some(Duration::from_secs(10)));
        assert_eq!(said.rules.keep.idle, Duration::from_secs(60));
        assert_eq!(said.rules.answer_timeout, Some(Duration::from_secs(90)));
        for wrong in ["--http-dial-attempts=0", "--http-dial-timeout=31s", "--http-dial-backoff=x"]
        {
            assert!(resolve(&["sc", "run", wrong], &[]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn extras_are_version_4s() {
        let usual = resolve(&["sc"], &[]).unwrap();
        assert_eq!((usual.rules.forwarded, usual.rules.max_answer), (Forwarded::Remove, None));
        let text = r#"{"inject-forwarded-for": true, "reply_body_max_size": "30 MB", "runner": 1}"#;
        let extras = resolve(&["sc", "--extra-info", text], &[]).unwrap();
        assert_eq!(extras.rules.forwarded, Forwarded::Keep);
        assert_eq!(extras.rules.max_answer, Some(30 << 20));
        assert_eq!(extras.extra_info.as_deref(), Some(text));
        assert!(resolve(&["sc", "--extra-info", r#"{"inject_job_id": true}"#], &[]).is_ok());
        for wrong in ["{", "[]", r#"{"reply_body_max_size": "much"}"#, r#"{"inject_job_id": 1}"#] {
            assert!(resolve(&["sc", "--extra-info", wrong], &[]).is_err(), "{wrong}");
        }
    }
}
