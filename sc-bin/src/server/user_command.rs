//! `sc server user|team|organisation|fleet …`: works on the registry, whether a server runs or not.

use std::io::{self, Write};

use super::access_key::{AccessKey, sha256_of_key};
use super::accounts::{Account, DEFAULT_ORGANISATION};
use super::args::{
    DataPlace, FleetAction, Limit, OrganisationAction, TeamAction, UserAction, UserOptions,
};
use super::data_dir::{DataDir, DataDirError};
use super::fleet::{self, FleetCommandError};
use super::random;
use super::registry::{
    DatabaseUrl, DatabaseUrlError, Deed, NewUser, Registry, RegistryError, Team, TeamError,
    UserError,
};

use crate::calendar::Moment;

/// A command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum UserCommandError {
    /// No data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// No address of a database.
    #[error(transparent)]
    Database(#[from] DatabaseUrlError),
    /// No registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// It was not done.
    #[error(transparent)]
    User(#[from] UserError),
    /// It was not done.
    #[error(transparent)]
    Team(#[from] TeamError),
    /// It is about the fleet, and was not done.
    #[error(transparent)]
    Fleet(#[from] FleetCommandError),
    /// The answer could not be printed, or no runtime made.
    #[error("cannot print: {0}")]
    Io(#[from] io::Error),
}

/// What one command is about.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// Users.
    User(UserAction),
    /// Teams.
    Team(TeamAction),
    /// The servers of a fleet.
    Fleet(FleetAction),
    /// Organisations.
    Organisation(OrganisationAction),
}

/// Where a command prints.
pub(super) struct Output<'a> {
    /// The answer: a new key, alone, so that a script can take it; or a list.
    pub(super) answer: &'a mut dyn Write,
    /// What is said about it.
    pub(super) notes: &'a mut dyn Write,
}

/// Carries out a command.
pub(super) fn run(
    action: Action,
    place: DataPlace,
    out: &mut Output<'_>,
) -> Result<(), UserCommandError> {
    let database = DatabaseUrl::of(place.database, place.database_file.as_deref())?;
    let path = match place.data_dir {
        Some(path) => path,
        None => DataDir::default_path()?,
    };
    let dir = DataDir::open(&path)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let registry = Registry::open(&dir, database.as_ref()).await?;
        let done = match action {
            Action::User(action) => on_user(action, &registry, out).await,
            Action::Fleet(action) => {
                fleet::run_command(action, &registry, out.answer).await.map_err(Into::into)
            }
            Action::Team(action) => on_team(action, &registry, out).await,
            Action::Organisation(action) => on_organisation(action, &registry, out).await,
        };
        registry.close().await;
        done
    })
}

async fn on_user(
    action: UserAction,
    registry: &Registry,
    out: &mut Output<'_>,
) -> Result<(), UserCommandError> {
    match action {
        UserAction::Add { name, options } => {
            let key = add_with(registry, &name, options).await?;
            out.key(&key, &format!("access key of the new user {name}"))?;
        }
        UserAction::Set { name, role, tunnel_limit } => {
            let account = known(registry, &name).await?;
            let limit = tunnel_limit.map_or(account.tunnel_limit, Limit::number);
            registry.set_user(&name, role.unwrap_or(account.role), limit).await?;
            note(registry, &account.organisation, "user-changed", &name).await;
            writeln!(out.notes, "{name} is changed")?;
        }
        UserAction::Rotate { name } => {
            let account = known(registry, &name).await?;
            let key = AccessKey::generate().map_err(UserError::from)?;
            registry.rotate_key(&name, &sha256_of_key(key.expose()), registry.now()).await?;
            note(registry, &account.organisation, "key-rotated", &name).await;
            out.key(&key, &format!("new access key of {name}, the old one is void"))?;
        }
        UserAction::Remove { name } => {
            let account = known(registry, &name).await?;
            registry.remove_user(&name).await?;
            note(registry, &account.organisation, "user-removed", &name).await;
            writeln!(out.notes, "{name} is removed")?;
        }
        UserAction::List => {
            let teams = registry.teams(None).await?;
            for account in registry.users(None).await? {
                writeln!(out.answer, "{}", line(&account, &teams))?;
            }
        }
    }
    Ok(())
}

async fn on_team(
    action: TeamAction,
    registry: &Registry,
    out: &mut Output<'_>,
) -> Result<(), UserCommandError> {
    match action {
        TeamAction::Add { name, organisation } => {
            let team = new_team(&name, organisation.name()).map_err(UserError::from)?;
            registry.add_team(&team, registry.now()).await?;
            note(registry, &team.organisation, "team-added", &name).await;
            writeln!(out.answer, "{}", team.id)?;
        }
        TeamAction::Remove { name, organisation } => {
            let team = team_named(registry, &name, organisation.name()).await?;
            registry.remove_team(&team.id).await?;
            note(registry, &team.organisation, "team-removed", &name).await;
            writeln!(out.notes, "team {name} is removed")?;
        }
        TeamAction::Join { name, user, organisation } => {
            let team = team_named(registry, &name, organisation.name()).await?;
            registry.join_team(&team, &user).await?;
            note(registry, &team.organisation, "team-joined", &user).await;
            writeln!(out.notes, "{user} is in team {name}")?;
        }
        TeamAction::Leave { name, user, organisation } => {
            let team = team_named(registry, &name, organisation.name()).await?;
            registry.leave_team(&team, &user).await?;
            note(registry, &team.organisation, "team-left", &user).await;
            writeln!(out.notes, "{user} is no more in team {name}")?;
        }
        TeamAction::List => {
            let users = registry.users(None).await?;
            for team in registry.teams(None).await? {
                let members = users.iter().filter(|user| user.teams.contains(&team.id));
                let members: Vec<_> = members.map(|user| user.name.as_str()).collect();
                let Team { id, name, organisation } = &team;
                writeln!(out.answer, "{name}\t{organisation}\t{id}\t{}", members.join(","))?;
            }
        }
    }
    Ok(())
}

async fn on_organisation(
    action: OrganisationAction,
    registry: &Registry,
    out: &mut Output<'_>,
) -> Result<(), UserCommandError> {
    match action {
        OrganisationAction::Add { name, tunnel_limit } => {
            let limit = tunnel_limit.and_then(Limit::number);
            registry.add_organisation(&name, limit, registry.now()).await?;
            writeln!(out.notes, "organisation {name} is added")?;
        }
        OrganisationAction::Set { name, tunnel_limit } => {
            registry.set_organisation(&name, tunnel_limit.number()).await?;
            writeln!(out.notes, "organisation {name} is changed")?;
        }
        OrganisationAction::Remove { name } => {
            registry.remove_organisation(&name).await?;
            writeln!(out.notes, "organisation {name} is removed")?;
        }
        OrganisationAction::List => {
            for one in registry.organisations().await? {
                let limit = one.tunnel_limit.map_or("none".to_owned(), |limit| limit.to_string());
                writeln!(out.answer, "{}\ttunnel limit {limit}", one.name)?;
            }
        }
    }
    Ok(())
}

/// Adds a user with a new key, of the organisation that needs no name.
pub(super) async fn add(registry: &Registry, name: &str) -> Result<AccessKey, UserError> {
    add_account(registry, &NewUser::member(name)).await
}

/// Adds a user with a new key.
pub(super) async fn add_account(
    registry: &Registry,
    new: &NewUser,
) -> Result<AccessKey, UserError> {
    let key = AccessKey::generate()?;
    registry.add_user(new, &sha256_of_key(key.expose()), registry.now()).await?;
    Ok(key)
}

async fn add_with(
    registry: &Registry,
    name: &str,
    options: UserOptions,
) -> Result<AccessKey, UserCommandError> {
    let organisation = options.organisation.name().to_owned();
    // All or nothing.
    let mut teams = Vec::new();
    for team in &options.team {
        teams.push(team_named(registry, team, &organisation).await?);
    }
    let new = NewUser {
        organisation,
        role: options.role,
        parent: options.parent,
        tunnel_limit: options.tunnel_limit.and_then(Limit::number),
        ..NewUser::member(name)
    };
    let key = add_account(registry, &new).await?;
    for team in &teams {
        registry.join_team(team, name).await?;
    }
    note(registry, &new.organisation, "user-added", name).await;
    Ok(key)
}

/// A team with an id of its own.
pub(super) fn new_team(name: &str, organisation: &str) -> Result<Team, random::NoRandomness> {
    let id: [u8; 16] = random::bytes()?;
    let id = id.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Team { id, name: name.to_owned(), organisation: organisation.to_owned() })
}

async fn team_named(
    registry: &Registry,
    name: &str,
    organisation: &str,
) -> Result<Team, TeamError> {
    let teams = registry.teams(Some(organisation)).await?;
    let found = teams.into_iter().find(|team| team.name == name);
    found.ok_or_else(|| TeamError::Unknown(format!("team {name}")))
}

async fn known(registry: &Registry, name: &str) -> Result<Account, UserError> {
    let account = registry.account(name).await?;
    account.ok_or_else(|| UserError::Unknown(name.to_owned()))
}

/// Writes down what a command on the server's machine did.
async fn note(registry: &Registry, organisation: &str, action: &str, subject: &str) {
    let deed = Deed {
        time: registry.now(),
        actor: None,
        action: action.to_owned(),
        subject: subject.to_owned(),
        detail: None,
    };
    if let Err(error) = registry.note(organisation, &deed).await {
        log::warn!("{action} of {subject} is not recorded: {error}");
    }
}

impl Output<'_> {
    fn key(&mut self, key: &AccessKey, what: &str) -> io::Result<()> {
        writeln!(self.notes, "{what}; it is shown only now:")?;
        writeln!(self.answer, "{}", key.expose())
    }
}

/// Name, when added, when last used, role, and what is not as usual.
fn line(account: &Account, teams: &[Team]) -> String {
    let moment = |at| Moment::of_unix(at).rfc3339();
    let last_used = match account.last_used {
        Some(at) => format!("last used {}", moment(at)),
        None => "never used".to_owned(),
    };
    let mut line = format!(
        "{}\tadded {}\t{last_used}\tkey of {}\t{}",
        account.name,
        moment(account.created),
        moment(account.key_created),
        account.role
    );
    if account.organisation != DEFAULT_ORGANISATION {
        line.push_str(&format!("\torganisation {}", account.organisation));
    }
    for team in teams.iter().filter(|team| account.teams.contains(&team.id)) {
        line.push_str(&format!("\tteam {}", team.name));
    }
    if let Some(parent) = &account.parent {
        line.push_str(&format!("\tsub-account of {parent}"));
    }
    if let Some(limit) = account.tunnel_limit {
        line.push_str(&format!("\ttunnel limit {limit}"));
    }
    line
}
