//! A server, users and clients, put together as the README's walk-through does it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::Process;
use crate::rest::Rest;
use crate::shared::Report;
use crate::{binary, ports};

/// How many proxy ports a server of a test has: more than any test starts tunnels.
const PROXY_PORTS: u16 = 8;

/// A running `sc server` with a data folder of its own.
#[derive(Debug)]
pub struct Server {
    /// The process.
    pub process: Process,
    data: TempDir,
    places: Places,
}

/// Where a server listens, and what else it is told.
#[derive(Clone, Debug)]
pub struct Places {
    /// The REST API. Port 0: any, which stays the same when the server starts again.
    pub rest: SocketAddr,
    /// The KGP listener, likewise.
    pub tunnel: SocketAddr,
    /// The address of the proxy ports.
    pub proxy_host: IpAddr,
    /// First and last of them.
    pub proxy_ports: (u16, u16),
    /// More options.
    pub options: Vec<String>,
}

/// A user and the access key that the server printed once.
#[derive(Clone, Debug)]
pub struct User {
    /// The name.
    pub name: String,
    /// The access key.
    pub key: String,
}

/// A running client.
#[derive(Debug)]
pub struct Client {
    /// The process.
    pub process: Process,
    /// Its folder for temporary files, so that no two clients share any.
    folder: TempDir,
}

/// Which of the two command lines a client is started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandLine {
    /// `sc -u … -k … -x … -i …`
    Version4,
    /// `sc run -u … -k … --rest-url … -i …`
    Version5,
}

/// A server, one user and one client that is up.
#[derive(Debug)]
pub struct Tunnel {
    /// The client of the tunnel.
    pub client: Client,
    /// The server.
    pub server: Server,
    /// The owner.
    pub user: User,
    /// Where browsers go: the tunnel's proxy port on the server.
    pub proxy: SocketAddr,
    /// The tunnel's id.
    pub id: String,
}

impl Places {
    /// Free ports of 127.0.0.1.
    ///
    /// # Panics
    /// If there are none.
    pub fn on_loopback() -> Self {
        let localhost = IpAddr::from(Ipv4Addr::LOCALHOST);
        Self {
            rest: (localhost, 0).into(),
            tunnel: (localhost, 0).into(),
            proxy_host: localhost,
            proxy_ports: ports::block(PROXY_PORTS),
            options: Vec::new(),
        }
    }

    fn start(&self, mut command: Command, data: &Path) -> Process {
        let (first, last) = self.proxy_ports;
        command
            .args(["server", "--rest-address", &self.rest.to_string()])
            .args(["--tunnel-address", &self.tunnel.to_string()])
            .args(["--proxy-host", &self.proxy_host.to_string()])
            .args(["--proxy-ports", &format!("{first}-{last}"), "--data-dir"])
            .arg(data)
            .args(&self.options);
        Process::start("sc server", command)
    }
}

impl Server {
    /// Starts one on free ports of 127.0.0.1 and waits until it serves.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn start() -> Self {
        Self::start_as(binary::command(), &[])
    }

    /// Starts `command`, which is the binary or a program that becomes it, with more options.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn start_as(command: Command, options: &[&str]) -> Self {
        let mut places = Places::on_loopback();
        places.options = options.iter().map(|option| (*option).to_owned()).collect();
        Self::start_at(command, places)
    }

    /// Starts `command` at `places`.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn start_at(command: Command, places: Places) -> Self {
        let data = tempfile::tempdir().expect("a temporary folder");
        let process = places.start(command, data.path());
        let rest = process.wait_for("its REST address", |line| address_in("rest-address: ", line));
        let tunnel =
            process.wait_for("its tunnel address", |line| address_in("tunnel-address: ", line));
        let places = Places { rest, tunnel, ..places };
        Self { process, data, places }
    }

    /// Starts `command` in place of the process that has ended: same data folder, same addresses.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn start_again(&mut self, command: Command) {
        self.process = self.places.start(command, self.data.path());
        self.process.wait_for("its REST address", |line| address_in("rest-address: ", line));
        self.process.wait_for("its tunnel address", |line| address_in("tunnel-address: ", line));
    }

    /// Adds a user while the server runs.
    ///
    /// # Panics
    /// If that fails or prints no key.
    pub fn add_user(&self, name: &str) -> User {
        let output = self.user_command(&["add", name]);
        User { name: name.to_owned(), key: key_in(&output) }
    }

    /// Runs `sc server user …` on this server's data folder and returns its standard output.
    ///
    /// # Panics
    /// If it fails.
    pub fn user_command(&self, arguments: &[&str]) -> String {
        let output = binary::command()
            .args(["server", "user"])
            .args(arguments)
            .arg("--data-dir")
            .arg(self.data_dir())
            .output()
            .expect("sc can be started");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "sc server user {arguments:?} failed: {errors}");
        String::from_utf8(output.stdout).expect("the output is text")
    }

    /// Its data folder.
    pub fn data_dir(&self) -> &Path {
        self.data.path()
    }

    /// Where its REST API listens.
    pub fn rest_address(&self) -> SocketAddr {
        self.places.rest
    }

    /// Where it takes KGP transports.
    pub fn tunnel_address(&self) -> SocketAddr {
        self.places.tunnel
    }

    /// The URL that clients are given.
    pub fn rest_url(&self) -> String {
        format!("http://{}/rest/v1", self.places.rest)
    }

    /// Its API, as `user`.
    pub fn rest(&self, user: &User) -> Rest {
        Rest::new(self.places.rest, &user.name, &user.key)
    }
}

impl CommandLine {
    /// The arguments that start a client.
    pub fn arguments(self, rest_url: &str, user: &User, name: &str) -> Vec<String> {
        let words: &[&str] = match self {
            Self::Version4 => &["-u", &user.name, "-k", &user.key, "-x", rest_url, "-i", name],
            Self::Version5 => {
                &["run", "-u", &user.name, "-k", &user.key, "--rest-url", rest_url, "-i", name]
            }
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// The line that says that tests may start.
    pub fn ready_line(self) -> &'static str {
        match self {
            Self::Version4 => "Sauce Connect is up, you may start your tests.",
            Self::Version5 => "Sauce Connect is up, you may start your tests",
        }
    }
}

impl Client {
    /// Starts a client for a tunnel `name` of `user`. It is not up yet.
    ///
    /// # Panics
    /// If the binary cannot be started.
    pub fn start(line: CommandLine, server: &Server, user: &User, name: &str) -> Self {
        let mut command = binary::command();
        command.args(line.arguments(&server.rest_url(), user, name));
        Self::start_as(command)
    }

    /// Starts `command`, which has all arguments already.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start_as(mut command: Command) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        command.env("TMPDIR", folder.path());
        Self { process: Process::start("sc client", command), folder }
    }

    /// Its folder for temporary files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits until it says that tests may start.
    ///
    /// # Panics
    /// If it does not.
    pub fn wait_ready(&self, line: CommandLine) {
        let ready = line.ready_line();
        self.process.wait_for(ready, |printed| printed.ends_with(ready).then_some(()));
    }
}

impl Tunnel {
    /// Starts a server and a client with the version 4 command line.
    ///
    /// # Panics
    /// If anything of it does not come up.
    pub fn start() -> Self {
        Self::start_on(Server::start(), |command| command)
    }

    /// Starts a client on `server`; `prepare` may change how it is started.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn start_on(server: Server, prepare: impl FnOnce(Command) -> Command) -> Self {
        let user = server.add_user("jane");
        let line = CommandLine::Version4;
        let mut command = prepare(binary::command());
        command.args(line.arguments(&server.rest_url(), &user, "test"));
        let client = Client::start_as(command);
        client.wait_ready(line);
        let record = server.rest(&user).tunnel_named("test").expect("the tunnel is listed");
        let proxy = proxy_address(&record);
        let id = record["id"].as_str().expect("an id").to_owned();
        Self { client, server, user, proxy, id }
    }

    /// As [`Self::start`], with a limit of open files for both processes.
    ///
    /// # Panics
    /// If anything of it does not come up.
    pub fn start_with_open_files(limit: u32) -> Self {
        let server = Server::start_as(binary::command_with_open_files(limit), &[]);
        Self::start_on(server, |_| binary::command_with_open_files(limit))
    }

    /// The process ids of server and client.
    pub fn pids(&self) -> [u32; 2] {
        [self.server.process.pid(), self.client.process.pid()]
    }
}

impl Report for Tunnel {
    fn report(&self) -> String {
        format!("{}\n{}", self.server.process.report(), self.client.process.report())
    }
}

impl Report for Server {
    fn report(&self) -> String {
        self.process.report()
    }
}

/// The proxy address in a tunnel's record.
///
/// # Panics
/// If there is none.
pub fn proxy_address(record: &Value) -> SocketAddr {
    let text = record["proxy_address"].as_str();
    let address = text.and_then(|text| text.parse().ok());
    address.unwrap_or_else(|| panic!("no proxy_address in {record}"))
}

/// The access key in what `sc server user add` printed: a word in the shape of a UUID.
///
/// # Panics
/// If there is none.
pub fn key_in(output: &str) -> String {
    let is_key = |word: &&str| word.len() == 36 && word.matches('-').count() == 4;
    let key = output.split_whitespace().find(is_key);
    key.unwrap_or_else(|| panic!("no access key in {output:?}")).to_owned()
}

/// The socket address in a line `KEY: ADDRESS` of the server.
fn address_in(key: &str, line: &str) -> Option<SocketAddr> {
    line.strip_prefix(key).and_then(|address| address.parse().ok())
}
