//! The command line as clap sees it. What the values mean is decided in [`super::settings`].
//!
//! Names and short letters are those of the two versions of the original command line, so that
//! scripts written for either go on working. An option that is not here is refused, never ignored.

#[cfg(feature = "client")]
use std::path::PathBuf;

#[cfg(feature = "client")]
use clap::Args;
use clap::{Parser, Subcommand};

#[cfg(feature = "client")]
use super::connections::CONNECTIONS;
#[cfg(feature = "client")]
use super::egress::{V4EgressArgs, V5EgressArgs};
#[cfg(feature = "client")]
use super::endurance::{KEEPALIVE, MAX_MISSED_ACKS, RECONNECT};
#[cfg(feature = "client")]
use super::inspect::{V4InspectArgs, V5InspectArgs};
#[cfg(feature = "client")]
use super::monitoring::{V4Monitoring, V5Monitoring};
#[cfg(feature = "client")]
use super::readiness::{ReadyArgs, WaitArgs};
#[cfg(feature = "client")]
use crate::runtime::RuntimeKind;
#[cfg(feature = "server")]
use crate::server::ServerArgs;

#[cfg(feature = "client")]
const AFTER_HELP: &str = "Without a command, sc starts a tunnel with the options above (version 4 \
    style); `sc run` takes the options of version 5.\nExit codes: 0 orderly end, 1 start failed, 2 \
    local address not available, 3 ended by someone else, 4 connection lost, 5 forced by a second \
    signal.";
#[cfg(not(feature = "client"))]
const AFTER_HELP: &str = "This sc was built without the client.";

/// Reach private web applications from browsers elsewhere, through one outbound TLS connection.
#[derive(Debug, Parser)]
#[command(
    name = "sc",
    version,
    args_conflicts_with_subcommands = true,
    args_override_self = true,
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
    /// Print the version
    Version,
}

/// A tunnel in version 4 style: bare options.
#[cfg(feature = "client")]
#[derive(Args, Debug, Default)]
#[command(args_override_self = true)]
pub(crate) struct V4Args {
    /// User name [env: SAUCE_USERNAME, SAUCE_USER]
    #[arg(short, long)]
    pub(crate) user: Option<String>,
    /// Access key; does not stay visible in the process list [env: SAUCE_ACCESS_KEY, SAUCE_API_KEY]
    #[arg(short = 'k', long)]
    pub(crate) api_key: Option<String>,
    /// Where your server's REST API is, as http(s)://HOST:PORT/rest/v1 [env: SAUCE_REST_URL]
    #[arg(short = 'x', long)]
    pub(crate) rest_url: Option<String>,
    /// Name of the tunnel; without one it serves tests that name none
    /// [env: SAUCE_TUNNEL_NAME, SAUCE_TUNNEL_IDENTIFIER]
    #[arg(short = 'i', long, alias = "tunnel-identifier")]
    pub(crate) tunnel_name: Option<String>,
    /// Accepted for old scripts; --rest-url decides [env: SAUCE_REGION]
    #[arg(short, long)]
    pub(crate) region: Option<String>,
    /// PEM file of CAs to verify the REST API with, instead of the system's [env: SAUCE_CAINFO]
    #[arg(long, value_name = "FILE")]
    pub(crate) cainfo: Option<PathBuf>,
    /// PEM file of CAs to verify the tunnel server with, instead of the pin or the system's CAs
    /// [env: SAUCE_TUNNEL_CAINFO]
    #[arg(long, value_name = "FILE")]
    pub(crate) tunnel_cainfo: Option<PathBuf>,
    /// Hosts that the server reaches itself, not through the tunnel: host, .domain, *.domain,
    /// comma separated [env: SAUCE_DIRECT_DOMAINS]
    #[arg(short = 'D', long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) direct_domains: Option<Vec<String>>,
    /// Only these hosts go through the tunnel; the server reaches all others itself. Written as
    /// --direct-domains, and wins over it [env: SAUCE_TUNNEL_DOMAINS]
    #[arg(short = 't', long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) tunnel_domains: Option<Vec<String>>,
    /// URLs that are refused: regular expressions, comma separated [env: SAUCE_FAST_FAIL_REGEXPS]
    #[arg(short = 'F', long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) fast_fail_regexps: Option<Vec<String>>,
    /// Have the server ask the sites each time, and keep no answers for other browsers
    /// [env: SAUCE_NO_PROXY_CACHING]
    #[arg(short = 'N', long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true")]
    pub(crate) no_proxy_caching: Option<bool>,
    /// What carries the tunnel's connections [default: mio, if it is built in] [env: SAUCE_RUNTIME]
    #[arg(long)]
    pub(crate) runtime: Option<RuntimeKind>,
    /// Seconds that open connections wait for a lost tunnel connection to come back
    /// [default: 60] [env: SAUCE_RECONNECT]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(RECONNECT))]
    pub(crate) reconnect: Option<u32>,
    /// Seconds between signs of life on an idle tunnel connection
    /// [default: 2] [env: SAUCE_KEEPALIVE]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(KEEPALIVE))]
    pub(crate) keepalive: Option<u32>,
    /// Signs of life without an answer before the tunnel connection counts as dead
    /// [default: 2] [env: SAUCE_MAX_MISSED_ACKS]
    #[arg(
        short = 'M', long, value_name = "N", value_parser = clap::value_parser!(u32).range(MAX_MISSED_ACKS)
    )]
    pub(crate) max_missed_acks: Option<u32>,
    /// TLS of these hosts passes through untouched, that of all others is opened at the server and
    /// signed anew, so that browsers have to trust its CA; `all`: nothing is re-signed, which is
    /// the default, too. Written as --direct-domains [env: SAUCE_NO_SSL_BUMP_DOMAINS]
    #[arg(short = 'B', long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) no_ssl_bump_domains: Option<Vec<String>>,
    #[command(flatten)]
    pub(crate) egress: V4EgressArgs,
    /// Connections of the tunnel: several use more cores, and suffer less from packets lost on the
    /// way [default: 1] [env: SAUCE_TUNNEL_CONNECTIONS]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(CONNECTIONS))]
    pub(crate) tunnel_connections: Option<u32>,
    /// How its state is shown.
    #[command(flatten)]
    pub(crate) monitoring: V4Monitoring,
    /// How people look into what it does.
    #[command(flatten)]
    pub(crate) inspect: V4InspectArgs,
}

/// A tunnel in version 5 style: `sc run`.
#[cfg(feature = "client")]
#[derive(Args, Debug, Default)]
#[command(args_override_self = true)]
pub(crate) struct V5Args {
    /// User name [env: SAUCE_USERNAME, SAUCE_USER]
    #[arg(short, long)]
    pub(crate) username: Option<String>,
    /// Access key; does not stay visible in the process list [env: SAUCE_ACCESS_KEY, SAUCE_API_KEY]
    #[arg(short = 'k', long)]
    pub(crate) access_key: Option<String>,
    /// Where your server's REST API is, as http(s)://HOST:PORT/rest/v1 [env: SAUCE_REST_URL]
    #[arg(long)]
    pub(crate) rest_url: Option<String>,
    /// Name of the tunnel [env: SAUCE_TUNNEL_NAME, SAUCE_TUNNEL_IDENTIFIER]
    #[arg(short = 'i', long)]
    pub(crate) tunnel_name: Option<String>,
    /// Accepted for old scripts; --rest-url decides [env: SAUCE_REGION]
    #[arg(short, long)]
    pub(crate) region: Option<String>,
    /// PEM file of CAs to verify the REST API with, instead of the system's [env: SAUCE_CAINFO]
    #[arg(long, value_name = "FILE")]
    pub(crate) rest_cainfo: Option<PathBuf>,
    /// PEM file of CAs to verify the tunnel server with, instead of the pin or the system's CAs
    /// [env: SAUCE_TUNNEL_CAINFO]
    #[arg(long, value_name = "FILE")]
    pub(crate) tunnel_cainfo: Option<PathBuf>,
    /// Hosts that the server reaches itself, not through the tunnel: [-]regexp or all, comma
    /// separated; excludes --tunnel-domains [env: SAUCE_DIRECT_DOMAINS]
    #[arg(
        short = 'D',
        long,
        value_name = "LIST",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    pub(crate) direct_domains: Option<Vec<String>>,
    /// Only these hosts go through the tunnel; the server reaches all others itself. Written as
    /// --direct-domains, and excludes it [env: SAUCE_TUNNEL_DOMAINS]
    #[arg(
        short = 'T',
        long,
        value_name = "LIST",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    pub(crate) tunnel_domains: Option<Vec<String>>,
    /// What carries the tunnel's connections [default: mio, if it is built in] [env: SAUCE_RUNTIME]
    #[arg(long)]
    pub(crate) runtime: Option<RuntimeKind>,
    /// Seconds that open connections wait for a lost tunnel connection to come back
    /// [default: 60] [env: SAUCE_RECONNECT]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(RECONNECT))]
    pub(crate) reconnect: Option<u32>,
    /// Seconds between signs of life on an idle tunnel connection
    /// [default: 2] [env: SAUCE_KEEPALIVE]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(KEEPALIVE))]
    pub(crate) keepalive: Option<u32>,
    /// Signs of life without an answer before the tunnel connection counts as dead
    /// [default: 2] [env: SAUCE_MAX_MISSED_ACKS]
    #[arg(
        long, value_name = "N", value_parser = clap::value_parser!(u32).range(MAX_MISSED_ACKS)
    )]
    pub(crate) max_missed_acks: Option<u32>,
    /// TLS of these hosts passes through untouched, that of all others is opened at the server and
    /// signed anew, so that browsers have to trust its CA: [-]regexp or all, comma separated;
    /// excludes --tls-resign-domains [env: SAUCE_TLS_PASSTHROUGH_DOMAINS]
    #[arg(
        short = 'B',
        long,
        value_name = "LIST",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    pub(crate) tls_passthrough_domains: Option<Vec<String>>,
    /// TLS of these hosts is opened at the server and signed anew, that of all others passes; by
    /// default all passes [env: SAUCE_TLS_RESIGN_DOMAINS]
    #[arg(
        short = 'b',
        long,
        value_name = "LIST",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    pub(crate) tls_resign_domains: Option<Vec<String>>,
    #[command(flatten)]
    pub(crate) egress: V5EgressArgs,
    /// Connections of the tunnel: several use more cores, and suffer less from packets lost on the
    /// way [default: 1] [env: SAUCE_TUNNEL_CONNECTIONS]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(CONNECTIONS))]
    pub(crate) tunnel_connections: Option<u32>,
    /// How its state is shown.
    #[command(flatten)]
    pub(crate) monitoring: V5Monitoring,
    /// How people look into what it does.
    #[command(flatten)]
    pub(crate) inspect: V5InspectArgs,
}

/// `sc dev`.
#[cfg(all(feature = "client", feature = "server"))]
#[derive(Args, Debug)]
pub(crate) struct DevArgs {
    /// Your own application's URL, to print commands for it instead of the demo site
    #[arg(long, value_name = "URL")]
    pub(crate) target: Option<String>,
}
