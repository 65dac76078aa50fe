//! What goes wrong on the link between two namespaces, by the kernel's own means.

use std::thread;
use std::time::Duration;

use super::{BETWEEN, Namespaces, shut};
use crate::deployment::Tunnel;
use crate::outcome::{Outcome, Watch};
use crate::packet_link::PacketLink;
use crate::site::Site;

/// One thing that happens to the link or to the transport on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// `ss -K` of the client's socket: it fails at once, the server gets a reset.
    ClientsSocketKilled,
    /// `ss -K` of the server's socket.
    ServersSocketKilled,
    /// The server's socket is shut: the client gets a FIN, without TLS' goodbye before it.
    Finished,
    /// A firewall in front of the server answers every packet with a reset, for so long.
    FirewallResets(Duration),
    /// A firewall in front of the client drops what comes, for so long. What goes still arrives.
    FirewallDropsToOffice(Duration),
    /// A firewall in front of the server drops what comes, for so long.
    FirewallDropsToCloud(Duration),
    /// The client's interface is down for so long.
    OfficeDown(Duration),
    /// The server's interface is down for so long.
    CloudDown(Duration),
    /// The client gets another address. The old one is gone, and nobody is told.
    OfficeMoves,
    /// The line itself is silent for so long. Only a [`PacketLink`] can do that.
    Silent(Duration),
}

/// Where cuts happen.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The two machines.
    pub network: &'a Namespaces,
    /// What is between them, if it is not a plain pair of interfaces.
    pub link: Option<&'a PacketLink>,
    /// The tunnel across.
    pub tunnel: &'a Tunnel,
    /// Who is asked whether it works again.
    pub site: &'a Site,
}

impl Cut {
    /// Its name, whatever its length.
    fn kind(self) -> &'static str {
        match self {
            Self::ClientsSocketKilled => "ss -K at the client",
            Self::ServersSocketKilled => "ss -K at the server",
            Self::Finished => "FIN by the server",
            Self::FirewallResets(_) => "nft reject with tcp reset",
            Self::FirewallDropsToOffice(_) => "nft drop, server to client",
            Self::FirewallDropsToCloud(_) => "nft drop, client to server",
            Self::OfficeDown(_) => "interface of the client down",
            Self::CloudDown(_) => "interface of the server down",
            Self::OfficeMoves => "address of the client changed",
            Self::Silent(_) => "silent line",
        }
    }

    /// How long a transport carries nothing without anyone being told.
    fn silent_for(self) -> Option<Duration> {
        match self {
            Self::FirewallDropsToOffice(time)
            | Self::FirewallDropsToCloud(time)
            | Self::OfficeDown(time)
            | Self::CloudDown(time)
            | Self::Silent(time) => Some(time),
            Self::OfficeMoves => Some(Duration::MAX),
            Self::ClientsSocketKilled
            | Self::ServersSocketKilled
            | Self::Finished
            | Self::FirewallResets(_) => None,
        }
    }

    /// Lets it happen, and makes small requests until one is answered.
    ///
    /// # Panics
    /// If it cannot happen, or the request fails.
    pub fn happen(self, scene: &Scene<'_>) -> Outcome {
        let Scene { network, tunnel, .. } = *scene;
        let watch = Watch::new(tunnel, self.kind(), self.silent_for());
        match self {
            Self::ClientsSocketKilled => {
                network.office.run(&format!("ss -K dst {}", network.cloud_address()));
            }
            Self::ServersSocketKilled => {
                network.cloud.run(&format!("ss -K src {}", network.cloud_address()));
            }
            Self::Finished => {
                let port = tunnel.server.tunnel_address().port();
                let count = shut::shut_connections(tunnel.server.process.pid(), port);
                assert_eq!(count, 1, "one transport is shut");
                // The FIN comes behind what the kernel has not sent yet.
                watch.wait_noticed();
            }
            Self::FirewallResets(time) => {
                network.cloud.run(&filter("meta l4proto tcp reject with tcp reset"));
                thread::sleep(time);
                network.cloud.run(NO_FILTER);
            }
            Self::FirewallDropsToOffice(time) => {
                network.office.run(&filter("drop"));
                watch.pass(time);
                network.office.run(NO_FILTER);
            }
            Self::FirewallDropsToCloud(time) => {
                network.cloud.run(&filter("drop"));
                watch.pass(time);
                network.cloud.run(NO_FILTER);
            }
            Self::OfficeDown(time) => {
                network.office.ip(&format!("link set {BETWEEN} down"));
                watch.pass(time);
                network.office.ip(&format!("link set {BETWEEN} up"));
                network.set_routes();
            }
            Self::CloudDown(time) => {
                network.cloud.ip(&format!("link set {BETWEEN} down"));
                watch.pass(time);
                network.cloud.ip(&format!("link set {BETWEEN} up"));
            }
            Self::OfficeMoves => {
                network.move_office();
                watch.wait_noticed();
            }
            Self::Silent(time) => {
                let link = scene.link.expect("a line that can be silent");
                link.fall_silent();
                watch.pass(time);
                link.come_back();
            }
        }
        watch.until_answered(scene.site)
    }
}

/// The command for a table `cut` that does this to what comes over the link.
fn filter(verdict: &str) -> String {
    format!(
        "nft 'table inet cut {{ chain every {{ type filter hook input priority 0; \
         iifname {BETWEEN} {verdict}; }}; }}'"
    )
}

const NO_FILTER: &str = "nft delete table inet cut";
