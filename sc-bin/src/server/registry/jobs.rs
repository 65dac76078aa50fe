//! Records of jobs, running and ended.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::users::{from_sql, to_sql};
use super::{Registry, RegistryError};
use crate::api::{Job, JobStatus};

impl Registry {
    /// Writes a new record.
    pub(crate) async fn insert_job(&self, job: &Job) -> Result<(), RegistryError> {
        sqlx::query(
            "INSERT INTO jobs
                (id, owner, name, tunnel_id, tunnel_name, tunnel_owner, proxy_address, created, member)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(&job.id)
        .bind(&job.owner)
        .bind(&job.name)
        .bind(&job.tunnel_id)
        .bind(&job.tunnel_identifier)
        .bind(&job.tunnel_owner)
        .bind(&job.proxy_address)
        .bind(to_sql(job.creation_time))
        .bind(&*self.member())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The job uses another tunnel of its pool.
    pub(crate) async fn job_moved(&self, id: &str, tunnel: &str) -> Result<(), RegistryError> {
        sqlx::query("UPDATE jobs SET tunnel_id = $1 WHERE id = $2 AND ended IS NULL")
            .bind(tunnel)
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The job ended.
    pub(crate) async fn job_ended(
        &self,
        id: &str,
        at: u64,
        reason: &str,
    ) -> Result<(), RegistryError> {
        sqlx::query("UPDATE jobs SET ended = $1, end_reason = $2 WHERE id = $3 AND ended IS NULL")
            .bind(to_sql(at))
            .bind(reason)
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Ends all jobs that a member of the fleet, or without one a server before this one, left
    /// open.
    pub(crate) async fn end_left_over_jobs(
        &self,
        member: &str,
        at: u64,
        reason: &str,
    ) -> Result<(), RegistryError> {
        let sql = "UPDATE jobs SET ended = $1, end_reason = $2 WHERE ended IS NULL AND member = $3";
        sqlx::query(sql).bind(to_sql(at)).bind(reason).bind(member).execute(&self.pool).await?;
        Ok(())
    }

    /// Removes records of jobs that ended before a moment.
    pub(crate) async fn prune_jobs(&self, ended_before: u64) -> Result<(), RegistryError> {
        sqlx::query("DELETE FROM jobs WHERE ended < $1")
            .bind(to_sql(ended_before))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// One job, whose ever it is.
    pub(crate) async fn job_of_anybody(&self, id: &str) -> Result<Option<Job>, RegistryError> {
        let row = sqlx::query("SELECT * FROM jobs WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(job_of).transpose()
    }

    /// One job of a user.
    pub(crate) async fn job(&self, owner: &str, id: &str) -> Result<Option<Job>, RegistryError> {
        let row = sqlx::query("SELECT * FROM jobs WHERE id = $1 AND owner = $2")
            .bind(id)
            .bind(owner)
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(job_of).transpose()
    }
}

pub(super) fn job_of(row: &AnyRow) -> Result<Job, RegistryError> {
    let ended: Option<i64> = row.try_get("ended")?;
    Ok(Job {
        id: row.try_get("id")?,
        owner: row.try_get("owner")?,
        name: row.try_get("name")?,
        status: if ended.is_some() { JobStatus::Ended } else { JobStatus::Running },
        tunnel_id: row.try_get("tunnel_id")?,
        tunnel_identifier: row.try_get("tunnel_name")?,
        tunnel_owner: row.try_get("tunnel_owner")?,
        proxy_address: row.try_get("proxy_address")?,
        creation_time: from_sql(row.try_get("created")?),
        end_time: ended.map(from_sql),
        end_reason: row.try_get("end_reason")?,
    })
}
