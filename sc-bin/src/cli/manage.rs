//! The options of `sc list` and `sc stop`: whose tunnels, and which of them.

use std::ffi::OsString;
use std::path::PathBuf;

use super::settings::Dialect;
use super::table::{Given, identified};

/// Whose tunnels, and where.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct AccountArgs {
    /// User name [env: SAUCE_USERNAME, SAUCE_USER]
    #[arg(short, long)]
    username: Option<String>,
    /// Access key; does not stay visible in the process list [env: SAUCE_ACCESS_KEY, SAUCE_API_KEY]
    #[arg(short = 'k', long)]
    access_key: Option<String>,
    /// Where your server's REST API is, as http(s)://HOST:PORT/rest/v1 [env: SAUCE_REST_URL]
    #[arg(short = 'x', long)]
    rest_url: Option<String>,
    /// PEM file of CAs to verify the REST API with, instead of the system's [env: SAUCE_CAINFO]
    #[arg(long, value_name = "FILE")]
    rest_cainfo: Option<PathBuf>,
}

/// `sc list`.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(super) account: AccountArgs,
    /// Print the records as a JSON array
    #[arg(long)]
    pub(super) json: bool,
}

/// `sc stop`.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct StopArgs {
    #[command(flatten)]
    pub(super) account: AccountArgs,
    /// Names or ids of your tunnels; all of a name are stopped
    #[arg(value_name = "NAME|ID", required_unless_present = "mine", conflicts_with = "mine")]
    tunnels: Vec<String>,
    /// All of your tunnels
    #[arg(long)]
    mine: bool,
    /// Do not let running jobs finish
    #[arg(long)]
    now: bool,
}

/// Which tunnels are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meant {
    /// All of the user's own.
    Mine,
    /// Those with one of these names or ids.
    Named(Vec<String>),
}

/// How a list is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListFormat {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// What becomes of jobs that use a tunnel which is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunningJobs {
    /// They may finish.
    Finish,
    /// They lose it.
    Fail,
}

impl AccountArgs {
    /// As the options of a tunnel, of which only what REST needs counts.
    pub(super) fn given(self) -> Given {
        let Self { username, access_key, rest_url, rest_cainfo } = self;
        let given = [
            ("user", username.map(OsString::from)),
            ("access-key", access_key.map(OsString::from)),
            ("rest-url", rest_url.map(OsString::from)),
            ("rest-cainfo", rest_cainfo.map(OsString::from)),
            // A tunnel has to have one.
            ("tunnel-name", Some(OsString::from("-"))),
        ];
        let dialect = Dialect::V5;
        let value =
            |(id, value): (&str, Option<OsString>)| Some((identified(dialect, id)?, vec![value?]));
        Given { dialect, values: given.into_iter().filter_map(value).collect() }
    }
}

impl ListArgs {
    /// How to print.
    pub(super) fn format(&self) -> ListFormat {
        if self.json { ListFormat::Json } else { ListFormat::Table }
    }
}

impl StopArgs {
    /// Which, and what becomes of their jobs.
    pub(super) fn meant(&self) -> (Meant, RunningJobs) {
        let meant = match self.mine {
            true => Meant::Mine,
            false => Meant::Named(self.tunnels.clone()),
        };
        (meant, if self.now { RunningJobs::Fail } else { RunningJobs::Finish })
    }
}
