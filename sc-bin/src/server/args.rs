//! The command line of `sc server`.

use std::path::PathBuf;

use super::settings::{Options, SettingsError};

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
    /// Add, list and remove users, and change their access keys; also while the server runs
    User {
        #[command(subcommand)]
        action: UserAction,

        /// The server's data directory
        /// [default: $XDG_DATA_HOME/sc-server or ~/.local/share/sc-server]
        #[arg(long, value_name = "DIR", env = "SC_SERVER_DATA_DIR", global = true)]
        data_dir: Option<PathBuf>,
    },
}

#[derive(Clone, Debug, clap::Subcommand)]
pub(super) enum UserAction {
    /// Add a user and print its access key, once
    Add {
        /// The user's name
        name: String,
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

impl ServerArgs {
    /// Flags and environment, then the configuration file.
    pub(super) fn options(self) -> Result<Options, SettingsError> {
        match &self.config_file {
            None => Ok(self.options),
            Some(file) => Ok(self.options.or(Options::from_file(file)?)),
        }
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
        for good in ["user add jane --data-dir /d", "user --data-dir /d list", "user rotate jane"] {
            assert!(parse(good).unwrap().command.is_some(), "{good}");
        }
        for bad in ["user", "user add", "user add a b", "--workers 0", "--proxy-ports 2-1"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
