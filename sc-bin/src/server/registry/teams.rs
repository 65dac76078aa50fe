//! Organisations and their teams.

use sqlx::Row as _;

use super::users::{from_sql, limit_from_sql, to_sql};
use super::{Registry, RegistryError};

/// What users belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Organisation {
    /// The name.
    pub(crate) name: String,
    /// Most tunnels it may have at once.
    pub(crate) tunnel_limit: Option<u32>,
    /// When it was added, in Unix seconds.
    pub(crate) created: u64,
}

/// Users who share tunnels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Team {
    /// Its id: 32 hex digits.
    pub(crate) id: String,
    /// Its name, the only one of its organisation.
    pub(crate) name: String,
    /// What it belongs to.
    pub(crate) organisation: String,
}

/// A team or an organisation cannot be changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TeamError {
    /// Unusable name.
    #[error(
        "{0:?} is no name of a team or organisation: use 1 to 64 letters, digits, '.', '_' or '-'"
    )]
    Name(String),
    /// The name is taken.
    #[error("there is a {0:?} already")]
    Exists(String),
    /// No such one.
    #[error("there is no {0:?}")]
    Unknown(String),
    /// Somebody belongs to it.
    #[error("organisation {0:?} still has users: remove them first")]
    HasUsers(String),
    /// Not a user of its organisation.
    #[error("there is no user {0:?} in the team's organisation")]
    Stranger(String),
    /// The registry failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl From<sqlx::Error> for TeamError {
    fn from(error: sqlx::Error) -> Self {
        Self::Registry(error.into())
    }
}

impl Registry {
    /// Adds an organisation.
    pub(crate) async fn add_organisation(
        &self,
        name: &str,
        tunnel_limit: Option<u32>,
        now: u64,
    ) -> Result<(), TeamError> {
        check_name(name)?;
        let done = sqlx::query(
            "INSERT INTO organisations (name, tunnel_limit, created) VALUES ($1, $2, $3)
             ON CONFLICT DO NOTHING",
        )
        .bind(name)
        .bind(tunnel_limit.map(i64::from))
        .bind(to_sql(now))
        .execute(&self.pool)
        .await?;
        match done.rows_affected() {
            0 => Err(TeamError::Exists(name.to_owned())),
            _ => Ok(()),
        }
    }

    /// Sets how many tunnels an organisation may have at once.
    pub(crate) async fn set_organisation(
        &self,
        name: &str,
        tunnel_limit: Option<u32>,
    ) -> Result<(), TeamError> {
        let done = sqlx::query("UPDATE organisations SET tunnel_limit = $1 WHERE name = $2")
            .bind(tunnel_limit.map(i64::from))
            .bind(name)
            .execute(&self.pool)
            .await?;
        known(name, done.rows_affected())
    }

    /// Removes an organisation that has no users, and its teams.
    pub(crate) async fn remove_organisation(&self, name: &str) -> Result<(), TeamError> {
        let mut statements = self.pool.begin().await?;
        let done = sqlx::query(
            "DELETE FROM organisations
             WHERE name = $1 AND NOT EXISTS (SELECT 1 FROM users WHERE organisation = $1)",
        )
        .bind(name)
        .execute(&mut *statements)
        .await?;
        if done.rows_affected() == 0 {
            drop(statements);
            return Err(match self.organisation(name).await? {
                Some(_) => TeamError::HasUsers(name.to_owned()),
                None => TeamError::Unknown(name.to_owned()),
            });
        }
        sqlx::query("DELETE FROM teams WHERE organisation = $1")
            .bind(name)
            .execute(&mut *statements)
            .await?;
        statements.commit().await?;
        Ok(())
    }

    /// An organisation.
    pub(crate) async fn organisation(
        &self,
        name: &str,
    ) -> Result<Option<Organisation>, RegistryError> {
        Ok(self.organisations().await?.into_iter().find(|one| one.name == name))
    }

    /// All organisations, by name. There are few.
    pub(crate) async fn organisations(&self) -> Result<Vec<Organisation>, RegistryError> {
        let rows =
            sqlx::query("SELECT name, tunnel_limit, created FROM organisations ORDER BY name")
                .fetch_all(&self.pool)
                .await?;
        rows.iter()
            .map(|row| {
                let limit: Option<i64> = row.try_get("tunnel_limit")?;
                Ok(Organisation {
                    name: row.try_get("name")?,
                    tunnel_limit: limit.map(limit_from_sql),
                    created: from_sql(row.try_get("created")?),
                })
            })
            .collect()
    }

    /// Adds a team to an organisation.
    pub(crate) async fn add_team(&self, team: &Team, now: u64) -> Result<(), TeamError> {
        check_name(&team.name)?;
        if self.organisation(&team.organisation).await?.is_none() {
            return Err(TeamError::Unknown(team.organisation.clone()));
        }
        let done = sqlx::query(
            "INSERT INTO teams (id, organisation, name, created) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING",
        )
        .bind(&team.id)
        .bind(&team.organisation)
        .bind(&team.name)
        .bind(to_sql(now))
        .execute(&self.pool)
        .await?;
        match done.rows_affected() {
            0 => Err(TeamError::Exists(team.name.clone())),
            _ => Ok(()),
        }
    }

    /// Removes a team. Its members stay users.
    pub(crate) async fn remove_team(&self, id: &str) -> Result<(), TeamError> {
        let mut statements = self.pool.begin().await?;
        sqlx::query("DELETE FROM team_members WHERE team = $1")
            .bind(id)
            .execute(&mut *statements)
            .await?;
        let done = sqlx::query("DELETE FROM teams WHERE id = $1")
            .bind(id)
            .execute(&mut *statements)
            .await?;
        statements.commit().await?;
        known(id, done.rows_affected())
    }

    /// The teams of an organisation, or all, by name.
    pub(crate) async fn teams(
        &self,
        organisation: Option<&str>,
    ) -> Result<Vec<Team>, RegistryError> {
        let rows = sqlx::query(
            "SELECT id, organisation, name FROM teams
             WHERE CAST($1 AS TEXT) IS NULL OR organisation = $1 ORDER BY organisation, name",
        )
        .bind(organisation)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Team {
                    id: row.try_get("id")?,
                    name: row.try_get("name")?,
                    organisation: row.try_get("organisation")?,
                })
            })
            .collect()
    }

    /// Makes a user of the team's organisation a member of the team. One who is stays one.
    pub(crate) async fn join_team(&self, team: &Team, member: &str) -> Result<(), TeamError> {
        let account = self.account(member).await?;
        if account.is_none_or(|account| account.organisation != team.organisation) {
            return Err(TeamError::Stranger(member.to_owned()));
        }
        sqlx::query(
            "INSERT INTO team_members (team, member) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        )
        .bind(&team.id)
        .bind(member)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Ends a membership.
    pub(crate) async fn leave_team(&self, team: &Team, member: &str) -> Result<(), TeamError> {
        let done = sqlx::query("DELETE FROM team_members WHERE team = $1 AND member = $2")
            .bind(&team.id)
            .bind(member)
            .execute(&self.pool)
            .await?;
        known(member, done.rows_affected())
    }
}

fn known(name: &str, rows_affected: u64) -> Result<(), TeamError> {
    match rows_affected {
        0 => Err(TeamError::Unknown(name.to_owned())),
        _ => Ok(()),
    }
}

fn check_name(name: &str) -> Result<(), TeamError> {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let is_good = (1..=64).contains(&name.len()) && name.chars().all(is_inner);
    if is_good { Ok(()) } else { Err(TeamError::Name(name.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::on_each_store;
    use super::super::users::NewUser;
    use super::*;

    fn team(id: &str, name: &str, organisation: &str) -> Team {
        let own = str::to_owned;
        Team { id: own(id), name: own(name), organisation: own(organisation) }
    }

    #[tokio::test]
    async fn members_come_and_go() {
        on_each_store(async |registry| {
            registry.add_organisation("far", Some(3), 1).await.unwrap();
            let (web, far) = (team("t1", "web", "default"), team("t2", "web", "far"));
            registry.add_team(&web, 1).await.unwrap();
            registry.add_team(&far, 1).await.unwrap();
            let again = registry.add_team(&team("t3", "web", "far"), 1).await;
            assert!(matches!(again, Err(TeamError::Exists(_))), "{again:?}");
            registry.add_user(&NewUser::member("jane"), &[1; 32], 1).await.unwrap();
            registry.join_team(&web, "jane").await.unwrap();
            registry.join_team(&web, "jane").await.unwrap();
            let stranger = registry.join_team(&far, "jane").await;
            assert!(matches!(stranger, Err(TeamError::Stranger(_))), "{stranger:?}");
            let teams = async || registry.account("jane").await.unwrap().unwrap().teams;
            assert_eq!(teams().await.into_iter().collect::<Vec<_>>(), ["t1"]);
            registry.leave_team(&web, "jane").await.unwrap();
            assert!(registry.leave_team(&web, "jane").await.is_err());
            registry.join_team(&web, "jane").await.unwrap();
            registry.remove_team("t1").await.unwrap();
            assert!(teams().await.is_empty());
        })
        .await;
    }

    #[tokio::test]
    async fn an_organisation_with_users_stays() {
        on_each_store(async |registry| {
            registry.add_user(&NewUser::member("jane"), &[1; 32], 1).await.unwrap();
            let refused = registry.remove_organisation("default").await;
            assert!(matches!(refused, Err(TeamError::HasUsers(_))), "{refused:?}");
            registry.set_organisation("default", Some(2)).await.unwrap();
            let limit = registry.organisation("default").await.unwrap().unwrap().tunnel_limit;
            assert_eq!(limit, Some(2));
            registry.remove_user("jane").await.unwrap();
            registry.remove_organisation("default").await.unwrap();
            assert!(registry.set_organisation("default", None).await.is_err());
        })
        .await;
    }
}
