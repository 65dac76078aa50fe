//! Name servers, as offices have them: dnsmasq.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use tempfile::TempDir;

use crate::process::Process;
use crate::shared::Report;
use crate::{ports, wait};

/// A running dnsmasq on a port of 127.0.0.1, which knows the names it was given and none else.
#[derive(Debug)]
pub struct Dnsmasq {
    /// Its process: it prints each question.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
    _folder: TempDir,
}

impl Dnsmasq {
    /// Starts one with lines of its configuration, `host-record=app.test,127.0.0.1` say.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn start(lines: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = SocketAddr::from(([127, 0, 0, 1], ports::one()));
        let file = folder.path().join("dnsmasq.conf");
        let fixed = format!(
            "port={}\nlisten-address=127.0.0.1\nbind-interfaces\nno-resolv\nno-hosts\n\
             log-queries\nlog-facility=-\nuser=\npid-file=\nlocal=/test/\n",
            address.port()
        );
        fs::write(&file, fixed + &lines.join("\n") + "\n").expect("a file in our own folder");
        let mut command = Command::new("dnsmasq");
        command.arg("--keep-in-foreground").arg(format!("--conf-file={}", file.display()));
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin"));
        let process = Process::start("dnsmasq", command);
        wait::until("dnsmasq to accept connections", || TcpStream::connect(address).ok());
        Self { process, address, _folder: folder }
    }

    /// How many questions it has got for a name, of either kind of address.
    pub fn questions(&self, name: &str) -> usize {
        self.process.count_lines(&format!("] {name} from"))
    }
}

impl Report for Dnsmasq {
    fn report(&self) -> String {
        self.process.report()
    }
}
