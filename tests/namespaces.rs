//! A real network between two network namespaces, cut by the kernel's own means.
//!
//! Needs root, and for some of it nftables or a kernel that can end sockets; where that is missing
//! the tests are ignored and say so. Delay and loss are in `packet_loss.rs`.
#![cfg(target_os = "linux")]

use std::time::Duration;

use sc_tests::namespaces::Namespaces;
use sc_tests::namespaces::cut::{Cut, Scene};
use sc_tests::traffic::{self, Idle};
use sc_tests::{figures, outcome, scale};

/// Most bytes of one transfer: the outages take the time here.
const MAX_LENGTH: u64 = 256 * 1024 * 1024;
/// How often a cut happens in one test.
const TIMES: usize = 3;
/// How long an outage is: longer than detection takes.
const OUTAGE: Duration = Duration::from_secs(6);

/// Transfers in both directions, WebSockets and small requests while `cut` happens.
fn survive(cut: Cut) {
    let network = Namespaces::new();
    let (tunnel, site) = network.start_tunnel();
    let scene = Scene { network: &network, link: None, tunnel: &tunnel, site: &site };
    let mut idle = Idle::open(tunnel.proxy, &site, 10);
    let length = scale::cut_bytes().min(MAX_LENGTH);
    let mut outcomes = Vec::new();
    traffic::run(tunnel.proxy, &site, length, 1, |progress| {
        outcomes = outcome::spread(TIMES, length, progress, |_| cut.happen(&scene));
    });
    idle.expect_all_alive();
    figures::tell(&format!("{cut:?}: {} MiB each way", length >> 20));
    outcome::tell(&tunnel, &outcomes);
    outcome::judge(&outcomes);
}

#[test]
#[cfg_attr(missing_namespaces, ignore = "network namespaces need root and iproute2")]
fn the_offices_interface_goes_down_and_up() {
    survive(Cut::OfficeDown(OUTAGE));
}

#[test]
#[cfg_attr(missing_namespaces, ignore = "network namespaces need root and iproute2")]
fn the_clouds_interface_goes_down_and_up() {
    survive(Cut::CloudDown(OUTAGE));
}

#[test]
#[cfg_attr(missing_namespaces, ignore = "network namespaces need root and iproute2")]
fn the_clients_address_changes() {
    survive(Cut::OfficeMoves);
}

#[test]
#[cfg_attr(missing_namespaces, ignore = "network namespaces need root and iproute2")]
fn the_servers_socket_is_closed() {
    survive(Cut::Finished);
}

#[test]
#[cfg_attr(missing_packet_filter, ignore = "needs root, iproute2 and nftables")]
fn a_firewall_drops_what_comes_from_the_server() {
    survive(Cut::FirewallDropsToOffice(OUTAGE));
}

#[test]
#[cfg_attr(missing_packet_filter, ignore = "needs root, iproute2 and nftables")]
fn a_firewall_drops_what_comes_from_the_client() {
    survive(Cut::FirewallDropsToCloud(OUTAGE));
}

#[test]
#[cfg_attr(missing_packet_filter, ignore = "needs root, iproute2 and nftables")]
fn a_firewall_resets_connections() {
    survive(Cut::FirewallResets(Duration::from_secs(1)));
}

#[test]
#[cfg_attr(missing_socket_kill, ignore = "needs root and CONFIG_INET_DIAG_DESTROY")]
fn the_clients_socket_is_killed() {
    survive(Cut::ClientsSocketKilled);
}

#[test]
#[cfg_attr(missing_socket_kill, ignore = "needs root and CONFIG_INET_DIAG_DESTROY")]
fn the_servers_socket_is_killed() {
    survive(Cut::ServersSocketKilled);
}
