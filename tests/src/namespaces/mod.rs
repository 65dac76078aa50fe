//! Two network namespaces, as two machines: the server's (the cloud) and the client's (the office).
//!
//! ```text
//!  this process ── .1/.2 ── cloud ── .9/.10 ── office ── .6/.5 ── this process
//!  (browser)                sc server  ^ is cut  sc client         (site)
//! ```
//!
//! The link between them is a pair of interfaces ([`Namespaces::new`]), or a [`PacketLink`] that
//! delays and loses ([`Namespaces::over`]). All addresses are of 198.18.N.0/24, from the block for
//! benchmarks (RFC 2544), with an N for each. Making them needs root.

pub mod cut;
mod shut;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{self, Command};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::binary;
use crate::deployment::{Places, Server, Tunnel};
use crate::packet_link::{Conditions, PacketLink};
use crate::site::Site;

/// Two namespaces and the three links. They go away with it.
#[derive(Debug)]
pub struct Namespaces {
    /// The server's.
    pub cloud: Namespace,
    /// The client's.
    pub office: Namespace,
    /// Whether the office has the second of its two addresses.
    has_moved: AtomicBool,
    /// What TCP over the link uses, if not the machine's default.
    control: Option<CongestionControl>,
    number: u8,
}

/// How TCP decides how fast to send; the kernel's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CongestionControl {
    /// Takes every loss for a full queue. The default of Linux.
    Cubic,
    /// Measures bandwidth and round trip time, and takes loss as it comes.
    Bbr,
}

/// One network namespace.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

/// The interface of each namespace that leads to the other.
pub const BETWEEN: &str = "between";

/// The hosts at the two ends of the link; the office moves between two.
const CLOUD: u8 = 9;
const OFFICE: [u8; 2] = [10, 11];

impl Namespace {
    fn new(name: String) -> Self {
        run(&format!("ip netns add {name}"));
        let namespace = Self { name };
        namespace.ip("link set lo up");
        namespace
    }

    /// Its name, as `ip netns exec` wants it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip` with these arguments for this namespace.
    ///
    /// # Panics
    /// If it fails.
    pub fn ip(&self, arguments: &str) {
        run(&format!("ip -n {} {arguments}", self.name));
    }

    /// Runs a shell's command inside, and returns its standard output.
    ///
    /// # Panics
    /// If it fails.
    pub fn run(&self, command: &str) -> String {
        run(&format!("ip netns exec {} {command}", self.name))
    }

    /// The binary inside.
    pub fn binary(&self) -> Command {
        binary::command_in_namespace(&self.name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Its interfaces and their other ends go with it. A test's failure is not made worse here.
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

impl Namespaces {
    /// Makes them, with a pair of interfaces between them that loses nothing and takes no time.
    ///
    /// # Panics
    /// If something of it is not possible: without root, for example.
    pub fn new() -> Self {
        let made = Self::apart(None);
        let office = &made.office.name;
        made.cloud.ip(&format!("link add {BETWEEN} type veth peer name {BETWEEN} netns {office}"));
        made.join();
        made
    }

    /// Makes them with a line of packets between them, over which TCP uses `control`.
    ///
    /// # Panics
    /// As [`Self::new`].
    pub fn over(conditions: Conditions, control: CongestionControl) -> (Self, PacketLink) {
        let made = Self::apart(Some(control));
        let ends = [made.cloud.name.as_str(), &made.office.name];
        let link = PacketLink::between(ends, BETWEEN, conditions);
        for namespace in [&made.cloud, &made.office] {
            // The line's own queue is to be the one that overflows.
            namespace.ip(&format!("link set {BETWEEN} txqueuelen 10000"));
        }
        made.join();
        (made, link)
    }

    /// Both, and the links that are never cut.
    fn apart(control: Option<CongestionControl>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let number = free_number(process::id().wrapping_mul(16).wrapping_add(count) as u8);
        let name = |kind| format!("sc{kind}{}n{count}", process::id());
        let (cloud, office) = (Namespace::new(name("c")), Namespace::new(name("o")));
        let has_moved = AtomicBool::new(false);
        let made = Self { cloud, office, has_moved, control, number };
        made.link_to_us(&made.cloud, &name("x"), [1, 2]);
        made.link_to_us(&made.office, &name("y"), [5, 6]);
        made
    }

    /// Sets up the interfaces between them.
    fn join(&self) {
        for (namespace, host) in [(&self.cloud, CLOUD), (&self.office, OFFICE[0])] {
            namespace.ip(&format!("address add {}/29 dev {BETWEEN}", self.address(host)));
            namespace.ip(&format!("link set {BETWEEN} up"));
        }
        self.set_routes();
    }

    /// Takes the office's address away and gives it another: the other of the two.
    ///
    /// # Panics
    /// If the interface is down.
    pub fn move_office(&self) {
        let has_moved = self.has_moved.fetch_xor(true, Ordering::Relaxed);
        let [old, new] = if has_moved { [OFFICE[1], OFFICE[0]] } else { OFFICE };
        for (what, host) in [("del", old), ("add", new)] {
            let address = self.address(host);
            self.office.ip(&format!("address {what} {address}/29 dev {BETWEEN}"));
        }
        self.set_routes();
    }

    /// Where the server listens for tunnels.
    pub fn cloud_address(&self) -> Ipv4Addr {
        self.address(CLOUD)
    }

    /// The office's address on the link.
    pub fn office_address(&self) -> Ipv4Addr {
        let has_moved = self.has_moved.load(Ordering::Relaxed);
        self.address(OFFICE[usize::from(has_moved)])
    }

    /// The cloud's address on its link to this process: where browsers come in.
    pub fn browsers_address(&self) -> Ipv4Addr {
        self.address(2)
    }

    /// The address that ends with `host`.
    fn address(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, self.number, host)
    }

    /// Says again how the two reach one another, after an interface was down or an address has
    /// changed: whoever does that on a real machine has the routes restored.
    ///
    /// # Panics
    /// If an interface is down.
    pub fn set_routes(&self) {
        if let Some(control) = self.control {
            // By the route, which may name any; a namespace's default may only be what the machine
            // allows to everyone.
            self.route_between(&format!("congctl lock {}", control.name()));
        }
        let (rest, via) = (self.address(2), self.cloud_address());
        self.office.ip(&format!("route replace {rest} via {via}"));
    }

    /// Makes the congestion control a default, which programs may leave for another one, as on any
    /// machine. Until then the routes hold them to it.
    ///
    /// # Panics
    /// If an interface is down.
    pub fn let_programs_choose(&self) {
        if let Some(control) = self.control {
            self.route_between(&format!("congctl {}", control.name()));
        }
    }

    fn route_between(&self, attributes: &str) {
        let network = self.address(CLOUD - 1);
        for namespace in [&self.cloud, &self.office] {
            namespace.ip(&format!("route replace {network}/29 dev {BETWEEN} {attributes}"));
        }
    }

    /// Checks that the tunnel over the link uses it, on both sides, as the kernel says.
    ///
    /// # Panics
    /// If it does not.
    pub fn expect_congestion_control(&self, control: CongestionControl) {
        for namespace in [&self.cloud, &self.office] {
            let cloud = self.cloud_address();
            let told =
                namespace.run(&format!("ss -tinH state established src {cloud} or dst {cloud}"));
            assert!(told.contains(control.name()), "{control:?} is not in use: {told}");
        }
    }

    /// Starts a server in the cloud, a client in the office, and a site only the office reaches.
    ///
    /// # Panics
    /// If anything of it does not come up.
    pub fn start_tunnel(&self) -> (Tunnel, Site) {
        self.start_tunnel_with(&[], &[])
    }

    /// As [`Self::start_tunnel`], with more options for the server and for the client.
    ///
    /// # Panics
    /// If anything of it does not come up.
    pub fn start_tunnel_with(&self, server: &[&str], client: &[&str]) -> (Tunnel, Site) {
        let options = ["--insecure-rest"].iter().chain(server);
        let places = Places {
            rest: SocketAddr::new(self.address(2).into(), 0),
            tunnel: SocketAddr::new(self.cloud_address().into(), 0),
            proxy_host: IpAddr::from(self.address(2)),
            options: options.map(|option| (*option).to_owned()).collect(),
            ..Places::on_loopback()
        };
        let server = Server::start_at(self.cloud.binary(), places);
        let tunnel = Tunnel::start_on(server, |_| {
            let mut command = self.office.binary();
            command.args(client);
            command
        });
        (tunnel, Site::start_at(self.address(5)))
    }

    /// Starts a site that the cloud reaches and the office does not.
    ///
    /// # Panics
    /// If no port can be had.
    pub fn start_site_of_the_cloud(&self) -> Site {
        Site::start_at(self.address(1))
    }

    /// A pair of interfaces: `ours` here and one in `namespace`, with these ends of addresses.
    fn link_to_us(&self, namespace: &Namespace, ours: &str, hosts: [u8; 2]) {
        let [here, there] = hosts.map(|host| self.address(host));
        run(&format!("ip link add {ours} type veth peer name here netns {}", namespace.name));
        run(&format!("ip address add {here}/30 dev {ours}"));
        run(&format!("ip link set {ours} up"));
        namespace.ip(&format!("address add {there}/30 dev here"));
        namespace.ip("link set here up");
    }
}

/// A number whose network nobody has here, `first` if that can be: other tests may run beside this,
/// and a run that was killed leaves its own behind.
fn free_number(first: u8) -> u8 {
    /// Those that this process has chosen: their addresses may still have to be set.
    static CHOSEN: Mutex<BTreeSet<u8>> = Mutex::new(BTreeSet::new());
    let mut chosen = CHOSEN.lock().unwrap_or_else(PoisonError::into_inner);
    let is_free = |number: &u8| {
        let ours = Ipv4Addr::new(198, 18, *number, 1);
        !chosen.contains(number) && UdpSocket::bind((ours, 0)).is_err()
    };
    let mut numbers = (0..=u8::MAX).map(|step| first.wrapping_add(step));
    let number = numbers.find(is_free).expect("not all networks are in use");
    chosen.insert(number);
    number
}

impl Default for Namespaces {
    fn default() -> Self {
        Self::new()
    }
}

impl CongestionControl {
    fn name(self) -> &'static str {
        match self {
            Self::Cubic => "cubic",
            Self::Bbr => "bbr",
        }
    }
}

fn run(command: &str) -> String {
    let path = format!("PATH=$PATH:/usr/sbin:/sbin; {command}");
    let output = Command::new("sh").args(["-c", &path]).output().expect("sh can be started");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {}\n{errors}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}
