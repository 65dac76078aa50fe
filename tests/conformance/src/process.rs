//! The processes of a run: the table, one process for each cell, and processes that hold one end
//! of a tunnel for scenarios that need limits of their own. All are this program.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::driver::{self, Driver};
use crate::scenario::{self, Verdict};
use crate::tunnel::{Client, SECRET, Server};
use crate::{site, table, tiny};

/// What says that a process is not the table.
const ROLE: &str = "--role";
/// The exit code of a cell that was skipped.
pub(crate) const SKIPPED: u8 = 77;

/// Runs what the arguments say: nothing or words to choose cells by, or a role.
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments.as_slice() {
        [ROLE, "cell", scenario, driver] => cell(scenario, driver),
        [ROLE, "server", driver, limit] => server(&named(driver), limit),
        [ROLE, "client", driver, limit, kgp, pin] => client(&named(driver), limit, kgp, pin),
        [ROLE, "site", limit, count] => many_at_a_site(limit, count),
        _ => table::run(&arguments),
    }
}

/// This program again, in a role.
pub(crate) fn role(arguments: &[&str]) -> Command {
    let program = std::env::current_exe().expect("this program has a name");
    let mut command = Command::new(program);
    command.arg(ROLE).args(arguments);
    command
}

fn named(name: &str) -> Driver {
    let found = driver::ALL.iter().find(|driver| driver.name == name);
    *found.expect("there is such a driver")
}

/// A panic of any thread is the end of its process, so that nobody waits for what will not come.
fn exit_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::exit(101);
    }));
}

fn cell(scenario: &str, driver: &str) -> ExitCode {
    exit_on_panic();
    let driver = named(driver);
    if let Some(reason) = (driver.missing)() {
        println!("{reason}");
        return ExitCode::from(SKIPPED);
    }
    let found = scenario::ALL.iter().find(|one| one.name == scenario);
    match (found.expect("there is such a scenario").run)(&driver) {
        Verdict::Passed => ExitCode::SUCCESS,
        Verdict::PassedWith(figure) => {
            println!("{figure}");
            ExitCode::SUCCESS
        }
        Verdict::NotForThis(reason) => {
            println!("{reason}");
            ExitCode::from(SKIPPED)
        }
    }
}

/// Holds a server's end until its standard input ends.
fn server(driver: &Driver, limit: &str) -> ExitCode {
    begin(limit);
    let server = Server::start(driver, 1);
    println!("{} {} {}", server.kgp, server.proxy, hex(&server.pin));
    stay()
}

fn client(driver: &Driver, limit: &str, kgp: &str, pin: &str) -> ExitCode {
    begin(limit);
    let client = Client::start(driver, kgp.parse().unwrap(), unhex(pin), SECRET);
    client.wait_up();
    println!("up");
    stay()
}

fn many_at_a_site(limit: &str, count: &str) -> ExitCode {
    begin(limit);
    let (listener, address) = tiny::listener();
    println!("{address}");
    site::echo_in_turn(&listener, count.parse().unwrap()).unwrap();
    stay()
}

/// Sets a limit of descriptors, and has the process end with who started it.
fn begin(limit: &str) {
    exit_on_panic();
    limit_descriptors(limit.parse().unwrap());
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
}

fn stay() -> ExitCode {
    loop {
        thread::park();
    }
}

fn limit_descriptors(most: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let current = Some(maximum.map_or(most, |maximum| maximum.min(most)));
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).expect("a limit may be lowered");
}

/// How many descriptors a process may have that asks for as many as it can.
pub(crate) fn most_descriptors() -> u64 {
    getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX)
}

/// Lets this process have as many descriptors as it can.
pub(crate) fn raise_descriptors() {
    limit_descriptors(most_descriptors());
}

/// A process in a role, ended with this.
pub(crate) struct Holder {
    child: Child,
    /// What it said when it was ready.
    said: String,
}

impl Holder {
    fn start(arguments: &[&str]) -> Self {
        let mut child = role(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts again");
        let mut said = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
        output.read_line(&mut said).expect("a line is text");
        assert!(!said.is_empty(), "the process {arguments:?} has ended");
        Self { child, said }
    }

    /// A server on `driver` with a limit of descriptors.
    pub(crate) fn server(driver: &Driver, limit: u64) -> (Self, ServerPlace) {
        let holder = Self::start(&["server", driver.name, &limit.to_string()]);
        let mut words = holder.said.split_whitespace();
        let mut word = || words.next().expect("it says kgp, proxy and pin");
        let (kgp, proxy) = (word().parse().unwrap(), word().parse().unwrap());
        let place = ServerPlace { kgp, proxy, pin: unhex(word()) };
        (holder, place)
    }

    /// A client of that server, up.
    pub(crate) fn client(driver: &Driver, limit: u64, server: &ServerPlace) -> Self {
        let (limit, kgp, pin) = (limit.to_string(), server.kgp.to_string(), hex(&server.pin));
        Self::start(&["client", driver.name, &limit, &kgp, &pin])
    }

    /// A site for `count` connections at once.
    pub(crate) fn site(limit: u64, count: usize) -> (Self, SocketAddr) {
        let holder = Self::start(&["site", &limit.to_string(), &count.to_string()]);
        let address = holder.said.trim().parse().unwrap();
        (holder, address)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a server of another process is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerPlace {
    pub(crate) kgp: SocketAddr,
    pub(crate) proxy: SocketAddr,
    pub(crate) pin: [u8; 32],
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> [u8; 32] {
    // A secret has the same form.
    *text.parse::<sc_proto::contract::TunnelSecret>().expect("64 hex digits").expose()
}
