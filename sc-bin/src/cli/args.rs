//! The commands as clap sees them. The options of a tunnel are in [`super::table`]; what their
//! values mean is decided in [`super::settings`].

#[cfg(all(feature = "client", feature = "server"))]
use clap::Args;
use clap::{Parser, Subcommand};

#[cfg(all(feature = "client", feature = "operations"))]
use super::doctor::DoctorArgs;
#[cfg(all(feature = "client", feature = "operations"))]
use super::manage::{ListArgs, StopArgs};
#[cfg(feature = "manual")]
use super::manual::{CompletionArgs, ManArgs};
#[cfg(feature = "client")]
use super::readiness::{ReadyArgs, WaitArgs};
#[cfg(feature = "client")]
use super::table::{LegacyArgs, V4Args, V5Args};
#[cfg(feature = "server")]
use crate::server::ServerArgs;

#[cfg(feature = "client")]
const AFTER_HELP: &str = "Without a command, sc starts a tunnel with the options above (version 4 \
    style); `sc run` takes the options of version 5.\nExit codes: 0 orderly end, 1 start failed, 2 \
    local address not available, 3 ended by someone else, 4 connection lost, 5 forced by a second \
    signal; doctor: 6 warnings, 7 errors.";
#[cfg(not(feature = "client"))]
const AFTER_HELP: &str = "This sc was built without the client.";

/// Reach private web applications from browsers elsewhere, through one outbound TLS connection.
#[derive(Debug, Parser)]
#[command(
    name = "sc",
    version = super::version::BUILD,
    args_conflicts_with_subcommands = true,
    after_help = AFTER_HELP
)]
pub(crate) struct Cli {
    /// What to do; a tunnel in version 4 style without one.
    #[cfg(feature = "client")]
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// What to do.
    #[cfg(not(feature = "client"))]
    #[command(subcommand)]
    pub(crate) command: Command,
    /// The options of version 4.
    #[cfg(feature = "client")]
    #[command(flatten)]
    pub(crate) tunnel: V4Args,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a tunnel, with the options of version 5
    #[cfg(feature = "client")]
    Run(Box<V5Args>),
    /// Start a tunnel, with the options of version 4, as without a command
    #[cfg(feature = "client")]
    Legacy(Box<LegacyArgs>),
    /// Run the server: REST API, tunnel listener and the tunnels' proxy ports; or change its users
    #[cfg(feature = "server")]
    Server(Box<ServerArgs>),
    /// Try the whole system on this machine: server, user, tunnel and a demo site
    #[cfg(all(feature = "client", feature = "server"))]
    Dev(DevArgs),
    /// Say whether a tunnel is ready: exit code 0 if it is
    #[cfg(feature = "client")]
    Ready(ReadyArgs),
    /// Wait until a tunnel is ready; fails at once when its client ends
    #[cfg(feature = "client")]
    Wait(WaitArgs),
    /// List your tunnels
    #[cfg(all(feature = "client", feature = "operations"))]
    List(ListArgs),
    /// Stop tunnels of yours, wherever their clients run
    #[cfg(all(feature = "client", feature = "operations"))]
    Stop(StopArgs),
    /// Check what a tunnel with these options (version 5's) needs, say what to do about what is
    /// wrong, and start none; `sc --doctor` takes version 4's
    #[cfg(all(feature = "client", feature = "operations"))]
    Doctor(Box<DoctorArgs>),
    /// Print a script that has your shell complete commands and options
    #[cfg(feature = "manual")]
    Completion(CompletionArgs),
    /// Write the man pages
    #[cfg(feature = "manual")]
    Man(ManArgs),
    /// Print the version, and of what and when it was built
    Version,
}

/// `sc dev`.
#[cfg(all(feature = "client", feature = "server"))]
#[derive(Args, Debug)]
pub(crate) struct DevArgs {
    /// Your own application's URL, to print commands for it instead of the demo site
    #[arg(long, value_name = "URL")]
    pub(crate) target: Option<String>,
}

#[cfg(all(test, feature = "client"))]
impl Cli {
    /// What was given for a tunnel, if the command is about one.
    pub(crate) fn tunnel(self) -> Option<super::table::Given> {
        match self.command {
            None => Some(self.tunnel.given),
            Some(Command::Run(args)) => Some(args.given),
            Some(Command::Legacy(args)) => Some(args.given),
            Some(_) => None,
        }
    }
}
