//! `sc server user …`: works on the registry's file, whether a server runs or not.

use std::io::{self, Write};
use std::path::PathBuf;

use super::access_key::{AccessKey, sha256_of_key};
use super::args::UserAction;
use super::data_dir::{DataDir, DataDirError};
use super::registry::{Registry, RegistryError, User, UserError};
use super::tunnels::unix_now;
use crate::calendar::Moment;

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
        Some(at) => format!("last used {}", Moment::of_unix(at).rfc3339()),
        None => "never used".to_owned(),
    };
    format!("{}\tadded {}\t{last_used}", user.name, Moment::of_unix(user.created).rfc3339())
}
