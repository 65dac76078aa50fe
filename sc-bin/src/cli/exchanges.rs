//! The options about HTTP exchanges on their way to sites.

use std::time::Duration;

use sc_proto::egress::{
    Dials, Exchanges, Forwarded, HeaderRule, InvalidHeaderRule, InvalidLogin, Keep, Login, Logins,
};
use serde::Deserialize;

use super::settings::Dialect;
use super::values::{ValueError, Values};

/// Connections that wait for one site, and in all. The original's bound is 512 for a site; this
/// one is within what a client may have of open files.
const KEEP: Keep = Keep { per_site: 64, in_all: 256, idle: Duration::from_secs(90) };
/// Version 5 dials so often.
const DEFAULT_ATTEMPTS: u32 = 3;
/// What `--http-dial-attempts` may say.
const ATTEMPTS: std::ops::RangeInclusive<i64> = 1..=10;
/// The server waits for 90 s in all until a site is reached.
const LONGEST_DIAL: Duration = Duration::from_secs(30);

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
    /// A value that may not be given.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// A dial that the server would not wait for.
    #[error("--http-dial-timeout: 30s at most: the server waits no longer")]
    DialTimeout,
    /// Extras that cannot be read.
    #[error("--extra-info: {0}")]
    ExtraInfo(String),
}

impl ExchangeSettings {
    /// Checks what was given.
    pub(super) fn of(values: &Values) -> Result<Self, ExchangeError> {
        match values.dialect() {
            Dialect::V4 => Self::of_v4(values),
            Dialect::V5 => Self::of_v5(values),
        }
    }

    fn of_v4(values: &Values) -> Result<Self, ExchangeError> {
        let logins = logins(values.items("auth"), "HOST[:PORT]:USER:PASSWORD", Login::parse_v4)?;
        let extra_info = values.text("extra-info");
        let extras = match &extra_info {
            Some(text) => Extras::parse(text)?,
            None => Extras::default(),
        };
        let forwarded =
            if extras.inject_forwarded_for { Forwarded::Keep } else { Forwarded::Remove };
        let max_answer = extras.largest_answer()?;
        let rules = Exchanges { forwarded, logins, keep: KEEP, max_answer, ..Exchanges::default() };
        Ok(Self { rules, extra_info, ..Self::default() })
    }

    fn of_v5(values: &Values) -> Result<Self, ExchangeError> {
        let logins = logins(values.items("auth"), "USER[:PASSWORD]@HOST:PORT", Login::parse_v5)?;
        let headers = (1..).zip(values.items("header"));
        let headers = headers.map(|(item, text)| {
            HeaderRule::parse(&text).map_err(|why| ExchangeError::Header { item, why })
        });
        let dial_timeout = values.duration_or_none("http-dial-timeout")?;
        if dial_timeout.is_some_and(|timeout| timeout > LONGEST_DIAL) {
            return Err(ExchangeError::DialTimeout);
        }
        let idle = values.duration_or_none("http-idle-conn-timeout")?;
        let rules = Exchanges {
            forwarded: Forwarded::Complete,
            headers: headers.collect::<Result<_, _>>()?,
            logins,
            keep: Keep { idle: idle.unwrap_or(KEEP.idle), ..KEEP },
            answer_timeout: values.duration_or_none("http-response-header-timeout")?,
            ..Exchanges::default()
        };
        let backoff = values.duration_or_none("http-dial-backoff")?;
        let dials = Dials {
            attempts: values.number("http-dial-attempts", ATTEMPTS)?.unwrap_or(DEFAULT_ATTEMPTS),
            backoff: backoff.unwrap_or(Dials::default().backoff),
        };
        Ok(Self { rules, dials, dial_timeout, extra_info: None })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(args: &[&str], variables: &[(&str, &str)]) -> Result<ExchangeSettings, String> {
        ExchangeSettings::of(&Values::of_words(args, variables)).map_err(|error| error.to_string())
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
