//! A tunnel whose TLS is re-signed, and curl that trusts its CA.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::binary;
use crate::curl::Curl;
use crate::deployment::{Client, CommandLine, Server, Tunnel, proxy_address};

/// A tunnel whose TLS is re-signed, and the CA that its browsers trust.
#[derive(Debug)]
pub struct Resigned {
    /// The tunnel, which is up.
    pub tunnel: Tunnel,
    /// For files of the test; the CA is among them.
    pub folder: TempDir,
}

impl Resigned {
    /// With version 5's options.
    pub fn v5(options: &[&str]) -> Self {
        Self::start(CommandLine::Version5, options)
    }

    /// With options.
    ///
    /// # Panics
    /// If the tunnel does not come up, or the server gives no CA.
    pub fn start(line: CommandLine, options: &[&str]) -> Self {
        let server = Server::start();
        let user = server.add_user("jane");
        let mut command = binary::command();
        command.args(line.arguments(&server.rest_url(), &user, "test")).args(options);
        let client = Client::start_as(command);
        client.wait_ready(line);
        let record = server.rest(&user).tunnel_named("test").expect("the tunnel is listed");
        let proxy = proxy_address(&record);
        let id = record["id"].as_str().expect("an id").to_owned();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ca = Command::new("curl")
            .args(["--silent", "--noproxy", "*", &format!("{}/ca.pem", server.rest_url())])
            .output()
            .expect("curl runs");
        let ca = String::from_utf8_lossy(&ca.stdout).into_owned();
        assert!(ca.contains("BEGIN CERTIFICATE"), "{ca}");
        std::fs::write(folder.path().join("ca.pem"), ca).expect("a file in our own folder");
        Self { tunnel: Tunnel { client, server, user, proxy, id }, folder }
    }

    /// The CA, as PEM.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// curl that trusts the server's CA and no other.
    pub fn curl(&self, url: &str) -> Curl {
        Curl::through(self.tunnel.proxy).args(["--cacert", text(&self.ca()), url])
    }

    /// Checks that the answer is a page of the proxy's own with this code; gives it.
    ///
    /// # Panics
    /// If it is not.
    pub fn fails_with(&self, url: &str, status: u16, code: &str) -> String {
        let output = self.curl(url).args(["--include"]).run();
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(answer.contains(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains(&format!("X-Sc-Error: {code}\r\n")), "{answer}");
        answer
    }
}

/// A path as text.
///
/// # Panics
/// If it is none, which temporary paths are.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are text")
}
