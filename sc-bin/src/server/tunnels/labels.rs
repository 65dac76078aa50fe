//! Fields with the ids of tunnel and job, in requests of tunnels whose owner wants them: version 4's
//! `inject_job_id`.

use serde::Deserialize;

use super::Live;

/// What of `extra_info` counts here.
#[derive(Deserialize)]
struct Extras {
    #[serde(default)]
    inject_job_id: bool,
}

/// The fields of requests that come by an entrance of this tunnel, or of a job that uses it. `None`:
/// its owner wants none.
pub(super) fn fields(extra_info: Option<&str>, tunnel: &str, job: Option<&str>) -> Option<String> {
    // What is no JSON, or says something else than true or false, wants none.
    let extras: Extras = serde_json::from_str(extra_info?).ok()?;
    if !extras.inject_job_id {
        return None;
    }
    let mut fields = format!("X-Sc-Tunnel-Id: {tunnel}\r\n");
    let is_id = |id: &&str| id.bytes().all(|byte| byte.is_ascii_graphic());
    if let Some(job) = job.filter(is_id) {
        fields.push_str(&format!("X-Sc-Job-Id: {job}\r\n"));
    }
    Some(fields)
}

impl Live {
    /// As [`fields`], of this tunnel.
    pub(super) fn label(&self, job: Option<&str>) -> Option<String> {
        fields(self.record.extra_info.as_deref(), &self.record.id.to_string(), job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_where_they_are_wanted() {
        let wants = Some(r#"{"inject_job_id": true, "runner": "ci"}"#);
        let both = "X-Sc-Tunnel-Id: t1\r\nX-Sc-Job-Id: j1\r\n";
        assert_eq!(fields(wants, "t1", Some("j1")).as_deref(), Some(both));
        assert_eq!(fields(wants, "t1", None).as_deref(), Some("X-Sc-Tunnel-Id: t1\r\n"));
        assert_eq!(fields(wants, "t1", Some("j\r\nx: y")), fields(wants, "t1", None));
        for other in [None, Some(""), Some("{}"), Some("[]"), Some(r#"{"inject_job_id": false}"#)] {
            assert_eq!(fields(other, "t1", Some("j1")), None, "{other:?}");
        }
    }
}
