//! Scripts that are for this server: `sauce:job-name=…` and the like, which tests send to the
//! browser by `execute/sync` and which must not get there.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::api::JobUpdate;

/// What a script asks for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Script {
    /// A remark about what comes next.
    Context(String),
    /// Something about the job.
    Update(JobUpdate),
    /// Begins as ours do, and is none.
    Unknown(String),
}

#[derive(Deserialize)]
struct Execute<'a> {
    #[serde(borrow)]
    script: std::borrow::Cow<'a, str>,
}

impl Script {
    /// The script in the body of `execute/sync`, if it is for this server.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let Execute { script } = serde_json::from_slice(body).ok()?;
        Self::parse(&script)
    }

    fn parse(script: &str) -> Option<Self> {
        let said = script.trim_start().strip_prefix("sauce:")?.trim();
        let (word, value) = said.split_once('=').unwrap_or((said, ""));
        let text = || Some(value.to_owned());
        let update = match word.trim() {
            "context" => return Some(Self::Context(value.to_owned())),
            "job-name" => JobUpdate { name: text(), ..JobUpdate::default() },
            "job-build" => JobUpdate { build: text(), ..JobUpdate::default() },
            "job-tags" => {
                let tags = value.split(',').map(str::trim).filter(|tag| !tag.is_empty());
                JobUpdate { tags: Some(tags.map(str::to_owned).collect()), ..JobUpdate::default() }
            }
            "job-result" => match value.trim() {
                "passed" | "true" => JobUpdate { passed: Some(true), ..JobUpdate::default() },
                "failed" | "false" => JobUpdate { passed: Some(false), ..JobUpdate::default() },
                _ => return Some(Self::Unknown(script.to_owned())),
            },
            // All of it in one, as JSON.
            "job-info" => match serde_json::from_str::<Map<String, Value>>(value)
                .and_then(|fields| serde_json::from_value(Value::Object(fields)))
            {
                Ok(update) => update,
                Err(_) => return Some(Self::Unknown(script.to_owned())),
            },
            _ => return Some(Self::Unknown(script.chars().take(80).collect())),
        };
        Some(Self::Update(update))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_of_ours_are_told_from_those_for_the_browser() {
        let read = |script: &str| {
            let body = serde_json::json!({"script": script, "args": []}).to_string();
            Script::read(body.as_bytes())
        };
        let none = JobUpdate::default;
        let update = |update| Some(Script::Update(update));
        assert_eq!(read("return 'sauce:job-name=x'"), None);
        assert_eq!(Script::read(b"{}"), None);
        assert_eq!(read("sauce:context=a = b"), Some(Script::Context("a = b".to_owned())));
        assert_eq!(
            read("sauce:job-name=\"x\" \n"),
            update(JobUpdate { name: Some("\"x\"".to_owned()), ..none() })
        );
        assert_eq!(
            read("sauce:job-tags=a, b,"),
            update(JobUpdate { tags: Some(vec!["a".to_owned(), "b".to_owned()]), ..none() })
        );
        for (result, passed) in [("passed", true), ("true", true), ("failed", false)] {
            let passed = JobUpdate { passed: Some(passed), ..none() };
            assert_eq!(read(&format!("sauce:job-result={result}")), update(passed));
        }
        assert_eq!(
            read(r#"sauce:job-info={"name": "n", "passed": true}"#),
            update(JobUpdate { name: Some("n".to_owned()), passed: Some(true), ..none() })
        );
        for unknown in ["sauce:job-result=perhaps", "sauce: break", "sauce:job-info=[]"] {
            assert!(matches!(read(unknown), Some(Script::Unknown(_))), "{unknown}");
        }
    }
}
