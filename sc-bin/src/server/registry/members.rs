//! Members of a fleet: the servers that share this registry.

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::users::{from_sql, limit_from_sql, to_sql};
use super::{End, Registry, RegistryError};

/// A server of the fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// Another one for each run.
    pub(crate) id: String,
    /// Where clients' tunnels connect to.
    pub(crate) address: String,
    /// Whether it takes new tunnels.
    pub(crate) status: MemberStatus,
    /// Most tunnels that it takes.
    pub(crate) capacity: u32,
    /// How many it has, those included that are about to be made there.
    pub(crate) tunnels: u32,
    /// Counts up while it lives.
    pub(crate) beat: i64,
    /// When that was last, in Unix seconds of the database.
    pub(crate) last_beat: u64,
}

/// Whether a member takes new tunnels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberStatus {
    /// It does.
    Serving,
    /// It keeps those it has.
    Draining,
}

impl MemberStatus {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Draining => "draining",
        }
    }
}

/// Whether the fleet takes a member for alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It does.
    Alive,
    /// The others have shared out its tunnels.
    Buried,
}

/// For whom a place is sought.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Newcomer<'a> {
    /// Members of one pool go to different servers where they can: its owner and name.
    pub(crate) pool: Option<(&'a str, &'a str)>,
    /// Members that had no room after all, three at most.
    pub(crate) without: &'a [String],
    /// For how many seconds a member may have been silent.
    pub(crate) silence: u64,
}

impl Registry {
    /// Makes this process a member, and writes as it from now on.
    pub(crate) async fn join(
        &self,
        id: &str,
        address: &str,
        capacity: u32,
        tunnels: u32,
    ) -> Result<(), RegistryError> {
        let sql = format!(
            "INSERT INTO members (id, address, status, capacity, tunnels, beat, joined, last_beat)
             VALUES ($1, $2, 'serving', $3, $4, 0, {now}, {now})",
            now = self.kind.now()
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(id)
            .bind(address)
            .bind(i64::from(capacity))
            .bind(i64::from(tunnels))
            .execute(&self.pool)
            .await?;
        self.write_as(id);
        Ok(())
    }

    /// Gives a sign of life, and says how many tunnels there are here.
    pub(crate) async fn beat(&self, tunnels: u32) -> Result<Standing, RegistryError> {
        let sql = format!(
            "UPDATE members SET beat = beat + 1, tunnels = $1, last_beat = {now} WHERE id = $2",
            now = self.kind.now()
        );
        let done = sqlx::query(AssertSqlSafe(sql))
            .bind(i64::from(tunnels))
            .bind(&*self.member())
            .execute(&self.pool)
            .await?;
        Ok(if done.rows_affected() == 0 { Standing::Buried } else { Standing::Alive })
    }

    /// All members, by address.
    pub(crate) async fn members(&self) -> Result<Vec<Member>, RegistryError> {
        let rows =
            sqlx::query("SELECT * FROM members ORDER BY address, id").fetch_all(&self.pool).await?;
        rows.iter().map(member_of).collect()
    }

    /// The member for one more tunnel: of those that have room the emptiest; equals by chance. The
    /// tunnel counts from now on, so that many who ask at once are shared out.
    pub(crate) async fn place(
        &self,
        newcomer: Newcomer<'_>,
    ) -> Result<Option<String>, RegistryError> {
        let sql = format!(
            "UPDATE members SET tunnels = tunnels + 1 WHERE id = (
                SELECT id FROM members AS m
                WHERE status = 'serving' AND tunnels < capacity AND {now} - last_beat <= $1
                  AND id NOT IN ($2, $3, $4)
                ORDER BY (SELECT COUNT(*) FROM tunnels AS t WHERE t.owner = $5 AND t.name = $6
                          AND t.ended IS NULL AND t.member = m.id),
                    tunnels * 1000000 / capacity, random()
                LIMIT 1)
             RETURNING id",
            now = self.kind.now()
        );
        let without = |at: usize| newcomer.without.get(at).map_or("", String::as_str);
        let (owner, name) = newcomer.pool.unwrap_or_default();
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(to_sql(newcomer.silence))
            .bind(without(0))
            .bind(without(1))
            .bind(without(2))
            .bind(owner)
            .bind(name)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(|row| row.try_get("id")).transpose()?)
    }

    /// Ends what a member carried whose beat has stood still, and forgets the member; says how many
    /// tunnels that were. `None`: it lives after all, or another server was faster.
    pub(crate) async fn bury(
        &self,
        dead: &Member,
        end: &End,
    ) -> Result<Option<u64>, RegistryError> {
        let mut statements = self.pool.begin().await?;
        let gone = sqlx::query("DELETE FROM members WHERE id = $1 AND beat = $2")
            .bind(&dead.id)
            .bind(dead.beat)
            .execute(&mut *statements)
            .await?;
        if gone.rows_affected() == 0 {
            return Ok(None);
        }
        sqlx::query(
            "INSERT INTO audit (at, organisation, actor, action, subject, detail)
             SELECT CAST($1 AS BIGINT), organisation, NULL, 'tunnel-ended', id,
                    COALESCE(shutdown_reason, $2)
             FROM tunnels WHERE member = $3 AND ended IS NULL",
        )
        .bind(to_sql(end.at))
        .bind(&end.reason)
        .bind(&dead.id)
        .execute(&mut *statements)
        .await?;
        let ended = sqlx::query(
            "UPDATE tunnels
             SET status = 'terminated', ended = $1, ready = 0, wish = NULL,
                 user_shutdown = COALESCE(user_shutdown, $2),
                 shutdown_reason = COALESCE(shutdown_reason, $3)
             WHERE member = $4 AND ended IS NULL",
        )
        .bind(to_sql(end.at))
        .bind(i64::from(end.user_shutdown))
        .bind(&end.reason)
        .bind(&dead.id)
        .execute(&mut *statements)
        .await?;
        for also in [
            "UPDATE jobs SET ended = $1, end_reason = $2 WHERE ended IS NULL AND member = $3",
            "DELETE FROM orders WHERE CAST($1 AS BIGINT) IS NOT NULL
                AND CAST($2 AS TEXT) IS NOT NULL AND (receiver = $3 OR sender = $3)",
        ] {
            sqlx::query(also)
                .bind(to_sql(end.at))
                .bind(&end.reason)
                .bind(&dead.id)
                .execute(&mut *statements)
                .await?;
        }
        statements.commit().await?;
        Ok(Some(ended.rows_affected()))
    }

    /// Ends the records of tunnels whose server is no member. Says how many.
    pub(crate) async fn end_orphans(&self, end: &End) -> Result<u64, RegistryError> {
        let done = sqlx::query(
            "UPDATE tunnels
             SET status = 'terminated', ended = $1, ready = 0, wish = NULL,
                 user_shutdown = COALESCE(user_shutdown, $2),
                 shutdown_reason = COALESCE(shutdown_reason, $3)
             WHERE ended IS NULL AND member NOT IN (SELECT id FROM members)",
        )
        .bind(to_sql(end.at))
        .bind(i64::from(end.user_shutdown))
        .bind(&end.reason)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }

    /// Says whether a member takes new tunnels; of which address or id, `who` says. Says how many
    /// members that were.
    pub(crate) async fn set_member(
        &self,
        who: &str,
        status: MemberStatus,
    ) -> Result<u64, RegistryError> {
        let done = sqlx::query("UPDATE members SET status = $1 WHERE id = $2 OR address = $2")
            .bind(status.name())
            .bind(who)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected())
    }

    /// Forgets a member whose tunnels have ended.
    pub(crate) async fn forget_member(&self, id: &str) -> Result<(), RegistryError> {
        sqlx::query("DELETE FROM members WHERE id = $1").bind(id).execute(&self.pool).await?;
        Ok(())
    }
}

fn member_of(row: &AnyRow) -> Result<Member, RegistryError> {
    let id: String = row.try_get("id")?;
    let status = match row.try_get("status")? {
        "serving" => MemberStatus::Serving,
        "draining" => MemberStatus::Draining,
        _ => return Err(RegistryError::Broken(format!("member {id:?}"))),
    };
    Ok(Member {
        address: row.try_get("address")?,
        status,
        capacity: limit_from_sql(row.try_get("capacity")?),
        tunnels: limit_from_sql(row.try_get("tunnels")?),
        beat: row.try_get("beat")?,
        last_beat: from_sql(row.try_get("last_beat")?),
        id,
    })
}

#[cfg(test)]
mod tests {
    use super::super::test_support::on_each_store;
    use super::super::tunnels::tests::{end, tunnel};
    use super::*;

    const ANYBODY: Newcomer<'_> = Newcomer { pool: None, without: &[], silence: 60 };

    async fn members(registry: &Registry) -> Vec<(String, u32)> {
        let all = registry.members().await.unwrap();
        all.into_iter().map(|member| (member.id, member.tunnels)).collect()
    }

    #[tokio::test]
    async fn the_emptiest_gets_the_next_tunnel() {
        on_each_store(async |registry| {
            registry.join("a", "a:1", 10, 0).await.unwrap();
            registry.join("b", "b:1", 20, 0).await.unwrap();
            for _ in 0..15 {
                registry.place(ANYBODY).await.unwrap().unwrap();
            }
            let shared = [("a".to_owned(), 5), ("b".to_owned(), 10)];
            assert_eq!(members(&registry).await, shared, "each as its capacity is");
            let without = ["b".to_owned()];
            let other = Newcomer { without: &without, ..ANYBODY };
            assert_eq!(registry.place(other).await.unwrap().as_deref(), Some("a"));
            assert_eq!(registry.set_member("a:1", MemberStatus::Draining).await.unwrap(), 1);
            assert_eq!(registry.place(other).await.unwrap(), None, "nobody has room");
            // What it says of itself counts.
            assert_eq!(registry.beat(20).await.unwrap(), Standing::Alive);
            assert_eq!(registry.place(ANYBODY).await.unwrap(), None);
        })
        .await;
    }

    #[tokio::test]
    async fn a_pool_is_spread() {
        on_each_store(async |registry| {
            registry.join("a", "a:1", 10, 9).await.unwrap();
            registry.join("b", "b:1", 10, 0).await.unwrap();
            let one = tunnel(1, "jane");
            registry.insert_tunnel(&one, "default").await.unwrap();
            let pool = Some(("jane", one.tunnel_identifier.as_deref().unwrap()));
            let another = Newcomer { pool, ..ANYBODY };
            assert_eq!(registry.place(another).await.unwrap().as_deref(), Some("a"));
            assert_eq!(registry.place(ANYBODY).await.unwrap().as_deref(), Some("b"));
        })
        .await;
    }

    #[tokio::test]
    async fn the_dead_are_buried_once_and_leave_their_tunnels() {
        on_each_store(async |registry| {
            registry.join("a", "a:1", 10, 0).await.unwrap();
            for id in 1..=3 {
                registry.insert_tunnel(&tunnel(id, "jane"), "default").await.unwrap();
            }
            let asked = registry.tunnel_halting(tunnel(3, "jane").id, &end(0, "webui")).await;
            asked.unwrap();
            let seen = registry.members().await.unwrap().remove(0);
            registry.beat(3).await.unwrap();
            registry.write_as("b");
            let mut lost = end(2000, "serverLost");
            lost.user_shutdown = false;
            assert_eq!(registry.bury(&seen, &lost).await.unwrap(), None, "it lives");
            let seen = registry.members().await.unwrap().remove(0);
            assert_eq!(registry.bury(&seen, &lost).await.unwrap(), Some(3));
            assert_eq!(registry.bury(&seen, &lost).await.unwrap(), None, "only once");
            let reason = async |id| {
                let record = registry.tunnel(tunnel(id, "jane").id).await.unwrap().unwrap();
                record.shutdown_reason.unwrap()
            };
            assert_eq!((reason(1).await, reason(3).await), ("serverLost".into(), "webui".into()));
            assert_eq!(registry.deeds("default", 9).await.unwrap().len(), 3);
            registry.write_as("a");
            assert_eq!(registry.beat(3).await.unwrap(), Standing::Buried);
        })
        .await;
    }
}
