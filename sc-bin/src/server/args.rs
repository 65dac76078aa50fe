//! The command line of `sc server`.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::accounts::{DEFAULT_ORGANISATION, Role};
use super::registry::{DatabaseUrl, GivenUrl};
use super::settings::{Options, SettingsError};
#[cfg(feature = "operations")]
use crate::doctor::Shown;

/// Run the server: REST API, tunnel listener and the tunnels' proxy ports
#[derive(Clone, Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ServerArgs {
    #[command(subcommand)]
    pub(super) command: Option<ServerCommand>,

    /// YAML file with options, named like the flags; flags and environment go before it
    #[arg(long, short, value_name = "FILE", env = "SC_SERVER_CONFIG_FILE")]
    config_file: Option<PathBuf>,

    #[command(flatten)]
    options: Options,
}

#[derive(Clone, Debug, clap::Subcommand)]
pub(super) enum ServerCommand {
    /// Check what a server with these options needs, say what to do about what is wrong, and start
    /// none: exit code 0, 6 for warnings, 7 for errors
    #[cfg(feature = "operations")]
    Doctor(Box<DoctorArgs>),
    /// Add, change, list and remove users, and change their access keys; also while the server runs
    User {
        #[command(subcommand)]
        action: UserAction,

        #[command(flatten)]
        place: DataPlace,
    },
    /// Add, list and remove teams, whose members share tunnels; also while the server runs
    Team {
        #[command(subcommand)]
        action: TeamAction,

        #[command(flatten)]
        place: DataPlace,
    },
    /// See the servers that share a database, and keep new tunnels from one of them
    Fleet {
        #[command(subcommand)]
        action: FleetAction,

        #[command(flatten)]
        place: DataPlace,
    },
    /// Add, list and remove organisations; also while the server runs
    #[command(visible_alias = "org")]
    Organisation {
        #[command(subcommand)]
        action: OrganisationAction,

        #[command(flatten)]
        place: DataPlace,
    },
}

/// `sc server doctor`.
#[cfg(feature = "operations")]
#[derive(Clone, Debug, clap::Args)]
pub(super) struct DoctorArgs {
    /// The server's YAML file
    #[arg(long, short, value_name = "FILE", env = "SC_SERVER_CONFIG_FILE")]
    config_file: Option<PathBuf>,

    #[command(flatten)]
    options: Options,

    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

#[cfg(feature = "operations")]
impl DoctorArgs {
    /// The server's options, and how to print.
    pub(super) fn options(self) -> Result<(Options, Shown), SettingsError> {
        let shown = if self.json { Shown::Json } else { Shown::Text };
        Ok((with_file(self.options, self.config_file.as_deref())?, shown))
    }
}

#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct DataPlace {
    /// The server's data directory
    /// [default: $XDG_DATA_HOME/sc-server or ~/.local/share/sc-server]
    #[arg(long, value_name = "DIR", env = "SC_SERVER_DATA_DIR", global = true)]
    pub(super) data_dir: Option<PathBuf>,

    /// PostgreSQL database that several servers share, postgres://USER:PASSWORD@HOST:PORT/NAME;
    /// better by --database-file or the environment [default: SQLite in the data directory]
    #[arg(long, value_name = "URL", env = DatabaseUrl::VARIABLE, hide_env_values = true,
        value_parser = GivenUrl::take, global = true)]
    pub(super) database: Option<GivenUrl>,

    /// File with the URL of that database
    #[arg(long, value_name = "FILE", env = "SC_DATABASE_FILE", global = true)]
    pub(super) database_file: Option<PathBuf>,
}

#[derive(Clone, Debug, clap::Subcommand)]
pub(super) enum UserAction {
    /// Add a user and print its access key, once
    Add {
        /// The user's name
        name: String,

        #[command(flatten)]
        options: UserOptions,
    },
    /// Change a user's role or limit
    Set {
        /// The user's name
        name: String,

        /// What it may do
        #[arg(long, value_name = "ROLE")]
        role: Option<Role>,

        /// Most tunnels it may have at once, or "none"
        #[arg(long, value_name = "N")]
        tunnel_limit: Option<Limit>,
    },
    /// List the users
    List,
    /// Remove a user; a running server ends the user's tunnels
    Remove {
        /// The user's name
        name: String,
    },
    /// Give a user a new access key and print it, once; the old one is void
    Rotate {
        /// The user's name
        name: String,
    },
}

/// What a new user is, beside its name.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct UserOptions {
    /// What it may do
    #[arg(long, value_name = "ROLE", default_value = "member")]
    pub(super) role: Role,

    /// A team it is in; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(super) team: Vec<String>,

    /// Whose sub-account it is
    #[arg(long, value_name = "USER")]
    pub(super) parent: Option<String>,

    /// Most tunnels it may have at once
    #[arg(long, value_name = "N")]
    pub(super) tunnel_limit: Option<Limit>,

    #[command(flatten)]
    pub(super) organisation: InOrganisation,
}

/// The organisation that something belongs to.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct InOrganisation {
    /// The organisation it belongs to [default: default]
    #[arg(long, value_name = "NAME")]
    organisation: Option<String>,
}

impl InOrganisation {
    /// Its name.
    pub(super) fn name(&self) -> &str {
        self.organisation.as_deref().unwrap_or(DEFAULT_ORGANISATION)
    }
}

#[derive(Clone, Debug, clap::Subcommand)]
pub(super) enum FleetAction {
    /// List the servers, their tunnels and last signs of life
    List,
    /// Give a server no new tunnels; those it has go on
    Drain {
        /// Its address or id, as the list shows it
        server: String,
    },
    /// Give it new tunnels again
    Resume {
        /// Its address or id, as the list shows it
        server: String,
    },
}

#[derive(Clone, Debug, clap::Subcommand)]
pub(super) enum TeamAction {
    /// Add a team and print its id
    Add {
        /// The team's name
        name: String,

        #[command(flatten)]
        organisation: InOrganisation,
    },
    /// List the teams and their members
    List,
    /// Remove a team; its members stay users
    Remove {
        /// The team's name
        name: String,

        #[command(flatten)]
        organisation: InOrganisation,
    },
    /// Make a user a member of a team
    Join {
        /// The team's name
        name: String,
        /// The user's name
        user: String,

        #[command(flatten)]
        organisation: InOrganisation,
    },
    /// End a membership
    Leave {
        /// The team's name
        name: String,
        /// The user's name
        user: String,

        #[command(flatten)]
        organisation: InOrganisation,
    },
}

#[derive(Clone, Debug, clap::Subcommand)]
pub(super) enum OrganisationAction {
    /// Add an organisation
    Add {
        /// Its name
        name: String,

        /// Most tunnels it may have at once
        #[arg(long, value_name = "N")]
        tunnel_limit: Option<Limit>,
    },
    /// List the organisations
    List,
    /// Change an organisation's limit
    Set {
        /// Its name
        name: String,

        /// Most tunnels it may have at once, or "none"
        #[arg(long, value_name = "N")]
        tunnel_limit: Limit,
    },
    /// Remove an organisation without users
    Remove {
        /// Its name
        name: String,
    },
}

/// A limit, or that there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// At most so many.
    AtMost(u32),
    /// No limit.
    None,
}

impl Limit {
    /// The number, if there is a limit.
    pub(super) fn number(self) -> Option<u32> {
        match self {
            Self::AtMost(number) => Some(number),
            Self::None => None,
        }
    }
}

impl FromStr for Limit {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "none" => Ok(Self::None),
            number => number.parse().map(Self::AtMost).map_err(|_| "write a number, or none"),
        }
    }
}

impl ServerArgs {
    /// Flags and environment, then the configuration file.
    pub(super) fn options(self) -> Result<Options, SettingsError> {
        with_file(self.options, self.config_file.as_deref())
    }
}

fn with_file(options: Options, file: Option<&Path>) -> Result<Options, SettingsError> {
    match file {
        None => Ok(options),
        Some(file) => Ok(options.or(Options::from_file(file)?)),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Cli {
        #[command(flatten)]
        server: ServerArgs,
    }

    fn parse(args: &str) -> Result<ServerArgs, clap::Error> {
        let args = std::iter::once("server").chain(args.split_whitespace());
        Cli::try_parse_from(args).map(|cli| cli.server)
    }

    #[test]
    fn the_command_is_well_formed() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn flags_go_before_the_file() {
        let temporary = tempfile::tempdir().unwrap();
        let file = temporary.path().join("server.yaml");
        std::fs::write(&file, "data-dir: /from-file\nproxy-ports: 7-8\n").unwrap();
        let args = format!("--config-file {} --proxy-ports 9-10 --insecure-rest", file.display());
        let settings = parse(&args).unwrap().options().unwrap().settings().unwrap();
        assert_eq!(settings.data_dir, PathBuf::from("/from-file"));
        assert_eq!(settings.proxy_ports, "9-10".parse().unwrap());
    }

    #[test]
    fn users_are_a_command_of_their_own() {
        for good in [
            "user add jane --data-dir /d",
            "user --data-dir /d list",
            "user rotate jane",
            "user add bob --role service --team a --team b --tunnel-limit 3",
            "user set bob --tunnel-limit none",
            "team join web bob --data-dir /d",
            "org set default --tunnel-limit 7",
            "fleet drain sc-1.test:8443 --database-file /d",
        ] {
            assert!(parse(good).unwrap().command.is_some(), "{good}");
        }
        for bad in [
            "user",
            "user add",
            "user add a b",
            "user add a --role king",
            "--workers 0",
            "--proxy-ports 2-1",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
