//! The options of `sc doctor`: those of a tunnel of version 5, and how to print.

use super::exit::Exit;
use super::settings::Settings;
use super::table::CheckedArgs;
use crate::client;
use crate::doctor::Shown;
#[cfg(feature = "operations")]
use crate::logs::Shape;

/// `sc doctor`.
#[derive(clap::Args, Debug)]
pub(crate) struct DoctorArgs {
    /// The tunnel's own.
    #[command(flatten)]
    pub(super) tunnel: CheckedArgs,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

impl DoctorArgs {
    /// How to print.
    pub(super) fn shown(&self) -> Shown {
        if self.json { Shown::Json } else { Shown::Text }
    }
}

/// Checks what a tunnel with these settings needs. `--log-format json` asks for JSON, too: version 4
/// has no other option for it.
pub(super) fn run(settings: &Settings, shown: Shown) -> Exit {
    let shown = match settings.logging.log.shape {
        Shape::Json => Shown::Json,
        Shape::V4 | Shape::V5 => shown,
    };
    match client::doctor(settings, shown) {
        0 => Exit::Orderly,
        6 => Exit::Warnings,
        _ => Exit::Errors,
    }
}
