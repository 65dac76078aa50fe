//! What servers of a fleet ask of one another: orders with an answer, and wishes that stand in the
//! record of a tunnel or a job until they are fulfilled.

use sc_proto::contract::TunnelId;
use sqlx::{AssertSqlSafe, Row as _};

use super::users::to_sql;
use super::{End, Kind, Registry, RegistryError};

/// Orders that nobody has fetched for so long, in seconds, are forgotten.
const FORGOTTEN: u64 = 600;

/// One server asks another one to do something now, and waits for the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// The only one of that name.
    pub(crate) id: String,
    /// Who waits.
    pub(crate) sender: String,
    /// JSON.
    pub(crate) body: String,
}

impl Registry {
    /// The channel on which a member hears that there is something for it.
    pub(crate) fn channel(member: &str) -> String {
        format!("sc_{member}")
    }

    /// Tells a member that there is something for it. It may get lost: whoever is told looks from
    /// time to time without being told, too.
    pub(crate) async fn tell(&self, member: &str) -> Result<(), RegistryError> {
        if self.kind == Kind::Shared {
            sqlx::query("SELECT pg_notify($1, '')")
                .bind(Self::channel(member))
                .execute(&self.pool)
                .await?;
        }
        Ok(())
    }

    /// Asks a member to do something.
    pub(crate) async fn send_order(
        &self,
        id: &str,
        receiver: &str,
        body: &str,
    ) -> Result<(), RegistryError> {
        let sql = format!(
            "INSERT INTO orders (id, sender, receiver, body, at) VALUES ($1, $2, $3, $4, {now})",
            now = self.kind.now()
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(id)
            .bind(&*self.member())
            .bind(receiver)
            .bind(body)
            .execute(&self.pool)
            .await?;
        self.tell(receiver).await
    }

    /// What this member is asked to do. It is given once.
    pub(crate) async fn take_orders(&self) -> Result<Vec<Order>, RegistryError> {
        let rows = sqlx::query(
            "UPDATE orders SET taken = 1 WHERE receiver = $1 AND taken = 0
             RETURNING id, sender, body",
        )
        .bind(&*self.member())
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Order {
                    id: row.try_get("id")?,
                    sender: row.try_get("sender")?,
                    body: row.try_get("body")?,
                })
            })
            .collect()
    }

    /// Says what came of an order.
    pub(crate) async fn answer_order(
        &self,
        order: &Order,
        answer: &str,
    ) -> Result<(), RegistryError> {
        sqlx::query("UPDATE orders SET answer = $1 WHERE id = $2")
            .bind(answer)
            .bind(&order.id)
            .execute(&self.pool)
            .await?;
        self.tell(&order.sender).await
    }

    /// Answers to what this member has asked: the order's id and what was said. They are given
    /// once, and gone from the database: they may hold a tunnel's secret.
    pub(crate) async fn take_answers(&self) -> Result<Vec<(String, String)>, RegistryError> {
        let rows = sqlx::query(
            "DELETE FROM orders WHERE sender = $1 AND answer IS NOT NULL RETURNING id, answer",
        )
        .bind(&*self.member())
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok((row.try_get("id")?, row.try_get("answer")?))).collect()
    }

    /// Takes an order back. Says whether that was in time: nobody has begun with it.
    pub(crate) async fn withdraw_order(&self, id: &str) -> Result<bool, RegistryError> {
        let done = sqlx::query("DELETE FROM orders WHERE id = $1 AND taken = 0")
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Forgets orders whose sender is gone.
    pub(crate) async fn prune_orders(&self) -> Result<(), RegistryError> {
        let sql = format!("DELETE FROM orders WHERE at < {now} - $1", now = self.kind.now());
        sqlx::query(AssertSqlSafe(sql)).bind(to_sql(FORGOTTEN)).execute(&self.pool).await?;
        Ok(())
    }

    /// Writes into the record of a tunnel, which another member carries, that it is to end, and how
    /// (`wish`, JSON). The first who asks is recorded. Says who carries it; `None`: it has ended,
    /// or is to end already.
    pub(crate) async fn wish_end(
        &self,
        id: TunnelId,
        wish: &str,
        why: &End,
    ) -> Result<Option<String>, RegistryError> {
        let row = sqlx::query(
            "UPDATE tunnels
             SET status = 'halting', wish = $1, user_shutdown = COALESCE(user_shutdown, $2),
                 shutdown_reason = COALESCE(shutdown_reason, $3)
             WHERE id = $4 AND ended IS NULL RETURNING member",
        )
        .bind(wish)
        .bind(i64::from(why.user_shutdown))
        .bind(&why.reason)
        .bind(id.to_string())
        .fetch_optional(&self.pool)
        .await?;
        let member: Option<String> = row.map(|row| row.try_get("member")).transpose()?;
        if let Some(member) = &member {
            self.tell(member).await?;
        }
        Ok(member)
    }

    /// Tunnels that this member carries and others want to end, and how.
    pub(crate) async fn wishes(&self) -> Result<Vec<(TunnelId, String)>, RegistryError> {
        let rows = sqlx::query(
            "SELECT id, wish FROM tunnels
             WHERE member = $1 AND ended IS NULL AND wish IS NOT NULL",
        )
        .bind(&*self.member())
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                let id: String = row.try_get("id")?;
                let broken = |_| RegistryError::Broken(format!("tunnel {id}"));
                Ok((id.parse().map_err(broken)?, row.try_get("wish")?))
            })
            .collect()
    }

    /// A wish is fulfilled.
    pub(crate) async fn wish_done(&self, id: TunnelId) -> Result<(), RegistryError> {
        sqlx::query("UPDATE tunnels SET wish = NULL WHERE id = $1 AND member = $2")
            .bind(id.to_string())
            .bind(&*self.member())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Writes into the record of a job, which another member has, that it is to end.
    pub(crate) async fn wish_job_end(&self, id: &str) -> Result<(), RegistryError> {
        let row = sqlx::query(
            "UPDATE jobs SET end_wanted = 1 WHERE id = $1 AND ended IS NULL RETURNING member",
        )
        .bind(id)
        .fetch_optional(&self.pool)
        .await?;
        match row {
            Some(row) => self.tell(row.try_get("member")?).await,
            None => Ok(()),
        }
    }

    /// Jobs that this member has and others want to end.
    pub(crate) async fn jobs_to_end(&self) -> Result<Vec<String>, RegistryError> {
        let rows = sqlx::query(
            "SELECT id FROM jobs WHERE member = $1 AND ended IS NULL AND end_wanted = 1",
        )
        .bind(&*self.member())
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok(row.try_get("id")?)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::on_each_store;
    use super::super::tunnels::tests::{end, tunnel};
    use super::*;

    #[tokio::test]
    async fn an_order_is_taken_once_and_answered() {
        on_each_store(async |registry| {
            registry.write_as("a");
            registry.send_order("1", "b", "{}").await.unwrap();
            registry.send_order("2", "b", "{}").await.unwrap();
            assert!(registry.withdraw_order("2").await.unwrap());
            assert!(registry.take_answers().await.unwrap().is_empty());
            registry.write_as("b");
            let orders = registry.take_orders().await.unwrap();
            let expected = Order { id: "1".into(), sender: "a".into(), body: "{}".into() };
            assert_eq!(orders, [expected]);
            assert!(registry.take_orders().await.unwrap().is_empty());
            assert!(!registry.withdraw_order("1").await.unwrap(), "it is begun");
            registry.answer_order(&orders[0], "done").await.unwrap();
            registry.write_as("a");
            let answers = registry.take_answers().await.unwrap();
            assert_eq!(answers, [("1".to_owned(), "done".to_owned())]);
            assert!(registry.take_answers().await.unwrap().is_empty());
            registry.prune_orders().await.unwrap();
        })
        .await;
    }

    #[tokio::test]
    async fn a_wish_stands_until_it_is_fulfilled() {
        on_each_store(async |registry| {
            registry.write_as("b");
            let one = tunnel(1, "jane");
            registry.insert_tunnel(&one, "default").await.unwrap();
            registry.write_as("a");
            let told = registry.wish_end(one.id, "how", &end(7, "webui")).await.unwrap();
            assert_eq!(told.as_deref(), Some("b"));
            registry.wish_end(one.id, "otherwise", &end(8, "later")).await.unwrap();
            assert!(registry.wishes().await.unwrap().is_empty(), "not this one's");
            registry.write_as("b");
            let expected = [(one.id, "otherwise".to_owned())];
            assert_eq!(registry.wishes().await.unwrap(), expected);
            let record = registry.tunnel(one.id).await.unwrap().unwrap();
            assert_eq!(record.shutdown_reason.as_deref(), Some("webui"), "the first is recorded");
            registry.wish_done(one.id).await.unwrap();
            assert!(registry.wishes().await.unwrap().is_empty());
            registry.tunnel_ended(one.id, &end(9, "webui")).await.unwrap();
            assert_eq!(registry.wish_end(one.id, "how", &end(7, "x")).await.unwrap(), None);
        })
        .await;
    }
}
