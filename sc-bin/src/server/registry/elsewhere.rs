//! What other members of a fleet carry, as they have written it down.

use std::collections::BTreeSet;

use sc_proto::contract::TunnelId;
use sqlx::{Any, Row as _, Transaction};

use super::jobs::job_of;
use super::tunnels::tunnel_of;
use super::users::{from_sql, limit_from_sql, to_sql};
use super::{Kind, Registry, RegistryError, flag};
use crate::api::{Job, Tunnel};

/// A record, and who wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// As its server last said.
    pub(crate) tunnel: Tunnel,
    /// The member that carries it, or did.
    pub(crate) member: String,
}

/// A tunnel that takes jobs, and how many it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JobPlace {
    /// Who carries it.
    pub(crate) member: String,
    /// Whether others than its owner may use it.
    pub(crate) is_shared: bool,
    /// Jobs that use it.
    pub(crate) jobs: u32,
}

/// How many tunnels that are not ending others carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CountElsewhere {
    /// Of an organisation.
    pub(crate) organisation: u32,
    /// Of one of its users.
    pub(crate) user: u32,
}

/// What only one server of a fleet does at a time. Over when dropped; the database itself ends it
/// when its server is dead or hangs.
#[derive(Debug)]
pub(crate) struct Turn(
    #[expect(dead_code, reason = "held for its lock")] Option<Transaction<'static, Any>>,
);

impl Registry {
    /// Waits until this server is the only one that does something about `what`.
    pub(crate) async fn turn(&self, what: &str) -> Result<Turn, RegistryError> {
        if self.kind == Kind::File {
            return Ok(Turn(None));
        }
        let mut transaction = self.pool.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
            .bind(what)
            .execute(&mut *transaction)
            .await?;
        Ok(Turn(Some(transaction)))
    }

    /// Tunnels of a user that others carry, oldest first.
    pub(crate) async fn live_elsewhere_of(
        &self,
        owner: &str,
    ) -> Result<Vec<Recorded>, RegistryError> {
        let rows = sqlx::query(
            "SELECT * FROM tunnels WHERE owner = $1 AND ended IS NULL AND member <> $2
             ORDER BY created, id",
        )
        .bind(owner)
        .bind(&*self.member())
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(recorded).collect()
    }

    /// Tunnels of an organisation that others carry, oldest first.
    pub(crate) async fn live_elsewhere_in(
        &self,
        organisation: &str,
    ) -> Result<Vec<Recorded>, RegistryError> {
        let rows = sqlx::query(
            "SELECT * FROM tunnels WHERE organisation = $1 AND ended IS NULL AND member <> $2
             ORDER BY created, id",
        )
        .bind(organisation)
        .bind(&*self.member())
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(recorded).collect()
    }

    /// How many tunnels others carry that count towards a limit.
    pub(crate) async fn count_elsewhere(
        &self,
        organisation: &str,
        user: &str,
    ) -> Result<CountElsewhere, RegistryError> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS organisation,
                    COALESCE(SUM(CASE WHEN owner = $1 THEN 1 ELSE 0 END), 0) AS of_user
             FROM tunnels
             WHERE organisation = $2 AND ended IS NULL AND status <> 'halting' AND member <> $3",
        )
        .bind(user)
        .bind(organisation)
        .bind(&*self.member())
        .fetch_one(&self.pool)
        .await?;
        Ok(CountElsewhere {
            organisation: limit_from_sql(row.try_get("organisation")?),
            user: limit_from_sql(row.try_get("of_user")?),
        })
    }

    /// One record, and whose it is.
    pub(crate) async fn recorded(&self, id: TunnelId) -> Result<Option<Recorded>, RegistryError> {
        let row = sqlx::query("SELECT * FROM tunnels WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(recorded).transpose()
    }

    /// The newest tunnels of a user, ended ones included, whoever carries them.
    pub(crate) async fn newest_recorded(
        &self,
        owner: &str,
        limit: u32,
    ) -> Result<Vec<Recorded>, RegistryError> {
        let rows = sqlx::query(
            "SELECT * FROM tunnels WHERE owner = $1 ORDER BY created DESC, id LIMIT $2",
        )
        .bind(owner)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(recorded).collect()
    }

    /// A client says that it is connected to a tunnel that another member carries. It is believed
    /// as far as that member sees it, too.
    pub(crate) async fn connected_elsewhere(
        &self,
        id: TunnelId,
        now: u64,
    ) -> Result<(), RegistryError> {
        sqlx::query(
            "UPDATE tunnels SET last_connected = $1
             WHERE id = $2 AND ended IS NULL AND ready = 1",
        )
        .bind(to_sql(now))
        .bind(id.to_string())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The fleet had given this server up and is wrong: a tunnel that nobody has made anew is this
    /// server's again, under its new name. Says whether it is.
    pub(crate) async fn reclaim(&self, id: TunnelId, before: &str) -> Result<bool, RegistryError> {
        let done = sqlx::query(
            "UPDATE tunnels
             SET status = 'running', ended = NULL, user_shutdown = NULL, shutdown_reason = NULL,
                 member = $1
             WHERE id = $2 AND member = $3 AND ended IS NOT NULL AND shutdown_reason = $4",
        )
        .bind(&*self.member())
        .bind(id.to_string())
        .bind(before)
        .bind(SERVER_LOST)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Tunnels whose records say that this server has carried them since before a moment.
    pub(crate) async fn carried_since_before(
        &self,
        moment: u64,
    ) -> Result<BTreeSet<TunnelId>, RegistryError> {
        let rows = sqlx::query(
            "SELECT id FROM tunnels
             WHERE member = $1 AND ended IS NULL AND COALESCE(launched, created) < $2",
        )
        .bind(&*self.member())
        .bind(to_sql(moment))
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                let id: String = row.try_get("id")?;
                id.parse().map_err(|_| RegistryError::Broken(format!("tunnel {id}")))
            })
            .collect()
    }

    /// Whether a record says that this server carries a tunnel.
    pub(crate) async fn is_carried_here(&self, id: TunnelId) -> Result<bool, RegistryError> {
        let sql = "SELECT 1 AS one FROM tunnels WHERE id = $1 AND member = $2 AND ended IS NULL";
        let row = sqlx::query(sql)
            .bind(id.to_string())
            .bind(&*self.member())
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.is_some())
    }

    /// How many jobs use a tunnel, whoever carries it.
    pub(crate) async fn jobs_on(&self, tunnel: TunnelId) -> Result<u32, RegistryError> {
        let sql = "SELECT COUNT(*) AS jobs FROM jobs WHERE tunnel_id = $1 AND ended IS NULL";
        let row = sqlx::query(sql).bind(tunnel.to_string()).fetch_one(&self.pool).await?;
        Ok(limit_from_sql(row.try_get("jobs")?))
    }

    /// Jobs of a user that run at others, oldest first.
    pub(crate) async fn jobs_elsewhere(&self, owner: &str) -> Result<Vec<Job>, RegistryError> {
        let rows = sqlx::query(
            "SELECT * FROM jobs WHERE owner = $1 AND ended IS NULL AND member <> $2
             ORDER BY created, id",
        )
        .bind(owner)
        .bind(&*self.member())
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(job_of).collect()
    }

    /// The tunnels of that owner and name that take jobs, whoever carries them.
    pub(crate) async fn job_places(
        &self,
        owner: &str,
        name: Option<&str>,
    ) -> Result<Vec<JobPlace>, RegistryError> {
        let rows = sqlx::query(
            "SELECT member, shared, (SELECT COUNT(*) FROM jobs AS j
                WHERE j.tunnel_id = t.id AND j.ended IS NULL) AS jobs
             FROM tunnels AS t
             WHERE owner = $1 AND name IS NOT DISTINCT FROM $2
               AND ended IS NULL AND status = 'running' AND ready = 1",
        )
        .bind(owner)
        .bind(name)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(JobPlace {
                    member: row.try_get("member")?,
                    is_shared: flag(row, "shared")?,
                    jobs: u32::try_from(from_sql(row.try_get("jobs")?)).unwrap_or(u32::MAX),
                })
            })
            .collect()
    }
}

/// Why a tunnel ended whose server is gone.
pub(crate) const SERVER_LOST: &str = "serverLost";

fn recorded(row: &sqlx::any::AnyRow) -> Result<Recorded, RegistryError> {
    Ok(Recorded { tunnel: tunnel_of(row)?, member: row.try_get("member")? })
}

#[cfg(test)]
mod tests {
    use super::super::Client;
    use super::super::test_support::on_each_store;
    use super::super::tunnels::tests::{end, tunnel};
    use super::*;

    #[tokio::test]
    async fn what_others_carry_is_seen_and_counted() {
        on_each_store(async |registry| {
            registry.write_as("b");
            for (id, owner) in [(1, "jane"), (2, "jane"), (3, "bob"), (4, "jane")] {
                registry.insert_tunnel(&tunnel(id, owner), "default").await.unwrap();
            }
            registry.tunnel_ended(tunnel(4, "").id, &end(1, "x")).await.unwrap();
            let (first, second) = (tunnel(1, "jane").id, tunnel(2, "jane").id);
            registry.tunnel_launched(first, 1).await.unwrap();
            registry.tunnel_client(first, 2, Client::Here).await.unwrap();
            registry.tunnel_halting(second, &end(1, "x")).await.unwrap();
            let counts = registry.count_elsewhere("default", "jane").await.unwrap();
            assert_eq!(counts, CountElsewhere { organisation: 0, user: 0 }, "its own");
            registry.write_as("a");
            let counts = registry.count_elsewhere("default", "jane").await.unwrap();
            assert_eq!(counts, CountElsewhere { organisation: 2, user: 1 });
            let counts = registry.count_elsewhere("none", "jane").await.unwrap();
            assert_eq!(counts, CountElsewhere { organisation: 0, user: 0 });
            let seen = registry.live_elsewhere_of("jane").await.unwrap();
            let seen: Vec<_> =
                seen.iter().map(|r| (r.tunnel.id, r.tunnel.is_ready, &*r.member)).collect();
            assert_eq!(seen, [(first, true, "b"), (second, false, "b")]);
            assert_eq!(registry.live_elsewhere_in("default").await.unwrap().len(), 3);
            assert_eq!(registry.newest_recorded("jane", 9).await.unwrap().len(), 3);
            registry.connected_elsewhere(first, 9).await.unwrap();
            registry.connected_elsewhere(second, 9).await.unwrap();
            let last = async |id| registry.tunnel(id).await.unwrap().unwrap().last_connected;
            assert_eq!((last(first).await, last(second).await), (Some(9), None));
            // Only who carries a tunnel writes about it.
            registry.tunnel_client(first, 10, Client::Gone).await.unwrap();
            registry.tunnel_ended(first, &end(11, "x")).await.unwrap();
            assert_eq!(last(first).await, Some(9));
            assert_eq!(registry.live_elsewhere_of("jane").await.unwrap().len(), 2);
        })
        .await;
    }

    #[tokio::test]
    async fn who_was_given_up_wrongly_has_back_what_nobody_took() {
        on_each_store(async |registry| {
            registry.write_as("old");
            for id in [1, 2] {
                registry.insert_tunnel(&tunnel(id, "jane"), "default").await.unwrap();
                registry.tunnel_ended(tunnel(id, "").id, &end(5, SERVER_LOST)).await.unwrap();
            }
            registry.write_as("other");
            registry.insert_tunnel(&tunnel(2, "jane"), "default").await.unwrap();
            registry.write_as("new");
            assert!(registry.reclaim(tunnel(1, "").id, "old").await.unwrap());
            assert!(!registry.reclaim(tunnel(1, "").id, "old").await.unwrap());
            assert!(!registry.reclaim(tunnel(2, "").id, "old").await.unwrap());
            let record = registry.recorded(tunnel(1, "").id).await.unwrap().unwrap();
            assert_eq!((&*record.member, record.tunnel.shutdown_time), ("new", None));
            let carried = registry.carried_since_before(u64::MAX).await.unwrap();
            assert_eq!(carried.into_iter().collect::<Vec<_>>(), [tunnel(1, "").id]);
            assert!(registry.carried_since_before(1000).await.unwrap().is_empty());
            assert!(registry.is_carried_here(tunnel(1, "").id).await.unwrap());
            assert!(!registry.is_carried_here(tunnel(2, "").id).await.unwrap());
            // Nor can anybody make anew what is there.
            registry.write_as("other");
            assert!(registry.insert_tunnel(&tunnel(1, "jane"), "default").await.is_err());
        })
        .await;
    }

    #[tokio::test]
    async fn jobs_find_the_members_of_a_pool_wherever_they_are() {
        on_each_store(async |registry| {
            let name = tunnel(1, "").tunnel_identifier;
            for (id, member) in [(1, "a"), (2, "b"), (3, "b")] {
                registry.write_as(member);
                let record = tunnel(id, "jane");
                registry.insert_tunnel(&record, "default").await.unwrap();
                registry.tunnel_launched(record.id, 1).await.unwrap();
                if id < 3 {
                    registry.tunnel_client(record.id, 1, Client::Here).await.unwrap();
                }
            }
            for id in ["one", "two"] {
                let on_first = job(id, tunnel(1, "").id);
                registry.insert_job(&on_first).await.unwrap();
            }
            let places = registry.job_places("jane", name.as_deref()).await.unwrap();
            let mut places: Vec<_> = places.iter().map(|one| (&*one.member, one.jobs)).collect();
            places.sort_unstable();
            assert_eq!(places, [("a", 2), ("b", 0)], "one has no client");
            assert!(registry.job_places("jane", None).await.unwrap().is_empty());
            assert_eq!(registry.jobs_on(tunnel(1, "").id).await.unwrap(), 2);
            assert!(registry.jobs_elsewhere("bob").await.unwrap().is_empty());
            registry.write_as("a");
            registry.wish_job_end("one").await.unwrap();
            assert_eq!(registry.jobs_elsewhere("bob").await.unwrap().len(), 2);
            assert!(registry.jobs_to_end().await.unwrap().is_empty(), "not this one's");
            registry.write_as("b");
            assert_eq!(registry.jobs_to_end().await.unwrap(), ["one"]);
            registry.job_ended("one", 9, "request").await.unwrap();
            assert!(registry.jobs_to_end().await.unwrap().is_empty());
            assert!(registry.job_of_anybody("one").await.unwrap().unwrap().end_time.is_some());
        })
        .await;
    }

    fn job(id: &str, tunnel: TunnelId) -> Job {
        Job {
            id: id.to_owned(),
            owner: "bob".to_owned(),
            name: None,
            status: crate::api::JobStatus::Running,
            tunnel_id: tunnel.to_string(),
            tunnel_identifier: None,
            tunnel_owner: "jane".to_owned(),
            proxy_address: "127.0.0.1:1".to_owned(),
            creation_time: 1,
            end_time: None,
            end_reason: None,
        }
    }

    #[tokio::test]
    async fn one_at_a_time() {
        on_each_store(async |registry| {
            if registry.kind == Kind::File {
                return;
            }
            let first = registry.turn("jane").await.unwrap();
            registry.turn("bob").await.unwrap();
            let second = tokio::spawn({
                let registry = registry.clone();
                async move { registry.turn("jane").await.map(drop) }
            });
            let waits = "SELECT COUNT(*) AS n FROM pg_locks WHERE NOT granted";
            loop {
                let row = sqlx::query(waits).fetch_one(&registry.pool).await.unwrap();
                if row.try_get::<i64, _>("n").unwrap() == 1 {
                    break;
                }
            }
            assert!(!second.is_finished());
            drop(first);
            second.await.unwrap().unwrap();
        })
        .await;
    }
}
