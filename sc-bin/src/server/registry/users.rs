//! Users: a name and the hash of an access key.

use sqlx::Row as _;

use super::{Registry, RegistryError};
use crate::server::random::NoRandomness;

/// A user as `sc server user list` shows one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    /// The name.
    pub(crate) name: String,
    /// When it was added, in Unix seconds.
    pub(crate) created: u64,
    /// When its key was last used, in Unix seconds, to the minute.
    pub(crate) last_used: Option<u64>,
}

/// A user cannot be added, removed or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UserError {
    /// Unusable name.
    #[error(
        "{0:?} is no user name: use 1 to 64 letters, digits, '.', '_', '-' or '@', beginning with \
         a letter or digit, and not \"public\""
    )]
    Name(String),
    /// The name is taken.
    #[error("there is a user {0:?} already: `sc server user rotate {0}` gives it a new access key")]
    Exists(String),
    /// No such user.
    #[error("there is no user {0:?}: see `sc server user list`")]
    Unknown(String),
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

/// How exact [`User::last_used`] is, in seconds: a client that polls shall not write each time.
const LAST_USED_GRAIN: i64 = 60;

impl Registry {
    /// Adds a user whose access key has this SHA-256.
    pub(crate) async fn add_user(
        &self,
        name: &str,
        key_sha256: &[u8; 32],
        now: u64,
    ) -> Result<(), UserError> {
        check_name(name)?;
        let done = sqlx::query(
            "INSERT INTO users (name, key_sha256, created) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(name)
        .bind(&key_sha256[..])
        .bind(to_sql(now))
        .execute(&self.pool)
        .await?;
        match done.rows_affected() {
            0 => Err(UserError::Exists(name.to_owned())),
            _ => Ok(()),
        }
    }

    /// Gives a user another access key. The old one is void at once.
    pub(crate) async fn rotate_key(
        &self,
        name: &str,
        key_sha256: &[u8; 32],
    ) -> Result<(), UserError> {
        let done = sqlx::query("UPDATE users SET key_sha256 = ?, last_used = NULL WHERE name = ?")
            .bind(&key_sha256[..])
            .bind(name)
            .execute(&self.pool)
            .await?;
        known(name, done.rows_affected())
    }

    /// Removes a user. A running server then ends the user's tunnels.
    pub(crate) async fn remove_user(&self, name: &str) -> Result<(), UserError> {
        let done =
            sqlx::query("DELETE FROM users WHERE name = ?").bind(name).execute(&self.pool).await?;
        known(name, done.rows_affected())
    }

    /// All users, by name.
    pub(crate) async fn users(&self) -> Result<Vec<User>, RegistryError> {
        let rows = sqlx::query("SELECT name, created, last_used FROM users ORDER BY name")
            .fetch_all(&self.pool)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(User {
                    name: row.try_get("name")?,
                    created: from_sql(row.try_get("created")?),
                    last_used: row.try_get::<Option<i64>, _>("last_used")?.map(from_sql),
                })
            })
            .collect()
    }

    /// The SHA-256 of a user's access key.
    pub(crate) async fn key_of(&self, name: &str) -> Result<Option<[u8; 32]>, RegistryError> {
        let row = sqlx::query("SELECT key_sha256 FROM users WHERE name = ?")
            .bind(name)
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let key: Vec<u8> = row.try_get(0)?;
        let key = key.try_into().map_err(|_| RegistryError::Broken(format!("user {name:?}")))?;
        Ok(Some(key))
    }

    /// Notes that a user's key was used.
    pub(crate) async fn key_used(&self, name: &str, now: u64) -> Result<(), RegistryError> {
        let now = to_sql(now);
        let stale = "SELECT 1 FROM users WHERE name = ? AND ifnull(last_used, 0) <= ?";
        let is_stale = sqlx::query(stale)
            .bind(name)
            .bind(now - LAST_USED_GRAIN)
            .fetch_optional(&self.pool)
            .await?
            .is_some();
        if is_stale {
            sqlx::query("UPDATE users SET last_used = ? WHERE name = ?")
                .bind(now)
                .bind(name)
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

/// A name stands in paths and before the colon of HTTP Basic. `public` is a path of the API.
fn check_name(name: &str) -> Result<(), UserError> {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
    let is_good = name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(is_inner)
        && name != "public";
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
    use super::super::test_support::registry;
    use super::*;

    #[tokio::test]
    async fn users_come_and_go() {
        let (registry, _dir) = registry().await;
        registry.add_user("jane", &[1; 32], 100).await.unwrap();
        registry.add_user("bob", &[2; 32], 101).await.unwrap();
        let again = registry.add_user("jane", &[3; 32], 102).await;
        assert!(matches!(again, Err(UserError::Exists(_))), "{again:?}");
        let names: Vec<_> = registry.users().await.unwrap().into_iter().map(|u| u.name).collect();
        assert_eq!(names, ["bob", "jane"]);

        registry.rotate_key("jane", &[4; 32]).await.unwrap();
        assert_eq!(registry.key_of("jane").await.unwrap(), Some([4; 32]));
        registry.remove_user("jane").await.unwrap();
        assert_eq!(registry.key_of("jane").await.unwrap(), None);
        for gone in
            [registry.remove_user("jane").await, registry.rotate_key("jane", &[5; 32]).await]
        {
            assert!(matches!(gone, Err(UserError::Unknown(_))), "{gone:?}");
        }
    }

    #[tokio::test]
    async fn the_last_use_is_kept_to_the_minute() {
        let (registry, _dir) = registry().await;
        registry.add_user("jane", &[1; 32], 1000).await.unwrap();
        for (now, expected) in [(2000, 2000), (2059, 2000), (2060, 2060)] {
            registry.key_used("jane", now).await.unwrap();
            assert_eq!(registry.users().await.unwrap()[0].last_used, Some(expected));
        }
    }

    #[test]
    fn names() {
        for good in ["jane", "j.doe@example.test", "a", "7-of_9"] {
            assert!(check_name(good).is_ok(), "{good:?}");
        }
        for bad in ["", "public", "a:b", "a/b", "-a", ".a", "a b", "é", "..", &"a".repeat(65)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }
}
