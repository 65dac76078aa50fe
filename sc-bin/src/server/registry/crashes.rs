//! Crash reports that clients sent.

use serde::Serialize;
use serde_json::Value;
use sqlx::Row as _;

use super::users::{from_sql, to_sql};
use super::{Registry, RegistryError};

/// Most reports that are kept of one user, and of all. Older ones make room. A report is as large
/// as a request's body may be.
const MAX_OF_USER: i64 = 10;
const MAX_OF_ALL: i64 = 500;

/// A report as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct CrashReport {
    /// When it came, in Unix seconds.
    pub(crate) time: u64,
    /// What the client said.
    pub(crate) report: Value,
}

impl Registry {
    /// Keeps a report.
    pub(crate) async fn add_crash_report(
        &self,
        reporter: &str,
        now: u64,
        report: &Value,
    ) -> Result<(), RegistryError> {
        let mut statements = self.pool.begin().await?;
        sqlx::query("INSERT INTO crash_reports (reporter, at, report) VALUES ($1, $2, $3)")
            .bind(reporter)
            .bind(to_sql(now))
            .bind(report.to_string())
            .execute(&mut *statements)
            .await?;
        sqlx::query(
            "DELETE FROM crash_reports WHERE reporter = $1 AND id NOT IN
                (SELECT id FROM crash_reports WHERE reporter = $1 ORDER BY id DESC LIMIT $2)",
        )
        .bind(reporter)
        .bind(MAX_OF_USER)
        .execute(&mut *statements)
        .await?;
        sqlx::query(
            "DELETE FROM crash_reports WHERE id NOT IN
                (SELECT id FROM crash_reports ORDER BY id DESC LIMIT $1)",
        )
        .bind(MAX_OF_ALL)
        .execute(&mut *statements)
        .await?;
        statements.commit().await?;
        Ok(())
    }

    /// The reports of a user, newest first.
    pub(crate) async fn crash_reports(
        &self,
        reporter: &str,
    ) -> Result<Vec<CrashReport>, RegistryError> {
        let rows = sqlx::query(
            "SELECT at, report FROM crash_reports WHERE reporter = $1 ORDER BY id DESC",
        )
        .bind(reporter)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                let broken = |_| RegistryError::Broken("a crash report".to_owned());
                Ok(CrashReport {
                    time: from_sql(row.try_get("at")?),
                    report: serde_json::from_str(row.try_get("report")?).map_err(broken)?,
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::on_each_store;
    use super::*;

    #[tokio::test]
    async fn the_newest_are_kept() {
        on_each_store(async |registry| {
            for number in 0..=MAX_OF_USER {
                let report = serde_json::json!({"Info": number});
                registry.add_crash_report("jane", 7, &report).await.unwrap();
            }
            let kept = registry.crash_reports("jane").await.unwrap();
            assert_eq!(kept.len(), MAX_OF_USER as usize);
            assert_eq!(kept[0].report["Info"], MAX_OF_USER);
            assert!(registry.crash_reports("bob").await.unwrap().is_empty());
        })
        .await;
    }
}
