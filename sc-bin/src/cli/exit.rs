//! How the process ends. `docs/exit-codes.md` says the same to users.

use std::process::ExitCode;

/// The exit codes of every `sc` command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: an orderly end, asked for by a signal or by the command itself.
    Orderly,
    /// 1: the command line, the settings, the credentials or the start went wrong.
    Failed,
    /// 2: a local address could not be listened on.
    Listener,
    /// 3: the tunnel ran and was then ended by someone else, through REST, the page or a
    /// tunnel of the same name.
    EndedElsewhere,
    /// 4: the tunnel ran, its connection was lost and did not come back in time.
    ConnectionLost,
    /// 5: a second signal ended it before running jobs were done.
    Forced,
    /// 6: the doctor found something that may become a trouble.
    Warnings,
    /// 7: the doctor found something that stands in the way.
    Errors,
}

impl Exit {
    /// The number the parent process sees.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Orderly => 0,
            Self::Failed => 1,
            Self::Listener => 2,
            Self::EndedElsewhere => 3,
            Self::ConnectionLost => 4,
            Self::Forced => 5,
            Self::Warnings => 6,
            Self::Errors => 7,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
