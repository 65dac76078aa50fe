//! `sc server user …`: works on the registry's file, whether a server runs or not.

use std::io::{self, Write};
use std::path::PathBuf;

use super::access_key::{AccessKey, sha256_of_key};
use super::args::UserAction;
use super::data_dir::{DataDir, DataDirError};
use super::registry::{Registry, RegistryError, User, UserError};
use super::tunnels::unix_now;

/// A user command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum UserCommandError {
    /// No data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// No registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// It was not done.
    #[error(transparent)]
    User(#[from] UserError),
    /// The answer could not be printed, or no runtime made.
    #[error("cannot print: {0}")]
    Io(#[from] io::Error),
}

/// Where a command prints.
pub(super) struct Output<'a> {
    /// The answer: a new key, alone, so that a script can take it; or the list of users.
    pub(super) answer: &'a mut dyn Write,
    /// What is said about it.
    pub(super) notes: &'a mut dyn Write,
}

/// Carries out a user command.
pub(super) fn run(
    action: UserAction,
    data_dir: Option<PathBuf>,
    out: &mut Output<'_>,
) -> Result<(), UserCommandError> {
    let path = match data_dir {
        Some(path) => path,
        None => DataDir::default_path()?,
    };
    let dir = DataDir::open(&path)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let registry = Registry::open(&dir).await?;
        let done = carry_out(action, &registry, out).await;
        registry.close().await;
        done
    })
}

async fn carry_out(
    action: UserAction,
    registry: &Registry,
    out: &mut Output<'_>,
) -> Result<(), UserCommandError> {
    match action {
        UserAction::Add { name } => {
            let key = add(registry, &name).await?;
            out.key(&key, &format!("access key of the new user {name}"))?;
        }
        UserAction::Rotate { name } => {
            let key = AccessKey::generate().map_err(UserError::from)?;
            registry.rotate_key(&name, &sha256_of_key(key.expose())).await?;
            out.key(&key, &format!("new access key of {name}, the old one is void"))?;
        }
        UserAction::Remove { name } => {
            registry.remove_user(&name).await?;
            writeln!(out.notes, "{name} is removed")?;
        }
        UserAction::List => {
            for user in registry.users().await? {
                writeln!(out.answer, "{}", line(&user))?;
            }
        }
    }
    Ok(())
}

/// Adds a user with a new key.
pub(super) async fn add(registry: &Registry, name: &str) -> Result<AccessKey, UserError> {
    let key = AccessKey::generate()?;
    registry.add_user(name, &sha256_of_key(key.expose()), unix_now()).await?;
    Ok(key)
}

impl Output<'_> {
    fn key(&mut self, key: &AccessKey, what: &str) -> io::Result<()> {
        writeln!(self.notes, "{what}; it is shown only now:")?;
        writeln!(self.answer, "{}", key.expose())
    }
}

/// Name, when added, when last used.
fn line(user: &User) -> String {
    let last_used = match user.last_used {
        Some(at) => format!("last used {}", utc(at)),
        None => "never used".to_owned(),
    };
    format!("{}\tadded {}\t{last_used}", user.name, utc(user.created))
}

/// A moment in UTC as RFC 3339 writes it.
fn utc(unix_seconds: u64) -> String {
    let (days, second) = (unix_seconds / 86_400, unix_seconds % 86_400);
    // Days since 1 March of year 0, in cycles of 400 years; the year begins in March, so that the
    // leap day is its last.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        for (unix, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(unix), text);
        }
    }
}
