//! Upstream proxies, as offices have them: tinyproxy and squid for HTTP, microsocks for SOCKS 5, Dante
//! for SOCKS 4, haproxy for TLS with proxies.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::certificate::Certificates;
use crate::process::Process;
use crate::shared::Report;
use crate::{ports, wait};

/// User and password of the proxies that want them.
pub const USER: &str = "office";
/// See [`USER`].
pub const PASSWORD: &str = "s3cret-word";

/// A running proxy on a port of 127.0.0.1.
#[derive(Debug)]
pub struct Upstream {
    /// Its process: what it prints tells what went through it.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it tells what it prints nowhere.
    log: Option<PathBuf>,
    _folder: TempDir,
}

/// Whether a proxy wants [`USER`] and [`PASSWORD`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody may use it.
    Open,
    /// It wants them.
    Password,
}

impl Upstream {
    /// An HTTP proxy. `connect_ports` are those that CONNECT may go to; none: all.
    ///
    /// # Panics
    /// If tinyproxy does not come up.
    pub fn http(access: Access, connect_ports: &[u16]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = SocketAddr::from(([127, 0, 0, 1], ports::one()));
        let file = folder.path().join("tinyproxy.conf");
        let mut text = format!(
            "Port {}\nListen 127.0.0.1\nTimeout 60\nMaxClients 100\nLogLevel Info\n",
            address.port()
        );
        if access == Access::Password {
            text.push_str(&format!("BasicAuth {USER} {PASSWORD}\n"));
        }
        for port in connect_ports {
            text.push_str(&format!("ConnectPort {port}\n"));
        }
        fs::write(&file, text).expect("a file in our own folder");
        let mut command = Command::new("tinyproxy");
        command.arg("-d").arg("-c").arg(&file);
        Self::start("tinyproxy", command, address, folder)
    }

    /// A SOCKS proxy of version 5.
    ///
    /// # Panics
    /// If microsocks does not come up.
    pub fn socks(access: Access) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = SocketAddr::from(([127, 0, 0, 1], ports::one()));
        let mut command = Command::new("microsocks");
        command.args(["-i", "127.0.0.1", "-p", &address.port().to_string()]);
        if access == Access::Password {
            command.args(["-u", USER, "-P", PASSWORD]);
        }
        Self::start("microsocks", command, address, folder)
    }

    /// An HTTP proxy with what its defaults are: CONNECT to any port, `Via`, kept-alive connections.
    ///
    /// # Panics
    /// If squid does not come up.
    pub fn squid(access: Access) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = SocketAddr::from(([127, 0, 0, 1], ports::one()));
        let file = folder.path().join("squid.conf");
        let log = folder.path().join("log/access.log");
        fs::write(&file, squid_conf(folder.path(), address, access)).expect("our own folder");
        fs::write(folder.path().join("auth.sh"), AUTH).expect("our own folder");
        fs::create_dir(folder.path().join("log")).expect("our own folder");
        // Started by root it becomes another user, who has to read the one and write the other.
        for (place, mode) in [(folder.path(), 0o755), (&folder.path().join("log"), 0o777)] {
            fs::set_permissions(place, fs::Permissions::from_mode(mode)).expect("our own folder");
        }
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("squid");
        command.env("PATH", format!("{path}:/usr/sbin")).arg("-N").arg("-f").arg(&file);
        Self { log: Some(log), ..Self::start("squid", command, address, folder) }
    }

    /// TLS in front of another proxy: haproxy, with a certificate for `localhost` and 127.0.0.1.
    ///
    /// # Panics
    /// If haproxy does not come up.
    pub fn tls_before(proxy: &Self, certificates: &Certificates) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = SocketAddr::from(([127, 0, 0, 1], ports::one()));
        let read = |path| fs::read_to_string(path).expect("a file of the certificates");
        let both = read(certificates.certificate()) + &read(certificates.key());
        let pem = folder.path().join("both.pem");
        fs::write(&pem, both).expect("our own folder");
        let file = folder.path().join("haproxy.cfg");
        let text = format!(
            "global\n log stdout format raw local0\ndefaults\n mode tcp\n log global\n option tcplog\n\
             \x20timeout connect 10s\n timeout client 1m\n timeout server 1m\n\
             frontend tls\n bind {address} ssl crt {} alpn http/1.1\n default_backend proxy\n\
             backend proxy\n server proxy {}\n",
            pem.display(),
            proxy.address
        );
        fs::write(&file, text).expect("our own folder");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("haproxy");
        command.env("PATH", format!("{path}:/usr/sbin")).arg("-db").arg("-f").arg(&file);
        Self::start("haproxy", command, address, folder)
    }

    /// A proxy that speaks SOCKS version 4 only.
    ///
    /// # Panics
    /// If Dante does not come up.
    pub fn socks4() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = SocketAddr::from(([127, 0, 0, 1], ports::one()));
        let file = folder.path().join("danted.conf");
        let text = format!(
            "logoutput: stderr\ninternal: 127.0.0.1 port = {}\nexternal: 127.0.0.1\n\
             socksmethod: none\nclientmethod: none\n\
             client pass {{\n from: 127.0.0.0/8 to: 0.0.0.0/0\n}}\n\
             socks pass {{\n from: 127.0.0.0/8 to: 0.0.0.0/0\n proxyprotocol: socks_v4\n\
             \x20log: connect\n}}\n",
            address.port()
        );
        fs::write(&file, text).expect("a file in our own folder");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("danted");
        command.env("PATH", format!("{path}:/usr/sbin")).args(["-N", "1", "-f"]).arg(&file);
        command.arg("-p").arg(folder.path().join("pid"));
        Self::start("danted", command, address, folder)
    }

    fn start(name: &str, command: Command, address: SocketAddr, folder: TempDir) -> Self {
        let process = Process::start(name, command);
        wait::until("the proxy to accept connections", || TcpStream::connect(address).ok());
        Self { process, address, log: None, _folder: folder }
    }

    /// As an option names it, with the password if `access` says so.
    pub fn url(&self, scheme: &str, access: Access) -> String {
        match access {
            Access::Open => format!("{scheme}://{}", self.address),
            Access::Password => format!("{scheme}://{USER}:{PASSWORD}@{}", self.address),
        }
    }

    /// Waits until one of its lines names this text: a proxy writes of an exchange when it has ended,
    /// which may be after the browser has its answer.
    ///
    /// # Panics
    /// If none comes.
    pub fn tells_of(&self, text: &str) {
        wait::until(&format!("the proxy's line about {text:?}"), || {
            (self.mentions(text) > 0).then_some(())
        });
    }

    /// How many of its lines name this text by now, a site's address say.
    pub fn mentions(&self, text: &str) -> usize {
        let log = self.log.as_ref().and_then(|log| fs::read_to_string(log).ok());
        let logged = log.map_or(0, |log| log.lines().filter(|line| line.contains(text)).count());
        self.process.count_lines(text) + logged
    }
}

/// Says to squid who may pass.
const AUTH: &str = "while read -r user password; do\n\
    \x20 if [ \"$user $password\" = \"office s3cret-word\" ]; then echo OK; else echo ERR; fi\ndone\n";

fn squid_conf(folder: &Path, address: SocketAddr, access: Access) -> String {
    let folder = folder.display();
    let rules = match access {
        Access::Open => "http_access allow all\n".to_owned(),
        Access::Password => format!(
            "auth_param basic program /bin/sh {folder}/auth.sh\n\
             auth_param basic children 2 startup=1\n\
             acl known proxy_auth REQUIRED\nhttp_access allow known\nhttp_access deny all\n"
        ),
    };
    format!(
        "http_port {address}\npid_filename none\ncache deny all\ncache_mem 8 MB\n\
         access_log stdio:{folder}/log/access.log\ncache_log stdio:{folder}/log/cache.log\n\
         coredump_dir {folder}\nvisible_hostname office\nshutdown_lifetime 0 seconds\n\
         pinger_enable off\n{rules}"
    )
}

impl Report for Upstream {
    fn report(&self) -> String {
        self.process.report()
    }
}
