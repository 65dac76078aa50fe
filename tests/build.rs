//! Finds the programs that some tests need, so that a missing one shows as a skipped test.
//!
//! For each missing program a `cfg` is set that turns its tests into ignored ones with a reason:
//! the test runner then names them, says why and counts them. With `SC_TESTS_REQUIRE=1` (as
//! `.ci/run` has it) nothing is skipped: those tests run and fail.

use std::env;
use std::path::PathBuf;

/// Program name and the `cfg` that says it is missing.
const PROGRAMS: [(&str, &str); 19] = [
    ("curl", "missing_curl"),
    ("nginx", "missing_nginx"),
    ("chromium", "missing_chromium"),
    ("chromedriver", "missing_chromedriver"),
    ("tinyproxy", "missing_tinyproxy"),
    ("microsocks", "missing_microsocks"),
    ("danted", "missing_danted"),
    ("dnsmasq", "missing_dnsmasq"),
    ("squid", "missing_squid"),
    ("haproxy", "missing_haproxy"),
    ("certutil", "missing_certutil"),
    ("faketime", "missing_faketime"),
    ("prometheus", "missing_prometheus"),
    // These are made by `.ci/run install`, not by Debian.
    ("schemathesis", "missing_schemathesis"),
    ("node-with-saucelabs", "missing_saucelabs"),
    ("python-with-selenium", "missing_selenium"),
    ("python-with-playwright", "missing_playwright"),
    ("wdio", "missing_wdio"),
    ("axe.min.js", "missing_axe"),
];

/// Where Debian's python3-websockets is.
const WEBSOCKETS: &str = "/usr/lib/python3/dist-packages/websockets";

/// Where Debian puts PostgreSQL, a folder for each version.
const POSTGRES: &str = "/usr/lib/postgresql";

fn main() {
    println!("cargo::rerun-if-env-changed=PATH");
    println!("cargo::rerun-if-env-changed=SC_TESTS_REQUIRE");
    println!("cargo::rerun-if-changed=build.rs");
    let all_required = env::var_os("SC_TESTS_REQUIRE").is_some_and(|value| value == "1");
    for (program, missing) in PROGRAMS {
        println!("cargo::rustc-check-cfg=cfg({missing})");
        let places = places(program);
        // A path that does not exist makes cargo run this again next time, so a program installed
        // or removed between two runs is noticed.
        let place = places.iter().find(|place| place.is_file());
        println!("cargo::rerun-if-changed={}", place.unwrap_or(&places[0]).display());
        if place.is_none() && !all_required {
            println!("cargo::rustc-cfg={missing}");
        }
    }
    println!("cargo::rustc-check-cfg=cfg(missing_h11)");
    if !probe::h11() && !all_required {
        println!("cargo::rustc-cfg=missing_h11");
        println!("cargo::rerun-if-changed=does-not-exist");
    }
    // A library of Debian's own Python.
    println!("cargo::rustc-check-cfg=cfg(missing_websockets)");
    if !PathBuf::from(WEBSOCKETS).is_dir() && !all_required {
        println!("cargo::rustc-cfg=missing_websockets");
    }
    println!("cargo::rerun-if-changed={WEBSOCKETS}");
    println!("cargo::rustc-check-cfg=cfg(missing_postgres)");
    if !probe::postgres() && !all_required {
        println!("cargo::rustc-cfg=missing_postgres");
    }
    println!("cargo::rerun-if-changed={POSTGRES}");
    // What is possible depends on who builds.
    println!("cargo::rerun-if-env-changed=USER");
    println!("cargo::rerun-if-env-changed=HOME");
    let namespaces = probe::namespaces();
    for (is_possible, missing) in [
        (namespaces, "missing_namespaces"),
        (namespaces && probe::packet_filter(), "missing_packet_filter"),
        (namespaces && probe::socket_kill(), "missing_socket_kill"),
        (namespaces && probe::packet_link(), "missing_packet_link"),
        (probe::memory_bound(), "missing_memory_bound"),
    ] {
        println!("cargo::rustc-check-cfg=cfg({missing})");
        if !is_possible && !all_required {
            println!("cargo::rustc-cfg={missing}");
            println!("cargo::rerun-if-changed=does-not-exist");
        }
    }
}

/// Tries what needs privileges or a kernel that has it, in a network namespace of its own.
mod probe {
    use std::io::Read as _;
    use std::net::{TcpListener, TcpStream};
    use std::process::{self, Command, Stdio};
    use std::time::Duration;

    /// Whether Debian's Python has h11.
    pub(crate) fn h11() -> bool {
        shell("/usr/bin/python3 -c 'import h11'")
    }

    /// Whether any version of PostgreSQL is there with its server.
    pub(crate) fn postgres() -> bool {
        std::fs::read_dir(super::POSTGRES).is_ok_and(|versions| {
            versions.flatten().any(|version| version.path().join("bin/initdb").is_file())
        })
    }

    /// Whether network namespaces and pairs of interfaces can be made.
    pub(crate) fn namespaces() -> bool {
        in_namespace("ip link add sc-probe0 type veth peer name sc-probe1")
    }

    /// Whether nftables can drop packets.
    pub(crate) fn packet_filter() -> bool {
        in_namespace(
            "nft 'table inet probe { chain every { type filter hook output priority 0; drop; }; }'",
        )
    }

    /// Whether there are TUN interfaces, and both ways of congestion control.
    pub(crate) fn packet_link() -> bool {
        let route = |control| format!("ip route add 198.18.0.0/24 dev lo congctl lock {control}");
        in_namespace("ip tuntap add dev sc-probe mode tun")
            && ["cubic", "bbr"].iter().all(|control| {
                in_namespace(&format!("sh -c 'ip link set lo up && {}'", route(control)))
            })
    }

    /// Whether control groups with a bound on memory can be made (cgroup version 1, as root).
    pub(crate) fn memory_bound() -> bool {
        let folder = format!("/sys/fs/cgroup/memory/sc-probe-{}", process::id());
        let is_made = std::fs::create_dir(&folder).is_ok();
        let limit = std::path::Path::new(&folder).join("memory.limit_in_bytes");
        let is_possible = is_made && std::fs::write(limit, "33554432").is_ok();
        if is_made {
            let _ = std::fs::remove_dir(&folder);
        }
        is_possible
    }

    /// Whether `ss -K` ends sockets of others (Linux with CONFIG_INET_DIAG_DESTROY).
    pub(crate) fn socket_kill() -> bool {
        let connected = || {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let near = TcpStream::connect(listener.local_addr()?)?;
            let (far, _) = listener.accept()?;
            near.set_read_timeout(Some(Duration::from_millis(200)))?;
            Ok::<_, std::io::Error>((near, far))
        };
        let Ok((mut near, _far)) = connected() else { return false };
        let (Ok(local), Ok(peer)) = (near.local_addr(), near.peer_addr()) else { return false };
        // Both ends of it: somebody else on this machine may have the same port of their own.
        let ports = format!("sport = :{} and dport = :{}", local.port(), peer.port());
        let is_run = shell(&format!("ss -K src 127.0.0.1 and {ports}"));
        let timed_out = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
        is_run && !near.read(&mut [0]).as_ref().is_err_and(timed_out)
    }

    fn in_namespace(command: &str) -> bool {
        let name = format!("sc-probe-{}", process::id());
        let is_made = shell(&format!("ip netns add {name}"));
        let is_possible = is_made && shell(&format!("ip netns exec {name} {command}"));
        if is_made {
            shell(&format!("ip netns del {name}"));
        }
        is_possible
    }

    fn shell(command: &str) -> bool {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("PATH=$PATH:/usr/sbin:/sbin; {command}"));
        let status =
            shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }
}

/// Where `program` may be: the search path, and where Debian puts servers.
fn places(program: &str) -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join(program))
        .collect()
}
