//! curl, as a person uses it.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::process::{Command, Output};

/// One call of curl by way of a proxy.
#[derive(Debug)]
pub struct Curl {
    command: Command,
}

impl Curl {
    /// A call that goes through the HTTP proxy at `proxy`, whatever the environment says.
    pub fn through(proxy: SocketAddr) -> Self {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--fail-with-body", "--max-time", "300"]).args([
            "--disable",
            "--noproxy",
            "",
            "--proxy",
            &format!("http://{proxy}"),
        ]);
        Self { command }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Runs it, whatever comes.
    ///
    /// # Panics
    /// If curl cannot be started.
    pub fn run(mut self) -> Output {
        self.command.output().expect("curl can be started")
    }

    /// Runs it and returns what it printed.
    ///
    /// # Panics
    /// If it fails; the message has its own.
    pub fn text(self) -> String {
        let shown = format!("{:?}", self.command);
        let output = self.run();
        let errors = String::from_utf8_lossy(&output.stderr);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{shown}\n{}: {errors}\n{text}", output.status);
        text
    }
}
