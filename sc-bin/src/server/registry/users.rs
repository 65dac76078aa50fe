//! Users: who they are, and the hashes of their access keys.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::{Registry, RegistryError};
use crate::server::accounts::{Account, DEFAULT_ORGANISATION, Role};
use crate::server::random::NoRandomness;

/// A user and what its key is checked with.
#[derive(Clone, Debug)]
pub(crate) struct KeyHolder {
    /// The user.
    pub(crate) account: Account,
    /// SHA-256 of its key.
    pub(crate) key_sha256: [u8; 32],
}

/// What a new user shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewUser {
    /// The name.
    pub(crate) name: String,
    /// What it belongs to, which exists.
    pub(crate) organisation: String,
    /// What it is there.
    pub(crate) role: Role,
    /// Whose sub-account it is.
    pub(crate) parent: Option<String>,
    /// Most tunnels it may have at once.
    pub(crate) tunnel_limit: Option<u32>,
}

impl NewUser {
    /// A member of the organisation that needs no name.
    pub(crate) fn member(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            organisation: DEFAULT_ORGANISATION.to_owned(),
            role: Role::Member,
            parent: None,
            tunnel_limit: None,
        }
    }
}

/// A user cannot be added, removed or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UserError {
    /// Unusable name.
    #[error(
        "{0:?} is no user name: use 1 to 64 letters, digits, '.', '_', '-' or '@', beginning with \
         a letter or digit, and not public, users, teams, organisation or audit"
    )]
    Name(String),
    /// The name is taken.
    #[error("there is a user {0:?} already: `sc server user rotate {0}` gives it a new access key")]
    Exists(String),
    /// No such user.
    #[error("there is no user {0:?}: see `sc server user list`")]
    Unknown(String),
    /// No such organisation.
    #[error("there is no organisation {0:?}: see `sc server organisation list`")]
    NoOrganisation(String),
    /// Not somebody to be the parent of a sub-account.
    #[error(
        "{0:?} cannot have sub-accounts: a parent is a user of the same organisation who is no \
         sub-account and no service account"
    )]
    Parent(String),
    /// The registry failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The system gave no random bytes for a key.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

impl From<sqlx::Error> for UserError {
    fn from(error: sqlx::Error) -> Self {
        Self::Registry(error.into())
    }
}

/// How exact [`Account::last_used`] is, in seconds: a client that polls shall not write each time.
const LAST_USED_GRAIN: u64 = 60;

impl Registry {
    /// Adds a user whose access key has this SHA-256.
    pub(crate) async fn add_user(
        &self,
        new: &NewUser,
        key_sha256: &[u8; 32],
        now: u64,
    ) -> Result<(), UserError> {
        check_name(&new.name)?;
        if self.organisation(&new.organisation).await?.is_none() {
            return Err(UserError::NoOrganisation(new.organisation.clone()));
        }
        if let Some(parent) = &new.parent {
            let fits = |parent: &Account| {
                parent.organisation == new.organisation
                    && parent.parent.is_none()
                    && parent.role != Role::Service
            };
            if !self.account(parent).await?.as_ref().is_some_and(fits) {
                return Err(UserError::Parent(parent.clone()));
            }
        }
        let done = sqlx::query(
            "INSERT INTO users
                (name, key_sha256, created, key_created, organisation, role, parent, tunnel_limit)
             VALUES ($1, $2, $3, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        )
        .bind(&new.name)
        .bind(&key_sha256[..])
        .bind(to_sql(now))
        .bind(&new.organisation)
        .bind(new.role.name())
        .bind(&new.parent)
        .bind(new.tunnel_limit.map(i64::from))
        .execute(&self.pool)
        .await?;
        match done.rows_affected() {
            0 => Err(UserError::Exists(new.name.clone())),
            _ => Ok(()),
        }
    }

    /// Gives a user another access key. The old one is void at once.
    pub(crate) async fn rotate_key(
        &self,
        name: &str,
        key_sha256: &[u8; 32],
        now: u64,
    ) -> Result<(), UserError> {
        let done = sqlx::query(
            "UPDATE users SET key_sha256 = $1, key_created = $2, last_used = NULL WHERE name = $3",
        )
        .bind(&key_sha256[..])
        .bind(to_sql(now))
        .bind(name)
        .execute(&self.pool)
        .await?;
        known(name, done.rows_affected())
    }

    /// Makes a user something else.
    pub(crate) async fn set_user(
        &self,
        name: &str,
        role: Role,
        tunnel_limit: Option<u32>,
    ) -> Result<(), UserError> {
        let done = sqlx::query("UPDATE users SET role = $1, tunnel_limit = $2 WHERE name = $3")
            .bind(role.name())
            .bind(tunnel_limit.map(i64::from))
            .bind(name)
            .execute(&self.pool)
            .await?;
        known(name, done.rows_affected())
    }

    /// Removes a user. Its sub-accounts become accounts. A running server then ends the user's
    /// tunnels.
    pub(crate) async fn remove_user(&self, name: &str) -> Result<(), UserError> {
        let mut statements = self.pool.begin().await?;
        for also in [
            "DELETE FROM team_members WHERE member = $1",
            "UPDATE users SET parent = NULL WHERE parent = $1",
        ] {
            sqlx::query(also).bind(name).execute(&mut *statements).await?;
        }
        let done = sqlx::query("DELETE FROM users WHERE name = $1")
            .bind(name)
            .execute(&mut *statements)
            .await?;
        statements.commit().await?;
        known(name, done.rows_affected())
    }

    /// The users of an organisation, or all, by name.
    pub(crate) async fn users(
        &self,
        organisation: Option<&str>,
    ) -> Result<Vec<Account>, RegistryError> {
        let rows = sqlx::query(
            "SELECT * FROM users WHERE CAST($1 AS TEXT) IS NULL OR organisation = $1 ORDER BY name",
        )
        .bind(organisation)
        .fetch_all(&self.pool)
        .await?;
        let mut teams = BTreeMap::<String, BTreeSet<String>>::new();
        for row in
            sqlx::query("SELECT team, member FROM team_members").fetch_all(&self.pool).await?
        {
            teams.entry(row.try_get("member")?).or_default().insert(row.try_get("team")?);
        }
        rows.iter()
            .map(|row| {
                let name: String = row.try_get("name")?;
                account_of(row, teams.remove(&name).unwrap_or_default())
            })
            .collect()
    }

    /// A user.
    pub(crate) async fn account(&self, name: &str) -> Result<Option<Account>, RegistryError> {
        Ok(self.key_holder(name).await?.map(|holder| holder.account))
    }

    /// A user and its key.
    pub(crate) async fn key_holder(&self, name: &str) -> Result<Option<KeyHolder>, RegistryError> {
        // Every call of REST asks this: one statement, with a row for each team.
        let rows = sqlx::query(
            "SELECT users.*, team FROM users LEFT JOIN team_members ON member = name
             WHERE name = $1",
        )
        .bind(name)
        .fetch_all(&self.pool)
        .await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let teams = rows.iter().filter_map(|row| row.try_get("team").transpose());
        let teams = teams.collect::<Result<_, _>>()?;
        let key: Vec<u8> = row.try_get("key_sha256")?;
        let broken = |_| RegistryError::Broken(format!("user {name:?}"));
        let key_sha256 = key.try_into().map_err(broken)?;
        Ok(Some(KeyHolder { account: account_of(row, teams)?, key_sha256 }))
    }

    /// Notes that the key of a user, who has just been looked up, was used.
    pub(crate) async fn key_used(&self, user: &Account, now: u64) -> Result<(), RegistryError> {
        let is_noted = |last: u64| last.saturating_add(LAST_USED_GRAIN) > now;
        if !user.last_used.is_some_and(is_noted) {
            sqlx::query("UPDATE users SET last_used = $1 WHERE name = $2")
                .bind(to_sql(now))
                .bind(&user.name)
                .execute(&self.pool)
                .await?;
        }
        Ok(())
    }
}

fn known(name: &str, rows_affected: u64) -> Result<(), UserError> {
    match rows_affected {
        0 => Err(UserError::Unknown(name.to_owned())),
        _ => Ok(()),
    }
}

fn account_of(row: &AnyRow, teams: BTreeSet<String>) -> Result<Account, RegistryError> {
    let name: String = row.try_get("name")?;
    let role: String = row.try_get("role")?;
    let limit: Option<i64> = row.try_get("tunnel_limit")?;
    Ok(Account {
        organisation: row.try_get("organisation")?,
        role: role.parse().map_err(|_| RegistryError::Broken(format!("user {name:?}")))?,
        teams,
        parent: row.try_get("parent")?,
        tunnel_limit: limit.map(limit_from_sql),
        created: from_sql(row.try_get("created")?),
        last_used: row.try_get::<Option<i64>, _>("last_used")?.map(from_sql),
        key_created: from_sql(row.try_get("key_created")?),
        name,
    })
}

/// A limit that is too large for us is one that nobody reaches.
pub(super) fn limit_from_sql(limit: i64) -> u32 {
    u32::try_from(limit.max(0)).unwrap_or(u32::MAX)
}

/// Names that are paths of the API.
const RESERVED: [&str; 5] = ["public", "users", "teams", "organisation", "audit"];

/// A name stands in paths and before the colon of HTTP Basic.
fn check_name(name: &str) -> Result<(), UserError> {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
    let is_good = name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(is_inner)
        && !RESERVED.contains(&name);
    match is_good {
        true => Ok(()),
        false => Err(UserError::Name(name.to_owned())),
    }
}

/// SQLite's integers are signed. Times fit.
pub(super) fn to_sql(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// The other way; a negative time in the file counts as 0.
pub(super) fn from_sql(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::test_support::on_each_store;
    use super::*;

    #[tokio::test]
    async fn users_come_and_go() {
        on_each_store(async |registry| {
            registry.add_user(&NewUser::member("jane"), &[1; 32], 100).await.unwrap();
            registry.add_user(&NewUser::member("bob"), &[2; 32], 101).await.unwrap();
            let again = registry.add_user(&NewUser::member("jane"), &[3; 32], 102).await;
            assert!(matches!(again, Err(UserError::Exists(_))), "{again:?}");
            let names: Vec<_> =
                registry.users(None).await.unwrap().into_iter().map(|u| u.name).collect();
            assert_eq!(names, ["bob", "jane"]);

            registry.rotate_key("jane", &[4; 32], 103).await.unwrap();
            let jane = registry.key_holder("jane").await.unwrap().unwrap();
            assert_eq!(jane.key_sha256, [4; 32]);
            assert_eq!((jane.account.created, jane.account.key_created), (100, 103));
            registry.set_user("jane", Role::OrgAdmin, Some(3)).await.unwrap();
            let jane = registry.account("jane").await.unwrap().unwrap();
            assert_eq!((jane.role, jane.tunnel_limit), (Role::OrgAdmin, Some(3)));
            registry.remove_user("jane").await.unwrap();
            assert_eq!(registry.account("jane").await.unwrap(), None);
            for gone in [
                registry.remove_user("jane").await,
                registry.rotate_key("jane", &[5; 32], 104).await,
            ] {
                assert!(matches!(gone, Err(UserError::Unknown(_))), "{gone:?}");
            }
        })
        .await;
    }

    #[tokio::test]
    async fn a_parent_has_to_be_somebody_who_can() {
        on_each_store(async |registry| {
            let add = async |name: &str, parent: Option<&str>, role| {
                let parent = parent.map(str::to_owned);
                let new = NewUser { parent, role, ..NewUser::member(name) };
                registry.add_user(&new, &[1; 32], 1).await
            };
            add("jane", None, Role::Member).await.unwrap();
            add("robot", None, Role::Service).await.unwrap();
            add("child", Some("jane"), Role::Member).await.unwrap();
            for parent in ["nobody", "robot", "child"] {
                let refused = add("x", Some(parent), Role::Member).await;
                assert!(matches!(refused, Err(UserError::Parent(_))), "{parent}: {refused:?}");
            }
            registry.remove_user("jane").await.unwrap();
            assert_eq!(registry.account("child").await.unwrap().unwrap().parent, None);
        })
        .await;
    }

    #[tokio::test]
    async fn the_last_use_is_kept_to_the_minute() {
        on_each_store(async |registry| {
            registry.add_user(&NewUser::member("jane"), &[1; 32], 1000).await.unwrap();
            for (now, expected) in [(2000, 2000), (2059, 2000), (2060, 2060)] {
                let jane = registry.account("jane").await.unwrap().unwrap();
                registry.key_used(&jane, now).await.unwrap();
                assert_eq!(registry.users(None).await.unwrap()[0].last_used, Some(expected));
            }
        })
        .await;
    }

    #[test]
    fn names() {
        for good in ["jane", "j.doe@example.test", "a", "7-of_9"] {
            assert!(check_name(good).is_ok(), "{good:?}");
        }
        for bad in
            ["", "public", "users", "a:b", "a/b", "-a", ".a", "a b", "é", "..", &"a".repeat(65)]
        {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }
}
