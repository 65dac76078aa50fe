//! `sc server`: users, the registry of tunnels, the REST API, and the data plane behind them.
//!
//! [`run()`] is the command, [`start`] the same server inside a process that goes on, as `sc dev`
//! needs it. Threads: the data workers, one for the REST API and all that waits (a tokio runtime),
//! one that takes in what the workers tell, and those of `metrics` if it has an address.

mod access_key;
mod accounts;
mod announcements;
mod args;
mod byte_size;
mod certificate;
mod conceal;
mod data_dir;
mod data_plane;
#[cfg(feature = "operations")]
mod doctor;
mod fleet;
mod guesses;
mod log_limit;
mod metrics;
mod page;
mod ports;
mod random;
mod registry;
mod resign;
mod rest;
mod run;
mod running;
mod settings;
mod tunnels;
mod user_command;
mod watchdog;

pub(crate) use args::ServerArgs;
pub(crate) use registry::UserError;
pub(crate) use run::run;
pub(crate) use running::{Running, StartError, start};
pub(crate) use settings::Settings;

#[cfg(test)]
mod tests;
