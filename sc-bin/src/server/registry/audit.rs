//! Who did what: starts and ends of tunnels, changes of users and teams.

use std::ops::RangeInclusive;

use serde::Serialize;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::users::{from_sql, to_sql};
use super::{Registry, RegistryError};

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Deed {
    /// When, in Unix seconds.
    pub(crate) time: u64,
    /// By which user; none: by the server itself, or by a command on its machine.
    pub(crate) actor: Option<String>,
    /// What, as `tunnel-started`.
    pub(crate) action: String,
    /// To what: a tunnel's id, a user's name.
    pub(crate) subject: String,
    /// More about it.
    pub(crate) detail: Option<String>,
}

impl Registry {
    /// Writes down what was done in an organisation.
    pub(crate) async fn note(&self, organisation: &str, deed: &Deed) -> Result<(), RegistryError> {
        sqlx::query(
            "INSERT INTO audit (at, organisation, actor, action, subject, detail)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(to_sql(deed.time))
        .bind(organisation)
        .bind(&deed.actor)
        .bind(&deed.action)
        .bind(&deed.subject)
        .bind(&deed.detail)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// What was done last in an organisation, newest first.
    pub(crate) async fn deeds(
        &self,
        organisation: &str,
        limit: u32,
    ) -> Result<Vec<Deed>, RegistryError> {
        let rows = sqlx::query(
            "SELECT at, actor, action, subject, detail FROM audit
             WHERE organisation = $1 ORDER BY id DESC LIMIT $2",
        )
        .bind(organisation)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(deed_of).collect()
    }

    /// What was done in a span of time to one thing, newest first. The span is what keeps the
    /// search short.
    pub(crate) async fn deeds_about(
        &self,
        organisation: &str,
        subject: &str,
        span: RangeInclusive<u64>,
    ) -> Result<Vec<Deed>, RegistryError> {
        let rows = sqlx::query(
            "SELECT at, actor, action, subject, detail FROM audit
             WHERE at BETWEEN $1 AND $2 AND organisation = $3 AND subject = $4
             ORDER BY id DESC LIMIT 20",
        )
        .bind(to_sql(*span.start()))
        .bind(to_sql(*span.end()))
        .bind(organisation)
        .bind(subject)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(deed_of).collect()
    }

    /// Forgets what was done before a moment.
    pub(crate) async fn prune_deeds(&self, before: u64) -> Result<(), RegistryError> {
        sqlx::query("DELETE FROM audit WHERE at < $1")
            .bind(to_sql(before))
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

fn deed_of(row: &AnyRow) -> Result<Deed, RegistryError> {
    Ok(Deed {
        time: from_sql(row.try_get("at")?),
        actor: row.try_get("actor")?,
        action: row.try_get("action")?,
        subject: row.try_get("subject")?,
        detail: row.try_get("detail")?,
    })
}
