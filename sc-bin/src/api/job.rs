//! Jobs: what uses a tunnel for a while.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Longest name of a job or a build, in bytes.
const MAX_NAME: usize = 256;
/// Most tags of a job, and their length.
const MAX_TAGS: usize = 50;
const MAX_TAG: usize = 100;
/// Largest data of a user's own, in bytes of JSON.
const MAX_CUSTOM_DATA: usize = 16 * 1024;
/// Most remarks that are kept, and their length in characters.
const MAX_REMARKS: usize = 200;
const MAX_REMARK: usize = 500;

/// The request `POST /{user}/jobs`. An extension, as all of jobs' own calls are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct CreateJob {
    /// Name of the tunnel or pool; none: the owner's unnamed tunnel.
    #[serde(alias = "tunnelName", alias = "tunnelIdentifier")]
    pub(crate) tunnel_identifier: Option<String>,
    /// Whose tunnel; none: the user's own.
    #[serde(alias = "tunnelOwner", alias = "parentTunnel")]
    pub(crate) tunnel_owner: Option<String>,
    /// What people call the job.
    pub(crate) name: Option<String>,
    /// After so many seconds without a new connection it ends.
    pub(crate) idle_timeout: Option<u32>,
    /// After so many seconds it ends in any case.
    pub(crate) max_duration: Option<u32>,
    /// What is known about it.
    #[serde(flatten)]
    pub(crate) details: JobDetails,
}

/// What is known about a job, and does nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct JobDetails {
    /// Whether its test passed.
    pub(crate) passed: Option<bool>,
    /// The build that it belongs to.
    pub(crate) build: Option<String>,
    /// Words to find it by.
    #[serde(deserialize_with = "list_or_null")]
    pub(crate) tags: Vec<String>,
    /// Whatever else the user says.
    #[serde(rename = "custom-data")]
    pub(crate) custom_data: Option<Map<String, Value>>,
    /// Of a WebDriver session: the browser's name.
    #[serde(skip_deserializing)]
    pub(crate) browser: Option<String>,
    /// Its version.
    #[serde(skip_deserializing)]
    pub(crate) browser_version: Option<String>,
    /// Its operating system.
    #[serde(skip_deserializing)]
    pub(crate) os: Option<String>,
    /// `webdriver` for a WebDriver session.
    #[serde(skip_deserializing)]
    pub(crate) automation_backend: Option<String>,
    /// The test's remarks by `sauce:context=`, the newest last.
    #[serde(skip_deserializing)]
    pub(crate) context: Vec<String>,
}

/// The request `PUT /{user}/jobs/{id}`: what is not said stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct JobUpdate {
    /// What people call it.
    pub(crate) name: Option<String>,
    /// Whether its test passed.
    pub(crate) passed: Option<bool>,
    /// The build that it belongs to.
    pub(crate) build: Option<String>,
    /// Words to find it by.
    pub(crate) tags: Option<Vec<String>>,
    /// Whatever else the user says.
    #[serde(rename = "custom-data")]
    pub(crate) custom_data: Option<Map<String, Value>>,
}

fn null_if_empty<S: serde::Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    Some(text).filter(|text| !text.is_empty()).serialize(serializer)
}

fn list_or_null<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    Option::<Vec<String>>::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl JobDetails {
    /// Reads what was written down. What others may not say is read here, too.
    pub(crate) fn of_record(text: &str) -> Option<Self> {
        let fields: Map<String, Value> = serde_json::from_str(text).ok()?;
        let said = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let context = fields.get("context").cloned().unwrap_or_default();
        let record = Self {
            browser: said("browser"),
            browser_version: said("browser_version"),
            os: said("os"),
            automation_backend: said("automation_backend"),
            context: serde_json::from_value(context).unwrap_or_default(),
            ..serde_json::from_str(text).ok()?
        };
        Some(record)
    }

    /// Cut to what is kept: a test does not fail for its labels.
    pub(crate) fn within_limits(mut self) -> Self {
        self.build = self.build.map(label);
        self.tags.truncate(MAX_TAGS);
        self.tags = self.tags.into_iter().map(|tag| cut(tag, MAX_TAG)).collect();
        let fits = |data: &Map<String, Value>| {
            serde_json::to_vec(data).is_ok_and(|json| json.len() <= MAX_CUSTOM_DATA)
        };
        self.custom_data = self.custom_data.filter(fits);
        self
    }

    /// Keeps one more remark; the oldest makes room.
    pub(crate) fn note(&mut self, remark: &str) {
        if self.context.len() >= MAX_REMARKS {
            self.context.remove(0);
        }
        self.context.push(remark.chars().take(MAX_REMARK).collect());
    }
}

impl Job {
    /// Takes in what is new about it.
    pub(crate) fn change(&mut self, update: JobUpdate) {
        let JobUpdate { name, passed, build, tags, custom_data } = update;
        if let Some(name) = name {
            self.name = Some(label(name));
        }
        let details = std::mem::take(&mut self.details);
        self.details = JobDetails {
            passed: passed.or(details.passed),
            build: build.or(details.build),
            tags: tags.unwrap_or(details.tags),
            custom_data: custom_data.or(details.custom_data),
            ..details
        }
        .within_limits();
    }
}

/// A text as the name of a job.
pub(crate) fn label(text: String) -> String {
    cut(text, MAX_NAME)
}

/// At most so many bytes of a text, without control characters.
fn cut(text: String, most: usize) -> String {
    let mut text: String = text.chars().filter(|c| !c.is_control()).collect();
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

/// A job, running or ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Job {
    /// Its id: 32 hex digits.
    pub(crate) id: String,
    /// Whose it is.
    pub(crate) owner: String,
    /// What people call it.
    pub(crate) name: Option<String>,
    /// Whether it counts.
    pub(crate) status: JobStatus,
    /// The tunnel it uses now. That of a pool changes when a member goes. Empty: none.
    #[serde(serialize_with = "null_if_empty")]
    pub(crate) tunnel_id: String,
    /// The name of that tunnel.
    pub(crate) tunnel_identifier: Option<String>,
    /// Its owner.
    pub(crate) tunnel_owner: String,
    /// The job's own HTTP proxy, `host:port`. It stays the same until the job ends. Empty: none.
    #[serde(serialize_with = "null_if_empty")]
    pub(crate) proxy_address: String,
    /// When it began.
    pub(crate) creation_time: u64,
    /// When it ended.
    pub(crate) end_time: Option<u64>,
    /// Why it ended, as `request`, `idle`.
    pub(crate) end_reason: Option<String>,
    /// What else is known about it.
    #[serde(flatten)]
    pub(crate) details: JobDetails,
}

/// Whether a job counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum JobStatus {
    /// It does.
    Running,
    /// It did.
    Ended,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_about_a_job_is_bounded() {
        let long = "é".repeat(400);
        let details = JobDetails {
            build: Some(long.clone()),
            tags: vec![long.clone(); 99],
            custom_data: Some(Map::from_iter([("a".to_owned(), Value::from("x".repeat(20_000)))])),
            ..JobDetails::default()
        };
        let mut kept = details.within_limits();
        assert_eq!(kept.build.as_ref().unwrap().len(), 256);
        assert!(kept.tags.len() == 50 && kept.tags[0].len() == 100);
        assert_eq!(kept.custom_data, None);
        for number in 0..300 {
            kept.note(&number.to_string());
        }
        assert_eq!((kept.context.len(), kept.context[199].as_str()), (200, "299"));
        assert_eq!(cut("a\nb".to_owned(), 9), "ab");
        kept.browser = Some("chrome".to_owned());
        let text = serde_json::to_string(&kept).unwrap();
        assert_eq!(JobDetails::of_record(&text), Some(kept));
        let foreign: JobDetails = serde_json::from_str(&text).unwrap();
        assert!(foreign.browser.is_none() && foreign.context.is_empty(), "not for others to say");
    }
}
