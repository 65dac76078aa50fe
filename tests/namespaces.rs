//! A real network between two network namespaces, cut by the kernel's own means.
//!
//! Needs root, and for some of it nftables or a kernel that can end sockets; where that is missing
//! the tests are ignored and say so. Delay and loss are not made here: kernels without netem exist.

use std::cell::Cell;
use std::thread;
use std::time::{Duration, Instant};

use sc_tests::deployment::Tunnel;
use sc_tests::namespaces::{BETWEEN, Namespaces};
use sc_tests::site::Site;
use sc_tests::traffic::{self, Idle};
use sc_tests::{figures, limits, scale, wait};

/// Most bytes of one transfer: the outages take the time here.
const MAX_LENGTH: u64 = 256 * 1024 * 1024;

/// What the kernel does about a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notice {
    /// It tells the programs, or the link comes back by itself: nothing has to be noticed.
    AtOnce,
    /// Nobody is told; a transport is dead until keepalives say so.
    ByKeepalive,
}

/// Transfers in both directions, WebSockets and small requests; `cut` happens in the middle, and
/// returns when the link is there again.
fn survive(name: &str, notice: Notice, cut: impl Fn(&Namespaces)) {
    const TIMES: u64 = 3;
    let network = Namespaces::new();
    let (tunnel, site) = network.start_tunnel();
    let mut idle = Idle::open(tunnel.proxy, &site, 10);
    let length = scale::cut_bytes().min(MAX_LENGTH);
    let mut recoveries = Vec::new();
    traffic::run(tunnel.proxy, &site, length, 1, |progress| {
        for round in 0..TIMES {
            let mark = 2 * length * (round + 1) / (TIMES + 1);
            wait::until("the transfers to go on", || (progress.both() >= mark).then_some(()));
            cut(&network);
            recoveries.push(recovery(&tunnel, &site));
        }
    });
    idle.expect_all_alive();
    let resumed = tunnel.client.process.count_lines("resumed after");
    figures::tell(&format!(
        "{name}: {TIMES} times, {resumed} resumed, recovery {recoveries:.1?}, {} MiB each way",
        length >> 20
    ));
    let required = match notice {
        Notice::AtOnce => limits::RECOVERY,
        Notice::ByKeepalive => limits::DETECTION + limits::RECOVERY,
    };
    limits::expect_within(name, required, &recoveries);
}

fn recovery(tunnel: &Tunnel, site: &Site) -> Duration {
    let back = Instant::now();
    traffic::small_request(tunnel.proxy, site);
    back.elapsed()
}

/// How long an outage is: longer than detection takes.
fn outage() {
    thread::sleep(limits::DETECTION + Duration::from_secs(1));
}

#[test]
#[cfg_attr(missing_namespaces, ignore = "network namespaces need root and iproute2")]
fn the_offices_interface_goes_down_and_up() {
    survive("interface of the client down 6 s", Notice::AtOnce, |network| {
        network.office.ip(&format!("link set {BETWEEN} down"));
        outage();
        network.office.ip(&format!("link set {BETWEEN} up"));
        network.route_to_cloud();
    });
}

#[test]
#[cfg_attr(missing_namespaces, ignore = "network namespaces need root and iproute2")]
fn the_clouds_interface_goes_down_and_up() {
    survive("interface of the server down 6 s", Notice::AtOnce, |network| {
        network.cloud.ip(&format!("link set {BETWEEN} down"));
        outage();
        network.cloud.ip(&format!("link set {BETWEEN} up"));
    });
}

#[test]
#[cfg_attr(missing_namespaces, ignore = "network namespaces need root and iproute2")]
fn the_clients_address_changes() {
    let hosts = Cell::new((10, 11));
    survive("address of the client changed", Notice::ByKeepalive, |network| {
        let (old, new) = hosts.get();
        hosts.set((new, old));
        for (what, host) in [("del", old), ("add", new)] {
            let address = network.address(host);
            network.office.ip(&format!("address {what} {address}/29 dev {BETWEEN}"));
        }
        network.route_to_cloud();
    });
}

#[test]
#[cfg_attr(missing_packet_filter, ignore = "needs root, iproute2 and nftables")]
fn a_firewall_drops_everything() {
    survive("nft drop for 6 s", Notice::AtOnce, |network| {
        network.office.run(&filter("input", &format!("iifname {BETWEEN} drop")));
        outage();
        network.office.run("nft delete table inet cut");
    });
}

#[test]
#[cfg_attr(missing_packet_filter, ignore = "needs root, iproute2 and nftables")]
fn a_firewall_drops_one_direction() {
    survive("nft drop from client to server for 6 s", Notice::AtOnce, |network| {
        network.cloud.run(&filter("input", &format!("iifname {BETWEEN} drop")));
        outage();
        network.cloud.run("nft delete table inet cut");
    });
}

#[test]
#[cfg_attr(missing_packet_filter, ignore = "needs root, iproute2 and nftables")]
fn a_firewall_resets_connections() {
    survive("nft reject with tcp reset for 1 s", Notice::AtOnce, |network| {
        let reset = "meta l4proto tcp reject with tcp reset";
        network.cloud.run(&filter("input", &format!("iifname {BETWEEN} {reset}")));
        thread::sleep(Duration::from_secs(1));
        network.cloud.run("nft delete table inet cut");
    });
}

/// The command for a table `cut` whose only chain, at `hook`, does `rule`.
fn filter(hook: &str, rule: &str) -> String {
    format!(
        "nft 'table inet cut {{ chain every {{ type filter hook {hook} priority 0; {rule}; }}; }}'"
    )
}

#[test]
#[cfg_attr(missing_socket_kill, ignore = "needs root and CONFIG_INET_DIAG_DESTROY")]
fn the_clients_socket_is_killed() {
    survive("ss -K of the client's socket", Notice::AtOnce, |network| {
        network.office.run(&format!("ss -K dst {}", network.address(9)));
    });
}

#[test]
#[cfg_attr(missing_socket_kill, ignore = "needs root and CONFIG_INET_DIAG_DESTROY")]
fn the_servers_socket_is_killed() {
    survive("ss -K of the server's socket", Notice::AtOnce, |network| {
        network.cloud.run(&format!("ss -K src {}", network.address(9)));
    });
}
