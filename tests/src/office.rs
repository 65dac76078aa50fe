//! A tunnel whose client has options about what it lets out.

use std::ffi::OsStr;
use std::process::Command;

use crate::binary;
use crate::curl::Curl;
use crate::deployment::{Client, CommandLine, Server, Tunnel, proxy_address};

/// A tunnel whose client has more options than others. Version 5's begin behind `run`.
#[derive(Debug)]
pub struct Office {
    /// The tunnel, which is up.
    pub tunnel: Tunnel,
}

impl Office {
    /// With version 4's options.
    pub fn v4(options: &[&str]) -> Self {
        Self::start(CommandLine::Version4, options, &[])
    }

    /// With version 5's options.
    pub fn v5(options: &[&str]) -> Self {
        Self::start(CommandLine::Version5, options, &[])
    }

    /// With options and variables.
    pub fn start(line: CommandLine, options: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = binary::command();
        command.envs(variables.iter().copied());
        Self::start_as(command, line, options)
    }

    /// With a command that begins the binary, and takes its arguments behind what it has.
    ///
    /// # Panics
    /// If the tunnel does not come up.
    pub fn start_as(
        mut command: Command,
        line: CommandLine,
        options: &[impl AsRef<OsStr>],
    ) -> Self {
        let server = Server::start();
        let user = server.add_user("jane");
        command.args(line.arguments(&server.rest_url(), &user, "test")).args(options);
        let client = Client::start_as(command);
        client.wait_ready(line);
        let record = server.rest(&user).tunnel_named("test").expect("the tunnel is listed");
        let proxy = proxy_address(&record);
        let id = record["id"].as_str().expect("an id").to_owned();
        Self { tunnel: Tunnel { client, server, user, proxy, id } }
    }

    /// curl for a URL, through the tunnel.
    pub fn curl(&self, url: &str) -> Curl {
        Curl::through(self.tunnel.proxy).args([url])
    }

    /// Checks that the proxy's own code is in the answer to a request, or to CONNECT.
    ///
    /// # Panics
    /// If it is not.
    pub fn fails_with(&self, url: &str, status: u16, code: &str) {
        let output = self.curl(url).args(["--include", "--insecure"]).run();
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains(&format!("X-Sc-Error: {code}\r\n")), "{answer}");
    }
}
