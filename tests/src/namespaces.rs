//! Two network namespaces, as two machines: the server's (the cloud) and the client's (the office).
//!
//! ```text
//!  this process ── .1/.2 ── cloud ── .9/.10 ── office ── .6/.5 ── this process
//!  (browser)                sc server  ^ is cut  sc client         (site)
//! ```
//!
//! All addresses are of 198.18.N.0/24, from the block for benchmarks (RFC 2544), with an N for
//! each. Making them needs root.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::binary;
use crate::deployment::{Places, Server, Tunnel};
use crate::site::Site;

/// Two namespaces and the three links. They go away with it.
#[derive(Debug)]
pub struct Namespaces {
    /// The server's.
    pub cloud: Namespace,
    /// The client's.
    pub office: Namespace,
    number: u8,
}

/// One network namespace.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

/// The interface of each namespace that leads to the other.
pub const BETWEEN: &str = "between";

impl Namespace {
    fn new(name: String) -> Self {
        run(&format!("ip netns add {name}"));
        let namespace = Self { name };
        namespace.ip("link set lo up");
        namespace
    }

    /// Runs `ip` with these arguments for this namespace.
    ///
    /// # Panics
    /// If it fails.
    pub fn ip(&self, arguments: &str) {
        run(&format!("ip -n {} {arguments}", self.name));
    }

    /// Runs a shell's command inside.
    ///
    /// # Panics
    /// If it fails.
    pub fn run(&self, command: &str) {
        run(&format!("ip netns exec {} {command}", self.name));
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
    /// Makes them.
    ///
    /// # Panics
    /// If something of it is not possible: without root, for example.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let number = process::id().wrapping_mul(16).wrapping_add(count) as u8;
        let name = |kind| format!("sc{kind}{}n{count}", process::id());
        let (cloud, office) = (Namespace::new(name("c")), Namespace::new(name("o")));
        let made = Self { cloud, office, number };
        made.link_to_us(&made.cloud, &name("x"), [1, 2]);
        made.link_to_us(&made.office, &name("y"), [5, 6]);
        let (cloud, office) = (&made.cloud, &made.office);
        cloud.ip(&format!(
            "link add {BETWEEN} type veth peer name {BETWEEN} netns {}",
            made.office.name
        ));
        for (namespace, host) in [(cloud, 9), (office, 10)] {
            namespace.ip(&format!("address add {}/29 dev {BETWEEN}", made.address(host)));
            namespace.ip(&format!("link set {BETWEEN} up"));
        }
        made.route_to_cloud();
        made
    }

    /// The address that ends with `host`.
    pub fn address(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, self.number, host)
    }

    /// Tells the office the way to the server's REST API again, after its interface was down or
    /// its address changed: whoever does that on a real machine has a default route restored.
    ///
    /// # Panics
    /// If the interface is down.
    pub fn route_to_cloud(&self) {
        let (to, via) = (self.address(2), self.address(9));
        self.office.ip(&format!("route replace {to} via {via}"));
    }

    /// Starts a server in the cloud, a client in the office, and a site only the office reaches.
    ///
    /// # Panics
    /// If anything of it does not come up.
    pub fn start_tunnel(&self) -> (Tunnel, Site) {
        let places = Places {
            rest: SocketAddr::new(self.address(2).into(), 0),
            tunnel: SocketAddr::new(self.address(9).into(), 0),
            proxy_host: IpAddr::from(self.address(2)),
            options: vec!["--insecure-rest".to_owned()],
            ..Places::on_loopback()
        };
        let server = Server::start_at(self.cloud.binary(), places);
        let tunnel = Tunnel::start_on(server, |_| self.office.binary());
        (tunnel, Site::start_at(self.address(5)))
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

impl Default for Namespaces {
    fn default() -> Self {
        Self::new()
    }
}

fn run(command: &str) {
    let path = format!("PATH=$PATH:/usr/sbin:/sbin; {command}");
    let output = Command::new("sh").args(["-c", &path]).output().expect("sh can be started");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {}\n{errors}", output.status);
}
